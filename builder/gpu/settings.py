"""What the run contract grants a GPU application, read back from inside of its container."""

from collections.abc import Iterator

from builder.gpu.probing import Look, caps
from builder.gpu.rows import row, unrun
from builder.model.contract import RunContract
from builder.model.report import CheckResult

BOUNDS = "shared and lockable memory are as declared"
CAP = "the cap on a GPU's memory reaches the program"
WRITES = "nothing is written but what is declared"
UNITS = {"k": 10, "m": 20, "g": 30}
ENGINES_OWN = (
    "/.dockerenv",
    "/dev",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/mtab",
    "/etc/resolv.conf",
    "/run/.containerenv",
)
"""What an engine puts into every container."""


def setting_rows(kind: str, look: Look, contract: RunContract) -> Iterator[CheckResult]:
    yield _bounds(kind, look, contract)
    wanted = caps(contract)
    if wanted:
        wrong = [
            f"{name} is '{look.seen.variables.get(name, '')}', not '{value}'; see who sets it at the start"
            for name, value in wanted.items()
            if look.seen.variables.get(name) != value
        ]
        yield row(kind, CAP, wrong, ", ".join(f"{name}={value}" for name, value in wanted.items()))


def _bounds(kind: str, look: Look, contract: RunContract) -> CheckResult:
    if "memlock" in look.refused:
        return unrun(kind, BOUNDS, look.refused["memlock"])
    wrong = []
    if look.seen.shm != size(contract.shm):
        wrong.append(f"shared memory has {look.seen.shm} bytes, not {size(contract.shm)} ({contract.shm})")
    asked = dict(contract.ulimits).get("memlock")
    if asked is not None and look.seen.memlock != asked.soft:
        wrong.append(f"{look.seen.memlock} bytes may be locked, not {asked.soft}")
    return row(kind, BOUNDS, wrong, f"shm {look.seen.shm}, memlock {look.seen.memlock}")


def size(text: str) -> int:
    """`64m` -> bytes, as engines count."""
    unit = UNITS.get(text[-1:].lower())
    return int(text[:-1]) << unit if unit is not None else int(text)


def written_row(
    kind: str, changed: tuple[str, ...] | None, places: frozenset[str], contract: RunContract
) -> CheckResult:
    """The root is read-only; an engine itself makes files, to mount something on them."""
    if changed is None:
        return unrun(kind, WRITES, "there is no engine that could compare the container with its image")
    declared = [item.path for item in contract.tmpfs] + [item.path for item in contract.state]
    wrong = [
        f"{path} is not the image's; declare it under `writable:`"
        for path in changed
        if path not in places and not any(_touches(path, known) for known in (*ENGINES_OWN, *declared))
    ]
    return row(kind, WRITES, wrong)


def _touches(path: str, known: str) -> bool:
    """At it, below it, or a folder above it."""
    return f"{path}/".startswith(f"{known}/") or f"{known}/".startswith(f"{path}/")
