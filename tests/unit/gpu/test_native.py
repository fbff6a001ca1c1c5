"""The C programs: compiled once, marked, and content with an old C library."""

import ctypes
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from builder.errors import ToolError
from builder.gpu import native
from builder.gpu.seen import read
from builder.packages.store import Store
from builder.rootfs.elf import facts

CASES = Path(__file__).parents[2] / "cases/gpu"
NEEDS_COMPILER = pytest.mark.skipif(
    not any(map(shutil.which, native.COMPILERS)), reason="no C compiler is on the PATH"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> native.Native:
    store = Store(tmp_path_factory.mktemp("store"))
    return native.compiled(store, tmp_path_factory.mktemp("native"))


def versions(path: Path) -> set[tuple[int, ...]]:
    """Of the C library's symbols that it asks for."""
    with path.open("rb") as file:
        section = ELFFile(file).get_section_by_name(".gnu.version_r")
        names = [str(aux.name) for _, needed in section.iter_versions() for aux in needed]
    found = [re.fullmatch(r"GLIBC_([0-9.]+)", name) for name in names]
    return {tuple(map(int, match[1].split("."))) for match in found if match}


@NEEDS_COMPILER
def test_no_compiler_s_warning(tmp_path: Path) -> None:
    for program in (native.PROBE, native.CUDA, native.NVML):
        command = native.command(program, native.find_compiler())
        done = subprocess.run([*command, "-o", tmp_path / "out"], capture_output=True, check=True, text=True)
        assert done.stderr == ""


@NEEDS_COMPILER
def test_the_stubs_have_the_names_and_the_marks_that_give_them_away(made: native.Native) -> None:
    for path, soname, mark in (
        (made.cuda, "libcuda.so.1", "temper_stub_cuda"),
        (made.nvml, "libnvidia-ml.so.1", "temper_stub_nvml"),
    ):
        with path.open("rb") as file:
            elf = facts(file).elf
        assert elf is not None
        assert elf.soname == soname
        # in a process of its own: whoever looks for a driver in this one later would find the stub
        asked = f"import ctypes; ctypes.CDLL({str(path)!r}).{mark}"
        subprocess.run([sys.executable, "-c", asked], check=True)


@NEEDS_COMPILER
def test_the_stubs_run_beside_an_old_c_library(made: native.Native) -> None:
    """2.17 is the oldest that wheels are built for today (manylinux2014)."""
    assert max(versions(made.cuda) | versions(made.nvml)) <= (2, 17)


@NEEDS_COMPILER
def test_the_probe_needs_the_c_library_alone(made: native.Native) -> None:
    with made.probe.open("rb") as file:
        elf = facts(file).elf
    assert elf is not None
    assert {*elf.needed} <= {"libc.so.6", "libdl.so.2"}
    assert max(versions(made.probe)) <= (2, 34)


@NEEDS_COMPILER
def test_the_stub_is_no_driver(made: native.Native) -> None:
    """The tables by which a runtime makes sure of a genuine driver are not imitated."""
    stub = ctypes.CDLL(str(made.cuda))
    table = ctypes.c_void_p(1)
    assert stub.cuGetExportTable(ctypes.byref(table), None) == 801
    assert table.value is None
    assert stub.cuDeviceGetCount(ctypes.byref(ctypes.c_int())) == 3
    assert stub.cuTensorMapEncodeTiled() == stub.cuMemAlloc_v2() == stub.cuCtxCreate_v2() == 801
    entry = ctypes.c_void_p()
    assert stub.cuGetProcAddress_v2(b"cuMemAlloc", ctypes.byref(entry), 13000, 0, None) == 0
    assert ctypes.CFUNCTYPE(ctypes.c_int)(entry.value or 0)() == 801


@NEEDS_COMPILER
def test_the_probe_tells_what_it_sees(made: native.Native) -> None:
    words = [made.probe, "--node", "/dev/null", "--node", "/dev/nothing", "--variable", "A"]
    words += ["--variable", "B", "--runtime", "/nowhere/libcudart.so.13", "--kernel"]
    done = subprocess.run(words, env={"A": 'say "a\\b\n"'}, capture_output=True, check=True, text=True)
    seen = read(done.stdout)
    assert seen.nodes == {"/dev/null": "ok", "/dev/nothing": "ENOENT"}
    assert seen.variables == {"A": 'say "a\\b\n"'}
    assert [one.path for one in seen.runtimes] == ["/nowhere/libcudart.so.13"]
    assert seen.runtimes[0].error.startswith("/nowhere/libcudart.so.13: cannot open shared object file")
    assert seen.kernels == ()


@NEEDS_COMPILER
def test_a_kernel_goes_to_each_gpu_and_back(made: native.Native, tmp_path: Path) -> None:
    """By a driver that computes on the CPU: the calls, their order and their arguments are a real one's."""
    source = CASES / "computing_cuda.c"
    subprocess.run(
        [native.find_compiler(), "-shared", "-fPIC", source, "-o", tmp_path / "libcuda.so.1"], check=True
    )
    for wrong, env in ((0, {}), (1, {"WRONG": "1"})):
        done = subprocess.run(
            [made.probe, "--kernel"],
            env={"LD_LIBRARY_PATH": str(tmp_path), **env},
            capture_output=True,
            check=True,
            text=True,
        )
        seen = read(done.stdout)
        assert seen.cuda.uuids == (
            "GPU-70717273-7475-7677-7879-7a7b7c7d7e7f",
            "GPU-80818283-8485-8687-8889-8a8b8c8d8e8f",
        )
        assert [(one.gpu, one.step, one.code, one.wrong, one.of) for one in seen.kernels] == [
            (0, "", 0, wrong, 4096),
            (1, "", 0, wrong, 4096),
        ]


@NEEDS_COMPILER
def test_it_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "store")
    native.compiled(store, tmp_path)

    def never(*_: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr(native, "_compile", never)
    again = tmp_path / "again"
    again.mkdir()
    assert native.compiled(store, again).probe.stat().st_mode & 0o777 == 0o755


def test_without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError) as caught:
        native.compiled(Store(tmp_path / "store"), tmp_path)
    assert str(caught.value) == (
        "no C compiler: none of cc, gcc, clang is on the PATH; install one (Debian: gcc, libc6-dev)"
    )


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("", "the GPU probe broke off: it said nothing"),
        ("a\nb\n", "the GPU probe broke off: a; b"),
        ('{"uid": 1}\n', 'the GPU probe broke off: {"uid": 1}'),
    ],
)
def test_a_probe_that_breaks_off(output: str, message: str) -> None:
    with pytest.raises(ToolError) as caught:
        read(output)
    assert str(caught.value) == message
