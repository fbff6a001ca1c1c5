"""AMD's and Intel's GPUs: the host hands on nodes, and the image has the rest; rehearsed that far."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from builder.gpu.findings import Expected, node_findings
from builder.gpu.permissions import group_row
from builder.gpu.probing import Probing
from builder.gpu.rows import OPENED, REHEARSAL, row, unrun
from builder.gpu.seen import Seen
from builder.gpu.settings import setting_rows
from builder.model.injection import HostNode, Injection
from builder.model.report import CheckResult

NODES: Mapping[str, tuple[str, ...]] = {
    "amd": ("/dev/kfd", "/dev/dri/card0", "/dev/dri/renderD128"),
    "intel": ("/dev/dri/card0", "/dev/dri/renderD128"),
}
USER_SPACE = "the vendor's libraries reach the driver"
NO_STUB = "the libraries are the image's own, and there is no stub of the kernel that they speak to"


def device_rows(probing: Probing, vendor: str, scratch: Path) -> Iterator[CheckResult]:
    """No group is injected by these vendors' runtimes: the contract has to name the host's number."""
    nodes = NODES[vendor]
    probing = probing.of_nodes(*nodes)
    meant = Expected(nodes=nodes, stub=True)

    def grouped(made: Mapping[str, str], groups: tuple[int, ...]) -> Seen:
        return probing.look(_given(dict.fromkeys(nodes, made["node"]), groups)).seen

    look = probing.look(_given(dict.fromkeys(nodes, "/dev/null"), ()))
    yield row(REHEARSAL, OPENED, node_findings(look.seen, meant), f"as {look.seen.uid}:{look.seen.gid}")
    yield group_row(probing.contract, ("node",), scratch / "group", grouped, meant)
    yield from setting_rows(REHEARSAL, look, probing.contract)
    yield unrun(REHEARSAL, USER_SPACE, NO_STUB)


def _given(made: Mapping[str, str], groups: tuple[int, ...]) -> Injection:
    nodes = (HostNode(host=host, path=path, permissions="rw") for path, host in made.items())
    return Injection(nodes=tuple(nodes), groups=groups)
