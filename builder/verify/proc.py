"""What /proc of a container says, as types. Pure: text in, facts out (proc(5))."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, inet_ntop

TICKS = 100
"""USER_HZ: the unit of times in /proc is 1/100 s on every Linux platform that we build for."""
PAGE = 4
"""KiB; `rss` is counted in pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`/proc/PID/status`: what the kernel enforces, whatever account files and configs say."""

    fields: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> "Status":
        lines = (line.partition(":") for line in text.splitlines())
        return cls(fields={key: value.strip() for key, _, value in lines})

    def _numbers(self, key: str) -> tuple[int, ...]:
        return tuple(int(number) for number in self.fields[key].split())

    @property
    def uids(self) -> tuple[int, ...]:
        """Real, effective, saved, file system."""
        return self._numbers("Uid")

    @property
    def gids(self) -> tuple[int, ...]:
        return self._numbers("Gid")

    @property
    def groups(self) -> tuple[int, ...]:
        """Supplementary groups that the process really has. `id NAME` answers from /etc/group instead, which
        an engine ignores when the image's user is `uid:gid`."""
        return self._numbers("Groups")

    def capabilities(self, kind: str) -> int:
        """`Inh`, `Prm`, `Eff`, `Bnd` or `Amb`, as a bit mask."""
        return int(self.fields[f"Cap{kind}"], 16)

    @property
    def no_new_privileges(self) -> bool:
        return self.fields["NoNewPrivs"] == "1"

    @property
    def seccomp(self) -> int:
        """0 off, 1 strict, 2 filter."""
        return int(self.fields["Seccomp"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    path: str
    filesystem: str
    device: str
    options: tuple[str, ...]

    def option(self, name: str) -> str | None:
        """The value of `name=value`."""
        return next((item.partition("=")[2] for item in self.options if item.startswith(f"{name}=")), None)


def mounts(text: str) -> tuple[Mount, ...]:
    """`/proc/mounts`; spaces and such in paths are octal escapes."""
    rows = (line.split() for line in text.splitlines())
    return tuple(
        Mount(path=_plain(row[1]), filesystem=row[2], device=row[0], options=tuple(row[3].split(",")))
        for row in rows
        if len(row) >= 4
    )


def _plain(path: str) -> str:
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(escape, character)
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    protocol: str
    """`tcp`, `udp` or `unix`."""
    host: str
    """As inet_ntop writes it; of a Unix socket its path."""
    port: int
    remote: tuple[str, int] | None = None
    """The other side, for connected sockets."""


LISTEN = "0A"
ESTABLISHED = "01"
UDP_OPEN = "07"


def sockets(table: str, protocol: str, *, listening: bool) -> Iterator[Listener]:
    """`/proc/net/{tcp,tcp6,udp,udp6}`: addresses are hexadecimal words in the machine's byte order."""
    open_state = LISTEN if protocol.startswith("tcp") else UDP_OPEN
    for line in table.splitlines()[1:]:
        row = line.split()
        if len(row) < 4 or row[3] != (open_state if listening else ESTABLISHED):
            continue
        host, port = _address(row[1])
        remote = None if listening else _address(row[2])
        yield Listener(protocol=protocol.removesuffix("6"), host=host, port=port, remote=remote)


def _address(text: str) -> tuple[str, int]:
    words, port = text.split(":")
    packed = b"".join(bytes.fromhex(words[at : at + 8])[::-1] for at in range(0, len(words), 8))
    return inet_ntop(AF_INET if len(packed) == 4 else AF_INET6, packed), int(port, 16)


ACCEPTS = 0x10000
"""`__SO_ACCEPTCON` in the flags column: the socket listens."""


def unix_sockets(table: str, *, listening: bool) -> Iterator[Listener]:
    """`/proc/net/unix`; sockets without a path are left out."""
    for line in table.splitlines()[1:]:
        row = line.split(maxsplit=7)
        if len(row) == 8 and bool(int(row[3], 16) & ACCEPTS) is listening:
            yield Listener(protocol="unix", host=row[7], port=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    pid: int
    ppid: int
    comm: str
    state: str
    args: tuple[str, ...]
    """Empty for kernel threads and zombies."""
    status: Status
    nice: int
    threads: int
    started: int
    """Clock ticks after the machine's start; with the pid it names a process for good."""
    virtual: int
    """KiB"""
    resident: int
    """KiB"""


def process(stat: str, status: str, arguments: str) -> Process:
    """From /proc/PID/{stat,status,cmdline}. The name in parentheses may hold anything, parentheses too."""
    pid, _, rest = stat.partition(" (")
    comm, _, tail = rest.rpartition(") ")
    field = tail.split()
    return Process(
        pid=int(pid),
        ppid=int(field[1]),
        comm=comm,
        state=field[0],
        args=tuple(arguments.removesuffix("\0").split("\0")) if arguments else (),
        status=Status.parse(status),
        nice=int(field[16]),
        threads=int(field[17]),
        started=int(field[19]),
        virtual=int(field[20]) // 1024,
        resident=int(field[21]) * PAGE,
    )


def without_probes(
    processes: tuple[Process, ...], shell: int, shielded: frozenset[int]
) -> tuple[Process, ...]:
    """Leaves out the probe shell, what it started, and what runs from the toolbox (`shielded`): nothing of
    that belongs to the image."""
    hidden = {shell} | shielded
    while grown := {item.pid for item in processes if item.ppid in hidden} - hidden:
        hidden |= grown
    return tuple(item for item in processes if item.pid not in hidden)
