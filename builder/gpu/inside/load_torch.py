"""torch: that its CUDA part loads; without a GPU nothing more can be asked of it."""

import ctypes
import pathlib

import torch

assert torch.version.cuda, "this torch is built for the CPU alone; take the CUDA build"
ctypes.CDLL(str(pathlib.Path(torch.__file__).parent / "lib/libtorch_cuda.so"))
print(f"torch {torch.__version__}, CUDA {torch.version.cuda}")
