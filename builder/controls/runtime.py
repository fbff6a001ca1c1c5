"""The run contract's privileges: what the process may do, and what of the host it sees."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator

from builder.controls.frame import Context, Control, NoParameters
from builder.controls.launch import Launch, launches
from builder.controls.references import cidg, cis, cwe, docker_stig, kubernetes_nsa, nist, pod_security, srg
from builder.model.contract import RunContract
from builder.model.image import Image
from builder.model.report import Finding, Severity


class RunControl(Control[NoParameters]):
    """Audited in the rendered run files; proven by the live suite, in /proc and by the engine's own word."""

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        contract, definition = context.known_contract(), context.known_definition()
        for launch in launches(definition):
            for fault in self.faults(launch, contract, image):
                yield Finding(message=f"{launch.where} {fault}")

    @abstractmethod
    def faults(self, launch: Launch, contract: RunContract, image: Image) -> Iterator[str]:
        """What is wrong with one file, to be read after its name."""


class ReadOnlyRoot(RunControl):
    key = "read-only-root"
    title = "The root file system is read-only, with no volume that nobody declared"
    why = (
        "What can't be written can't be replaced: an intruder's tools don't survive, and code stays what "
        "was scanned. A VOLUME in the image is writable all the same."
    )
    remedy = "start it with --read-only; list what is written under `writable:` or `state:` in image.yaml"
    foreign_remedy = "start it with --read-only; mount a tmpfs or a volume where it writes"
    severity = Severity.HIGH
    references = (
        cis("5.13"),
        docker_stig("DKER-EE-002030"),
        nist("4.4.4"),
        kubernetes_nsa("1.1"),
    )

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        """Undeclared volumes go, where image.yaml says which are declared."""
        if context.plan is None:
            return image
        declared = {state.path for state in context.plan.spec.state}
        kept = tuple(path for path in image.config.volumes if path in declared)
        if kept == image.config.volumes:
            return image
        return image.replace(config=image.config.replace(volumes=kept))

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        yield from super().audit(image, parameters, context)
        declared = {state.path for state in context.known_contract().state}
        for path in image.config.volumes:
            if path not in declared:
                message = (
                    f"volume '{path}' is writable on a read-only root, and image.yaml doesn't declare it"
                )
                yield Finding(message=message, path=path.strip("/"))

    def faults(self, launch: Launch, contract: RunContract, image: Image) -> Iterator[str]:
        if not launch.read_only:
            yield "leaves the root file system writable"


class DropCapabilities(RunControl):
    key = "drop-capabilities"
    title = "All capabilities are dropped"
    why = (
        "An engine leaves fourteen of root's powers to every container, raw sockets and changing owners "
        "among them. A service that listens above port 1023 needs none."
    )
    remedy = "start it with --cap-drop ALL; only NET_BIND_SERVICE may return, and a higher port is better"
    severity = Severity.HIGH
    references = (
        cis("5.4"),
        docker_stig("DKER-EE-001950"),
        pod_security("restricted: capabilities"),
    )

    def faults(self, launch: Launch, contract: RunContract, image: Image) -> Iterator[str]:
        if "ALL" not in launch.dropped:
            yield "doesn't drop all capabilities"
        for name in sorted(launch.added.difference(contract.capabilities)):
            yield f"adds the capability {name}, which the contract doesn't"


class NotPrivileged(RunControl):
    key = "not-privileged"
    title = "The container is not privileged"
    why = "It has every device and capability of the host: it is the host, with a file system of its own."
    remedy = "drop --privileged; name the one device or capability that is needed in the profile's `run:`"
    foreign_remedy = (
        "drop --privileged; give the one device or capability that is needed by --device or --cap-add"
    )
    severity = Severity.CRITICAL
    references = (
        cis("5.5"),
        docker_stig("DKER-EE-001960"),
        pod_security("baseline: privileged containers"),
        srg("SRG-APP-000243-CTR-000595"),
    )

    def faults(self, launch: Launch, contract: RunContract, image: Image) -> Iterator[str]:
        if launch.privileged:
            yield "starts a privileged container"


class NoNewPrivileges(RunControl):
    key = "no-new-privileges"
    title = "No program can gain privileges that its parent didn't have"
    why = (
        "The kernel then ignores setuid bits and file capabilities, also those on volumes that nobody audits."
    )
    remedy = "start it with --security-opt no-new-privileges, or allowPrivilegeEscalation: false"
    severity = Severity.HIGH
    references = (
        cis("5.26"),
        docker_stig("DKER-EE-002110"),
        pod_security("restricted: privilege escalation"),
    )

    def faults(self, launch: Launch, contract: RunContract, image: Image) -> Iterator[str]:
        if not launch.no_new_privileges:
            yield "doesn't forbid new privileges"


class Seccomp(RunControl):
    key = "seccomp"
    title = "A seccomp filter is active"
    why = (
        "Most ways out of a container begin with a system call that no service needs: seccomp refuses "
        "those before the kernel's own code looks at them."
    )
    remedy = "drop seccomp=unconfined; keep the engine's profile or one fitted by `temper seccomp`"
    foreign_remedy = "drop seccomp=unconfined; keep the engine's profile"
    severity = Severity.HIGH
    references = (
        cis("5.22"),
        docker_stig("DKER-EE-002070"),
        pod_security("restricted: seccomp"),
    )

    def faults(self, launch: Launch, contract: RunContract, image: Image) -> Iterator[str]:
        asked = [item for item in launch.security if item.startswith(("seccomp=", "seccomp:"))]
        if any(item.endswith("unconfined") for item in asked):
            yield "turns the seccomp filter off"
        elif not asked and launch.engine == "kubernetes":  # without a word the kubelet sets none
            yield "names no seccomp profile, so that Kubernetes sets none"


class Lsm(RunControl):
    key = "lsm"
    title = "AppArmor or SELinux holds the container, where the host has one of them"
    why = (
        "They hold what file modes can't: a process that broke out of its namespaces still may not read "
        "another container's files or write to /proc/sys."
    )
    remedy = "drop apparmor=unconfined and label=disable; relabel volumes instead"
    severity = Severity.MEDIUM
    references = (
        cis("5.2"),
        cis("5.3"),
        pod_security("baseline: AppArmor"),
        pod_security("baseline: SELinux"),
    )

    def faults(self, launch: Launch, contract: RunContract, image: Image) -> Iterator[str]:
        for item in sorted(launch.security):
            if item in ("apparmor=unconfined", "apparmor:unconfined", "label=disable", "label:disable"):
                yield f"turns mandatory access control off ({item})"


class NoHostNamespaces(RunControl):
    key = "no-host-namespaces"
    title = "No namespace is shared with the host or another container"
    why = (
        "In the host's network a service reaches everything that listens on loopback; in its process "
        "namespace it sees every command line, in its IPC namespace every shared memory."
    )
    remedy = "publish ports instead of --network host; set shm in the profile's `run:` instead of --ipc host"
    foreign_remedy = "publish ports instead of --network host; set --shm-size instead of --ipc host"
    severity = Severity.HIGH
    references = (
        *(cis(rule) for rule in ("5.10", "5.16", "5.17", "5.21", "5.31")),
        docker_stig("DKER-EE-002000"),
        docker_stig("DKER-EE-002120"),
        pod_security("baseline: host namespaces"),
    )

    def faults(self, launch: Launch, contract: RunContract, image: Image) -> Iterator[str]:
        for name in sorted(launch.shared):
            yield f"shares the {name} namespace"


SENSITIVE = (
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/proc",
    "/root",
    "/run",
    "/sys",
    "/usr",
    "/var/lib",
    "/var/run",
)
"""Of the host. A container that writes there, or speaks to a socket there, is the host's administrator."""


class NoHostMounts(RunControl):
    key = "no-host-mounts"
    title = "Of the host only declared folders are mounted, and never the engine's socket"
    why = (
        "Whoever reaches the engine's socket starts a privileged container and owns the host; /etc, /proc "
        "and their like give the same by another way."
    )
    remedy = "declare the folder under `state:` in image.yaml, and mount a folder that holds nothing else"
    foreign_remedy = "mount folders that hold nothing but what it needs, and never the engine's socket"
    severity = Severity.CRITICAL
    references = (
        *(cis(rule) for rule in ("5.6", "5.20", "5.32")),
        docker_stig("DKER-EE-002130"),
        cidg("CCI-000109"),
        pod_security("baseline: host path volumes"),
        pod_security("restricted: volume types"),
    )

    def faults(self, launch: Launch, contract: RunContract, image: Image) -> Iterator[str]:
        declared = {state.path for state in contract.state}
        for bind in launch.binds:
            if bind.source == "/" or f"{bind.source}/".startswith(tuple(f"{top}/" for top in SENSITIVE)):
                yield f"mounts {bind.source} of the host"
            elif bind.target not in declared:
                yield f"mounts {bind.source} at {bind.target}, which image.yaml doesn't declare"
            if bind.shared:
                yield f"shares what is mounted at {bind.target} with the host"
            if launch.engine == "kubernetes":
                yield f"ties the pod to its node by a hostPath at {bind.target}"


class DeclaredDevices(RunControl):
    key = "declared-devices"
    title = "Only declared devices are in the container"
    why = "A device is a way past the file system and its permissions: to disks, memory and others' GPUs."
    remedy = "list the device under `run: devices:` in the profile, a GPU under `gpu:` in image.yaml"
    foreign_remedy = "give the one device that is needed by --device, a GPU by its CDI name"
    severity = Severity.HIGH
    references = (cis("5.18"), docker_stig("DKER-EE-002040"))

    def faults(self, launch: Launch, contract: RunContract, image: Image) -> Iterator[str]:
        declared = {device.path for device in contract.devices}
        declared |= contract.gpu.words if contract.gpu is not None else set()
        for text in launch.devices:
            if text.partition(":")[0] not in declared:
                yield f"opens the device {text}, which the contract doesn't"


class NoRootExec(RunControl):
    key = "no-root-exec"
    title = "Nothing needs root to start, check or test the container"
    why = (
        "Whatever enters a container as root, or privileged, undoes the whole contract for as long as it "
        "is there: a health check does so every few seconds."
    )
    remedy = "start it as the image's user; look inside with the dev profile instead of `exec --user 0`"
    foreign_remedy = (
        "start it as the image's user; look inside with an ephemeral container instead of `exec --user 0`"
    )
    severity = Severity.LOW
    references = (cis("5.23"), cis("5.24"), docker_stig("DKER-EE-002080"), cwe("250"))

    def faults(self, launch: Launch, contract: RunContract, image: Image) -> Iterator[str]:
        if launch.user.partition(":")[0] in ("0", "root"):
            yield "starts it as root"
