"""The exceptions a user can meet, each with the exit code that `temper` ends with.

0 is success and 1 is an image that fails its profile, which is a report and not an exception.
Anything that is not a `TemperError` is a bug and keeps its traceback.
"""

from collections.abc import Iterable


class TemperError(Exception):
    """Base of all errors in the user's world; `str()` is the whole message, lower case, no full stop."""

    exit_code = 3


class InputError(TemperError):
    """What the user wrote is wrong: YAML, a name, a lock, an option. Holds every problem found at once."""

    exit_code = 2

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class LockError(InputError):
    """The lock doesn't fit the plan, or is damaged, and `--locked` forbids making a new one."""


class ResolveError(InputError):
    """The package relations can't be satisfied; each problem ends with the chain that led there."""

    def __init__(self, problems: str | Iterable[str], parties: Iterable[str] = ()) -> None:
        self.parties = frozenset(parties)
        """Names of the packages that are in each other's way."""
        super().__init__(problems)


class ArchiveError(TemperError):
    """An archive, package or layer is malformed, hostile or not what its digest says."""


class TrustError(TemperError):
    """A signature, date or hash of a package index is not good."""


class NetworkError(TemperError):
    """A mirror or index can't be reached, or does not hold what was asked for."""


class GoneError(NetworkError):
    """A file that the lock names is no longer on the mirror."""


class StoreError(TemperError):
    """The local store can't be read or written: disk full, no permission, damaged content."""


class EngineError(TemperError):
    """No container engine answers, or it refused what was asked."""


class ToolError(TemperError):
    """A program that Temper calls is missing or failed."""
