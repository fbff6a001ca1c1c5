#include "loaded.h"

#include <dlfcn.h>
#include <link.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

Loaded load(const char *name)
{
	Loaded found = { 0 };
	struct link_map *map = NULL;
	char real[PATH_MAX];

	found.handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (!found.handle) {
		snprintf(found.error, sizeof found.error, "%s", dlerror());
		return found;
	}
	if (dlinfo(found.handle, RTLD_DI_LINKMAP, &map) == 0 && realpath(map->l_name, real))
		snprintf(found.path, sizeof found.path, "%s", real);
	return found;
}

Function function_in(const Loaded *library, const char *name)
{
	void *address = library->handle ? dlsym(library->handle, name) : NULL;
	Function found = NULL;

	memcpy(&found, &address, sizeof found);
	return found;
}

/* The fifth field of a line of mountinfo (proc(5)), cut out in place; NULL where the line is shorter. */
static char *mount_point(char *line)
{
	char *field = strtok(line, " ");

	for (int number = 1; field && number < 5; number++)
		field = strtok(NULL, " ");
	return field;
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int is_of_the_driver(const char *path)
{
	const char *name = name_of(path);

	return !strncmp(name, "libcuda.so", 10) || !strncmp(name, "libnvidia-ml.so", 15);
}

int is_mounted(const char *path)
{
	FILE *file = fopen("/proc/self/mountinfo", "r");
	char line[8192];
	int found = 0;

	if (!file)
		return -1;
	while (!found && fgets(line, sizeof line, file)) {
		const char *place = mount_point(line);

		found = place && !strcmp(place, path);
	}
	fclose(file);
	return found;
}

void tell_mounts(const char *key)
{
	FILE *file = fopen("/proc/self/mountinfo", "r");
	char line[8192];

	json_open(key, '[');
	while (file && fgets(line, sizeof line, file)) {
		const char *place = mount_point(line);

		if (place && is_of_the_driver(place))
			json_text(NULL, place);
	}
	json_close(']');
	if (file)
		fclose(file);
}

void tell_loaded(const char *key, const Loaded *library, const char *marker)
{
	json_open(key, '{');
	json_text("path", library->path);
	json_text("error", library->error);
	json_truth("mounted", *library->path ? is_mounted(library->path) : 0);
	json_truth("stub", library->handle && dlsym(library->handle, marker) != NULL);
}
