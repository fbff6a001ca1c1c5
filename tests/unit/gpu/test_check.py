"""`temper gpu check`: what is known of a folder, of a layout, and of an installed driver."""

import os
import shutil
from pathlib import Path

import pytest

from builder import process
from builder.errors import ArchiveError, InputError, ToolError
from builder.gpu import check, installed
from builder.gpu.host import HostGpu
from builder.gpu.room import WAYS, room_for
from builder.gpu.translate import translated
from builder.image.assemble import assemble
from builder.model.image import Image, ImageConfig
from builder.model.tree import Bytes, Entry, Kind, Rootfs
from builder.packages.store import Store
from tests.unit.gpu.engine import CONTRACT
from tests.unit.gpu.test_translate import Host

GPU = HostGpu(index=0, uuid="GPU-a", minor=2)


def folder(path: Path, *names: str) -> Path:
    for name in ("etc/passwd", *names):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()
    return path


def test_of_a_folder_its_files_tell(tmp_path: Path) -> None:
    wheels = "usr/local/lib/python3.13/site-packages"
    root = folder(
        tmp_path,
        f"{wheels}/nvidia/cuda_runtime/lib/libcudart.so.12",
        f"{wheels}/torch-2.13.0+cu126.dist-info/RECORD",
        f"{wheels}/onnxruntime_gpu-1.31.1.dist-info/RECORD",
    )
    (root / "usr/lib").mkdir()
    (root / "usr/lib/libcudart.so.12").symlink_to("elsewhere")
    case = check.case_of(check.Unpacked(root=root), "rootfs", "linux/amd64")
    assert case.runtimes == (f"/{wheels}/nvidia/cuda_runtime/lib/libcudart.so.12",)
    assert (case.gpu.vendor, case.gpu.cuda) == ("nvidia", "12")
    assert case.wheels == {"torch": "2.13.0+cu126", "onnxruntime-gpu": "1.31.1"}
    assert case.contract.user == "65532:65532"


def test_of_a_layout_its_config_tells(tmp_path: Path) -> None:
    config = ImageConfig(
        platform="linux/amd64",
        user="1000:1000",
        env=(("A", "b"),),
        labels=(("temper.gpu.cuda", "13"), ("temper.gpu.vendor", "nvidia")),
    )
    store = Store(tmp_path / "store")
    entry = Entry(path="etc/passwd", kind=Kind.FILE, mode=0o644, content=Bytes(b"x"))
    assemble(Image(rootfs=Rootfs().with_entries([entry]), config=config), store, tmp_path / "oci", name="a:b")
    with check.unpacked(store, tmp_path / "oci", "linux/amd64") as found:
        assert (found.root / "etc/passwd").read_bytes() == b"x"
        case = check.case_of(found, "oci", "linux/amd64")
    assert (case.contract.user, case.contract.env, case.gpu.cuda) == ("1000:1000", (("A", "b"),), "13")


def test_a_label_that_nobody_understands_says_nothing(tmp_path: Path) -> None:
    labels = (("temper.gpu.vendor", "acme"), ("temper.gpu.cuda", "99"))
    case = check.case_of(check.Unpacked(root=folder(tmp_path), labels=labels), "oci", "linux/amd64")
    assert (case.gpu.vendor, case.gpu.cuda) == ("nvidia", None)


def test_a_real_gpu_of_another_vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ImageConfig(platform="linux/amd64", labels=(("temper.gpu.vendor", "amd"),))
    store = Store(tmp_path / "store")
    image = Image(
        rootfs=Rootfs().with_entries([Entry(path="etc", kind=Kind.DIRECTORY, mode=0o755)]), config=config
    )
    assemble(image, store, tmp_path / "oci", name="a:b")
    monkeypatch.setattr(check, "host_gpus", lambda: (GPU,))
    with pytest.raises(InputError) as caught:
        check.check(store, tmp_path / "oci", "linux/amd64", "all", None)
    what = "only NVIDIA's GPUs can be looked at, and its label says 'amd'"
    assert str(caught.value) == f"{tmp_path}/oci: {what}; write --rehearsal for its nodes and groups"


def test_a_layout_that_leads_out_is_refused(tmp_path: Path) -> None:
    link = Entry(path="lib", kind=Kind.SYMLINK, mode=0o777, target="/etc")
    below = Entry(path="lib/passwd", kind=Kind.FILE, mode=0o644, content=Bytes(b"x"))
    image = Image(rootfs=Rootfs.of([link, below]), config=ImageConfig(platform="linux/amd64"))
    with pytest.raises(ArchiveError) as caught:
        check.refuse_ways_out(image, Path("oci"))
    assert str(caught.value) == "'oci': 'lib/passwd' lies below a link; build the image anew"
    lost = Image(rootfs=Rootfs.of([below]), config=ImageConfig(platform="linux/amd64"))
    with pytest.raises(ArchiveError) as caught:
        check.refuse_ways_out(lost, Path("oci"))
    assert str(caught.value) == "'oci': 'lib/passwd' has no folder above it; build the image anew"


def listing(folder: Path, *names: str) -> bytes:
    lines = [f"\t{name} (libc6,x86-64) => {folder}/{name}" for name in names]
    return "\n".join(["3 libs found in cache `/etc/ld.so.cache'", *lines, ""]).encode()


def test_an_installed_driver_is_found_by_the_loader_s_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("libcuda.so", "libnvidia-ptxjitcompiler.so"):
        (tmp_path / f"{name}.580.1").touch()
        (tmp_path / f"{name}.1").symlink_to(f"{name}.580.1")
    said = listing(tmp_path, "libcuda.so.1", "libnvidia-ptxjitcompiler.so.1", "libc.so.6", "libnvJitLink.so")
    monkeypatch.setattr(process, "run", lambda *_, **__: process.subprocess.CompletedProcess([], 0, said))
    monkeypatch.setattr(installed, "NODES", ("/dev/null", "/dev/nothing-of-the-kind"))
    edits = installed.installed_edits((GPU,), "/usr/lib/x86_64-linux-gnu")
    assert [node.path for node in edits.device_nodes] == ["/dev/null", "/dev/nvidia2"]
    host = Host(sonames={f"{tmp_path}/libcuda.so.580.1": "libcuda.so.1"})
    assert {mount.target: mount.source.name for mount in translated(edits, host).mounts} == {
        "/usr/lib/x86_64-linux-gnu/libcuda.so.580.1": "libcuda.so.580.1",
        "/usr/lib/x86_64-linux-gnu/libnvidia-ptxjitcompiler.so.580.1": "libnvidia-ptxjitcompiler.so.580.1",
        "/usr/lib/x86_64-linux-gnu/libcuda.so.1": "libcuda.so.580.1",
    }


def test_a_machine_without_an_installed_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "run", lambda *_, **__: process.subprocess.CompletedProcess([], 0, b""))
    with pytest.raises(ToolError) as caught:
        installed.installed_edits((GPU,), "/usr/lib")
    assert str(caught.value) == (
        "no libcuda.so.1 is installed here, by `/sbin/ldconfig -p`; install the driver's libraries, or name "
        "a CDI specification by --cdi"
    )


@pytest.mark.skipif(shutil.which("unshare") is None, reason="util-linux is not on this machine")
def test_a_program_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder(tmp_path / "root")
    room = room_for(root)
    with pytest.raises(ToolError) as caught, room.start(CONTRACT, program=("/nothing",)):
        pass
    assert str(caught.value).startswith(f"{root}: can't be entered: ")
    assert sorted(path.name for path in root.iterdir()) == ["etc"]


def refusing(folder: Path, *patterns: str) -> None:
    """An `unshare` that does nothing, and refuses what looks like this."""
    tests = [f'case "$*" in {pattern}) echo "unshare: no" >&2; exit 1;; esac' for pattern in patterns]
    program = folder / "unshare"
    program.write_text("\n".join(["#!/bin/sh", *tests, "exit 0", ""]))
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("euid", "patterns", "way"),
    [
        (0, (), 0),
        (0, ("*--net*",), 1),
        (0, ("--mount*",), 2),
        (0, ("--mount*", "*--net*"), 3),
        (1000, (), 2),
        (1000, ("*--net*",), 3),
    ],
)
def test_the_best_way_that_a_machine_allows_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, euid: int, patterns: tuple[str, ...], way: int
) -> None:
    refusing(tmp_path, *patterns)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("os.geteuid", lambda: euid)
    room = room_for(tmp_path)
    assert room.way == WAYS[way]
    assert room.has_users == (way < 2)


def test_a_machine_that_allows_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing(tmp_path, "*")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(ToolError) as caught:
        room_for(tmp_path)
    what = "run it as root, on a machine that allows namespaces"
    assert str(caught.value) == f"{tmp_path}: can't be entered: unshare: no; {what}"


def test_a_program_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a driver that hangs; coreutils' timeout ends with 124 then."""
    refusing(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    room = room_for(tmp_path)
    monkeypatch.setattr(
        process, "run", lambda *_, **__: process.subprocess.CompletedProcess([], 124, b"", b"")
    )
    with pytest.raises(ToolError) as caught, room.start(CONTRACT, program=("/probe",)):
        pass
    assert str(caught.value) == f"{tmp_path}: '/probe' did not end within 120 s; see the kernel's log"
