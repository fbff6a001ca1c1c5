"""Whether everything that would be loaded or interpreted is in the tree: ld.so(8) and execve(2) as data."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from builder.model.tree import Elf, Entry, Kind, Rootfs

TRIPLETS = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}
MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
"""ELF machine of each platform."""

LD_CACHE = "etc/ld.so.cache"
LD_CONF = "etc/ld.so.conf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    path: str
    """The file that can't be loaded or started."""
    soname: str
    """What it needs: a soname, or the absolute path of a loader or interpreter."""


def missing(
    rootfs: Rootfs,
    *,
    machine: str | None = None,
    library_path: Iterable[str] = (),
    brought_by_host: Iterable[str] = (),
) -> tuple[Missing, ...]:
    """Every NEEDED soname and ELF interpreter that the loader would not find, in path order.

    `machine` leaves out files of other machines (`x86_64`), which nothing here could load.
    `library_path` is LD_LIBRARY_PATH. `brought_by_host` are patterns of sonames that a driver brings at
    run time. Libraries that are opened by name at run time (dlopen) are not known to anybody beforehand.
    """
    loader = Loader(rootfs, tuple(library_path))
    given = tuple(brought_by_host)
    return tuple(
        Missing(path=path, soname=soname)
        for path, elf in loader.files.items()
        if machine is None or elf.machine == machine
        for soname in loader.lacking(path, elf)
        if not any(fnmatchcase(soname, pattern) for pattern in given)
    )


def missing_interpreters(rootfs: Rootfs, path: Iterable[str] = ()) -> tuple[Missing, ...]:
    """Every executable script whose `#!` interpreter is not in the tree, in path order.

    For `#!/usr/bin/env NAME`, NAME is looked for in `path` too. A script without execute bit is a module
    that is only read, whatever its first line says.
    """
    folders = tuple(path)
    found = []
    for entry in rootfs.files():
        if not entry.mode & 0o111 or entry.content is None or not entry.content.facts.shebang:
            continue
        lacking = _lacking_interpreter(rootfs, entry.content.facts.shebang, folders)
        if lacking is not None:
            found.append(Missing(path=entry.path, soname=lacking))
    return tuple(found)


def _lacking_interpreter(rootfs: Rootfs, shebang: str, folders: tuple[str, ...]) -> str | None:
    interpreter, *arguments = shebang.split()
    if not interpreter.startswith("/") or not _is_executable(rootfs.resolve(interpreter)):
        return interpreter
    if interpreter.rpartition("/")[2] != "env":
        return None
    words = [word for word in arguments if not word.startswith("-") and "=" not in word]
    if not words or any(_is_executable(rootfs.resolve(f"{folder}/{words[0]}")) for folder in folders):
        return None
    return words[0]


def _is_executable(entry: Entry | None) -> bool:
    return entry is not None and entry.kind is Kind.FILE and bool(entry.mode & 0o111)


@dataclass(slots=True)
class Loader:
    """Looks for libraries as ld.so does, and remembers what it found."""

    rootfs: Rootfs
    library_path: tuple[str, ...]
    files: dict[str, Elf] = field(default_factory=dict)
    found: dict[tuple[str, str], str | None] = field(default_factory=dict)
    """(directory, soname) -> path of the file, links followed."""
    loaders: dict[str, list[str]] = field(default_factory=dict)
    """Library -> the files that need it and find it; filled for all files before anyone asks."""
    lost: dict[str, list[str]] = field(default_factory=dict)
    """File -> the sonames that it doesn't find by itself."""
    system: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Machine -> directories that are always searched."""

    def __post_init__(self) -> None:
        for entry in self.rootfs.files():
            if entry.content is not None and (elf := entry.content.facts.elf) is not None:
                self.files[entry.path] = elf
        for path, elf in self.files.items():
            own = [*self._rpath(path, elf), *self._later(path, elf)]
            for soname in elf.needed:
                library = self._search(soname, own, elf.machine)
                if library is None:
                    self.lost.setdefault(path, []).append(soname)
                else:
                    self.loaders.setdefault(library, []).append(path)

    def lacking(self, path: str, elf: Elf) -> Iterator[str]:
        if elf.interpreter is not None and not _is_executable(self.rootfs.resolve(elf.interpreter)):
            yield elf.interpreter
        for soname in self.lost.get(path, ()):
            if not self._found_by_loader(soname, path, elf):
                yield soname

    def libraries(self, path: str) -> Iterator[str]:
        """Absolute places of the libraries that a file finds by itself, links not followed."""
        elf = self.files[path]
        own = [*self._rpath(path, elf), *self._later(path, elf)]
        for soname in elf.needed:
            folders = [""] if "/" in soname else own
            for folder in folders:
                if self._at(folder, soname, elf.machine):
                    yield f"{folder}/{soname}"
                    break

    def _rpath(self, path: str, elf: Elf) -> list[str]:
        """DT_RPATH is ignored where DT_RUNPATH stands too."""
        return [] if elf.runpath else self._expanded(path, elf, elf.rpath)

    def _later(self, path: str, elf: Elf) -> list[str]:
        return [*self.library_path, *self._expanded(path, elf, elf.runpath), *self._system(elf.machine)]

    def _expanded(self, path: str, elf: Elf, folders: tuple[str, ...]) -> list[str]:
        """A relative entry means the working directory, which is nobody's library path: left out."""
        origin = "/" + path.rpartition("/")[0]
        library = f"lib/{TRIPLETS.get(elf.machine, elf.machine)}"
        values = {"ORIGIN": origin, "LIB": library, "PLATFORM": elf.machine}
        expanded = []
        for folder in folders:
            for name, value in values.items():
                folder = folder.replace(f"${{{name}}}", value).replace(f"${name}", value)  # noqa: PLW2901
            expanded.append(folder)
        return [folder for folder in expanded if folder.startswith("/")]

    def _system(self, machine: str) -> tuple[str, ...]:
        if machine not in self.system:
            triplet = TRIPLETS.get(machine, machine)
            default = (f"/lib/{triplet}", f"/usr/lib/{triplet}", "/lib64", "/usr/lib64", "/lib", "/usr/lib")
            self.system[machine] = (*configured_folders(self.rootfs), *default)
        return self.system[machine]

    def _search(self, soname: str, folders: Iterable[str], machine: str) -> str | None:
        if "/" in soname:
            return self._at("", soname, machine)
        return next((path for folder in folders if (path := self._at(folder, soname, machine))), None)

    def _at(self, folder: str, soname: str, machine: str) -> str | None:
        key = (folder, soname)
        if key not in self.found:
            entry = self.rootfs.resolve(f"{folder}/{soname}")
            self.found[key] = entry.path if entry is not None and entry.path in self.files else None
        path = self.found[key]
        return path if path is not None and self.files[path].machine == machine else None

    def _found_by_loader(self, soname: str, path: str, elf: Elf) -> bool:
        """What pulled a library in may have loaded the soname already, or lend its DT_RPATH.

        ld.so loads breadth first and takes a soname that is there; DT_RPATH holds for the whole chain.
        """
        seen = {path}
        waiting = list(self.loaders.get(path, ()))
        while waiting:
            above = waiting.pop()
            if above in seen:
                continue
            seen.add(above)
            waiting += self.loaders.get(above, ())
            known = self.files[above]
            if soname in known.needed and soname not in self.lost.get(above, ()):
                return True
            if not elf.runpath and self._search(soname, self._rpath(above, known), elf.machine):
                return True
        return False


def configured_folders(rootfs: Rootfs) -> tuple[str, ...]:
    """The directories of ld.so.conf, where a cache was made from it: ld.so itself never reads that file."""
    return listed_folders(rootfs) if LD_CACHE in rootfs else ()


def listed_folders(rootfs: Rootfs) -> tuple[str, ...]:
    """The same whether or not there is a cache: NVIDIA's runtime makes one in every container."""
    return tuple(_read_conf(rootfs, LD_CONF, 0))


def _read_conf(rootfs: Rootfs, path: str, depth: int) -> Iterator[str]:
    entry = rootfs.resolve(path)
    if entry is None or entry.content is None or depth > 8:  # ldconfig has no bound; a circle has no end
        return
    with entry.content.open() as stream:
        text = stream.read(1 << 16).decode("utf-8", "replace")
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["include"]:
            for pattern in words[1:]:
                for name in sorted(_matching(rootfs, pattern)):
                    yield from _read_conf(rootfs, name, depth + 1)
        else:
            yield from (word for word in words if word.startswith("/"))


def _matching(rootfs: Rootfs, pattern: str) -> Iterator[str]:
    """As glob(3): `*` stays within one folder. Relative patterns start at /etc."""
    pattern = pattern.lstrip("/") if pattern.startswith("/") else f"etc/{pattern}"
    folder, _, name = pattern.rpartition("/")
    for entry in rootfs.below(folder):
        above, _, own = entry.path.rpartition("/")
        if above == folder and fnmatchcase(own, name):
            yield entry.path
