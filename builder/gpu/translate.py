"""A CDI specification piece by piece, for engines that don't know CDI.

Hooks can't be run so. The two that matter for computing are stood in for: what create-symlinks would link and
update-ldcache would find by its SONAME is bound under that name as well. The rest is told in `left_out`.
Source: CDI 1.1.0, SPEC.md; NVIDIA Container Toolkit 1.20, cmd/nvidia-cdi-hook and internal/edits.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from posixpath import basename, dirname, join, normpath
from typing import Protocol

from builder.errors import InputError
from builder.gpu.findings import DEFAULT_FOLDERS
from builder.model.cdi import CdiSpec, DeviceNode, Edits, Hook
from builder.model.injection import HostNode, Injection
from builder.model.trial import Mount
from builder.rootfs import elf

SAID_BY_BIND = frozenset({"ro", "rw", "bind", "rbind", "private", "rprivate"})
NEVER_BY_BIND = frozenset({"nosuid", "nodev", "noexec"})
"""A bind can't be told; a container with no privileges to gain has no use for what they forbid."""
CONSEQUENCES = {
    "chmod": "folders keep their modes",
    "disable-device-node-modification": "the driver may try to make nodes, and fails",
    "enable-cuda-compat": "compatibility libraries of the image are not used",
    "update-application-profile": "settings for graphics are the driver's",
}
"""Hooks without a part in how CUDA finds its driver and its devices."""
SPECS = (Path("/etc/cdi"), Path("/var/run/cdi"))


class Host(Protocol):
    """What of this machine is looked at."""

    def facts(self, path: str) -> os.stat_result | None: ...
    def soname(self, path: str) -> str | None: ...


class ThisHost:
    def facts(self, path: str) -> os.stat_result | None:
        try:
            return Path(path).stat()
        except OSError:
            return None

    def soname(self, path: str) -> str | None:
        try:
            with Path(path).open("rb") as file:
                found = elf.facts(file).elf
        except OSError:
            return None
        return found.soname if found is not None else None


def edits_of(spec: CdiSpec, devices: tuple[str, ...]) -> Edits:
    """What the devices and the specification itself change, together.

    Raises `InputError` for a device that it doesn't name.
    """
    known = {device.name: device.container_edits for device in spec.devices}
    for name in devices:
        if name not in known:
            raise InputError(f"{spec.kind}={name}: no such device; there are: {', '.join(sorted(known))}")
    parts = [*(known[name] for name in devices), spec.container_edits]
    return Edits(
        env=tuple(item for part in parts for item in part.env),
        device_nodes=tuple({node.path: node for part in parts for node in part.device_nodes}.values()),
        mounts=tuple({mount.container_path: mount for part in parts for mount in part.mounts}.values()),
        hooks=tuple(dict.fromkeys(hook for part in parts for hook in part.hooks)),
        additional_gids=tuple(sorted({gid for part in parts for gid in part.additional_gids})),
        intel_rdt=next((part.intel_rdt for part in parts if part.intel_rdt), None),
        net_devices=tuple(item for part in parts for item in part.net_devices),
    )


def translated(edits: Edits, host: Host) -> Injection:
    bound = {mount.container_path: mount.host_path for mount in edits.mounts if _is_bind(mount.type)}
    writable = {mount.container_path for mount in edits.mounts if "rw" in mount.options}
    links, left = _names(edits.hooks, bound, host)
    nodes = [node for node in edits.device_nodes if node.permissions != "none"]
    return Injection(
        nodes=tuple(
            HostNode(host=node.host_path or node.path, path=node.path, permissions=node.permissions or "rwm")
            for node in nodes
        ),
        mounts=tuple(
            Mount(source=Path(source), target=target, read_only=target not in writable)
            for target, source in {**bound, **links}.items()
        ),
        env=tuple(sorted(dict(item.split("=", 1) for item in edits.env).items())),
        groups=tuple(sorted({*edits.additional_gids, *_groups(nodes, host)} - {0})),
        left_out=(*_beyond(edits), *_owners(nodes, host), *left),
    )


def _is_bind(kind: str) -> bool:
    return kind in ("", "none", "bind")


def _groups(nodes: list[DeviceNode], host: Host) -> Iterator[int]:
    """Of nodes that not everybody may open, as the vendor's generator has it since 1.19."""
    for node in nodes:
        facts = host.facts(node.host_path or node.path)
        if facts is not None and facts.st_mode & 0o006 != 0o006:
            yield facts.st_gid


def _beyond(edits: Edits) -> Iterator[str]:
    for mount in edits.mounts:
        where = f"mount {mount.container_path}"
        if not _is_bind(mount.type):
            yield f"{where}: type '{mount.type}' can't be said; it is not there"
        strange = [option for option in mount.options if option not in SAID_BY_BIND | NEVER_BY_BIND]
        yield from (f"{where}: option '{one}' can't be said; the engine's default holds" for one in strange)
    for node in edits.device_nodes:
        if node.permissions == "none":
            yield f"node {node.path}: permissions 'none' can't be said; it is not there"
    if edits.intel_rdt is not None:
        yield "intelRdt can't be said; the container is in the engine's own class"
    for device in edits.net_devices:
        yield f"network device '{device.name}' can't be said; it is not there"


def _owners(nodes: list[DeviceNode], host: Host) -> Iterator[str]:
    """An engine copies the host's node as it is."""
    for node in nodes:
        facts = host.facts(node.host_path or node.path)
        if facts is None:
            continue
        asked = (node.uid, node.gid, node.file_mode and stat.S_IMODE(node.file_mode))
        there = (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode))
        if any(wanted not in (None, had) for wanted, had in zip(asked, there, strict=True)):
            yield f"node {node.path}: its owner and mode can't be said; those of the host's node hold"


def _names(hooks: tuple[Hook, ...], bound: Mapping[str, str], host: Host) -> tuple[dict[str, str], list[str]]:
    """Further names of what is bound -> the same file of the host; and what no name can stand in for."""
    links: dict[str, str] = {}
    aliases: dict[str, str] = {}
    left: list[str] = []
    for hook in hooks:
        verb = next((word for word in hook.args[1:] if not word.startswith("-")), "")
        if verb == "create-symlinks":
            links.update(_links(hook))
        elif verb == "update-ldcache":
            folders = tuple(_values(hook, "--folder"))
            aliases.update(_sonames(folders, bound, host))
            left += [f"{verb}: '{folder}' {NO_CACHE}" for folder in folders if folder not in DEFAULT_FOLDERS]
        else:
            consequence = CONSEQUENCES.get(verb, "what it would do is not done")
            left.append(f"hook '{verb or basename(hook.path)}' is not run; {consequence}")
    found = {alias: source for alias, source in aliases.items() if alias not in bound}
    for link in links:
        source = _followed(link, links, {**aliases, **bound})
        if source is None:
            left.append(f"create-symlinks: '{link}' leads to nothing that is injected; it is not there")
        elif link not in bound:
            found[link] = source
    return found, left


NO_CACHE = "is none of the loader's default folders, and only the hook can write its cache"


def _values(hook: Hook, option: str) -> Iterator[str]:
    """`--folder X` and `--folder=X`."""
    for number, word in enumerate(hook.args):
        if word == option and number + 1 < len(hook.args):
            yield hook.args[number + 1]
        elif word.startswith(f"{option}="):
            yield word.partition("=")[2]


def _links(hook: Hook) -> dict[str, str]:
    """Link -> where it leads, both absolute; it is written `target::link`."""
    found = {}
    for text in _values(hook, "--link"):
        target, _, link = text.partition("::")
        found[normpath(link)] = normpath(join(dirname(link), target))
    return found


def _sonames(folders: tuple[str, ...], bound: Mapping[str, str], host: Host) -> dict[str, str]:
    found = {}
    for target, source in bound.items():
        soname = host.soname(source) if dirname(target) in folders and ".so" in basename(target) else None
        if soname is not None and soname != basename(target):
            found[join(dirname(target), soname)] = source
    return found


def _followed(link: str, links: Mapping[str, str], there: Mapping[str, str]) -> str | None:
    """The host's file behind a chain of links."""
    place = link
    for _ in range(40):  # Linux: ELOOP
        if place in links:
            place = links[place]
        else:
            break
    return there.get(place)
