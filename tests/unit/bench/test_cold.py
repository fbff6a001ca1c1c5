"""What is started for the rows of cold starts, and what the page says of them."""

import http.server
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import answer
from bench.clock import FailedError, Ran
from bench.cold import FORMS, SERVERS, STOCK, WITH, WITHOUT, Cold, dockerfile, imports_of, start_of
from bench.cold_rows import cold_rows
from bench.place import Place
from bench.rounds import Measured
from bench.table import rows_text

ONNX = SERVERS[0]
SPEC = {
    "packages": ["libstdc++6"],
    "files": [{"source": "app/", "target": "/app"}],
    "env": {"PYTHONPATH": "/app"},
    "workdir": "/app",
    "entrypoint": ["python3", "-m", "server"],
}


@pytest.fixture
def made(tmp_path: Path) -> Cold:
    return Cold(root=tmp_path, place=Place(tmp_path / "place"), architecture="amd64")


def test_the_stock_image_has_the_same_program_and_the_wheels_by_pip() -> None:
    lines = dockerfile(SPEC).splitlines()
    assert lines[0] == "FROM temper-bench-base"
    assert lines[2].endswith("python3 python3-pip libstdc++6 \\")
    assert "--no-index --no-deps" in lines[5]
    assert lines[8:] == [
        'COPY ["app/", "/app"]',
        'ENV PYTHONPATH="/app"',
        'WORKDIR "/app"',
        'ENTRYPOINT ["python3", "-m", "server"]',
    ]


def test_every_form_is_started_by_the_image_s_own_run_file_on_a_free_port(made: Cold) -> None:
    run = made.place.folder(ONNX.image, "amd64") / "definition" / "run"
    run.mkdir(parents=True)
    (run / "docker-run.sh").write_text(
        "exec docker run --rm --name cold-onnx-inference --publish 127.0.0.1:8000:8000 "
        ' temper/cold-onnx-inference:hardened "$@"'
    )
    made._script(ONNX, STOCK)
    found = (made.root / "onnx-inference-stock-image.sh").read_text()
    assert '--name "$BENCH_NAME" ' in found
    assert '127.0.0.1:"$BENCH_PORT":8000' in found
    assert found.endswith('  temper-bench-stock-onnx-inference "$@"')


def test_a_run_file_of_another_form_is_not_measured(made: Cold) -> None:
    run = made.place.folder(ONNX.image, "amd64") / "definition" / "run"
    run.mkdir(parents=True)
    (run / "docker-run.sh").write_text("exec docker run temper/cold-onnx-inference:hardened\n")
    with pytest.raises(FailedError, match=r"docker-run\.sh of cold-onnx-inference has another form"):
        made._script(ONNX, WITH)


def test_volumes_are_what_the_tests_bring_or_empty(made: Cold) -> None:
    folder = made.root / "onnx-inference-state"
    (folder / "models").mkdir(parents=True)
    made._path(ONNX, WITH).write_text(
        'docker run --mount type=bind,target=/models,readonly,source="$MODELS_FOLDER" \\\n'
        "  --mount 'type=bind,target=/my data,source='\"$MY_DATA_FOLDER\" \\\n"
    )
    assert made._folders(ONNX) == {
        "MODELS_FOLDER": str(folder / "models"),
        "MY_DATA_FOLDER": str(folder / "empty"),
    }


class Slow(http.server.BaseHTTPRequestHandler):
    """Ready at its third answer."""

    asked = 0

    def do_GET(self) -> None:
        Slow.asked += 1
        self.send_response(200 if Slow.asked > 2 and self.path == "/ready" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    Slow.asked = 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_it_waits_for_the_answer_that_it_is_ready(port: int) -> None:
    command = (sys.executable, "-c", "import signal; signal.pause()")
    with subprocess.Popen(command) as child:
        answer.wait_for(child, port, "/ready")
        child.kill()
    assert Slow.asked >= 3


def test_a_container_that_ends_is_told_with_its_last_words() -> None:
    command = (sys.executable, "-c", "print('no such image'); raise SystemExit(125)")
    with (
        pytest.raises(FailedError, match="docker run ended with 125: no such image"),
        answer.running(command, {}, ("true",)) as child,
    ):
        answer.wait_for(child, answer.free_port(), "/ready")


def test_a_request_that_is_stuck_holds_up_nobody(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does that comes before the container has its network."""
    asking = answer.ask
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        ports = iter((silent.getsockname()[1], *[port] * 1000))
        monkeypatch.setattr(answer, "ask", lambda _, path: asking(next(ports), path))
        monkeypatch.setattr(answer, "PATIENCE", 30)
        command = (sys.executable, "-c", "import signal; signal.pause()")
        with subprocess.Popen(command) as child:
            answer.wait_for(child, port, "/ready")
            child.kill()
    assert Slow.asked >= 3


def test_nobody_listens_at_a_closed_port() -> None:
    assert answer.ask(answer.free_port(), "/ready") is None


def ran(seconds: float, peak: int = 0) -> Ran:
    return Ran(seconds=seconds, cpu=seconds / 2, peak=peak)


def test_the_rows_set_each_form_beside_byte_code() -> None:
    took = dict(zip(FORMS, (1.0, 2.0, 1.5), strict=True))
    runs = {start_of(ONNX, form): [ran(time, 50_000_000)] for form, time in took.items()}
    runs |= {imports_of(ONNX, form): [ran(time / 10)] for form, time in took.items()}
    measured = Measured(runs=runs, missing={start_of(SERVERS[1], WITH): "no engine"})
    text = rows_text(cold_rows(measured, {("onnx-inference", WITHOUT): 9_000_000}))
    told = "1.00 s of processor time, 50.0 MB of memory, 9.0 MB unpacked"
    assert f"| `onnx-inference`, no byte code: first answer | 2.00 s |  |  |  | {told} |\n" in text
    ratio = "| `onnx-inference`, first answer: no byte code / byte code, processor time | 2.0 x |"
    assert ratio in text
    assert "| `onnx-inference`, imports: stock image / byte code, processor time | 1.5 x |" in text
    assert "| `notebook`, byte code: first answer | not measured: no engine |" in text
