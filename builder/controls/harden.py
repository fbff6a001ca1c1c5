"""Every control of a profile changes the image so that its audit finds nothing, and says what it changed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from builder.controls.catalogue import BY_KEY
from builder.controls.edit import flattened
from builder.controls.frame import Context
from builder.controls.programs import topmost
from builder.model.image import Image, ImageConfig
from builder.model.lock import LockedPlatform
from builder.model.plan import Plan
from builder.model.tree import Entry, Kind, Rootfs

SHOWN = 50
"""Changes named one by one; beyond, only counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardened:
    image: Image
    changes: Mapping[str, tuple[str, ...]]
    """Key of the control -> what it changed, one line each. Idle controls are not there."""
    pruned: int = 0
    """Bytes of the files that were taken out."""


def harden(image: Image, plan: Plan, lock: LockedPlatform | None) -> Hardened:
    """Pure. An image that was read back loses its layers and history: they no longer are what it holds."""
    context = Context(plan=plan, lock=lock)
    changes: dict[str, tuple[str, ...]] = {}
    whole = image.rootfs
    for planned in plan.controls:
        after = BY_KEY[planned.key].enforce(image, planned.parameters, context)
        lines = tuple(differences(image, after)) if after is not image else ()
        if lines:
            changes[planned.key] = lines
        image = after
    return Hardened(
        image=flattened(image) if image.layers else image,
        changes=changes,
        pruned=pruned_bytes(whole, image.rootfs),
    )


def pruned_bytes(before: Rootfs, after: Rootfs) -> int:
    return sum(entry.size for path, entry in before.items() if path not in after)


def differences(before: Image, after: Image, shown: int = SHOWN) -> Iterator[str]:
    """A line each; of the files no more than `shown`, and how many more there are."""
    if before.layers and not after.layers:
        yield f"flattened {len(before.layers)} {'layer' if len(before.layers) == 1 else 'layers'}"
    if before.rootfs is not after.rootfs:
        yield from _shortened(_tree_differences(before.rootfs, after.rootfs), shown)
    yield from _config_differences(before.config, after.config)


def _shortened(lines: Iterable[str], shown: int) -> Iterator[str]:
    left = 0
    for number, line in enumerate(lines):
        if number < shown:
            yield line
        else:
            left += 1
    if left:
        yield f"and {left} more"


def _tree_differences(before: Rootfs, after: Rootfs) -> Iterator[str]:
    yield from _removed(before, after)
    for path, entry in after.items():
        old = before.get(path)
        if old is None:
            yield f"added {path}"
        elif old is not entry and (texts := list(_entry_differences(old, entry))):
            yield f"changed {path}: {', '.join(texts)}"


def _removed(before: Rootfs, after: Rootfs) -> Iterator[str]:
    """A folder that went with all it held is one line."""
    gone = {path for path in before if path not in after}
    counts = Counter(topmost(path, gone) for path in gone)
    for path, entries in sorted(counts.items()):
        is_folder = before[path].kind is Kind.DIRECTORY
        yield f"removed {path}" + (f" ({entries - 1} entries)" if is_folder and entries > 1 else "")


def _entry_differences(old: Entry, new: Entry) -> Iterator[str]:
    if old.kind is not new.kind:
        yield f"{old.kind} to {new.kind}"
    if old.mode != new.mode:
        yield f"mode {old.mode:04o} to {new.mode:04o}"
    if (old.uid, old.gid) != (new.uid, new.gid):
        yield f"owner {old.uid}:{old.gid} to {new.uid}:{new.gid}"
    if old.content is not new.content or old.target != new.target:
        yield "rewritten"
    for name in sorted(dict(old.xattrs).keys() - dict(new.xattrs).keys()):
        yield f"without {name}"


def _config_differences(old: ImageConfig, new: ImageConfig) -> Iterator[str]:
    if old is new:
        return
    if old.user != new.user:
        yield f"set user '{new.user}' (was '{old.user}')"
    if old.volumes != new.volumes:
        yield f"set volumes '{' '.join(new.volumes)}' (was '{' '.join(old.volumes)}')"
    if old.ports != new.ports:
        yield f"set ports '{' '.join(new.ports)}' (was '{' '.join(old.ports)}')"
    yield from _mapping_differences("variable", dict(old.env), dict(new.env))
    yield from _mapping_differences("label", dict(old.labels), dict(new.labels))


def _mapping_differences(what: str, old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield f"removed {what} '{name}'"
        elif old.get(name) != new[name]:
            yield f"set {what} '{name}' to '{new[name]}'"
