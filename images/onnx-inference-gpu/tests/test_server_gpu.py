"""The server without a GPU: it refuses to start, and serves on the CPU where that is asked for."""

import pytest

SERVER = """
        import http.client, json, os, signal, subprocess, sys, time

        def start(**variables):
            return subprocess.Popen(
                ["python3", "-m", "server"], env={**os.environ, **variables}, cwd="/app", text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )

        def ask(port, method, path, body=None):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

        def ready(port, process):
            while process.poll() is None:
                try:
                    if ask(port, "GET", "/v2/health/ready")[0] == 200:
                        return
                except OSError:
                    pass
                time.sleep(0.05)
            raise SystemExit(process.stdout.read())
"""

REFUSES = """
        process = start(ONNX_LISTEN="127.0.0.1:8101")
        said = process.communicate(timeout=120)[0]
        print(json.dumps([process.returncode, said.splitlines()[-1]]))
"""

SERVES = """
        either = "CUDAExecutionProvider,CPUExecutionProvider"
        process = start(ONNX_LISTEN="127.0.0.1:8102", ONNX_PROVIDERS=either)
        ready(8102, process)
        tensor = {"name": "x", "datatype": "FP32", "shape": [2, 3], "data": [[1, 2, 3], [0.5, -4, 8]]}
        status, answer = ask(8102, "POST", "/v2/models/linear/infer", json.dumps({"inputs": [tensor]}))
        health = subprocess.run(
            ["python3", "/app/health.py"], env={**os.environ, "ONNX_LISTEN": "127.0.0.1:8102"}, check=False
        )
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[0]
        warned = [line for line in said.splitlines() if " WARNING server: " in line]
        codes = [health.returncode, process.returncode]
        print(json.dumps([status, answer["outputs"][0]["data"], codes, warned]))
"""


@pytest.mark.python(SERVER + REFUSES)
def test_without_a_gpu_it_refuses_and_says_why(answer):
    code, last = answer
    assert code == 1
    assert last.startswith(
        "ONNX_PROVIDERS: CUDAExecutionProvider can't be used: no driver of NVIDIA's is in this"
    )
    assert "libcuda.so.1: cannot open shared object file" in last
    assert last.endswith("'CUDAExecutionProvider,CPUExecutionProvider' to run on the CPU where there is none")


@pytest.mark.python(SERVER + SERVES)
def test_it_serves_on_the_cpu_where_that_is_asked_for(answer):
    status, numbers, codes, warned = answer
    assert (status, numbers) == (200, [11.5, 9.5, 23.0, 29.0])
    assert codes == [0, -15]  # uvicorn ends in order, and then by the signal itself
    assert len(warned) == 1
    assert warned[0].endswith("; the models run on CPUExecutionProvider")


@pytest.mark.control("elf-closure")
@pytest.mark.python("""
        import ctypes, json, pathlib
        import onnxruntime
        onnxruntime.preload_dlls()
        capi = pathlib.Path(onnxruntime.__file__).parent / "capi"
        ctypes.CDLL(str(capi / "libonnxruntime_providers_shared.so"), ctypes.RTLD_GLOBAL)
        try:
            ctypes.CDLL(str(capi / "libonnxruntime_providers_cuda.so"))
            said = ""
        except OSError as error:
            said = str(error)
        with open("/proc/self/maps") as maps:
            names = {line.rpartition("/")[2].strip() for line in maps if "/nvidia/" in line}
        print(json.dumps([said, sorted(name.partition(".so")[0] for name in names)]))
    """)
def test_of_all_that_the_provider_needs_only_the_driver_is_missing(answer):
    said, mapped = answer
    assert said.startswith("libcuda.so.1: cannot open shared object file")
    assert {"libcudart", "libcublas", "libcublasLt", "libcudnn", "libcurand", "libcufft"} <= set(mapped)


@pytest.mark.control("telemetry-off")
@pytest.mark.python("""
        import json, os, pathlib
        import onnxruntime
        places = [pathlib.Path(os.environ["HOME"], ".cache"), *map(pathlib.Path, ("/tmp/.ses", "/.cache"))]
        there = [str(place) for place in places if place.exists()]
        print(json.dumps([os.environ["ORT_DISABLE_TELEMETRY"], there]))
    """)
def test_nothing_is_told_to_anybody_and_nothing_is_written_for_it(answer):
    assert answer == ["1", []]


@pytest.mark.control("gpu-request")
@pytest.mark.python("""
        import json, os
        names = ("CUDA_VERSION", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES")
        print(json.dumps([os.environ.get(name) for name in names]))
    """)
def test_no_gpu_is_asked_for(answer):
    assert answer == [None, None, "compute,utility"]
