/* Looks from inside a container at how its GPU is wired, and writes one JSON document.
 *
 *   probe [--node PATH]... [--runtime PATH]... [--variable NAME]... [--kernel]
 *
 * Needs of the image its loader and libc, and nothing else: no shell, no Python.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "driver.h"
#include "json.h"
#include "kernel.h"
#include "loaded.h"
#include "nodes.h"
#include "runtime.h"

static int has(int count, char **words, const char *option)
{
	for (int at = 1; at < count; at++)
		if (!strcmp(words[at], option))
			return 1;
	return 0;
}

/* Calls `tell` with every value of an option, inside of an object or a list. */
static void each(int count, char **words, const char *option, void (*tell)(const char *))
{
	for (int at = 1; at + 1 < count; at++)
		if (!strcmp(words[at], option))
			tell(words[++at]);
}

static void tell_variable(const char *name)
{
	const char *value = getenv(name);

	if (value)
		json_text(name, value);
}

static void tell_user(void)
{
	gid_t groups[256];
	int count = getgroups(256, groups);

	json_number("uid", getuid());
	json_number("gid", getgid());
	json_open("groups", '[');
	for (int at = 0; at < count; at++)
		json_number(NULL, groups[at]);
	json_close(']');
}

/* Bytes; -1 for no limit. */
static void tell_bounds(void)
{
	struct rlimit limit = { 0, 0 };
	struct statvfs shared;

	getrlimit(RLIMIT_MEMLOCK, &limit);
	json_number("memlock", limit.rlim_cur == RLIM_INFINITY ? -1 : (long long)limit.rlim_cur);
	if (statvfs("/dev/shm", &shared) == 0)
		json_number("shm", (long long)(shared.f_frsize * shared.f_blocks));
	else
		json_number("shm", 0);
}

int main(int count, char **words)
{
	Loaded cuda;

	json_open(NULL, '{');
	tell_user();
	tell_bounds();
	json_open("variables", '{');
	each(count, words, "--variable", tell_variable);
	json_close('}');
	json_open("nodes", '{');
	each(count, words, "--node", tell_node);
	json_close('}');
	tell_gpus("gpus");
	tell_mounts("mounts");
	cuda = tell_cuda("cuda");
	tell_nvml("nvml");
	json_open("runtimes", '[');
	each(count, words, "--runtime", tell_runtime);
	json_close(']');
	if (has(count, words, "--kernel"))
		tell_kernels("kernels", &cuda);
	json_close('}');
	putchar('\n');
	return 0;
}
