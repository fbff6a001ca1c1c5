"""What is wrong with `--gpu` and `--cdi` is said before anything is started."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from builder.cli import cli
from builder.errors import TemperError
from tests.unit.gpu.test_translate import GENERATED

IMAGE = """\
description: a probe
base: debian/trixie
entrypoint: [/usr/bin/true]
"""
NO_GPU = (
    "no GPU on this machine: neither libnvidia-ml.so.1 nor nvidia-smi is there; run this where there is one; "
    "a rehearsal needs none"
)
Refused = Callable[..., tuple[str, int]]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """The message and the exit code of a command in a folder with the images `plain`, `cuda` and `amd`."""
    for name, gpu in (("plain", ""), ("cuda", "gpu: {vendor: nvidia}\n"), ("amd", "gpu: {vendor: amd}\n")):
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        (folder / "image.yaml").write_text(IMAGE + gpu)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEMPER_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("ctypes.CDLL.__init__", no_library)

    def run(*words: str | Path) -> tuple[str, int]:
        done = CliRunner().invoke(cli, [*map(str, words)])
        assert isinstance(done.exception, TemperError), done.output
        return str(done.exception), done.exception.exit_code

    return run


def no_library(*_: object) -> None:
    raise OSError("cannot open shared object file")


def test_no_name_of_a_gpu(refused: Refused) -> None:
    message = "--gpu: 'fast' names no GPU; write rehearsal, all, an index such as 0, or a UUID"
    assert refused("verify", "cuda", "--gpu", "fast") == (message, 2)
    assert refused("gpu", "check", ".", "--gpu", "fast") == (message, 2)


def test_an_image_without_a_gpu(refused: Refused) -> None:
    message = "gpu: is not there, and --gpu asks for it; declare it, or leave --gpu out"
    assert refused("verify", "plain", "--gpu", "rehearsal") == (f"images/plain/image.yaml: {message}", 2)


def test_a_real_gpu_of_another_vendor(refused: Refused) -> None:
    message = (
        "--gpu all: only NVIDIA's GPUs can be looked at, and images/amd/image.yaml says 'amd'; write "
        "--gpu rehearsal for its nodes and groups"
    )
    assert refused("verify", "amd", "--gpu", "all") == (message, 2)


def test_a_machine_without_a_gpu(refused: Refused) -> None:
    assert refused("verify", "cuda", "--gpu", "all") == (NO_GPU, 3)
    assert refused("gpu", "check", ".") == (NO_GPU, 3)


def test_a_specification_without_a_gpu_to_inject(refused: Refused) -> None:
    assert refused("verify", "cuda", "--cdi", GENERATED) == (
        "--cdi: it says how --gpu is injected; write --gpu all beside it",
        2,
    )
    assert refused("verify", "cuda", "--gpu", "rehearsal", "--cdi", GENERATED) == (
        "--cdi: a rehearsal brings its own specification; write --gpu all beside it",
        2,
    )


def test_a_specification_that_is_not_sound(refused: Refused, tmp_path: Path) -> None:
    text = GENERATED.read_text().replace("          env:\n            - NVIDIA_CTK_DEBUG=false\n", "", 1)
    (tmp_path / "nvidia.yaml").write_text(text.replace("kind:", "frobnicate: 1\nkind:"))
    unknown = "unknown key; there are: annotations, cdiVersion, containerEdits, devices, kind"
    assert refused("verify", "cuda", "--gpu", "all", "--cdi", "nvidia.yaml") == (
        f"nvidia.yaml:2: frobnicate: {unknown}",
        2,
    )
    (tmp_path / "nvidia.yaml").write_text(text)
    without_env = (
        "nvidia.yaml:61: containerEdits.hooks[0]: 'nvidia-cdi-hook create-symlinks' has no env, and so runs "
        "as root with the image's own (CVE-2025-23266); add one, such as NVIDIA_CTK_DEBUG=false"
    )
    assert refused("verify", "cuda", "--gpu", "all", "--cdi", "nvidia.yaml") == (without_env, 2)
    assert refused("gpu", "check", ".", "--cdi", "nvidia.yaml") == (without_env, 2)


def test_a_folder_that_holds_no_image(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert refused("gpu", "check", "empty", "--rehearsal") == (
        "empty: holds neither index.json nor the folders etc and usr; name an unpacked image",
        2,
    )
    assert refused("gpu", "check", "nowhere", "--rehearsal") == (
        "nowhere: is no folder; name an OCI layout, or a folder with an image's files",
        2,
    )
