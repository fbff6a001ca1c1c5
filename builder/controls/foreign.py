"""Hardening of a finished image that others built: nobody can be asked what it needs, so files have to tell.

What a control would change is left alone where it holds already, and what the image's own commands need to
start stays, whatever a control thinks of it. Both are said.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from builder.controls import passwd
from builder.controls.audit import audit_one
from builder.controls.catalogue import BY_KEY
from builder.controls.edit import flattened, with_rootfs
from builder.controls.frame import Context
from builder.controls.harden import differences, pruned_bytes
from builder.controls.lists import PYTHON_INSTALLERS
from builder.controls.ownership import is_own_place
from builder.controls.programs import READ, allowed, search_path
from builder.controls.workload import code_folder, commands
from builder.model.image import Image
from builder.model.plan import PlannedControl
from builder.model.report import Outcome
from builder.model.tree import Entry, Kind, parents
from builder.rootfs.needs import Needs

EVERY = 1 << 30
NOTHING_HIDDEN = "flattened 1 layer"
NAMED = 5
"""Paths that an advice names."""
PLACES_TO_WRITE = ("var/cache/", "var/lib/", "var/log/", "var/spool/")
"""Folders below are expected by programs, also when they are empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HardenedForeign:
    image: Image
    changes: Mapping[str, tuple[str, ...]]
    """Key of the control -> what it changed, one line each, all of them."""
    advice: tuple[str, ...]
    """What could not be mended, or may need a hand, and what to do."""
    pruned: int = 0
    """Bytes of the files that were taken out."""


def harden_foreign(image: Image, controls: Iterable[PlannedControl]) -> HardenedForeign:
    """Pure. The result has no layers and no history."""
    original, context, needs = image, Context(), needs_of(image)
    changes: dict[str, tuple[str, ...]] = {}
    advice: list[str] = []
    for planned in controls:
        if audit_one(image, planned, context).outcome is Outcome.PASSED:
            continue
        after = BY_KEY[planned.key].enforce(image, planned.parameters, context)
        after, kept = spared(image, after, needs)
        after = mended_config(image, after)
        advice += [f"{planned.key}: {line}" for line in kept]
        lines = tuple(line for line in differences(image, after, EVERY) if line != NOTHING_HIDDEN)
        if lines:
            changes[planned.key] = lines
        image = after
    advice += [*shell_advice(original), *user_advice(original, image)]
    return HardenedForeign(
        image=flattened(image),
        changes=changes,
        advice=tuple(advice),
        pruned=pruned_bytes(original.rootfs, image.rootfs),
    )


def needs_of(image: Image) -> Needs:
    library_path = (image.config.env_value("LD_LIBRARY_PATH") or "").split(":")
    needs = Needs(image.rootfs, tuple(search_path(image)), tuple(filter(None, library_path)))
    needs.add(commands(image.config))
    return needs


def spared(before: Image, after: Image, needs: Needs) -> tuple[Image, list[str]]:
    """`after` with what may not go, and a line for each program that stays."""
    if after.rootfs is before.rootfs:
        return after, []
    installers = {path.rpartition("/")[2] for path in needs.because} & PYTHON_INSTALLERS
    back: dict[str, Entry] = {}
    kept = []
    for path, entry in before.rootfs.items():
        if path in after.rootfs:
            continue
        if path in needs.because:
            kept.append(f"{path} stays, for {needs.because[path]}")
        elif not stays(before, entry, installers):
            continue
        back[path] = entry
        back.update({parent: before.rootfs[parent] for parent in parents(path)})
    missing = [entry for path, entry in back.items() if path not in after.rootfs]
    if not missing:
        return after, kept
    if len(missing) == len(before.rootfs) - len(after.rootfs) and all(
        before.rootfs.get(path) is entry for path, entry in after.rootfs.items()
    ):
        return (before if after.config == before.config else before.replace(config=after.config)), kept
    return with_rootfs(after, after.rootfs.with_entries(missing)), kept


def stays(image: Image, entry: Entry, installers: set[str]) -> bool:
    path = entry.path
    if entry.kind is Kind.DIRECTORY:
        return path.startswith(PLACES_TO_WRITE)
    if path.endswith(".pyc") and "/__pycache__/" not in path:  # a module that was shipped without source
        return f"{path[:-1]}" not in image.rootfs
    return any(f"-packages/{name}/" in path or f"-packages/{name}-" in path for name in installers)


def mended_config(before: Image, after: Image) -> Image:
    """What follows from a change of the config, so that the workload still finds its code and its data."""
    if after.config is before.config:
        return after
    folder = code_folder(after)
    if after.config.env_value("PYTHONSAFEPATH") and not before.config.env_value("PYTHONSAFEPATH") and folder:
        known = after.config.env_value("PYTHONPATH")
        path = f"{folder}:{known}" if known else folder
        after = after.replace(config=after.config.with_env(PYTHONPATH=path))
    return with_volumes(before, after) if after.config.user != before.config.user else after


def with_volumes(before: Image, after: Image) -> Image:
    """The volumes of a user that gave way belong to the new one, as engines fill a fresh volume from them."""
    old, new = passwd.account(before), passwd.account(after)
    if old is None or new is None or old == new:
        return after
    tops = [after.rootfs.resolve(volume) for volume in after.config.volumes if is_own_place(volume)]
    handed = [
        entry.replace(uid=new.uid, gid=new.gid)
        for top in tops
        if top is not None and top.kind is Kind.DIRECTORY
        for entry in (top, *after.rootfs.below(top.path))
        if entry.uid == old.uid
    ]
    return with_rootfs(after, after.rootfs.with_entries(handed)) if handed else after


def shell_advice(image: Image) -> Iterator[str]:
    """Only where the image has commands that only a shell can run."""
    for command in commands(image.config):
        if command.shell:
            yield (
                f"the {command.what} is in shell form ('{command.shell[:80]}'), so that a shell has to "
                "stay: write it as a list whose first word is a program, and harden again"
            )
    words = (*image.config.entrypoint, *image.config.cmd)
    program = next(_found(image, words[0]), None) if words else None
    if program is not None and program.content and _is_shell(program.content.facts.shebang or ""):
        yield (
            f"the entrypoint {program.path} is a shell script, so that a shell and the programs named in it "
            "have to stay: start the program itself, and do the script's work in the image or in the program"
        )


def _found(image: Image, word: str) -> Iterator[Entry]:
    places = [word] if "/" in word else [f"{folder}/{word}" for folder in search_path(image)]
    for place in places:
        entry = image.rootfs.resolve(place)
        if entry is not None and entry.kind is Kind.FILE:
            yield entry


def _is_shell(shebang: str) -> bool:
    words = [word.rpartition("/")[2] for word in shebang.split()]
    return any(word in ("sh", "ash", "bash", "dash", "zsh", "ksh") for word in words[:2])


def user_advice(before: Image, after: Image) -> Iterator[str]:
    """Where the program may miss rights that it had."""
    old, new = passwd.account(before), passwd.account(after)
    if old is None or new is None:
        return
    taken = [
        path
        for path, entry in before.rootfs.items()
        if entry.kind in (Kind.FILE, Kind.DIRECTORY) and entry.uid == old.uid != 0
        and path in after.rootfs and after.rootfs[path].uid != old.uid
    ]  # fmt: skip
    if taken:
        yield (
            f"{_some(taken)} belonged to the image's user and is root's now: if the program writes there, "
            "give it a tmpfs or a volume at that place"
        )
    if old.uid == 0 and new.uid != 0:
        yield (
            f"the program ran as root and is user {new.uid} now: what it writes has to lie in a volume, a "
            "tmpfs or its home, and a mounted folder has to belong to that user"
        )
    unreadable = [
        entry.path
        for entry in after.rootfs.files()
        if old.uid == 0 and new.uid != 0 and not allowed(entry, new, READ) and not _is_secret(entry.path)
    ]
    if unreadable:
        yield (
            f"{_some(unreadable)} can't be read by user {new.uid}: chmod it in the image if the program "
            "reads it"
        )


def _is_secret(path: str) -> bool:
    """Closed to everybody but root on purpose."""
    return path.startswith(
        ("etc/shadow", "etc/gshadow", "etc/security/", "etc/ssl/private/", "root/", "var/")
    )


def _some(paths: list[str]) -> str:
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(paths[:NAMED]) + more
