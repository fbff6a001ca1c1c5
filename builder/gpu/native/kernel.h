/* A kernel on every GPU and back: proof that something computes there. */
#ifndef TEMPER_KERNEL_H
#define TEMPER_KERNEL_H

#include "loaded.h"

void tell_kernels(const char *key, const Loaded *cuda);

#endif
