#include "nodes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json.h"

static const char *name_of_errno(int number)
{
	switch (number) {
	case EACCES:
		return "EACCES";
	case EBUSY:
		return "EBUSY";
	case EIO:
		return "EIO";
	case ENODEV:
		return "ENODEV";
	case ENOENT:
		return "ENOENT";
	case ENXIO:
		return "ENXIO";
	case EPERM:
		return "EPERM";
	default:
		return strerror(number);
	}
}

void tell_node(const char *path)
{
	int descriptor = open(path, O_RDWR | O_CLOEXEC);

	json_text(path, descriptor >= 0 ? "ok" : name_of_errno(errno));
	if (descriptor >= 0)
		close(descriptor);
}

/* nvidia0, nvidia17; not nvidiactl, nvidia-uvm. */
static int is_gpu(const char *name)
{
	return !strncmp(name, "nvidia", 6) && name[6] && strspn(name + 6, "0123456789") == strlen(name + 6);
}

void tell_gpus(const char *key)
{
	DIR *folder = opendir("/dev");
	char path[300];

	json_open(key, '[');
	for (struct dirent *entry; folder && (entry = readdir(folder));) {
		if (!is_gpu(entry->d_name))
			continue;
		snprintf(path, sizeof path, "/dev/%s", entry->d_name);
		json_text(NULL, path);
	}
	json_close(']');
	if (folder)
		closedir(folder);
}
