"""The run contract's bounds: how much of the host the container may take, and who reaches it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from builder.controls.frame import Context, Control, NoParameters, NotAssessed
from builder.controls.launch import Launch, launches
from builder.controls.passwd import identifier
from builder.controls.references import cidg, cis, kubernetes_nsa, nist, pod_security, srg
from builder.controls.runtime import RunControl
from builder.model.contract import RunContract
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.scheduling import SAFE
from builder.model.spec import Writable


class ScratchTmpfs(RunControl):
    key = "scratch-tmpfs"
    title = "Scratch space is a sized tmpfs without setuid, devices and, unless declared, programs"
    why = (
        "The only place that can be written is where an intruder puts his tools: there they must not run, "
        "not outlive the container, and not fill the host's disk."
    )
    remedy = "declare the path under `writable:` with a size; add `exec: true` only for JIT caches"
    foreign_remedy = (
        "start it with --tmpfs PATH:size=64m,nosuid,nodev,noexec for each path that it writes scratch to"
    )
    severity = Severity.MEDIUM
    references = (cidg("CCI-000366"), nist("4.4.4"))

    def faults(self, launch: Launch, contract: RunContract, image: Image) -> Iterator[str]:
        for item in contract.tmpfs:
            if item.path not in launch.scratch:
                yield f"gives no scratch space at {item.path}"
            else:
                lacking = sorted(self._wanted(launch, item) - words(launch.scratch[item.path]))
                if lacking:
                    yield f"mounts {item.path} without {', '.join(lacking)}"
        for path in sorted(launch.scratch.keys() - {item.path for item in contract.tmpfs}):
            yield f"makes {path} writable, which image.yaml doesn't"

    def _wanted(self, launch: Launch, item: Writable) -> set[str]:
        """Kubernetes can't set a tmpfs' options; its size and its being in memory it can."""
        if launch.engine == "kubernetes":
            return {"memory", "size"}
        return {"nosuid", "nodev", "size"} | (set() if item.exec else {"noexec"})


def words(options: frozenset[str]) -> set[str]:
    return {option.partition("=")[0] for option in options}


class Limits(RunControl):
    key = "limits"
    title = "Memory, processor time and processes are limited"
    why = (
        "Without limits one leak or one fork bomb takes the host down with everything on it. Swap beyond "
        "the memory limit makes it slow first."
    )
    remedy = "set memory, cpus and pids in the profile's `run:`"
    foreign_remedy = "start it with --memory, --cpus and --pids-limit"
    severity = Severity.MEDIUM
    references = (
        *(cis(rule) for rule in ("5.11", "5.12", "5.29")),
        cidg("CCI-001094"),
        cidg("CCI-001095"),
        srg("SRG-APP-000450-CTR-001105"),
        srg("SRG-APP-000246-CTR-000605"),
    )

    def faults(self, launch: Launch, contract: RunContract, image: Image) -> Iterator[str]:
        for what, value in (("memory", launch.memory), ("processor time", launch.cpus)):
            if value in ("", "0", "0.0"):
                yield f"sets no limit on {what}"
        if launch.engine == "kubernetes":  # the kubelet's podPidsLimit holds there; it has no swap
            return
        if launch.pids in ("", "0", "-1"):
            yield "sets no limit on processes"
        if launch.swap != launch.memory:
            yield f"allows swap beyond the memory limit ({launch.swap or 'not set'})"


class ShmAndUlimits(RunControl):
    key = "shm-and-ulimits"
    title = "Shared memory has a size, and the limits of each process are those of the contract"
    why = (
        "An engine gives 64 MiB of shared memory: data loaders and NCCL then die with a bus error, and "
        "people answer with --ipc host. Limits of processes come from the host where nobody says them."
    )
    remedy = "set shm and ulimits in the profile's `run:`"
    foreign_remedy = "start it with --shm-size and --ulimit"
    severity = Severity.LOW
    references = (cis("5.19"), nist("4.4.3"))

    def faults(self, launch: Launch, contract: RunContract, image: Image) -> Iterator[str]:
        if not launch.shm:
            yield "sets no size for /dev/shm"
        missing = {name for name, _ in contract.ulimits} - launch.ulimits
        if missing and launch.engine != "kubernetes":  # whose pods have the node's
            yield f"leaves out the limits {', '.join(sorted(missing))}"


class BoundPorts(RunControl):
    key = "bound-ports"
    title = "Ports are published on a chosen address, as unprivileged ones"
    why = (
        "A port published without an address is open on every interface of the host, and Docker's own "
        "firewall rules stand before those of the host."
    )
    remedy = "set `interface:` in the profile's `run:`; put what terminates TLS in front of it"
    foreign_remedy = "publish it as --publish 127.0.0.1:8000:8000; put what terminates TLS in front of it"
    severity = Severity.MEDIUM
    references = (
        *(cis(rule) for rule in ("5.8", "5.9", "5.14")),
        pod_security("baseline: host ports"),
        nist("4.4.2"),
    )

    def faults(self, launch: Launch, contract: RunContract, image: Image) -> Iterator[str]:
        if launch.engine == "kubernetes":
            for port in launch.published:
                yield f"takes port {port} of the node"
            return
        for text in launch.published:
            address, _, ports = text.rpartition(":")[0].rpartition(":")
            if address.strip("[]") != contract.interface:
                yield f"publishes {text} on {address or 'every address'}, not on {contract.interface}"
            number = identifier(ports)
            if number is not None and 0 < number < 1024:
                yield f"publishes port {number}, which is below 1024"


class BoundedRestart(RunControl):
    key = "bounded-restart"
    title = "A container that keeps failing is given up, and its health is watched"
    why = (
        "A service that restarts for ever hides that it fails, takes processor time from others, and gives "
        "an intruder as many tries as he likes."
    )
    remedy = "restart on failure, five times at most; let Kubernetes probe what the image's health check asks"
    severity = Severity.LOW
    references = (cis("5.15"), cis("5.27"))

    def faults(self, launch: Launch, contract: RunContract, image: Image) -> Iterator[str]:
        if launch.engine == "kubernetes":  # which waits longer each time
            if image.config.healthcheck is not None and not launch.health:
                yield "has no readiness and liveness probe, though the image has a health check"
        elif launch.restart in ("always", "unless-stopped"):
            yield f"restarts it for ever ({launch.restart})"
        elif launch.engine == "docker" and launch.restart == "on-failure":
            yield "restarts it for ever (on-failure without a number)"


VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)


class PodSecurity(Control[NoParameters]):
    key = "pod-security"
    title = "The Kubernetes files meet the Pod Security Standard 'restricted'"
    why = "A namespace that enforces the standard refuses the pod otherwise, at the moment of the roll-out."
    remedy = "leave the rendered securityContext as it is; put what differs into the profile"
    foreign_remedy = (
        "write the whole securityContext: runAsNonRoot, no escalation, no capabilities, RuntimeDefault"
    )
    severity = Severity.HIGH
    references = (pod_security("restricted"), kubernetes_nsa("1.0"))

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        pods = [one for one in launches(context.known_definition()) if one.engine == "kubernetes"]
        if not pods:
            raise NotAssessed("no Kubernetes file was rendered")
        for launch in pods:
            for fault in self._faults(launch):
                yield Finding(message=f"{launch.where} {fault}")

    def _faults(self, launch: Launch) -> Iterator[str]:
        """In the standard's order. What a container says wins over what its pod says."""
        own: Mapping[str, Any] = launch.container.get("securityContext") or {}
        of_pod: Mapping[str, Any] = launch.pod.get("securityContext") or {}
        both = {**of_pod, **own}
        yield from self._baseline(launch, both)
        if both.get("runAsNonRoot") is not True:
            yield "doesn't say runAsNonRoot: true"
        if both.get("runAsUser") == 0:
            yield "says runAsUser: 0"
        if own.get("allowPrivilegeEscalation") is not False:
            yield "doesn't say allowPrivilegeEscalation: false"
        if "ALL" not in launch.dropped or launch.added - {"NET_BIND_SERVICE"}:
            yield "keeps or adds capabilities"
        if (both.get("seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost"):
            yield "has no seccompProfile RuntimeDefault or Localhost"
        for volume in launch.pod.get("volumes", ()):
            for kind in sorted(volume.keys() - {"name"} - VOLUMES):
                yield f"has a volume of type {kind}"

    def _baseline(self, launch: Launch, both: Mapping[str, Any]) -> Iterator[str]:
        for name in ("hostNetwork", "hostPID", "hostIPC"):
            if launch.pod.get(name):
                yield f"says {name}: true"
        if both.get("privileged"):
            yield "says privileged: true"
        if both.get("procMount", "Default") != "Default":
            yield f"says procMount: {both['procMount']}"
        if unsafe := sorted({item["name"] for item in both.get("sysctls", ())} - SAFE):
            yield f"sets kernel parameters ({', '.join(unsafe)})"
        for port in launch.published:
            yield f"takes port {port} of the node"
