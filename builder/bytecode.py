"""The byte code of an image, compiled by its own Python: in a sandbox on this machine, or in a container."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from builder import sandbox
from builder.compiling import PROGRAM, Run, in_container, in_sandbox
from builder.errors import EngineError, InputError, ToolError
from builder.locks import gather
from builder.model.image import Image
from builder.model.lock import LockedPlatform
from builder.model.plan import Plan
from builder.model.tree import Bytes, Content, Entry, Kind, Rootfs, Slice
from builder.packages.bytecode import Interpreter, inside, with_bytecode
from builder.packages.store import Store
from builder.packages.unpack import unpack
from builder.rootfs.merge import merge
from builder.rootfs.needs import Command, Needs
from builder.workplace import Workplace, host_platform

ARCHIVE = "modules-1"
"""Kind of the store's records: the modules that Python can't start without, as one archive."""


def compiled(place: Workplace, plan: Plan, image: Image) -> tuple[Image, Interpreter | None]:
    """The image with byte code beside every module, where image.yaml asks for it, and who compiled it.

    An image for another machine is compiled by the same Python for this one: byte code is the same on all.
    Raises `ToolError` where Python can be run neither way and the store doesn't have the byte code.
    """
    python = plan.spec.python
    if python is None or not python.bytecode:
        return image, None
    tree = image.rootfs if image.config.platform == host_platform() else own_tree(place, plan)
    program = tree.resolve(f"usr/bin/python{python.version}")
    if program is None or program.content is None:
        raise InputError(f"python.bytecode: no package brings /usr/bin/python{python.version}")
    interpreter = Interpreter(version=python.version, sha256=program.content.sha256)
    with Compiler(place, tree, program) as run:
        return image.replace(rootfs=with_bytecode(image.rootfs, place.store, interpreter, run)), interpreter


def compiled_again(
    place: Workplace, section: LockedPlatform, rootfs: Rootfs, interpreter: Interpreter
) -> Rootfs:
    """The image's own files with their byte code. Its Python is unpacked only where the store lacks some.

    `section` is what the lock has for this machine.
    """
    debs = section.model_copy(update={"wheels": ()})

    def run(group: Sequence[Entry], target: BinaryIO) -> None:
        tree = merge(unpack(place.store, debs, interpreter.version), 0)
        program = tree.resolve(f"usr/bin/python{interpreter.version}")
        assert program is not None  # noqa: S101 - it was there, and the lock is the same
        with Compiler(place, tree, program) as compiler:
            compiler(group, target)

    return with_bytecode(rootfs, place.store, interpreter, run)


def own_tree(place: Workplace, plan: Plan) -> Rootfs:
    """What the lock has for this machine, of which only Python is run."""
    host = host_platform()
    if host not in plan.spec.platforms:
        raise InputError(
            f"python.bytecode: the image's Python has to run on this machine, {host}, and `platforms` "
            "leaves it out; add it, or build on one of the image's platforms"
        )
    _, packages = gather(place, plan, host, wheels=False)
    return merge(packages, 0)


class Compiler:
    """Starts the image's Python when it is first needed: in a sandbox, else in a container."""

    def __init__(self, place: Workplace, tree: Rootfs, program: Entry) -> None:
        self._place = place
        self._files = partial(needed, place.store, tree, program)
        self._argv = [f"/{program.path}", "-I", "-S", "-B", f"/{PROGRAM}"]
        self._stack = ExitStack()
        self._root: Path | None = None
        self._run: Run | None = None

    def __enter__(self) -> "Compiler":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __call__(self, group: Sequence[Entry], target: BinaryIO) -> None:
        if self._run is None:
            self._place.progress.stage("compiling byte code")
            self._root = self._stack.enter_context(sandbox.unpacked(self._files()))
            self._run = in_sandbox(self._place.store, self._root, self._argv)
        try:
            self._run(group, target)
        except ToolError:
            refused = self._refused()
            if not refused:
                raise
            target.seek(0)
            target.truncate()
            self._run = self._container(refused)
            self._run(group, target)

    def _refused(self) -> str:
        """Why no sandbox is to be had; asked only where something has failed."""
        if self._root is None:
            return ""
        root, self._root = self._root, None
        return sandbox.refusal(root, [*self._argv[:3], "-c", "pass"])

    def _container(self, refused: str) -> Run:
        tree, platform = Rootfs().with_entries(self._files()), host_platform()
        try:
            return self._stack.enter_context(in_container(self._place.store, tree, self._argv, platform))
        except EngineError as error:
            raise ToolError(
                "python.bytecode: the image's Python runs neither in a sandbox nor in a container here\n"
                f"{refused}\n{error}\n"
                "allow user namespaces, start an engine, or write `bytecode: false` in image.yaml"
            ) from None


def needed(store: Store, tree: Rootfs, program: Entry) -> list[Entry]:
    """The interpreter, its libraries, the modules that it can't start without, and what it is to do."""
    needs = Needs(tree, ())
    needs.add([Command(what="compiler", words=(f"/{program.path}",))])
    version = program.path.removeprefix("usr/bin/python")
    minimal = {f"python{version}-minimal", f"libpython{version}-minimal"}
    found = [
        entry
        for entry in tree.values()
        if entry.path in needs.because
        or (entry.owner.name in minimal and entry.kind is not Kind.DIRECTORY)
        or (entry.kind is Kind.SYMLINK and "/" not in entry.path)
    ]
    code = Bytes(inside().read_bytes())
    return [*zipped(store, found, version), Entry(path=PROGRAM, kind=Kind.FILE, mode=0o644, content=code)]


def zipped(store: Store, entries: Iterable[Entry], version: str) -> Iterator[Entry]:
    """With the modules as one archive, which Python looks into by itself: laying out hundreds of small files
    took five times as long as it takes to compile what has changed.
    """
    folder = f"usr/lib/python{version}/"
    modules: dict[str, Content] = {}
    for entry in entries:
        if not (entry.path.startswith(folder) and entry.path.endswith(".py")):
            yield entry
        elif entry.content is not None:
            modules[entry.path.removeprefix(folder)] = entry.content
            if entry.path == f"{folder}os.py":  # by which Python finds its folder
                yield entry
    path = f"usr/lib/python{version.replace('.', '')}.zip"
    yield Entry(path=path, kind=Kind.FILE, mode=0o644, content=_archive(store, modules))


def _archive(store: Store, modules: Mapping[str, Content]) -> Content:
    """Kept: reading hundreds of small files takes as long as Python needs to start."""
    rows = [(name, content.sha256) for name, content in modules.items()]
    key = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    known = store.record(ARCHIVE, key)
    if known is None or not store.has(known.decode()):
        known = _zip(store, modules).encode()
        store.write_record(ARCHIVE, key, known)
    path = store.blob(known.decode())
    return Slice(path=path, offset=0, size=path.stat().st_size, sha256=known.decode())


def _zip(store: Store, modules: Mapping[str, Content]) -> str:
    from zipfile import ZipFile, ZipInfo  # noqa: PLC0415 - most builds find all byte code in the store

    made = BytesIO()
    with ZipFile(made, "w") as archive:
        for name, content in modules.items():
            with content.open() as stream:
                archive.writestr(ZipInfo(name), stream.read())
    with store.writer() as writer:
        writer.write(made.getvalue())
    return writer.sha256
