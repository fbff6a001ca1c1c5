"""onnxruntime: a product of matrices by its CUDA provider against the CPU's; falling back is a fault."""

import base64
import sys

import numpy
import onnxruntime

# y = x @ x, as the onnx package writes it
MODEL = base64.b64decode(
    "CAg6RQoRCgF4CgF4EgF5IgZNYXRNdWwSBnNxdWFyZVoTCgF4Eg4KDAgBEggKAggICgIICGITCgF5Eg4KDAgBEggKAggICgIICEIECgAQDQ=="
)
if hasattr(onnxruntime, "preload_dlls"):
    onnxruntime.preload_dlls()
session = onnxruntime.InferenceSession(MODEL, providers=["CUDAExecutionProvider"])
if session.get_providers()[0] != "CUDAExecutionProvider":
    sys.exit(f"it fell back to {session.get_providers()[0]}")
x = numpy.arange(64, dtype=numpy.float32).reshape(8, 8)
assert numpy.allclose(session.run(None, {"x": x})[0], x @ x, rtol=1e-2), (
    "the GPU computes something else than the CPU"
)
print(f"onnxruntime {onnxruntime.__version__}")
