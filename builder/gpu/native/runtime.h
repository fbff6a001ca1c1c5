/* The image's own CUDA runtime, libcudart. */
#ifndef TEMPER_RUNTIME_H
#define TEMPER_RUNTIME_H

/* Loads the library at that path of the image and writes what it says of itself and of the driver. */
void tell_runtime(const char *path);

#endif
