/* What both stubs know: which device nodes a driver would open, and how that ended. */
#ifndef TEMPER_STUB_NODES_H
#define TEMPER_STUB_NODES_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define MOST_GPUS 32

/* Decimal digits only: strtol and its kin are other symbols in each new glibc. */
static int number_in(const char *name, int otherwise)
{
	const char *text = getenv(name);
	int value = 0;

	if (!text || !*text)
		return otherwise;
	for (; *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (*text - '0');
	return value;
}

/* 0 or an errno. ENXIO and ENODEV count as opened: the node is right, and no hardware is behind it, which is
 * all that a machine without a GPU can show. */
static int open_node(const char *path)
{
	int descriptor = open(path, O_RDWR | O_CLOEXEC);

	if (descriptor >= 0) {
		close(descriptor);
		return 0;
	}
	return errno == ENXIO || errno == ENODEV ? 0 : errno;
}

/* The numbers of the GPUs whose node opens; returns how many there are. */
static int open_gpus(int numbers[MOST_GPUS])
{
	char path[32];
	int found = 0;

	for (int number = 0; number < MOST_GPUS; number++) {
		snprintf(path, sizeof path, "/dev/nvidia%d", number);
		if (open_node(path) == 0)
			numbers[found++] = number;
	}
	return found;
}

/* The CUDA version that the "driver" claims to know: 13050 is 13.5. */
static int claimed_version(void)
{
	return number_in("TEMPER_REHEARSAL_CUDA", 13000);
}

#endif
