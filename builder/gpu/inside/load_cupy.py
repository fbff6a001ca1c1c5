"""CuPy: that it loads, and its own CUDA runtime sees a driver."""

import cupy

driver = cupy.cuda.runtime.driverGetVersion()
assert driver > 0, "its CUDA runtime reaches no driver"
print(f"cupy {cupy.__version__}, driver {driver // 1000}.{driver % 1000 // 10}")
