"""testinfra modules whose stock form asks for programs that a hardened image has not (ps, ss, sysctl).

They answer from /proc, so that `host.exists("ps")` can stay honest. The attributes are those of the stock
modules: suites written for an ordinary host run unchanged.
"""

import secrets
from collections.abc import Iterator
from typing import Any

import testinfra.modules.file
import testinfra.modules.mountpoint
import testinfra.modules.process
import testinfra.modules.socket
import testinfra.modules.sysctl

from builder.verify import proc
from builder.verify.session import BUSYBOX, MOUNT

LIST_PROCESSES = (
    "for d in /proc/[0-9]*; do printf %s {0}; [ $d/exe -ef {1} ] && printf t; "
    "for f in stat status cmdline; do printf %s {0}; cat $d/$f 2>/dev/null; done; done"
)


class Process(testinfra.modules.process.Process):  # type: ignore[misc]
    """Without the probe shell and its children. `pcpu` and `pmem` are not offered."""

    @classmethod
    def get_module_class(cls, host: Any) -> type["Process"]:  # noqa: ARG003 - testinfra's signature
        return cls

    def listed(self) -> tuple[proc.Process, ...]:
        """Every process of the image, as a type."""
        token = secrets.token_hex(16)
        text = self._host.run(LIST_PROCESSES.format(token, BUSYBOX)).stdout_bytes.decode(errors="replace")
        parts = text.split(token)[1:]
        found, shielded = [], set()
        for mark, stat, status, arguments in zip(*[iter(parts)] * 4, strict=True):
            if not stat or not status:  # ended while it was listed
                continue
            found.append(proc.process(stat, status, arguments))
            if mark:
                shielded.add(found[-1].pid)
        return proc.without_probes(tuple(found), self._host.backend.shell.pid, frozenset(shielded))

    def _get_processes(self, **filters: Any) -> list[dict[str, Any]]:
        names = self._names()
        rows = [_attributes(item, names) for item in self.listed()]
        for key in filters:
            if rows and key not in rows[0]:
                raise ValueError(_unknown(key, rows[0]))
        return rows

    def _get_process_attribute_by_pid(self, pid: int, name: str) -> dict[str, Any]:
        raise ValueError(_unknown(name, _attributes(proc.process(f"{pid} (x) " + "0 " * 22, NOBODY, ""), {})))

    def _names(self) -> dict[int, str]:
        """User names by number, out of the image's /etc/passwd."""
        rows = (line.split(":") for line in self._host.run("cat /etc/passwd").stdout.splitlines())
        return {int(row[2]): row[0] for row in reversed(list(rows)) if len(row) > 2 and row[2].isdigit()}


NOBODY = "Uid: 0 0 0 0\nGid: 0 0 0 0"


def _unknown(name: str, row: dict[str, Any]) -> str:
    return f"process attribute '{name}' is not known in a live test; there are: {', '.join(sorted(row))}"


def _attributes(item: proc.Process, names: dict[int, str]) -> dict[str, Any]:
    """By the names that ps(1) has for them."""
    ruid, euid, *_ = item.status.uids
    rgid, egid, *_ = item.status.gids
    user = names.get(euid, str(euid))
    return {
        "pid": item.pid,
        "ppid": item.ppid,
        "comm": item.comm,
        "args": " ".join(item.args) if item.args else f"[{item.comm}]",
        "lstart": item.started,
        "stat": item.state,
        "state": item.state,
        "user": user,
        "euser": user,
        "ruser": names.get(ruid, str(ruid)),
        "uid": euid,
        "euid": euid,
        "ruid": ruid,
        "gid": egid,
        "egid": egid,
        "rgid": rgid,
        "nice": item.nice,
        "nlwp": item.threads,
        "vsz": item.virtual,
        "rss": item.resident,
    }


class Socket(testinfra.modules.socket.Socket):  # type: ignore[misc]
    @classmethod
    def get_module_class(cls, host: Any) -> type["Socket"]:  # noqa: ARG003 - testinfra's signature
        return cls

    def _iter_sockets(self, listening: bool) -> Iterator[tuple[Any, ...]]:
        for protocol in ("tcp", "tcp6", "udp", "udp6"):
            table = self.run("cat /proc/net/%s", protocol).stdout  # absent where the kernel has no IPv6
            for item in proc.sockets(table, protocol, listening=listening):
                yield (item.protocol, item.host, item.port, *(item.remote or ()))
        for item in proc.unix_sockets(self.run("cat /proc/net/unix").stdout, listening=listening):
            yield "unix", item.host


class Sysctl(testinfra.modules.sysctl.Sysctl):  # type: ignore[misc]
    def __call__(self, name: str) -> int | str:
        value: str = self.check_output("cat /proc/sys/%s", name.replace(".", "/"))
        return int(value) if value.lstrip("-").isdigit() else value


class MountPoint(testinfra.modules.mountpoint.MountPoint):  # type: ignore[misc]
    """Without the toolbox's own mount."""

    @classmethod
    def get_module_class(cls, host: Any) -> type["MountPoint"]:  # noqa: ARG003 - testinfra's signature
        return cls

    @classmethod
    def _iter_mountpoints(cls) -> Iterator[dict[str, Any]]:
        for mount in proc.mounts(cls._host.check_output("cat /proc/mounts")):
            if mount.path != MOUNT:
                yield {
                    "path": mount.path,
                    "device": mount.device,
                    "filesystem": mount.filesystem,
                    "options": list(mount.options),
                }


MODULES: dict[str, Any] = {"process": Process, "socket": Socket, "sysctl": Sysctl, "mount_point": MountPoint}
