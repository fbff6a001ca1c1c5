"""How a container of this engine gets its GPU: by CDI, by NVIDIA's own runtime, or piece by piece."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.config.cdi import sound
from builder.errors import ToolError
from builder.gpu.host import ALL, HostGpu
from builder.gpu.translate import SPECS, Host, edits_of, translated
from builder.image.leftovers import is_dead, session
from builder.model.cdi import CdiDevice, CdiMount, CdiSpec, Edits
from builder.model.injection import Injection

NVIDIA = "nvidia.com/gpu"
TRIES, PAUSE = 20, 0.05
"""Of an engine that is to find a new specification; seconds."""
PREFIX = "temper-rehearsal-"
BY_CDI = "by CDI"
BY_PIECES = "piece by piece"
BY_RUNTIME = "by NVIDIA's runtime"
OPTIONS = ("ro", "nosuid", "nodev", "rbind", "rprivate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    how: str
    injection: Injection


def knows_cdi(info: Mapping[str, Any]) -> tuple[Path, ...]:
    """Where the engine looks for specifications; nothing where it has not heard of CDI."""
    return tuple(Path(name) for name in info.get("CDISpecDirs") or ())


@contextmanager
def rehearsed(ask: Callable[[], Mapping[str, Any]], edits: Edits, host: Host) -> Iterator[Route]:
    """The stub's edits: by a specification of our own while the block runs, else translated.

    `ask` has the engine say what it knows. One that runs elsewhere never sees a file of ours.
    """
    folder = next((path for path in knows_cdi(ask()) if _is_writable(path)), None)
    if folder is None:
        yield Route(how=BY_PIECES, injection=translated(edits, host))
        return
    _sweep(folder)
    name = secrets.token_hex(4)
    path = folder / f"{PREFIX}{name}.{session()}.json"
    spec = _lone(name, without_hooks(edits, host))
    try:
        path.write_text(spec.model_dump_json(by_alias=True, exclude_defaults=True), encoding="utf-8")
        device = f"{spec.kind}={name}"
        if _is_listed(device, ask):
            yield Route(how=BY_CDI, injection=Injection(cdi=(device,)))
        else:
            yield Route(how=BY_PIECES, injection=translated(edits, host))
    finally:
        path.unlink(missing_ok=True)


def _is_listed(device: str, ask: Callable[[], Mapping[str, Any]]) -> bool:
    """Engines look for new files by themselves, a moment later; those before 28.2 tell of no device."""
    for _ in range(TRIES):
        devices = ask().get("DiscoveredDevices")
        if devices is None or any(one.get("ID") == device for one in devices):
            return True
        time.sleep(PAUSE)
    return False


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{PREFIX}{secrets.token_hex(4)}"
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError:
        return False
    return True


def _sweep(folder: Path) -> None:
    """What a killed run left: the engine would go on to list its devices."""
    for path in folder.glob(f"{PREFIX}*.json"):
        owner = path.name.removesuffix(".json").partition(".")[2]
        with suppress(OSError):
            if is_dead(owner):
                path.unlink()


def _lone(name: str, edits: Edits) -> CdiSpec:
    """A name of its own: two of one name in a folder are both refused."""
    return CdiSpec(
        cdi_version="0.7.0",
        kind="temper.rehearsal/gpu",
        devices=(CdiDevice(name=name, container_edits=edits),),
    )


def without_hooks(edits: Edits, host: Host) -> Edits:
    """For a host that lacks the program: what it would have linked is bound under that name."""
    mounts = tuple(
        CdiMount(host_path=str(mount.source), container_path=mount.target, options=OPTIONS)
        for mount in translated(edits, host).mounts
    )
    return edits.model_copy(update={"mounts": mounts, "hooks": ()})


def real(
    info: Mapping[str, Any], gpus: tuple[HostGpu, ...], wanted: str, spec: Path | None, host: Host
) -> Route:
    """Of a real GPU. A specification that a person names goes first.

    Raises `InputError` for a specification that is not sound, `ToolError` where there is no way at all.
    """
    if spec is None:
        names = _names(gpus, wanted)
        if any(True for folder in knows_cdi(info) for _ in _of_nvidia(folder)):
            return Route(how=BY_CDI, injection=Injection(cdi=tuple(f"{NVIDIA}={name}" for name in names)))
        if "nvidia" in (info.get("Runtimes") or {}):
            return Route(how=BY_RUNTIME, injection=Injection(gpus=names))
    found = by_specification(gpus, wanted, spec, host)
    if found is None:
        raise ToolError(
            "the engine can't be given a GPU: it has neither a CDI specification nor NVIDIA's runtime; write "
            "one by `nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml`, or name one by --cdi"
        )
    return found


def by_specification(gpus: tuple[HostGpu, ...], wanted: str, spec: Path | None, host: Host) -> Route | None:
    """Translated: of the file that a person names, else of the first one where runtimes look for them."""
    path = spec or next((path for folder in SPECS for path in _of_nvidia(folder)), None)
    if path is None:
        return None
    return Route(how=BY_PIECES, injection=translated(edits_of(sound(path), _names(gpus, wanted)), host))


def _names(gpus: tuple[HostGpu, ...], wanted: str) -> tuple[str, ...]:
    return (ALL,) if wanted == ALL else tuple(str(gpu.index) for gpu in gpus)


def _of_nvidia(folder: Path) -> Iterator[Path]:
    """Specifications of NVIDIA's GPUs, by their text: which of them is sound is said when it is used."""
    for path in sorted(folder.glob("*.yaml")) + sorted(folder.glob("*.json")):
        with suppress(OSError):
            if NVIDIA in path.read_text(encoding="utf-8", errors="replace"):
                yield path
