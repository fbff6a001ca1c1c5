/* A libcuda that computes on the CPU what the probe's kernel does: what the probe asks of a driver, and in which
 * order, is tested by it. It does not read the PTX. WRONG=1 has it compute something else. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static char context, module, function;
static int current;

int cuInit(unsigned flags) { return flags ? 1 : 0; }
int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
int cuDeviceGetCount(int *count) { *count = 2; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal + 7; return 0; }

int cuDeviceGetUuid_v2(unsigned char *uuid, int device)
{
	for (int at = 0; at < 16; at++)
		uuid[at] = (unsigned char)(device * 16 + at);
	return 0;
}

int cuDevicePrimaryCtxRetain(void **made, int device) { *made = &context; return device < 7; }
int cuCtxSetCurrent(void *wanted) { current = wanted == &context; return !current; }
int cuDevicePrimaryCtxRelease_v2(int device) { return device < 7; }

int cuModuleLoadData(void **made, const char *text)
{
	*made = &module;
	return current && strstr(text, ".target sm_75") ? 0 : 218;
}

int cuModuleGetFunction(void **made, void *from, const char *name)
{
	*made = &function;
	return from == &module && !strcmp(name, "add") ? 0 : 500;
}

int cuMemAlloc_v2(uint64_t *address, size_t size) { *address = (uintptr_t)malloc(size); return 0; }
int cuMemFree_v2(uint64_t address) { free((void *)(uintptr_t)address); return 0; }

int cuMemcpyHtoD_v2(uint64_t target, const void *source, size_t size)
{
	memcpy((void *)(uintptr_t)target, source, size);
	return 0;
}

int cuMemcpyDtoH_v2(void *target, uint64_t source, size_t size)
{
	memcpy(target, (void *)(uintptr_t)source, size);
	return 0;
}

int cuLaunchKernel(void *what, unsigned blocks, unsigned y, unsigned z, unsigned threads, unsigned ty,
		   unsigned tz, unsigned shared, void *stream, void **arguments, void **extra)
{
	const float *left = *(float **)arguments[0], *right = *(float **)arguments[1];
	float *sum = *(float **)arguments[2];
	unsigned count = *(unsigned *)arguments[3];

	if (what != &function || y * z * ty * tz != 1 || shared || stream || extra)
		return 1;
	for (unsigned at = 0; at < blocks * threads && at < count; at++)
		sum[at] = left[at] + right[at] + (getenv("WRONG") && at == 5);
	return 0;
}

int cuCtxSynchronize(void) { return 0; }
