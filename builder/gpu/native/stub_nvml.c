/* A stand-in for NVML, libnvidia-ml.so.1: as little as a rehearsal asks for. See stub_cuda.c. */
#include <string.h>

#include "stub_nodes.h"

enum {
	SUCCESS = 0,
	UNINITIALIZED = 1,
	INVALID_ARGUMENT = 2,
	NO_PERMISSION = 4,
	INSUFFICIENT_SIZE = 7,
	DRIVER_NOT_LOADED = 9,
	UNKNOWN = 999,
};

EXPORT const char temper_stub_nvml[] = "temper rehearsal";

static int initialized;
static int gpus;
static int numbers[MOST_GPUS];

EXPORT int nvmlInit_v2(void)
{
	switch (open_node("/dev/nvidiactl")) {
	case 0:
		break;
	case ENOENT:
		return DRIVER_NOT_LOADED;
	case EACCES:
		return NO_PERMISSION;
	default:
		return UNKNOWN;
	}
	gpus = open_gpus(numbers);
	initialized = 1;
	return SUCCESS;
}

EXPORT int nvmlInitWithFlags(unsigned flags)
{
	(void)flags;
	return nvmlInit_v2();
}

EXPORT int nvmlShutdown(void)
{
	initialized = 0;
	return SUCCESS;
}

EXPORT const char *nvmlErrorString(int code)
{
	switch (code) {
	case SUCCESS:
		return "Success";
	case NO_PERMISSION:
		return "Insufficient Permissions";
	case DRIVER_NOT_LOADED:
		return "Driver Not Loaded";
	default:
		return "Unknown Error";
	}
}

static int copied(char *target, unsigned length, const char *text)
{
	if (strlen(text) >= length)
		return INSUFFICIENT_SIZE;
	strcpy(target, text);
	return SUCCESS;
}

EXPORT int nvmlSystemGetDriverVersion(char *version, unsigned length)
{
	return initialized ? copied(version, length, "0.0.0-rehearsal") : UNINITIALIZED;
}

EXPORT int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
	*version = claimed_version();
	return SUCCESS;
}

EXPORT int nvmlDeviceGetCount_v2(unsigned *count)
{
	if (!initialized)
		return UNINITIALIZED;
	*count = (unsigned)gpus;
	return SUCCESS;
}

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, int **handle)
{
	if (!initialized)
		return UNINITIALIZED;
	if (index >= (unsigned)gpus)
		return INVALID_ARGUMENT;
	*handle = &numbers[index];
	return SUCCESS;
}

EXPORT int nvmlDeviceGetName(const int *handle, char *name, unsigned length)
{
	(void)handle;
	return copied(name, length, "rehearsal, no GPU");
}

EXPORT int nvmlDeviceGetMinorNumber(const int *handle, unsigned *number)
{
	*number = (unsigned)*handle;
	return SUCCESS;
}

EXPORT int nvmlDeviceGetUUID(const int *handle, char *uuid, unsigned length)
{
	char text[48];

	snprintf(text, sizeof text, "GPU-00000000-0000-0000-0000-%012x", (unsigned)*handle + 1);
	return copied(uuid, length, text);
}
