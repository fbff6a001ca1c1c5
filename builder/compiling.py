"""Two ways to run an image's Python over sources: a sandbox of this machine, or a container."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import BinaryIO

from builder import sandbox
from builder.errors import EngineError
from builder.image.assemble import assemble
from builder.model.contract import RunContract
from builder.model.image import Image, ImageConfig
from builder.model.tree import Entry, Rootfs
from builder.packages.bytecode import LENGTH, write_sources
from builder.packages.store import Store
from builder.verify.session import Session

PROGRAM = "compile.py"
"""What Python is to run, at the root of its tree."""
Run = Callable[[Sequence[Entry], BinaryIO], None]
"""Writes the byte code of these sources, framed."""
PATIENCE = 120.0
"""Seconds of silence: no module takes so long to compile."""
CHUNK = 1 << 20


def in_sandbox(store: Store, root: Path, argv: Sequence[str]) -> Run:
    def run(group: Sequence[Entry], target: BinaryIO) -> None:
        with sources(store, group) as source:
            sandbox.run(root, argv, source, target)

    return run


@contextmanager
def in_container(store: Store, rootfs: Rootfs, argv: Sequence[str], platform: str) -> Iterator[Run]:
    """Loads the interpreter as an image of its own, which is gone at the end. Raises `EngineError`."""
    from builder.image.engine import Engine  # noqa: PLC0415 - its client takes 0.2 s to import

    tag = f"temper-compiler:{secrets.token_hex(6)}"
    config = ImageConfig(platform=platform, user="65532:65532", entrypoint=(argv[0],))
    with Engine.connect() as engine, TemporaryDirectory(prefix="temper-compiler-") as name:
        assemble(Image(rootfs=rootfs, config=config), store, Path(name) / "oci", name=tag)
        engine.load(Path(name) / "oci", tag)
        try:
            waiting = [argv[0], "-I", "-S", "-c", "input()"]
            with engine.start(contract(tag), interactive=True, program=waiting) as container:

                def run(group: Sequence[Entry], target: BinaryIO) -> None:
                    session = container.open_session(argv, {}, None)
                    with sources(store, group) as source:
                        exchange(session, source, target, len(group))

                yield run
        finally:
            engine.remove_image(tag)


def contract(tag: str) -> RunContract:
    """A parser needs nothing but memory: no network, no folder to write to."""
    return RunContract(
        image=tag,
        name="compiler",
        user="65532:65532",
        workdir="/",
        env=(),
        entrypoint=(),
        cmd=(),
        ports=(),
        network="none",
        tmpfs=(),
        state=(),
        memory="1g",
        pids=16,
        cpus=2.0,
        shm="1m",
        stop_signal="SIGKILL",
    )


@contextmanager
def sources(store: Store, group: Sequence[Entry]) -> Iterator[BinaryIO]:
    with store.scratch() as (path, file):
        write_sources(group, file)
        file.flush()
        with path.open("rb") as source:
            yield source


def exchange(session: Session, source: BinaryIO, target: BinaryIO, count: int) -> None:
    """Sends the sources while it takes in the answers: neither side waits for the other to read."""
    failures: list[EngineError] = []

    def send() -> None:
        try:
            while piece := source.read(CHUNK):
                session.send(piece)
        except EngineError as error:
            failures.append(error)

    sender = Thread(target=send, daemon=True)
    sender.start()
    try:
        receive(session, target, count)
    finally:
        session.close()
        sender.join()
    if failures:
        raise failures[0]


def receive(session: Session, target: BinaryIO, count: int) -> None:
    """Until so many frames have come. Raises `EngineError` where the program ends or falls silent before."""
    frames, said = FrameCounter(), b""
    while frames.done < count:
        try:
            answer = session.receive(PATIENCE)
        except TimeoutError:
            raise EngineError(f"the image's Python fell silent for {PATIENCE:g} s") from None
        if answer is None:
            reason = said.decode(errors="replace").strip() or "it said nothing"
            raise EngineError(f"the image's Python ended before it had compiled everything: {reason}")
        stream, data = answer
        if stream == 1:
            target.write(data)
            frames.feed(data)
        else:
            said = (said + data)[-CHUNK:]


class FrameCounter:
    """Counts whole frames in a stream that comes in pieces of any size."""

    def __init__(self) -> None:
        self.done = 0
        self._head = b""
        self._left = 0

    def feed(self, data: bytes) -> None:
        while data:
            if self._left:
                taken = min(self._left, len(data))
                data, self._left = data[taken:], self._left - taken
                self.done += not self._left
                continue
            lacking = LENGTH.size - len(self._head)
            self._head, data = self._head + data[:lacking], data[lacking:]
            if len(self._head) == LENGTH.size:
                [self._left] = LENGTH.unpack(self._head)
                self._head = b""
                self.done += not self._left
