"""vLLM in a container without a GPU: what of it can be shown there. Nothing here has run a model."""

import pytest

VLLM = """
        import json, os, pathlib, subprocess, sys

        def ran(*words, **variables):
            env = {**os.environ, **variables}
            return subprocess.run(words, env=env, capture_output=True, text=True, timeout=300, check=False)
"""


@pytest.mark.python("import json, torch; print(json.dumps(torch.version.cuda.split('.')[0]))", stays=True)
def test_it_is_built_for_the_declared_cuda(answer, image):
    assert answer == dict(image.config.labels)["temper.gpu.cuda"]


@pytest.mark.python(
    VLLM
    + """
        done = ran("python3", "/app/start.py", "/models")
        print(json.dumps([done.returncode, done.stdout, done.stderr]))
    """
)
def test_without_a_gpu_it_refuses_in_one_line(answer):
    code, printed, said = answer
    assert (code, printed) == (1, "")
    assert said.startswith(
        "vllm: no driver of NVIDIA's is in this container (libcuda.so.1: cannot open shared"
    )
    assert said.endswith("limit nvidia.com/gpu: 1)\n")
    assert said.count("\n") == 1


@pytest.mark.python("""
        import json
        import vllm.platforms as platforms
        from vllm.platforms.cpu import CpuPlatform

        platforms._current_platform = CpuPlatform()
        from vllm.entrypoints.launchers.cli_args import make_arg_parser
        from vllm.utils.argparse_utils import FlexibleArgumentParser

        parser = make_arg_parser(FlexibleArgumentParser())
        found = parser.parse_args(["--model", "/models", "--served-model-name", "model", "--port", "8000"])
        print(json.dumps([found.model, found.served_model_name, found.port]))
    """)
def test_the_arguments_of_the_image_are_understood(answer):
    """Another platform is named, since vLLM reads none of its arguments where it finds no GPU."""
    assert answer == ["/models", ["model"], 8000]


@pytest.mark.python(
    VLLM
    + """
        import http.server, threading

        class Server(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if self.path == "/health" and self.server.lives else 503)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 8000), Server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        told = []
        for server.lives in (True, False):
            done = ran("python3", "/app/health.py")
            told.append([done.returncode, done.stderr.strip()])
        server.shutdown()
        server.server_close()
        done = ran("python3", "/app/health.py")
        told.append([done.returncode, done.stderr.strip()])
        print(json.dumps(told))
    """
)
def test_the_health_check_tells_a_living_engine_from_others(answer):
    lives, ails, gone = answer
    assert lives == [0, ""]
    assert ails == [1, "not healthy: HTTP 503"]
    assert gone[0] == 1
    assert gone[1].startswith("no answer from 127.0.0.1:8000: ")


@pytest.mark.control("elf-closure")
@pytest.mark.python("""
        import ctypes, glob, importlib.util, json, os, torch

        said = {}
        folder = os.path.dirname(importlib.util.find_spec("vllm").origin)
        paths = glob.glob(f"{folder}/**/*.abi3.so", recursive=True)
        for path in sorted(paths):
            try:
                ctypes.CDLL(path)
            except OSError as error:
                said[os.path.relpath(path, folder)] = str(error).partition(":")[0]
        print(json.dumps([said, len(paths)]))
    """)
def test_its_extensions_load_but_for_the_driver(answer):
    """Only what the driver brings may be missing."""
    said, count = answer
    assert count >= 10
    assert set(said.values()) == {"libcuda.so.1"}, said


@pytest.mark.control("writable-caches")
@pytest.mark.python(
    VLLM
    + """
        program = (
            "import vllm, vllm.envs as e; print(e.VLLM_CACHE_ROOT, e.VLLM_CONFIG_ROOT, vllm.__version__)"
        )
        done = ran("python3", "-c", program)
        print(json.dumps([done.returncode, done.stdout.split(), done.stderr[-2000:]]))
    """
)
def test_it_is_imported_and_writes_below_declared_paths(answer):
    code, printed, said = answer
    assert code == 0, said
    assert printed == ["/cache/vllm", "/tmp/vllm", "0.32.0"]


@pytest.mark.control("telemetry-off")
@pytest.mark.python("""
        import json, os
        from vllm.usage.usage_lib import is_usage_stats_enabled

        names = ("DO_NOT_TRACK", "HF_HUB_DISABLE_TELEMETRY", "VLLM_NO_USAGE_STATS", "HF_HUB_OFFLINE")
        print(json.dumps([[os.environ.get(name) for name in names], is_usage_stats_enabled()]))
    """)
def test_nothing_is_told_to_anybody(answer):
    assert answer == [["1"] * 4, False]


@pytest.mark.control("declared-writable")
@pytest.mark.python("""
        import json, os

        told = {}
        for place in ("/models/x", "/app/x", "/usr/local/x", "/home/nonroot/x"):
            try:
                open(place, "w").close()
                told[place] = "written"
            except OSError as error:
                told[place] = "refused"
        for place in (os.environ["TRITON_CACHE_DIR"], os.environ["VLLM_CACHE_ROOT"], os.environ["HF_HOME"]):
            os.makedirs(place, exist_ok=True)
            open(f"{place}/x", "w").close()
        print(json.dumps(told))
    """)
def test_only_declared_paths_are_written(answer):
    assert set(answer.values()) == {"refused"}, answer
