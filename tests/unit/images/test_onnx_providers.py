"""The server on a GPU, or refusing to start; a CUDA build of onnxruntime is played here."""

import ctypes
import logging
from pathlib import Path
from types import SimpleNamespace

import onnxruntime as ort
import pytest
from server import driver
from server.errors import ModelError
from server.models import load_models
from server.providers import CPU, CUDA, check_in_use, usable
from server.settings import Settings

from tests.unit.images.onnx_models import save_linear

NO_DRIVER = "no driver of NVIDIA's is in this container (no libcuda)"


@pytest.fixture(autouse=True)
def built_for_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(ort, "preload_dlls", lambda: None, raising=False)


def with_fault(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    monkeypatch.setattr(driver, "fault", lambda: reason)


def test_without_a_gpu_nothing_is_served(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_linear(models / "linear.onnx")
    with_fault(monkeypatch, NO_DRIVER)
    with pytest.raises(ModelError) as caught:
        load_models(Settings(models=models, providers=(CUDA,)))
    assert str(caught.value) == (
        f"ONNX_PROVIDERS: CUDAExecutionProvider can't be used: {NO_DRIVER}; start the container with a GPU "
        "(docker run --gpus all, or a pod's limit nvidia.com/gpu: 1), or write "
        "'CUDAExecutionProvider,CPUExecutionProvider' to run on the CPU where there is none"
    )


def test_the_cpu_is_taken_where_it_is_named(
    models: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    save_linear(models / "linear.onnx")
    with_fault(monkeypatch, NO_DRIVER)
    loaded = load_models(Settings(models=models, providers=(CUDA, CPU)))
    assert loaded.find("linear").session.get_providers() == [CPU]
    assert f"{CUDA} can't be used: {NO_DRIVER}; the models run on {CPU}" in caplog.text


def test_with_a_gpu_all_that_is_wanted_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    with_fault(monkeypatch, "")
    monkeypatch.setattr(ort, "preload_dlls", lambda: loaded.append("wheels"), raising=False)
    assert usable((CUDA,)) == (CUDA,)
    assert loaded == ["wheels"]
    assert usable((CPU,)) == (CPU,)
    assert loaded == ["wheels"]


def session(*providers: str) -> SimpleNamespace:
    return SimpleNamespace(get_providers=lambda: list(providers))


def test_a_session_on_another_provider_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    check_in_use(session(CUDA, CPU), (CUDA,), Path("/m"))
    assert caplog.text == ""
    with pytest.raises(ModelError) as caught:
        check_in_use(session(CPU), (CUDA,), Path("/m"))
    assert str(caught.value) == (
        "/m: would run on CPUExecutionProvider, since onnxruntime could not use CUDAExecutionProvider "
        "(it has logged why); add CPUExecutionProvider to ONNX_PROVIDERS to allow it"
    )
    check_in_use(session(CPU), (CUDA, CPU), Path("/m"))
    assert (
        "/m runs on CPUExecutionProvider, since onnxruntime could not use CUDAExecutionProvider"
        in caplog.text
    )


def played(monkeypatch: pytest.MonkeyPatch, started: int, counted: int, count: int) -> None:
    def tell(place: object) -> int:
        place._obj.value = count  # type: ignore[attr-defined]
        return counted

    library = SimpleNamespace(cuInit=lambda _: started, cuDeviceGetCount=tell)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ((0, 0, 2), ""),
        ((100, 0, 0), "NVIDIA's driver does not start: cuInit gives 100"),
        ((0, 0, 0), "NVIDIA's driver knows no GPU: cuDeviceGetCount gives 0, and 0 of them"),
    ],
)
def test_what_the_driver_says(
    monkeypatch: pytest.MonkeyPatch, answers: tuple[int, int, int], said: str
) -> None:
    played(monkeypatch, *answers)
    assert driver.fault() == said


def test_no_driver_at_all() -> None:
    said = driver.fault("libcuda-that-is-not-there.so.1")
    assert said.startswith(
        "no driver of NVIDIA's is in this container (libcuda-that-is-not-there.so.1: cannot"
    )
