"""The two ways to run an image's Python, without an image: framing, and what is said where neither works."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder import sandbox
from builder.bytecode import needed
from builder.compiling import FrameCounter, exchange
from builder.errors import EngineError, ToolError
from builder.model.tree import Bytes, Entry, Kind, Owner, Rootfs
from builder.packages.store import Store


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(1, 9)))
def test_frames_are_counted_however_they_are_cut(frames: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(struct.pack(">I", len(frame)) + frame for frame in frames)
    counter = FrameCounter()
    for cut in cuts:
        counter.feed(stream[:cut])
        stream = stream[cut:]
    counter.feed(stream)
    assert counter.done == len(frames)


class Said:
    """A session that answers with these pieces, and remembers what it was sent."""

    def __init__(self, *pieces: tuple[int, bytes] | type[Exception]) -> None:
        self.pieces = iter(pieces)
        self.sent = b""
        self.closed = False

    def send(self, data: bytes) -> None:
        self.sent += data

    def receive(self, _seconds: float) -> tuple[int, bytes] | None:
        piece = next(self.pieces, None)
        if isinstance(piece, type):
            raise piece
        return piece

    def close(self) -> None:
        self.closed = True


def test_answers_are_taken_in_until_all_have_come() -> None:
    session = Said((1, b"\0\0\0\x02a"), (2, b"a warning"), (1, b"b\0\0\0\0"))
    out = io.BytesIO()
    exchange(session, io.BytesIO(b"sources"), out, 2)
    assert out.getvalue() == b"\0\0\0\x02ab\0\0\0\0"
    assert session.sent == b"sources"
    assert session.closed


@pytest.mark.parametrize(
    ("session", "message"),
    [
        (
            Said((1, b"\0\0\0\x02a"), (2, b"MemoryError\n")),
            "the image's Python ended before it had compiled everything: MemoryError",
        ),
        (Said(), "the image's Python ended before it had compiled everything: it said nothing"),
        (Said(TimeoutError), "the image's Python fell silent for 120 s"),
    ],
)
def test_a_python_that_ends_too_early_is_told(session: Said, message: str) -> None:
    with pytest.raises(EngineError) as caught:
        exchange(session, io.BytesIO(b"sources"), io.BytesIO(), 2)
    assert str(caught.value) == message
    assert session.closed


@pytest.fixture
def root() -> Iterator[Path]:
    tree = Rootfs().with_entries(
        [
            Entry(path="lib", kind=Kind.SYMLINK, mode=0o777, target="usr/lib"),
            Entry(path="usr/lib/x", kind=Kind.FILE, mode=0o4755, uid=7, content=Bytes(b"x")),
        ]
    )
    with sandbox.unpacked(tree.values()) as folder:
        yield folder


def test_a_tree_is_laid_out_without_owners_or_special_bits(root: Path) -> None:
    file = root / "usr/lib/x"
    assert file.read_bytes() == b"x"
    assert file.stat().st_mode & 0o7777 == 0o755
    assert file.stat().st_uid != 7
    assert (root / "lib").readlink() == Path("usr/lib")


def test_the_tree_is_gone_after_the_block() -> None:
    with pytest.raises(KeyError), sandbox.unpacked([]) as folder:
        raise KeyError
    assert not folder.exists()


def test_a_machine_that_allows_no_sandbox_says_why(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise ToolError("unshare: exit 1: unshare failed: Operation not permitted\nmore")

    monkeypatch.setattr(sandbox.process, "filtered", refused)
    assert sandbox.refusal(root, ["/x"]) == "unshare: exit 1: unshare failed: Operation not permitted"


def test_only_the_interpreter_goes_into_the_sandbox(tmp_path: Path) -> None:
    minimal = Owner(kind="deb", name="libpython3.13-minimal", version="1")
    other = Owner(kind="wheel", name="evil", version="1")

    def file(path: str, owner: Owner, mode: int = 0o644) -> Entry:
        return Entry(path=path, kind=Kind.FILE, mode=mode, content=Bytes(b"x"), owner=owner)

    store = Store(tmp_path)
    program = file("usr/bin/python3.13", minimal, 0o755)
    modules = [file(f"usr/lib/python3.13/{name}.py", minimal) for name in ("codecs", "os", "re/__init__")]
    tree = Rootfs().with_entries([program, *modules, file("usr/local/bin/evil", other, 0o755)])
    found = {entry.path: entry for entry in needed(store, tree, program)}
    assert list(found) == [
        "usr/bin/python3.13",
        "usr/lib/python3.13/os.py",
        "usr/lib/python313.zip",
        "compile.py",
    ]
    archive = found["usr/lib/python313.zip"].content
    assert archive is not None
    with archive.open() as stream, ZipFile(io.BytesIO(stream.read())) as zipped:
        assert zipped.namelist() == ["codecs.py", "os.py", "re/__init__.py"]
        assert zipped.read("codecs.py") == b"x"
    assert {entry.path: entry for entry in needed(store, tree, program)} == found  # out of the store
