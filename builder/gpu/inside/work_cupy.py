"""CuPy: a product of matrices on each GPU against numpy's."""

import cupy
import numpy

cpu = numpy.arange(64, dtype=numpy.float64).reshape(8, 8)
count = cupy.cuda.runtime.getDeviceCount()
for number in range(count):
    with cupy.cuda.Device(number):
        gpu = cupy.asarray(cpu)
        assert numpy.array_equal(cupy.asnumpy(gpu @ gpu), cpu @ cpu), (
            f"GPU {number} computes something else than the CPU"
        )
print(f"cupy {cupy.__version__}, {count} GPUs")
