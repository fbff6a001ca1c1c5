"""compose: packages, wheels, files and generated entries become one image. Pure, but for reading files."""

from collections.abc import Sequence
from pathlib import Path

from builder.errors import InputError
from builder.model import gpu
from builder.model.image import Image, ImageConfig, sorted_env
from builder.model.package import Package
from builder.model.plan import Plan
from builder.model.tree import Entry, Kind, Owner, Rootfs, parents
from builder.rootfs import installed
from builder.rootfs.merge import merge

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"


def compose(  # noqa: PLR0913 - all that goes in, by name
    plan: Plan,
    platform: str,
    packages: tuple[Package, ...],
    generated: tuple[Entry, ...],
    *,
    own: Sequence[Entry],
    user: tuple[int, int],
    created: int,
) -> Image:
    """The unhardened image: everything that was asked for, nothing yet taken away or tightened.

    `packages` are .debs and wheels, `generated` the rendered files (accounts and so on), `own` what
    `user_entries` found, `user` the uid and gid that writable paths belong to, `created` the time in seconds
    that no mtime exceeds.
    Raises `ArchiveError` for packages that collide, `InputError` for files that do.
    """
    debs = tuple(package for package in packages if package.owner.kind == "deb")
    rootfs = merge(packages, created)
    rootfs = rootfs.with_entries(after_install(plan, rootfs, debs, created))
    rootfs = rootfs.with_entries(generated)
    refuse_overwriting(rootfs, own)
    rootfs = rootfs.with_entries(own)
    rootfs = rootfs.with_entries(mount_points(plan, rootfs, user, created))
    rootfs = clamped(rootfs, created)
    return Image(rootfs=rootfs, config=initial_config(plan, platform, rootfs, created))


def after_install(plan: Plan, rootfs: Rootfs, debs: tuple[Package, ...], created: int) -> list[Entry]:
    extra = [read_certificate(plan.folder / name) for name in plan.spec.certificates]
    entries = installed.dpkg_status(debs, created)
    entries += installed.ca_bundle(rootfs, extra, created)
    entries += installed.time_zone(rootfs, created)
    entries += installed.alternatives(rootfs, debs, created)
    if plan.spec.python is not None:
        entries += installed.python_link(rootfs, plan.spec.python.version, created)
    return entries


def read_certificate(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}); `certificates` needs it") from None
    if b"-----BEGIN CERTIFICATE-----" not in data:
        raise InputError(f"{path}: holds no PEM certificate; convert it to PEM")
    if b"PRIVATE KEY-----" in data:
        raise InputError(f"{path}: holds a private key; keep only the certificate in it")
    return data


def refuse_overwriting(rootfs: Rootfs, own: Sequence[Entry]) -> None:
    """An image's file may not quietly replace a package's: the report would lie about that package."""
    problems = []
    for entry in own:
        there = rootfs.get(entry.path)
        if there is not None and not (there.kind is entry.kind is Kind.DIRECTORY):
            problems.append(
                f"files: /{entry.path} is already brought by {there.owner}; choose another target"
            )
        for parent in parents(entry.path):
            above = rootfs.get(parent)
            if above is not None and above.kind is not Kind.DIRECTORY:
                problems.append(
                    f"files: /{entry.path} lies below /{parent}, a {above.kind} of {above.owner}; "
                    "choose another target"
                )
    if problems:
        raise InputError(problems)


def mount_points(plan: Plan, rootfs: Rootfs, user: tuple[int, int], created: int) -> list[Entry]:
    """Directories that the run contract mounts over: a read-only root can't get them later."""
    owner = Owner(kind="temper", name="mount-point")
    writable = {item.path.lstrip("/") for item in plan.spec.writable}
    writable |= {item.path.lstrip("/") for item in plan.spec.state if item.mode == "rw"}
    readable = {item.path.lstrip("/") for item in plan.spec.state if item.mode == "ro"}
    readable.add(plan.spec.workdir.lstrip("/"))  # an engine would make it, without our times and modes
    made = []
    for path in sorted((writable | readable) - {""}):
        if rootfs.resolve(path) is None:
            uid, gid = user if path in writable else (0, 0)
            made.append(
                Entry(
                    path=path, kind=Kind.DIRECTORY, mode=0o755, uid=uid, gid=gid, mtime=created, owner=owner
                )
            )
    return made


def clamped(rootfs: Rootfs, created: int) -> Rootfs:
    return Rootfs.of(
        entry if entry.mtime <= created else entry.replace(mtime=created) for entry in rootfs.values()
    )


UTF8_LOCALE = "usr/lib/locale/C.utf8"
"""Where libc-bin has it. LANG may only name a locale that is there: setlocale(3) fails otherwise."""


def initial_config(plan: Plan, platform: str, rootfs: Rootfs, created: int) -> ImageConfig:
    """What image.yaml says. Controls set the rest: the user, labels, Python's start-up variables."""
    spec = plan.spec
    language = {"LANG": "C.UTF-8"} if UTF8_LOCALE in rootfs else {}
    return ImageConfig(
        platform=platform,
        entrypoint=spec.entrypoint,
        cmd=spec.cmd,
        env=sorted_env({"PATH": PATH, **language, **gpu.variables(spec)}),
        workdir=spec.workdir,
        labels=tuple(sorted(gpu.labels(spec).items())),
        ports=tuple(f"{port}/tcp" for port in sorted(spec.ports)),
        volumes=tuple(sorted(item.path for item in spec.state if item.mode == "rw")),
        stop_signal=spec.stop_signal,
        healthcheck=spec.healthcheck,
        created=created,
    )
