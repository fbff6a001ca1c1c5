"""What went wrong with the engine, in the user's words: absent, forbidden, gone, or it refused."""

import errno
import os
import socket

from builder.errors import EngineError

DEFAULT_HOST = "unix:///var/run/docker.sock"
_ABSENT = {errno.ENOENT, errno.ENOTDIR}
_FORBIDDEN = {errno.EACCES, errno.EPERM}


def address() -> str:
    """Where the engine is expected."""
    return os.environ.get("DOCKER_HOST") or DEFAULT_HOST


def knock(where: str) -> None:
    """Raises the `OSError` of a Unix socket that can't be connected to; other addresses are let pass."""
    scheme, _, path = where.partition("://")
    if scheme in ("unix", "http+unix"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)


def unreachable(where: str, error: BaseException) -> EngineError:
    """For the first contact, when no engine has answered yet."""
    found = _os_error(error)
    number = found.errno if found is not None else None
    if number in _ABSENT:
        return EngineError(
            f"no container engine at '{where}': nothing is there; start Docker or Podman, or set DOCKER_HOST"
        )
    if number in _FORBIDDEN:
        return EngineError(
            f"no permission to use the container engine at '{where}'; add yourself to the group 'docker' and "
            "log in again, or set DOCKER_HOST to an engine of your own"
        )
    if number == errno.ECONNREFUSED:
        return EngineError(
            f"no container engine answers at '{where}': connection refused; start Docker or Podman, "
            "or set DOCKER_HOST"
        )
    reason = (found.strerror if found is not None else None) or str(error)
    return EngineError(
        f"the container engine at '{where}' can't be used: {reason.lower()}; check DOCKER_HOST and the engine"
    )


def refused(doing: str, said: str) -> EngineError:
    """`doing` is what was asked: `loading 'temper/x:y'`."""
    return EngineError(f"{doing} failed: the container engine says: {said.strip()}")


def broken_off(where: str, doing: str, answers: bool) -> EngineError:
    """The connection ended in the middle; `answers` is whether the engine is still there."""
    if answers:
        return EngineError(
            f"the container engine at '{where}' hung up while {doing}; see its log: is its disk full?"
        )
    return EngineError(
        f"the container engine at '{where}' went away while {doing}; start it and run the command again"
    )


def _os_error(error: BaseException | None) -> OSError | None:
    """The system's own error inside what the SDK, requests and urllib3 wrapped around it."""
    seen: list[object] = [error]
    for item in seen:
        if isinstance(item, OSError) and item.errno is not None:
            return item
        if isinstance(item, BaseException) and len(seen) < 50:
            seen += [*item.args, item.__cause__, item.__context__, getattr(item, "reason", None)]
    return None
