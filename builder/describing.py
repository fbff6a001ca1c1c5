"""What describes an image, as a bundle carries it: its folder, what it takes of others, profiles and lock."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from builder.config.plan import lock_profile
from builder.config.workspace import Workspace
from builder.errors import ArchiveError, InputError
from builder.image.folder import plain_errors
from builder.model.bundle import BUILT_IN, HERE, DescribedEntry
from builder.model.plan import Plan
from builder.packages.store import Store
from builder.resources import data_folder
from builder.rootfs.userfiles import SKIPPED, caches_below

LOCK_ENDING = ".lock.json"
CHUNK = 1 << 20


def described(workspace: Workspace, plan: Plan, store: Store) -> dict[str, DescribedEntry]:
    """By path; the files' contents lie in the store then. Raises `InputError` for what can't be carried."""
    folder = f"{label_of(plan.folder.parents[1])}/images/{plan.folder.name}"
    lock = workspace.lock_path(plan.image, lock_profile(plan))
    sources = {**below(plan.folder, folder), f"{folder}/{lock.name}": lock, **borrowed(plan)}
    for path in profile_files(workspace, plan):
        sources[f"{label_of(path.parents[1])}/profiles/{path.name}"] = path
    return {name: entry_of(name, path, store) for name, path in sources.items()}


def label_of(folder: Path) -> str:
    return BUILT_IN if folder.resolve() == data_folder().resolve() else HERE


def profile_files(workspace: Workspace, plan: Plan) -> Iterator[Path]:
    """Of two of one name, one extends the other that it hides."""
    seen: dict[str, Path] = {}
    for name in plan.chain:
        path = workspace.hidden_profile(seen[name]) if name in seen else workspace.profile(name)
        if path is not None:
            seen[name] = path
            yield path


def below(folder: Path, name: str) -> dict[str, Path]:
    """What stands in a folder, but for caches, other images' locks, and what temper is about to write."""
    caches = caches_below(folder)
    found = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        other = len(parts) == 1 and path.name.endswith((LOCK_ENDING, ".partial"))
        skipped = path in caches or caches.intersection(path.parents) or SKIPPED.intersection(parts)
        if not (other or skipped or path.suffix == ".pyc"):
            found["/".join([name, *parts])] = path
    return found


def borrowed(plan: Plan) -> dict[str, Path]:
    """Of the folders beside the image's: what its `files` name there."""
    found: dict[str, Path] = {}
    label = label_of(plan.folder.parents[1])
    for spec in plan.spec.files:
        home, source = spec.home(plan.folder), plan.folder / spec.source
        if home is not None and home != plan.folder:
            name = "/".join([label, "images", *Path(spec.source).parts[1:]])
            found |= {name: source, **(below(source, name) if source.is_dir() else {})}
    return found


def entry_of(name: str, path: Path, store: Store) -> DescribedEntry:
    if path.is_symlink():
        refuse_way_out(name, str(path.readlink()))
        return DescribedEntry(path=name, kind="link", target=str(path.readlink()))
    if path.is_dir():
        return DescribedEntry(path=name, kind="folder")
    if not path.is_file():
        raise InputError(f"{path}: is neither a file nor a folder, and can't be bundled; remove it")
    executable = bool(path.stat().st_mode & 0o100)
    with path.open("rb") as source, store.writer() as writer:
        while data := source.read(CHUNK):
            writer.write(data)
        return DescribedEntry(path=name, kind="file", sha256=writer.sha256, executable=executable)


def refuse_way_out(name: str, target: str) -> None:
    """A link may lead to what stands in an image's folder, its own or one beside it."""
    leads = os.path.normpath(f"{name}/../{target}").split("/")
    if target.startswith("/") or leads[:2] != name.split("/")[:2] or len(leads) < 3:
        raise InputError(f"{name}: is a link to '{target}', out of the images; copy what it points to")


def lay_out(entries: Iterable[DescribedEntry], store: Store, root: Path) -> None:
    """Below a new folder; links last, so that nothing is written through one."""
    with plain_errors(root):
        for entry in sorted(entries, key=lambda entry: entry.kind == "link"):
            target = root / entry.path
            if entry.kind == "folder":
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if entry.kind == "link":
                refuse_way_out(entry.path, entry.target)
                target.symlink_to(entry.target)
            else:
                _write(entry, store, target)


def _write(entry: DescribedEntry, store: Store, target: Path) -> None:
    if entry.sha256 is None:
        raise ArchiveError(f"{entry.path}: is a file without a hash; bundle anew")
    with store.blob(entry.sha256).open("rb") as source, target.open("xb") as file:
        while data := source.read(CHUNK):
            file.write(data)
    target.chmod(0o755 if entry.executable else 0o644)


def differing(entries: Iterable[DescribedEntry], here: Path, store: Store) -> list[str]:
    """What of the description stands below `here` too, with other content; by path.

    An image that stands here has to be the same as a whole. Where none does, the bundle has the only one.
    """
    carried = {entry.path.partition("/")[2]: entry for entry in entries if entry.kind != "folder"}
    homes = [name.removesuffix("/image.yaml") for name in carried if name.endswith("/image.yaml")]
    own = {home: below(here / home, home) for home in homes if (here / home / "image.yaml").is_file()}
    mine = {name: here / name for name in carried if (here / name).exists()}
    mine |= {name: path for found in own.values() for name, path in found.items()}
    wrong = [
        name
        for name, path in mine.items()
        if (path.is_symlink() or not path.is_dir()) and not _same(carried.get(name), path, store)
    ]
    lacking = [
        name for name in carried if name not in mine and name.startswith(tuple(f"{home}/" for home in own))
    ]
    return sorted([*wrong, *lacking])


def _same(entry: DescribedEntry | None, path: Path, store: Store) -> bool:
    return entry is not None and entry_of(entry.path, path, store) == entry
