"""Byte code of a tree: made once for one source, by whatever Python is asked; here by the tests' own."""

import hashlib
import importlib.util
import marshal
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pytest

from builder.errors import ArchiveError
from builder.model.tree import Bytes, Entry, Kind, Owner, Rootfs
from builder.packages.bytecode import Interpreter, inside, with_bytecode, write_sources
from builder.packages.store import Store

PYTHON = Interpreter(version="3.13", sha256="a" * 64)
STDLIB = Owner(kind="deb", name="libpython3.13-stdlib", version="3.13.5")
WHEEL = Owner(kind="wheel", name="six", version="1")
OWN = Owner(kind="file", name="app/")
SITE = "usr/local/lib/python3.13/dist-packages"


def module(path: str, text: str = "x = 1\n", owner: Owner = WHEEL) -> Entry:
    return Entry(path=path, kind=Kind.FILE, mode=0o644, content=Bytes(text.encode()), owner=owner)


class Compiler:
    """Runs the program that is shipped, as a sandbox does, and counts what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, group: Sequence[Entry], target: BinaryIO) -> None:
        self.asked.append([entry.path for entry in group])
        with subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(inside())], stdin=subprocess.PIPE, stdout=target
        ) as process:
            assert process.stdin is not None
            write_sources(group, process.stdin)
            process.stdin.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_byte_code_lies_where_python_looks_for_it(store: Store) -> None:
    tree = Rootfs().with_entries(
        [
            module("usr/lib/python3.13/os.py", owner=STDLIB),
            module(f"{SITE}/six.py"),
            module("app/server/main.py", owner=OWN),
            module("usr/share/gdb/auto-load.py", owner=STDLIB),
            module("usr/bin/tool", owner=STDLIB),
        ]
    )
    found = with_bytecode(tree, store, PYTHON, Compiler())
    made = {path: entry for path, entry in found.items() if path not in tree}
    assert {path: (entry.kind, entry.mode, entry.owner, entry.mtime) for path, entry in made.items()} == {
        "app/server/__pycache__": (Kind.DIRECTORY, 0o755, OWN, 0),
        "app/server/__pycache__/main.cpython-313.pyc": (Kind.FILE, 0o644, OWN, 0),
        "usr/lib/python3.13/__pycache__": (Kind.DIRECTORY, 0o755, STDLIB, 0),
        "usr/lib/python3.13/__pycache__/os.cpython-313.pyc": (Kind.FILE, 0o644, STDLIB, 0),
        f"{SITE}/__pycache__": (Kind.DIRECTORY, 0o755, WHEEL, 0),
        f"{SITE}/__pycache__/six.cpython-313.pyc": (Kind.FILE, 0o644, WHEEL, 0),
    }
    assert {path: found[path] for path in tree} == dict(tree)


def test_byte_code_holds_the_hash_of_its_source_and_no_time(store: Store) -> None:
    source = b"answer = 42\n"
    tree = with_bytecode(
        Rootfs().with_entries([module(f"{SITE}/six.py", source.decode())]), store, PYTHON, Compiler()
    )
    with tree[f"{SITE}/__pycache__/six.cpython-313.pyc"].content.open() as stream:
        data = stream.read()
    assert data[:4] == importlib.util.MAGIC_NUMBER
    assert struct.unpack("<I", data[4:8]) == (0b01,)  # unchecked, by hash
    assert data[8:16] == importlib.util.source_hash(source)
    code = marshal.loads(data[16:])  # noqa: S302 - our own
    assert code.co_filename == f"/{SITE}/six.py"
    space: dict[str, object] = {}
    exec(code, space)  # noqa: S102
    assert space["answer"] == 42
    assert hashlib.sha256(data).hexdigest() == tree[f"{SITE}/__pycache__/six.cpython-313.pyc"].content.sha256


def test_only_what_changed_is_compiled_again(store: Store) -> None:
    six, own = module(f"{SITE}/six.py"), module("app/main.py", owner=OWN)
    first, again, other = Compiler(), Compiler(), Compiler()
    tree = Rootfs().with_entries([six, own])
    before = with_bytecode(tree, store, PYTHON, first)
    assert first.asked == [["app/main.py"], [f"{SITE}/six.py"]]
    assert with_bytecode(tree, store, PYTHON, again) == before
    assert again.asked == []
    changed = tree.with_entries([module("app/main.py", "x = 2\n", OWN)])
    with_bytecode(changed, store, PYTHON, again)
    assert again.asked == [["app/main.py"]]
    with_bytecode(tree, store, Interpreter(version="3.13", sha256="b" * 64), other)
    assert len(other.asked) == 2


def test_a_file_that_is_no_python_has_no_byte_code(store: Store) -> None:
    """Packages bring templates and old dialects under the name of a module."""
    tree = Rootfs().with_entries([module(f"{SITE}/old.py", "print 'two'\n"), module(f"{SITE}/nul.py", "\0")])
    assert with_bytecode(tree, store, PYTHON, Compiler()) == tree


def test_a_store_that_lost_the_byte_code_makes_it_again(store: Store) -> None:
    tree = Rootfs().with_entries([module(f"{SITE}/six.py")])
    made = with_bytecode(tree, store, PYTHON, Compiler())
    made[f"{SITE}/__pycache__/six.cpython-313.pyc"].content.path.unlink()
    again = Compiler()
    assert with_bytecode(tree, store, PYTHON, again) == made
    assert len(again.asked) == 1


@pytest.mark.parametrize("said", [b"", b"\0\0", b"\0\0\0\x09abc"])
def test_an_interpreter_that_breaks_off_leaves_nothing(store: Store, said: bytes) -> None:
    tree = Rootfs().with_entries([module(f"{SITE}/six.py")])
    with pytest.raises(ArchiveError) as caught:
        with_bytecode(tree, store, PYTHON, lambda _group, target: target.write(said) and None)
    assert str(caught.value) == "the image's Python broke off while it compiled byte code; run again"
    assert not (store.root / "records/bytecode-1").exists()
