"""The state that a person would bring, for the suites: `tests/state/<path>` beside image.yaml."""

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from builder.image.running import Mount
from builder.model.contract import RunContract
from builder.model.plan import Plan
from builder.model.spec import State


def state_mounts(plan: Plan, contract: RunContract, scratch: Path) -> tuple[Mount, ...]:
    """`scratch` gets copies of what can't be mounted as it stands. The engine makes the rest, empty."""
    found = []
    for state in contract.state:
        folder = plan.folder / "tests" / "state" / state.path.lstrip("/")
        if folder.is_dir():
            source = folder if may_be_mounted(folder, state) else copied(folder, state, scratch)
            found.append(Mount(source=source, target=state.path, read_only=state.mode == "ro"))
    return tuple(found)


def may_be_mounted(folder: Path, state: State) -> bool:
    """The image's user is nobody on this machine. A checkout made under a strict umask is closed to him, and
    what he may write to had better not be the checkout."""
    return state.mode == "ro" and all(
        path.stat().st_mode & opened(path) == opened(path) for path in all_of(folder)
    )


def copied(folder: Path, state: State, scratch: Path) -> Path:
    target = scratch / "state" / state.path.lstrip("/")
    shutil.copytree(folder, target)
    for path in all_of(target):
        path.chmod(path.stat().st_mode | opened(path) | (stat.S_IWOTH if state.mode == "rw" else 0))
    return target


def opened(path: Path) -> int:
    """The mode bits without which other users can't read it."""
    return stat.S_IROTH | stat.S_IXOTH if path.is_dir() else stat.S_IROTH


def all_of(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.rglob("*")
