/* A stand-in for the CUDA driver library, libcuda.so.1, for machines without a GPU.
 *
 * It is no driver and computes nothing. It shows that an image is wired: the loader finds it, the image's user
 * may open the device nodes, the CUDA runtime reaches it. Written from the public documentation of the CUDA
 * driver API. The tables of cuGetExportTable are undocumented, and part of how NVIDIA's runtime makes sure of a
 * genuine driver: they are not imitated. The answer 801 is what a rehearsal is known by.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "stub_entries.h"
#include "stub_nodes.h"

enum {
	SUCCESS = 0,
	INVALID_VALUE = 1,
	NOT_INITIALIZED = 3,
	NO_DEVICE = 100,
	INVALID_DEVICE = 101,
	NOT_SUPPORTED = 801,
	UNKNOWN = 999,
};

enum { WARP_SIZE = 10, CAPABILITY_MAJOR = 75 };

typedef struct {
	unsigned char bytes[16];
} Uuid;

/* Whoever finds this symbol has no driver before him. */
EXPORT const char temper_stub_cuda[] = "temper rehearsal";

static int initialized;
static int gpus;
static int numbers[MOST_GPUS];

EXPORT int cuInit(unsigned flags)
{
	if (flags)
		return INVALID_VALUE;
	if (open_node("/dev/nvidiactl"))
		return NO_DEVICE;
	if (open_node("/dev/nvidia-uvm"))
		return UNKNOWN;
	gpus = open_gpus(numbers);
	if (!gpus)
		return NO_DEVICE;
	initialized = 1;
	return SUCCESS;
}

EXPORT int cuDriverGetVersion(int *version)
{
	if (!version)
		return INVALID_VALUE;
	*version = claimed_version();
	return SUCCESS;
}

EXPORT int cuDeviceGetCount(int *count)
{
	if (!initialized)
		return NOT_INITIALIZED;
	*count = gpus;
	return SUCCESS;
}

static int check(int device)
{
	if (!initialized)
		return NOT_INITIALIZED;
	return device < 0 || device >= gpus ? INVALID_DEVICE : SUCCESS;
}

EXPORT int cuDeviceGet(int *device, int ordinal)
{
	int fault = check(ordinal);

	if (!fault)
		*device = ordinal;
	return fault;
}

EXPORT int cuDeviceGetName(char *name, int length, int device)
{
	int fault = check(device);

	if (!fault)
		snprintf(name, (size_t)length, "rehearsal, no GPU (%d)", device);
	return fault;
}

EXPORT int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
	int fault = check(device);

	if (!fault)
		*bytes = (size_t)1 << 30;
	return fault;
}

/* All zeros but for the end: GPU-00000000-0000-0000-0000-000000000001 is the one of /dev/nvidia0. */
EXPORT int cuDeviceGetUuid_v2(Uuid *uuid, int device)
{
	int fault = check(device);

	if (!fault) {
		memset(uuid, 0, sizeof *uuid);
		uuid->bytes[15] = (unsigned char)(numbers[device] + 1);
	}
	return fault;
}

EXPORT int cuDeviceGetUuid(Uuid *uuid, int device)
{
	return cuDeviceGetUuid_v2(uuid, device);
}

EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device)
{
	int fault = check(device);

	if (fault)
		return fault;
	*value = 0;
	if (attribute == CAPABILITY_MAJOR)
		*value = 9;
	if (attribute == WARP_SIZE)
		*value = 32;
	return SUCCESS;
}

EXPORT int cuGetErrorName(int code, const char **name)
{
	*name = code == SUCCESS         ? "CUDA_SUCCESS"
		: code == NO_DEVICE     ? "CUDA_ERROR_NO_DEVICE"
		: code == NOT_SUPPORTED ? "CUDA_ERROR_NOT_SUPPORTED"
					: "CUDA_ERROR_UNKNOWN";
	return SUCCESS;
}

EXPORT int cuGetErrorString(int code, const char **text)
{
	*text = code == SUCCESS ? "no error" : "this is a rehearsal, not a driver";
	return SUCCESS;
}

EXPORT int cuGetExportTable(const void **table, const void *id)
{
	(void)id;
	if (table)
		*table = NULL;
	return NOT_SUPPORTED;
}

/* Stands for every entry point that the stub doesn't have. */
static int not_supported(void)
{
	return NOT_SUPPORTED;
}

#define REFUSED(name) EXPORT int name(void) __attribute__((alias("not_supported")));
ENTRIES(REFUSED)

EXPORT int cuGetProcAddress_v2(const char *name, void **address, int version, uint64_t flags, int *status);

static const struct {
	const char *name;
	void *address;
} entries[] = {
	{ "cuInit", cuInit },
	{ "cuDriverGetVersion", cuDriverGetVersion },
	{ "cuDeviceGetCount", cuDeviceGetCount },
	{ "cuDeviceGet", cuDeviceGet },
	{ "cuDeviceGetName", cuDeviceGetName },
	{ "cuDeviceTotalMem", cuDeviceTotalMem_v2 },
	{ "cuDeviceGetUuid", cuDeviceGetUuid_v2 },
	{ "cuDeviceGetAttribute", cuDeviceGetAttribute },
	{ "cuGetErrorName", cuGetErrorName },
	{ "cuGetErrorString", cuGetErrorString },
	{ "cuGetExportTable", cuGetExportTable },
	{ "cuGetProcAddress", cuGetProcAddress_v2 },
};

static void *entry_point(const char *name)
{
	for (size_t at = 0; at < sizeof entries / sizeof *entries; at++)
		if (!strcmp(entries[at].name, name))
			return entries[at].address;
	return not_supported;
}

int cuGetProcAddress_v2(const char *name, void **address, int version, uint64_t flags, int *status)
{
	(void)version;
	(void)flags;
	if (status)
		*status = 0;
	*address = entry_point(name && *name ? name : "cuGetProcAddress");
	return SUCCESS;
}

EXPORT int cuGetProcAddress(const char *name, void **address, int version, uint64_t flags)
{
	return cuGetProcAddress_v2(name, address, version, flags, NULL);
}
