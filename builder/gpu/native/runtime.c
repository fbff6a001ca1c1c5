#include "runtime.h"

#include <stddef.h>

#include "json.h"
#include "loaded.h"

/* One of the runtime's functions that write a number. Returns its code, -1 where it isn't there. */
static int ask(const Loaded *runtime, const char *name, int *number)
{
	Function function = function_in(runtime, name);

	return function ? function(number) : -1;
}

void tell_runtime(const char *path)
{
	Loaded runtime = load(path);
	int version = 0, driver = 0, count = 0, code;

	ask(&runtime, "cudaRuntimeGetVersion", &version);
	ask(&runtime, "cudaDriverGetVersion", &driver);
	code = ask(&runtime, "cudaGetDeviceCount", &count);
	json_open(NULL, '{');
	json_text("path", path);
	json_text("error", runtime.error);
	json_number("version", version);
	json_number("driver", driver);
	json_number("code", code);
	json_number("count", code == 0 ? count : 0);
	json_close('}');
}
