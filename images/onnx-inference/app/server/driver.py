"""Whether this container has a GPU of NVIDIA's: asked of its driver, which came from the host or did not."""

import ctypes

DRIVER = "libcuda.so.1"
HOW = "start the container with a GPU (docker run --gpus all, or a pod's limit nvidia.com/gpu: 1)"


def fault(driver: str = DRIVER) -> str:
    """Why no GPU can be used, in words; empty where one can."""
    try:
        cuda = ctypes.CDLL(driver)
    except OSError as error:
        return f"no driver of NVIDIA's is in this container ({error})"
    code = cuda.cuInit(0)
    if code:
        return f"NVIDIA's driver does not start: cuInit gives {code}"
    count = ctypes.c_int(0)
    code = cuda.cuDeviceGetCount(ctypes.byref(count))
    if code or not count.value:
        return f"NVIDIA's driver knows no GPU: cuDeviceGetCount gives {code}, and {count.value} of them"
    return ""
