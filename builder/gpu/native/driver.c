#include "driver.h"

#include <stdio.h>

#include "json.h"

enum { NOT_THERE = -1 };

static void tell_uuid(const unsigned char bytes[16])
{
	char text[48];
	int at = snprintf(text, sizeof text, "GPU-");

	for (int number = 0; number < 16; number++) {
		const char *dash = number == 4 || number == 6 || number == 8 || number == 10 ? "-" : "";

		at += snprintf(text + at, sizeof text - (size_t)at, "%s%02x", dash, bytes[number]);
	}
	json_text(NULL, text);
}

static void tell_cuda_uuids(const Loaded *cuda, int count)
{
	Function device_of = function_in(cuda, "cuDeviceGet");
	Function uuid_of = function_in(cuda, "cuDeviceGetUuid_v2");
	unsigned char bytes[16];
	int device;

	if (!uuid_of)
		uuid_of = function_in(cuda, "cuDeviceGetUuid");
	json_open("uuids", '[');
	for (int number = 0; device_of && uuid_of && number < count; number++)
		if (device_of(&device, number) == 0 && uuid_of(bytes, device) == 0)
			tell_uuid(bytes);
	json_close(']');
}

Loaded tell_cuda(const char *key)
{
	Loaded cuda = load("libcuda.so.1");
	Function init = function_in(&cuda, "cuInit");
	Function version_of = function_in(&cuda, "cuDriverGetVersion");
	Function count_of = function_in(&cuda, "cuDeviceGetCount");
	int code = init ? init(0U) : NOT_THERE;
	int version = 0, count = 0;

	if (version_of)
		version_of(&version);
	if (code == 0 && count_of)
		count_of(&count);
	tell_loaded(key, &cuda, "temper_stub_cuda");
	json_number("init", code);
	json_number("version", version);
	json_number("count", count);
	tell_cuda_uuids(&cuda, count);
	json_close('}');
	return cuda;
}

static void tell_nvml_uuids(const Loaded *nvml, unsigned count)
{
	Function handle_of = function_in(nvml, "nvmlDeviceGetHandleByIndex_v2");
	Function uuid_of = function_in(nvml, "nvmlDeviceGetUUID");
	char uuid[96];
	void *handle;

	json_open("uuids", '[');
	for (unsigned number = 0; handle_of && uuid_of && number < count; number++)
		if (handle_of(number, &handle) == 0 && uuid_of(handle, uuid, (unsigned)sizeof uuid) == 0)
			json_text(NULL, uuid);
	json_close(']');
}

Loaded tell_nvml(const char *key)
{
	Loaded nvml = load("libnvidia-ml.so.1");
	Function init = function_in(&nvml, "nvmlInit_v2");
	Function count_of = function_in(&nvml, "nvmlDeviceGetCount_v2");
	int code = init ? init() : NOT_THERE;
	unsigned count = 0;

	if (code == 0 && count_of)
		count_of(&count);
	tell_loaded(key, &nvml, "temper_stub_nvml");
	json_number("init", code);
	json_number("count", count);
	tell_nvml_uuids(&nvml, count);
	json_close('}');
	return nvml;
}
