"""`temper gpu lint`: what is wrong with, or dangerous in, a CDI specification of the host."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from builder.config.document import read
from builder.config.parse import in_order, news, validated
from builder.config.problems import Location, Problem, spelt
from builder.controls.loader import STEERING
from builder.errors import InputError
from builder.model.cdi import VERSIONS, CdiMount, CdiSpec, DeviceNode, Edits, Hook

Found = Iterator[tuple[Location, str]]
Placed = tuple[Location, Edits]
Look = Callable[[str], os.stat_result]
"""os.stat, or what a test has in its place."""

KIND = re.compile(r"[A-Za-z]([A-Za-z0-9_.-]*[A-Za-z0-9])?/[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
"""VENDOR/CLASS (CDI 1.1.0, Kind)."""
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?")
PERMISSIONS = re.compile(r"[rwm]{1,3}|none")
NEEDED = ("ro", "nosuid", "nodev")
"""Of each mount: a container is given a driver's files, not a way to change them or to get at devices."""


def lint(path: Path, *, host: Look | None = None) -> tuple[Problem, ...]:
    """In the order of lines. With `host`, what the specification names is looked at too.

    Raises `InputError` where the file can't be read at all.
    """
    return _looked_at(path, host)[1]


def sound(path: Path) -> CdiSpec:
    """For who is about to use it. Raises `InputError` with everything that is wrong with it, or dangerous."""
    spec, problems = _looked_at(path, None)
    if spec is None or problems:
        raise InputError(str(problem) for problem in problems)
    return spec


def _looked_at(path: Path, host: Look | None) -> tuple[CdiSpec | None, tuple[Problem, ...]]:
    if not path.is_file():
        raise InputError(f"{path}: is no file; name a CDI specification, such as /var/run/cdi/nvidia.yaml")
    document = read(path)
    if not document.readable:
        return None, tuple(document.problems)
    if not isinstance(document.data, dict):
        text = "no mapping; a specification begins with cdiVersion, kind, devices"
        return None, (document.problem((), text),)
    spec, problems = validated(CdiSpec, document.data, document, ())
    if spec is None:
        return None, problems
    further = [document.problem(at, text) for at, text in _faults(spec, host)]
    return spec, in_order([*problems, *news(further, problems)])


def _faults(spec: CdiSpec, host: Look | None) -> Found:
    places: list[Placed] = [(("containerEdits",), spec.container_edits)]
    places += [
        (("devices", number, "containerEdits"), device.container_edits)
        for number, device in enumerate(spec.devices)
    ]
    yield from _names(spec)
    yield from _version(spec, places)
    for at, edits in places:
        yield from _edits(at, edits)
        if host is not None:
            yield from _on_the_host(at, edits, host)


def _names(spec: CdiSpec) -> Found:
    if not KIND.fullmatch(spec.kind):
        yield ("kind",), f"'{spec.kind}' is not VENDOR/CLASS; write one such as nvidia.com/gpu"
    first: dict[str, int] = {}
    for number, device in enumerate(spec.devices):
        at: Location = ("devices", number, "name")
        if not NAME.fullmatch(device.name):
            yield (
                at,
                f"'{device.name}' is no device's name; write letters, digits and '_', '-', '.', ':' inside",
            )
        if (earlier := first.setdefault(device.name, number)) != number:
            yield at, f"'{device.name}' is the name of devices[{earlier}] already; give each its own"
        if device.container_edits == Edits():
            yield ("devices", number), f"'{device.name}' changes nothing; say what the container gets"


def _version(spec: CdiSpec, places: list[Placed]) -> Found:
    """The newest of what is used decides; engines refuse a specification whose version lacks it."""
    needs = [need for _, edits in places for need in _needs(edits)]
    needs += [("0.6.0", "annotations")] if spec.annotations else []
    needs += [("0.6.0", "annotations") for device in spec.devices if device.annotations]
    needs += [("0.6.0", f"the '.' in '{spec.kind}'")] if "." in spec.kind.partition("/")[2] else []
    needs += [("0.5.0", "a name that begins with a digit") for one in spec.devices if one.name[:1].isdigit()]
    newest, what = max(needs, key=lambda need: VERSIONS.index(need[0]), default=(VERSIONS[0], ""))
    if VERSIONS.index(newest) > VERSIONS.index(spec.cdi_version):
        text = f"'{spec.cdi_version}' does not know {what}, which came with {newest}; write {newest} or later"
        yield ("cdiVersion",), text


def _needs(edits: Edits) -> Iterator[tuple[str, str]]:
    rdt = edits.intel_rdt
    if edits.net_devices:
        yield "1.1.0", "netDevices"
    if rdt is not None and (rdt.schemata or rdt.enable_monitoring):
        yield "1.1.0", "intelRdt.schemata and enableMonitoring"
    if rdt is not None:
        yield "0.7.0", "intelRdt"
    if edits.additional_gids:
        yield "0.7.0", "additionalGids"
    if any(node.host_path for node in edits.device_nodes):
        yield "0.5.0", "hostPath of a device node"
    if any(mount.type for mount in edits.mounts):
        yield "0.4.0", "type of a mount"


def _edits(at: Location, edits: Edits) -> Found:
    for number, text in enumerate(edits.env):
        yield from _variable((*at, "env", number), text)
    for number, node in enumerate(edits.device_nodes):
        yield from _node((*at, "deviceNodes", number), node)
    for number, mount in enumerate(edits.mounts):
        yield from _mount((*at, "mounts", number), mount)
    for number, hook in enumerate(edits.hooks):
        yield from _hook((*at, "hooks", number), hook)
    for number, gid in enumerate(edits.additional_gids):
        if gid == 0:
            yield (*at, "additionalGids", number), "0 is root's group; name the group of the device node"


def _variable(at: Location, text: str) -> Found:
    name, equals, _ = text.partition("=")
    if not name or not equals:
        yield at, f"'{text}' is no variable; write NAME=VALUE"
    elif name in STEERING:
        yield at, f"'{name}' changes what every process of the container loads; remove it"


def _node(at: Location, node: DeviceNode) -> Found:
    if not node.path.startswith("/dev/"):
        yield (*at, "path"), f"'{node.path}' is not below /dev; write the device's place in the container"
    if node.host_path and not node.host_path.startswith("/"):
        yield (*at, "hostPath"), f"'{node.host_path}' is not absolute; write the device's place on the host"
    if node.permissions is not None and not PERMISSIONS.fullmatch(node.permissions):
        yield (*at, "permissions"), f"'{node.permissions}' is not of r, w, m; write rw, or none"


def _mount(at: Location, mount: CdiMount) -> Found:
    for key, path in (("hostPath", mount.host_path), ("containerPath", mount.container_path)):
        if not path.startswith("/") or ".." in path.split("/"):
            yield (*at, key), f"'{path}' is not absolute, or climbs by '..'; write where it leads"
    missing = [option for option in NEEDED if option not in mount.options]
    if missing:
        yield at, f"{mount.container_path} is mounted without {', '.join(missing)}; add it to its options"


def _hook(at: Location, hook: Hook) -> Found:
    if not hook.path.startswith("/"):
        yield (*at, "path"), f"'{hook.path}' is not absolute; write the program's whole path"
    if not hook.env:
        what = " ".join(hook.args[:2]) or hook.path
        text = f"'{what}' has no env, and so runs as root with the image's own (CVE-2025-23266)"
        yield at, f"{text}; add one, such as NVIDIA_CTK_DEBUG=false"
    for number, text in enumerate(hook.env):
        yield from _variable((*at, "env", number), text)


def _on_the_host(at: Location, edits: Edits, look: Look) -> Found:
    for number, node in enumerate(edits.device_nodes):
        path = node.host_path or node.path
        yield from _there((*at, "deviceNodes", number), path, look, device=True)
    for number, mount in enumerate(edits.mounts):
        yield from _there((*at, "mounts", number, "hostPath"), mount.host_path, look)
    for number, hook in enumerate(edits.hooks):
        yield from _there((*at, "hooks", number, "path"), hook.path, look)


def _there(at: Location, path: str, look: Look, *, device: bool = False) -> Found:
    """Device nodes and sockets are meant to be written by others."""
    try:
        facts = look(path)
    except OSError as error:
        yield (
            at,
            f"'{path}' can't be looked at: {(error.strerror or str(error)).lower()}; write the spec anew",
        )
        return
    if facts.st_uid != 0 and not device:
        yield (
            at,
            f"'{path}' belongs to uid {facts.st_uid}, not to root; chown it, or find out who put it there",
        )
    plain = stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)
    if plain and facts.st_mode & 0o022 and not (stat.S_ISDIR(facts.st_mode) and facts.st_mode & stat.S_ISVTX):
        mode = stat.S_IMODE(facts.st_mode)
        yield at, f"'{path}' may be written by others than root (mode {mode:04o}); chmod go-w"


def as_data(path: Path, found: tuple[Problem, ...], *, host: bool) -> dict[str, object]:
    rows = [{"line": one.line, "at": spelt(one.at), "text": one.text} for one in found]
    return {"path": str(path), "host": host, "findings": rows}
