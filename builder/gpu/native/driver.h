/* The driver's libraries, asked through their public interfaces. */
#ifndef TEMPER_DRIVER_H
#define TEMPER_DRIVER_H

#include "loaded.h"

/* Both return the loaded library, for those who ask it more. */
Loaded tell_cuda(const char *key);
Loaded tell_nvml(const char *key);

#endif
