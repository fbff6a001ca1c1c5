"""`temper gpu check`: the same rows on a machine that has a GPU and no container engine."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder import sandbox
from builder.errors import ArchiveError, InputError
from builder.gpu.host import REHEARSAL, HostGpu, chosen, host_gpus
from builder.gpu.installed import installed_edits
from builder.gpu.native import compiled
from builder.gpu.probing import Case, is_runtime
from builder.gpu.real import rows_of
from builder.gpu.rehearsal import rehearse
from builder.gpu.room import Room, room_for
from builder.gpu.route import Route, by_specification
from builder.gpu.rows import REAL, unrun
from builder.gpu.rows import REHEARSAL as REHEARSED
from builder.gpu.stub import library_folder
from builder.gpu.translate import ThisHost, translated
from builder.image.layout import read_layout
from builder.image.openable import openable
from builder.model.contract import RunContract
from builder.model.gpu import ACCESS, MINIMUM_DRIVER
from builder.model.image import Image
from builder.model.report import CheckResult
from builder.model.spec import GpuSpec, Writable
from builder.packages.store import Store

USER = "65532:65532"
AS_USER = "the image's user may use the GPU"
NO_USERS = "without root there is no other user to be; the rows above are of your own"
DISTRIBUTION = re.compile(r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>[^-]+)\.dist-info")
MAJOR = re.compile(r"libcudart\.so\.(1[0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    root: Path
    own: bool = False
    """A copy of ours."""
    user: str = USER
    env: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


def check(store: Store, rootfs: Path, platform: str, gpu: str, cdi: Path | None) -> tuple[CheckResult, ...]:
    """`rootfs` is an OCI layout, or a folder with an image's files; `gpu` is as of `--gpu`.

    Raises `InputError` for a folder that is neither, `ToolError` where there is no GPU or no namespace.
    """
    gpus = () if gpu == REHEARSAL else chosen(host_gpus(), gpu)
    with unpacked(store, rootfs, platform) as found:
        case = case_of(found, str(rootfs), platform)
        if gpu != REHEARSAL and case.gpu.vendor != "nvidia":
            what = f"only NVIDIA's GPUs can be looked at, and its label says '{case.gpu.vendor}'"
            raise InputError(f"{rootfs}: {what}; write --rehearsal for its nodes and groups")
        room = room_for(found.root, own=found.own)
        if gpu == REHEARSAL:
            return (*rehearse(room, case, store), *_own_user(REHEARSED, room))
        return (*_on(room, case, store, gpus, gpu, cdi), *_own_user(REAL, room))


def _own_user(kind: str, room: Room) -> tuple[CheckResult, ...]:
    return () if room.has_users else (unrun(kind, AS_USER, NO_USERS),)


def _on(
    room: Room, case: Case, store: Store, gpus: tuple[HostGpu, ...], gpu: str, cdi: Path | None
) -> tuple[CheckResult, ...]:
    with tempfile.TemporaryDirectory(prefix="temper-gpu-") as name:
        route = by_specification(gpus, gpu, cdi, ThisHost()) or Route(
            how="by the libraries that are installed",
            injection=translated(installed_edits(gpus, library_folder(case.platform)), ThisHost()),
        )
        return rows_of(room, case, compiled(store, Path(name)), route, gpus, None)


@contextmanager
def unpacked(store: Store, rootfs: Path, platform: str) -> Iterator[Unpacked]:
    if not rootfs.is_dir():
        raise InputError(f"{rootfs}: is no folder; name an OCI layout, or a folder with an image's files")
    if (rootfs / "index.json").is_file():
        image = read_layout(rootfs, platform)
        refuse_ways_out(image, rootfs)
        with openable(image, store) as whole, sandbox.unpacked(whole.rootfs.values()) as root:
            config = image.config
            yield Unpacked(
                root=root, own=True, user=config.user or USER, env=config.env, labels=config.labels
            )
    elif not (rootfs / "etc").is_dir() and not (rootfs / "usr").is_dir():
        raise InputError(
            f"{rootfs}: holds neither index.json nor the folders etc and usr; name an unpacked image"
        )
    else:
        yield Unpacked(root=rootfs)


def refuse_ways_out(image: Image, rootfs: Path) -> None:
    """Nothing of an image of others may be laid out below one of its links."""
    for path, entry in image.rootfs.items():
        above = path.rpartition("/")[0]
        if above and image.rootfs.get(above) is None:
            raise ArchiveError(f"'{rootfs}': '{entry.path}' has no folder above it; build the image anew")
        if above and image.rootfs[above].target:
            raise ArchiveError(f"'{rootfs}': '{entry.path}' lies below a link; build the image anew")


def case_of(found: Unpacked, name: str, platform: str) -> Case:
    runtimes = tuple(sorted(_runtimes(found.root)))
    majors = [match[1] for path in runtimes if (match := MAJOR.search(path))]
    labels = dict(found.labels)
    cuda = labels.get("temper.gpu.cuda") or next(iter(majors), None)
    vendor = labels.get("temper.gpu.vendor")
    said = {"vendor": vendor if vendor in ACCESS else "nvidia"}
    return Case(
        platform=platform,
        contract=contract_of(found, name),
        gpu=GpuSpec.model_validate({**said, **({"cuda": cuda} if cuda in MINIMUM_DRIVER else {})}),
        wheels=dict(_wheels(found.root)),
        runtimes=runtimes,
    )


def contract_of(found: Unpacked, name: str) -> RunContract:
    """As little as a program needs to start; a folder has no run contract."""
    user = found.user if re.fullmatch(r"\d+(:\d+)?", found.user) else USER
    return RunContract(
        image=name,
        name="rootfs",
        user=user,
        workdir="/",
        env=found.env,
        entrypoint=(),
        cmd=(),
        ports=(),
        tmpfs=(Writable(path="/tmp", size="64m"),),  # noqa: S108 - of the image
        state=(),
        memory="2g",
        pids=512,
        cpus=1.0,
        shm="64m",
        stop_signal="SIGTERM",
    )


def _runtimes(root: Path) -> Iterator[str]:
    for path in root.rglob("libcudart.so.*"):
        if is_runtime(path.name) and path.is_file() and not path.is_symlink():
            yield f"/{path.relative_to(root)}"


def _wheels(root: Path) -> Iterator[tuple[str, str]]:
    for path in root.rglob("*.dist-info"):
        match = DISTRIBUTION.fullmatch(path.name)
        if match:
            yield match["name"].lower().replace("_", "-"), match["version"]
