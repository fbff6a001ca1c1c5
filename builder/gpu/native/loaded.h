/* Libraries as the image's own loader finds them. */
#ifndef TEMPER_LOADED_H
#define TEMPER_LOADED_H

typedef struct {
	void *handle; /* NULL where it can't be loaded */
	char path[4096]; /* the file that is mapped, links followed; empty where none is */
	char error[512]; /* the loader's own words */
} Loaded;

Loaded load(const char *name);

/* The function of that name, or NULL. C knows no way from an object's address to a function's but by copying. */
typedef int (*Function)();
Function function_in(const Loaded *library, const char *name);

/* Whether something is mounted at that very path: negative where nobody can tell. */
int is_mounted(const char *path);

/* Lists the places at which a file of the driver is mounted. */
void tell_mounts(const char *key);

/* Begins a JSON object with what is known of the library; the caller adds to it and closes it. */
void tell_loaded(const char *key, const Loaded *library, const char *marker);

#endif
