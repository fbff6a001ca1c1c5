"""The CUDA runtime at work in a container without a GPU, and that nothing of a driver is in the image."""

import pytest

NO_DRIVER = 35
"""cudaErrorInsufficientDriver: what the runtime answers where no libcuda can be loaded."""

CUDART = """
        import ctypes, json, os
        from cuda.pathfinder import load_nvidia_dynamic_lib
        found = load_nvidia_dynamic_lib("cudart").abs_path
        cudart = ctypes.CDLL(found)
        number = ctypes.c_int(-1)
"""


@pytest.mark.python(
    CUDART
    + """
        code = cudart.cudaRuntimeGetVersion(ctypes.byref(number))
        print(json.dumps([code, number.value // 1000]))
    """
)
def test_the_runtime_is_of_the_declared_major(answer, image):
    assert answer == [0, int(dict(image.config.labels)["temper.gpu.cuda"])]


@pytest.mark.control("no-driver-files")
@pytest.mark.python(
    CUDART
    + """
        code = cudart.cudaDriverGetVersion(ctypes.byref(number))
        print(json.dumps([code, number.value]))
    """
)
def test_no_driver_is_found_where_none_is_injected(answer):
    """Another answer would mean that one is baked in, and hides the host's."""
    assert answer == [0, 0]


@pytest.mark.control("no-driver-files")
@pytest.mark.python(
    CUDART
    + """
        cudart.cudaGetErrorName.restype = ctypes.c_char_p
        code = cudart.cudaGetDeviceCount(ctypes.byref(number))
        print(json.dumps([code, cudart.cudaGetErrorName(code).decode()]))
    """
)
def test_without_a_driver_the_runtime_says_so(answer):
    assert answer == [NO_DRIVER, "cudaErrorInsufficientDriver"]


@pytest.mark.control("no-driver-files")
@pytest.mark.python("""
        import ctypes, json
        told = {}
        for name in ("libcuda.so.1", "libnvidia-ml.so.1"):
            try:
                ctypes.CDLL(name)
            except OSError as error:
                told[name] = "cannot open shared object file" in str(error)
        print(json.dumps(told))
    """)
def test_the_driver_s_libraries_are_not_there(answer):
    assert answer == {"libcuda.so.1": True, "libnvidia-ml.so.1": True}


@pytest.mark.python(
    CUDART
    + """
        with open("/proc/self/maps") as maps:
            mapped = {line.split(maxsplit=5)[5].strip() for line in maps if "libcudart" in line}
        owned = [os.stat(path).st_uid for path in mapped]
        print(json.dumps([mapped == {os.path.realpath(found)}, owned]))
    """
)
def test_one_runtime_is_mapped_and_it_is_root_s(answer):
    assert answer == [True, [0]]


@pytest.mark.control("writable-caches")
@pytest.mark.python("""
        import json, os, pathlib
        names = [name for name in os.environ if name.endswith(("_CACHE_DIR", "_CACHE_PATH", "_HOME"))]
        names += [name for name in ("MPLCONFIGDIR",) if name in os.environ]
        for name in names:
            folder = pathlib.Path(os.environ[name])
            folder.mkdir(exist_ok=True)
            folder.joinpath("kept").write_text("x")
        print(json.dumps(len(names)))
    """)
def test_every_cache_can_be_written(answer):
    assert answer == 9


@pytest.mark.control("telemetry-off")
@pytest.mark.python("""
        import json, os
        names = ("DO_NOT_TRACK", "HF_HUB_DISABLE_TELEMETRY", "ORT_DISABLE_TELEMETRY", "VLLM_NO_USAGE_STATS")
        print(json.dumps([os.environ.get(name) for name in names]))
    """)
def test_telemetry_is_off(answer):
    assert answer == ["1"] * 4


@pytest.mark.control("gpu-request")
@pytest.mark.python("""
        import json, os
        names = ("CUDA_VERSION", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES")
        devices = [name for name in os.listdir("/dev") if name.startswith("nvidia")]
        print(json.dumps([[os.environ.get(name) for name in names], devices]))
    """)
def test_no_gpu_is_asked_for_and_none_is_given(answer):
    assert answer == [[None, None, "compute,utility"], []]
