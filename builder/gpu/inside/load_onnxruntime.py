"""onnxruntime: that its CUDA provider loads. The list of available providers names it in any case."""

import ctypes
import pathlib

import onnxruntime

if hasattr(onnxruntime, "preload_dlls"):
    onnxruntime.preload_dlls()
folder = pathlib.Path(onnxruntime.__file__).parent / "capi"
ctypes.CDLL(str(folder / "libonnxruntime_providers_shared.so"), ctypes.RTLD_GLOBAL)
ctypes.CDLL(str(folder / "libonnxruntime_providers_cuda.so"))
print(f"onnxruntime {onnxruntime.__version__}")
