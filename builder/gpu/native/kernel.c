#include "kernel.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "json.h"

enum { COUNT = 4096, THREADS = 256 };

/* sum[i] = left[i] + right[i]. The driver compiles it at run time, by a library of its own: one more that has
 * to be injected. */
static const char PTX[] =
	".version 6.4\n"
	".target sm_75\n"
	".address_size 64\n"
	".visible .entry add(.param .u64 left, .param .u64 right, .param .u64 sum, .param .u32 count)\n"
	"{\n"
	"  .reg .pred %past;\n"
	"  .reg .f32 %a, %b, %c;\n"
	"  .reg .b32 %block, %size, %at, %count;\n"
	"  .reg .b64 %left, %right, %sum, %offset;\n"
	"  mov.u32 %block, %ctaid.x;\n"
	"  mov.u32 %size, %ntid.x;\n"
	"  mov.u32 %at, %tid.x;\n"
	"  mad.lo.s32 %at, %block, %size, %at;\n"
	"  ld.param.u32 %count, [count];\n"
	"  setp.ge.u32 %past, %at, %count;\n"
	"  @%past bra end;\n"
	"  mul.wide.u32 %offset, %at, 4;\n"
	"  ld.param.u64 %left, [left];\n"
	"  ld.param.u64 %right, [right];\n"
	"  ld.param.u64 %sum, [sum];\n"
	"  cvta.to.global.u64 %left, %left;\n"
	"  cvta.to.global.u64 %right, %right;\n"
	"  cvta.to.global.u64 %sum, %sum;\n"
	"  add.s64 %left, %left, %offset;\n"
	"  add.s64 %right, %right, %offset;\n"
	"  add.s64 %sum, %sum, %offset;\n"
	"  ld.global.f32 %a, [%left];\n"
	"  ld.global.f32 %b, [%right];\n"
	"  add.f32 %c, %a, %b;\n"
	"  st.global.f32 [%sum], %c;\n"
	"end:\n"
	"  ret;\n"
	"}\n";

typedef struct {
	const Loaded *cuda;
	const char *step; /* the call that failed; NULL while none did */
	int code;
	void *function;
	uint64_t left, right, sum;
} Run;

/* The next call of the driver, unless one failed before. */
static Function next(Run *run, const char *step)
{
	Function found = NULL;

	if (run->step)
		return NULL;
	found = function_in(run->cuda, step);
	if (!found) {
		run->step = step;
		run->code = -1;
	}
	return found;
}

static void note(Run *run, const char *step, int code)
{
	if (code && !run->step) {
		run->step = step;
		run->code = code;
	}
}

#define CALL(run, name, ...) \
	do { \
		Function function_ = next(run, name); \
		if (function_) \
			note(run, name, function_(__VA_ARGS__)); \
	} while (0)

static int begin(Run *run, int ordinal)
{
	int device = -1;
	void *context = NULL, *module = NULL;

	CALL(run, "cuDeviceGet", &device, ordinal);
	CALL(run, "cuDevicePrimaryCtxRetain", &context, device);
	CALL(run, "cuCtxSetCurrent", context);
	CALL(run, "cuModuleLoadData", &module, PTX);
	CALL(run, "cuModuleGetFunction", &run->function, module, "add");
	return device;
}

static void fill(Run *run, const float *left, const float *right)
{
	size_t size = COUNT * sizeof(float);

	CALL(run, "cuMemAlloc_v2", &run->left, size);
	CALL(run, "cuMemAlloc_v2", &run->right, size);
	CALL(run, "cuMemAlloc_v2", &run->sum, size);
	CALL(run, "cuMemcpyHtoD_v2", run->left, left, size);
	CALL(run, "cuMemcpyHtoD_v2", run->right, right, size);
}

static void launch(Run *run, float *sum)
{
	unsigned count = COUNT;
	void *arguments[] = { &run->left, &run->right, &run->sum, &count };

	CALL(run, "cuLaunchKernel", run->function, COUNT / THREADS, 1U, 1U, (unsigned)THREADS, 1U, 1U, 0U,
	     NULL, arguments, NULL);
	CALL(run, "cuCtxSynchronize");
	CALL(run, "cuMemcpyDtoH_v2", sum, run->sum, COUNT * sizeof(float));
}

/* Small whole numbers: a float holds them exactly, so that the sums have to be the same. */
static void compute(Run *run, int ordinal, float *sum)
{
	static float left[COUNT], right[COUNT];
	int device;

	for (int at = 0; at < COUNT; at++) {
		left[at] = (float)at;
		right[at] = (float)(2 * at + 1);
		sum[at] = -1;
	}
	device = begin(run, ordinal);
	fill(run, left, right);
	launch(run, sum);
	CALL(run, "cuMemFree_v2", run->left);
	CALL(run, "cuMemFree_v2", run->right);
	CALL(run, "cuMemFree_v2", run->sum);
	CALL(run, "cuDevicePrimaryCtxRelease_v2", device);
}

static int wrong_in(const float *sum)
{
	int wrong = 0;

	for (int at = 0; at < COUNT; at++)
		wrong += sum[at] != (float)(3 * at + 1);
	return wrong;
}

static void tell_kernel(const Loaded *cuda, int ordinal)
{
	static float sum[COUNT];
	Run run = { .cuda = cuda };

	compute(&run, ordinal, sum);
	json_open(NULL, '{');
	json_number("gpu", ordinal);
	json_text("step", run.step ? run.step : "");
	json_number("code", run.code);
	json_number("wrong", wrong_in(sum));
	json_number("of", COUNT);
	json_close('}');
}

void tell_kernels(const char *key, const Loaded *cuda)
{
	Function count_of = function_in(cuda, "cuDeviceGetCount");
	int count = 0;

	if (!count_of || count_of(&count))
		count = 0;
	json_open(key, '[');
	for (int ordinal = 0; ordinal < count; ordinal++)
		tell_kernel(cuda, ordinal);
	json_close(']');
}
