"""The byte code that an image brings: whole, the same by every way to make it, and what its Python takes."""

import _imp
import re
import struct
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from builder import sandbox
from builder.bytecode import needed
from builder.compiling import PROGRAM, Run, in_container, in_sandbox
from builder.image.engine import Engine
from builder.model.tree import Entry, Rootfs
from builder.packages.bytecode import Interpreter, sources
from builder.packages.store import Store
from builder.workplace import host_platform
from tests.integration.images.desk import Build, Built, Desk

pytestmark = pytest.mark.network

PYTHON = Interpreter(version="3.13", sha256="")
ARGV = ("/usr/bin/python3.13", "-I", "-S", "-B", f"/{PROGRAM}")
SOME = 40
PACKAGES = "usr/local/lib/python3.13/dist-packages"


@pytest.fixture
def built(build: Build) -> Built:
    return build("onnx-inference")


@pytest.fixture
def tree(built: Built) -> Rootfs:
    return built.image().rootfs


@pytest.fixture
def interpreter(tree: Rootfs, tmp_path: Path) -> list[Entry]:
    """Entries that were read back don't say which package brought them: so the whole library goes along."""
    program = tree.resolve("usr/bin/python3.13")
    assert program is not None
    return [*needed(Store(tmp_path / "store"), tree, program), *tree.below("usr/lib/python3.13")]


def read(entry: Entry) -> bytes:
    assert entry.content is not None
    with entry.content.open() as stream:
        return stream.read()


def test_nearly_every_module_has_its_byte_code(tree: Rootfs) -> None:
    modules = [entry for group in sources(tree, "3.13").values() for entry in group]
    without = [entry.path for entry in modules if PYTHON.target(entry.path) not in tree]
    assert len(modules) > 1000
    assert len(without) <= 3, without


def test_it_holds_the_hash_of_its_source(tree: Rootfs) -> None:
    for path in ("usr/lib/python3.13/json/decoder.py", f"{PACKAGES}/h11/_state.py"):
        code = read(tree[PYTHON.target(path)])
        magic = int.from_bytes(code[:4], "little")  # the hash depends on the version of Python
        assert code[4:16] == struct.pack("<I", 1) + _imp.source_hash(magic, read(tree[path]))


def compiled(run: Run, group: list[Entry]) -> list[bytes]:
    with TemporaryFile() as out:
        run(group, out)
        out.seek(0)
        data, found = out.read(), []
    while data:
        size = int.from_bytes(data[:4], "big")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


def some(tree: Rootfs) -> list[Entry]:
    modules = [entry for group in sources(tree, "3.13").values() for entry in group]
    return modules[:: len(modules) // SOME]


def test_a_sandbox_makes_what_the_image_has(tree: Rootfs, interpreter: list[Entry], tmp_path: Path) -> None:
    with sandbox.unpacked(interpreter) as root:
        if reason := sandbox.refusal(root, [*ARGV[:3], "-c", "pass"]):
            pytest.skip(f"no sandbox here: {reason}")
        found = compiled(in_sandbox(Store(tmp_path), root, ARGV), some(tree))
    assert found == [read(tree[PYTHON.target(entry.path)]) for entry in some(tree)]


def test_a_sandbox_reaches_neither_network_nor_this_machine(interpreter: list[Entry]) -> None:
    program = (
        "import os, socket\n"
        "names = [name for _, name in socket.if_nameindex()]\n"
        "print(os.getuid(), os.path.exists('/proc/1'), len(os.environ), names, sorted(os.listdir('/')))\n"
    )
    with sandbox.unpacked(interpreter) as root, TemporaryFile() as nothing, TemporaryFile() as out:
        if reason := sandbox.refusal(root, [*ARGV[:3], "-c", "pass"]):
            pytest.skip(f"no sandbox here: {reason}")
        top = sorted(path.name for path in root.iterdir())
        sandbox.run(root, [*ARGV[:3], "-c", program], nothing, out)
        out.seek(0)
        assert out.read().decode() == f"65534 False 0 ['lo'] {top}\n"


@pytest.mark.docker
def test_a_container_makes_what_the_image_has(tree: Rootfs, interpreter: list[Entry], tmp_path: Path) -> None:
    rootfs = Rootfs().with_entries(interpreter)
    with in_container(Store(tmp_path), rootfs, ARGV, host_platform()) as run:
        found = compiled(run, some(tree))
    assert found == [read(tree[PYTHON.target(entry.path)]) for entry in some(tree)]


@pytest.mark.docker
def test_the_images_python_takes_it(built: Built, desk: Desk) -> None:
    """-v tells where the code of each module that has a source comes from."""
    assert built.report["tag"], "an engine is there, so it was loaded"
    contract = replace(desk.contract("onnx-inference"), image=built.report["tag"])
    argv = ["/usr/bin/python3.13", "-v", "-c", "import starlette.applications, uvicorn, numpy"]
    with Engine.connect() as engine, engine.start(contract) as container:
        told = container.exec(argv).stderr.decode()
    found = re.findall(r"^# code object from '?([^'\n]+)'?$", told, re.MULTILINE)
    taken = re.findall(r"^# code object from '?([^'\n]+\.pyc)'?$", told, re.MULTILINE)
    assert len(taken) > 200
    assert set(found) - set(taken) <= {"/usr/lib/python3.13/sitecustomize.py"}  # a link into /etc
