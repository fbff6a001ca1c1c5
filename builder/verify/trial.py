"""containerRunOptions of a container-structure-test file: what of it an image of others is given.

Whoever runs the tests of a repository trusts them with a container, not with the machine.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from posixpath import normpath

from builder.config.problems import shown
from builder.errors import InputError
from builder.model.structure import ContainerRunOptions
from builder.model.trial import Mount
from builder.verify.session import MOUNT

HARMLESS = frozenset(
    {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"}
    | {"NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"}
    | {"IPC_LOCK", "NET_ADMIN", "NET_BROADCAST"}
)
"""Docker's default capabilities, and those that reach no further than the container's own network."""


def refusals(options: ContainerRunOptions, folder: Path) -> Iterator[str]:
    """What is asked for and not given, each with the reason; `folder` is where mounts may come from."""
    if options.privileged:
        yield "privileged: not given: it opens this machine to the image"
    if options.allocate_tty:
        yield "allocateTty: not given: standard and error output would be one"
    for name in options.capabilities:
        if plain(name) not in HARMLESS:
            yield f"capabilities: '{name}' is not given: it reaches beyond the container"
    for text in options.bind_mounts:
        if mount(text, folder) is None:
            yield (
                f"bindMounts: '{text}' is not given: only what is below the working directory is mounted, "
                "and read-only"
            )
    if options.env_file and below(folder, options.env_file) is None:
        yield f"envFile: '{options.env_file}' is not given: only what is below the working directory is read"


def plain(capability: str) -> str:
    return capability.upper().removeprefix("CAP_")


def capabilities(options: ContainerRunOptions) -> tuple[str, ...]:
    return tuple(sorted({plain(name) for name in options.capabilities}))


def mounts(options: ContainerRunOptions, folder: Path) -> tuple[Mount, ...]:
    return tuple(found for text in options.bind_mounts if (found := mount(text, folder)) is not None)


def mount(text: str, folder: Path) -> Mount | None:
    """`source:target[:ro]`; links are followed before it is judged where the source is."""
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    found = below(folder, source)
    hides_the_probe = f"/{normpath(target).lstrip('/')}/".startswith(("//", f"{MOUNT}/"))
    if found is None or not target.startswith("/") or hides_the_probe or mode not in ("", "ro"):
        return None
    return Mount(source=found, target=target) if found.exists() else None


def below(folder: Path, name: str) -> Path | None:
    """Where `name` leads, links followed; `None` where that is not in the folder."""
    try:
        found = (folder / name).resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, a name that no file can have
        return None
    return found if found.is_relative_to(folder.resolve()) else None


def environment(
    options: ContainerRunOptions, folder: Path, there: Mapping[str, str], test: Path
) -> tuple[tuple[str, str], ...]:
    """Of envFile, then of envVars, as `docker run --env-file FILE --env NAME` takes them: a name that is not
    set for whoever runs the tests is not set in the container.

    Raises `InputError` where the file can't be read; `test` is the file that names it.
    """
    found: dict[str, str] = {}
    file = below(folder, options.env_file) if options.env_file else None
    if file is not None:  # `refusals` tells of one that lies elsewhere
        found.update(_file(file, options.env_file, there, test))
    found.update({name: there[name] for name in options.env_vars if name in there})
    return tuple(sorted(found.items()))


def _file(path: Path, name: str, there: Mapping[str, str], test: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "is not UTF-8"
        raise InputError(
            f"{shown(test)}: containerRunOptions.envFile: '{name}' can't be read: {reason}; "
            "name a file of NAME=value lines, from the working directory on"
        ) from None
    for line in lines:
        variable, equals, value = line.strip().partition("=")
        if variable and not variable.startswith("#"):
            if equals:
                yield variable, value
            elif variable in there:
                yield variable, there[variable]
