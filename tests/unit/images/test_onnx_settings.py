import os
from pathlib import Path

import pytest
from server.errors import SettingError
from server.settings import Settings, cpu_limit, read_settings


def test_nothing_set_is_the_defaults() -> None:
    assert read_settings({}) == Settings()
    assert read_settings({"ONNX_THREADS": " "}) == Settings()


def test_everything_set() -> None:
    environ = {
        "ONNX_MODELS": "/data",
        "ONNX_LISTEN": "[::]:9000",
        "ONNX_THREADS": "4",
        "ONNX_CONCURRENCY": "2",
        "ONNX_QUEUE": "8",
        "ONNX_MAX_REQUEST": "1m",
        "ONNX_MAX_BUFFERED": "2G",
        "ONNX_TIMEOUT": "0.5",
        "ONNX_READ_TIMEOUT": "5",
        "ONNX_GRACE": "3",
        "ONNX_PROVIDERS": "CUDAExecutionProvider, CPUExecutionProvider",
    }
    assert read_settings(environ) == Settings(
        models=Path("/data"),
        listen=("::", 9000),
        threads=4,
        concurrency=2,
        queue=8,
        max_request=1 << 20,
        max_buffered=2 << 30,
        timeout=0.5,
        read_timeout=5.0,
        grace=3.0,
        providers=("CUDAExecutionProvider", "CPUExecutionProvider"),
    )


def test_every_setting_that_does_not_fit_is_told() -> None:
    environ = {
        "ONNX_LISTEN": "8000",
        "ONNX_THREADS": "0",
        "ONNX_QUEUE": "²",
        "ONNX_MAX_REQUEST": "16 MB",
        "ONNX_TIMEOUT": "nan",
        "ONNX_PROVIDERS": ",",
    }
    with pytest.raises(SettingError) as caught:
        read_settings(environ)
    assert str(caught.value).splitlines() == [
        "ONNX_LISTEN: '8000' does not fit; write an address and a port, such as 0.0.0.0:8000 or [::]:8000",
        "ONNX_THREADS: '0' does not fit; write a whole number above 0",
        "ONNX_QUEUE: '²' does not fit; write a whole number above 0",
        "ONNX_MAX_REQUEST: '16 MB' does not fit; write bytes, or a size such as 16m",
        "ONNX_TIMEOUT: 'nan' does not fit; write seconds above 0, such as 30 or 0.5",
        "ONNX_PROVIDERS: ',' does not fit; write names with commas between them",
    ]


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.max": "250000 100000"}, 2),
        ({"cpu.max": "10000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({}, 8),
    ],
)
def test_the_cpu_limit_is_the_cgroup_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], limit: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert cpu_limit(tmp_path) == limit
