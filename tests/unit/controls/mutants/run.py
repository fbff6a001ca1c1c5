"""Mutants of the run contract: rendered run files that ask an engine for something else than they should."""

from dataclasses import replace

from builder.model.definition import Definition, RenderedFile
from tests.unit.controls.mutant import Mutant, RunBreak
from tests.unit.controls.sound import set_config

SCRIPT = "run/docker-run.sh"
COMPOSE = "run/compose.yaml"
POD = "run/pod.yaml"
CLUSTER = "run/kubernetes.yaml"
QUADLET = "run/sample.container"
SYNCOOKIES = "{name: net.ipv4.tcp_syncookies, value: '0'}"


def edit(path: str, old: str, new: str) -> RunBreak:
    """With a text replaced where it first stands, which must be there."""

    def edited(file: RenderedFile) -> RenderedFile:
        if file.path != path:
            return file
        assert old in file.text, f"{path} doesn't hold '{old}'"
        return replace(file, text=file.text.replace(old, new, 1))

    return lambda definition: Definition(files=tuple(map(edited, definition.files)))


def told(option: str) -> RunBreak:
    """With an option more for `docker run`."""
    return edit(SCRIPT, "  --read-only \\\n", f"  --read-only \\\n  {option} \\\n")


def mutant(control: str, name: str, run: RunBreak, message: str, *also: str) -> Mutant:
    return Mutant(control=control, name=name, run=run, message=message, also=also, mended=False)


RUN = (
    mutant(
        "read-only-root",
        "docker run",
        edit(SCRIPT, "  --read-only \\\n", ""),
        "run/docker-run.sh leaves the root file system writable",
    ),
    mutant(
        "read-only-root",
        "compose",
        edit(COMPOSE, "read_only: true", "read_only: false"),
        "run/compose.yaml leaves the root file system writable",
    ),
    mutant(
        "read-only-root",
        "a pod",
        edit(POD, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
        "run/pod.yaml leaves the root file system writable",
    ),
    mutant(
        "read-only-root",
        "a quadlet",
        edit(QUADLET, "ReadOnly=true", "ReadOnly=false"),
        "run/sample.container leaves the root file system writable",
    ),
    Mutant(
        control="read-only-root",
        name="a volume that nobody declared",
        break_=set_config(volumes=("/data",)),
        message="volume '/data' is writable on a read-only root, and image.yaml doesn't declare it",
    ),
    mutant(
        "scratch-tmpfs",
        "programs in it",
        edit(SCRIPT, "noexec,size=64m", "exec,size=64m"),
        "run/docker-run.sh mounts /tmp without noexec",
    ),
    mutant(
        "scratch-tmpfs",
        "without end",
        edit(COMPOSE, ",size=64m", ""),
        "run/compose.yaml mounts /tmp without size",
    ),
    mutant(
        "scratch-tmpfs",
        "on the node's disk",
        edit(POD, "name: scratch-1, emptyDir: {medium: Memory, ", "name: scratch-1, emptyDir: {"),
        "run/pod.yaml mounts /tmp without memory",
    ),
    mutant(
        "scratch-tmpfs",
        "one more",
        told("--tmpfs /run:rw,nosuid,nodev,noexec,size=1m"),
        "run/docker-run.sh makes /run writable, which image.yaml doesn't",
    ),
    mutant(
        "scratch-tmpfs",
        "none",
        edit(QUADLET, "Tmpfs=/tmp:", "#"),
        "run/sample.container gives no scratch space at /tmp",
    ),
    mutant(
        "drop-capabilities",
        "docker run",
        edit(SCRIPT, "  --cap-drop ALL \\\n", ""),
        "run/docker-run.sh doesn't drop all capabilities",
    ),
    mutant(
        "drop-capabilities",
        "one returns",
        told("--cap-add NET_RAW"),
        "run/docker-run.sh adds the capability NET_RAW, which the contract doesn't",
    ),
    mutant(
        "drop-capabilities",
        "compose",
        edit(COMPOSE, "cap_drop: [ALL]", "cap_drop: [NET_RAW]"),
        "run/compose.yaml doesn't drop all capabilities",
    ),
    mutant(
        "drop-capabilities",
        "a pod",
        edit(POD, "drop: [ALL]", "drop: [NET_RAW]"),
        "run/pod.yaml doesn't drop all capabilities",
        "pod-security",
    ),
    mutant(
        "not-privileged",
        "docker run",
        told("--privileged"),
        "run/docker-run.sh starts a privileged container",
    ),
    mutant(
        "not-privileged",
        "compose",
        edit(COMPOSE, "read_only: true", "read_only: true\n    privileged: true"),
        "run/compose.yaml starts a privileged container",
    ),
    mutant(
        "not-privileged",
        "a deployment",
        edit(CLUSTER, "privileged: false", "privileged: true"),
        "run/kubernetes.yaml starts a privileged container",
        "pod-security",
    ),
    mutant(
        "no-new-privileges",
        "docker run",
        edit(SCRIPT, "  --security-opt no-new-privileges:true \\\n", ""),
        "run/docker-run.sh doesn't forbid new privileges",
    ),
    mutant(
        "no-new-privileges",
        "a quadlet",
        edit(QUADLET, "NoNewPrivileges=true", "NoNewPrivileges=false"),
        "run/sample.container doesn't forbid new privileges",
    ),
    mutant(
        "no-new-privileges",
        "a pod",
        edit(POD, "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"),
        "run/pod.yaml doesn't forbid new privileges",
        "pod-security",
    ),
    mutant(
        "seccomp",
        "docker run",
        told("--security-opt seccomp=unconfined"),
        "run/docker-run.sh turns the seccomp filter off",
    ),
    mutant(
        "seccomp",
        "a quadlet",
        edit(QUADLET, "ReadOnly=true", "ReadOnly=true\nSeccompProfile=unconfined"),
        "run/sample.container turns the seccomp filter off",
    ),
    mutant(
        "lsm",
        "AppArmor",
        told("--security-opt apparmor=unconfined"),
        "run/docker-run.sh turns mandatory access control off (apparmor=unconfined)",
    ),
    mutant(
        "lsm",
        "SELinux",
        edit(QUADLET, "ReadOnly=true", "ReadOnly=true\nSecurityLabelDisable=true"),
        "run/sample.container turns mandatory access control off (label=disable)",
    ),
    mutant(
        "no-host-namespaces",
        "the network",
        told("--network host"),
        "run/docker-run.sh shares the network namespace",
    ),
    mutant(
        "no-host-namespaces",
        "another container's processes",
        told("--pid=container:other"),
        "run/docker-run.sh shares the pid namespace",
    ),
    mutant(
        "no-host-namespaces",
        "compose",
        edit(COMPOSE, "read_only: true", "read_only: true\n    ipc: host"),
        "run/compose.yaml shares the ipc namespace",
    ),
    mutant(
        "no-host-namespaces",
        "a pod",
        edit(POD, "hostPID: false", "hostPID: true"),
        "run/pod.yaml shares the pid namespace",
        "pod-security",
    ),
    mutant(
        "no-host-mounts",
        "the engine's socket",
        told("--volume /var/run/docker.sock:/var/run/docker.sock"),
        "run/docker-run.sh mounts /var/run/docker.sock of the host",
    ),
    mutant(
        "no-host-mounts",
        "undeclared",
        told("--mount type=bind,source=/srv/data,target=/data"),
        "run/docker-run.sh mounts /srv/data at /data, which image.yaml doesn't declare",
    ),
    mutant(
        "no-host-mounts",
        "shared",
        edit(SCRIPT, "target=/models,readonly", "target=/models,readonly,bind-propagation=rshared"),
        "run/docker-run.sh shares what is mounted at /models with the host",
    ),
    mutant(
        "no-host-mounts",
        "compose",
        edit(COMPOSE, "    volumes:\n", "    volumes:\n      - /etc:/models:ro\n"),
        "run/compose.yaml mounts /etc of the host",
    ),
    mutant(
        "no-host-mounts",
        "a pod",
        edit(POD, "{name: shm, emptyDir: {", "{name: shm, hostPath: {path: /srv/shm, "),
        "run/pod.yaml mounts /srv/shm at /dev/shm, which image.yaml doesn't declare",
        "pod-security",
        "shm-and-ulimits",
    ),
    mutant(
        "declared-devices",
        "docker run",
        told("--device /dev/kvm"),
        "run/docker-run.sh opens the device /dev/kvm, which the contract doesn't",
    ),
    mutant(
        "declared-devices",
        "all GPUs",
        told("--gpus all"),
        "run/docker-run.sh opens the device all, which the contract doesn't",
    ),
    mutant(
        "declared-devices",
        "a reservation",
        edit(
            COMPOSE,
            "    mem_limit:",
            "    deploy: {resources: {reservations: {devices: [{driver: nvidia, capabilities: [gpu]}]}}}\n"
            "    mem_limit:",
        ),
        "run/compose.yaml opens the device nvidia=all, which the contract doesn't",
    ),
    mutant(
        "declared-devices",
        "a pod",
        edit(POD, "limits: {memory:", "limits: {nvidia.com/gpu: 1, memory:"),
        "run/pod.yaml opens the device nvidia.com/gpu, which the contract doesn't",
    ),
    mutant(
        "limits",
        "memory",
        edit(SCRIPT, "  --memory 512m \\\n  --memory-swap 512m \\\n", ""),
        "run/docker-run.sh sets no limit on memory",
    ),
    mutant(
        "limits",
        "swap",
        edit(SCRIPT, "--memory-swap 512m", "--memory-swap -1"),
        "run/docker-run.sh allows swap beyond the memory limit (-1)",
    ),
    mutant(
        "limits",
        "processes",
        edit(QUADLET, "PidsLimit=128", "PidsLimit=-1"),
        "run/sample.container sets no limit on processes",
    ),
    mutant(
        "limits",
        "processor time",
        edit(CLUSTER, ', cpu: "1.0"}', "}"),
        "run/kubernetes.yaml sets no limit on processor time",
    ),
    mutant(
        "shm-and-ulimits",
        "shared memory",
        edit(SCRIPT, "  --shm-size 64m \\\n", ""),
        "run/docker-run.sh sets no size for /dev/shm",
    ),
    mutant(
        "shm-and-ulimits",
        "limits of a process",
        edit(QUADLET, "Ulimit=core=0:0\n", ""),
        "run/sample.container leaves out the limits core",
    ),
    mutant(
        "bound-ports",
        "every address",
        edit(SCRIPT, "--publish 127.0.0.1:8000:8000", "--publish 8000:8000"),
        "run/docker-run.sh publishes 8000:8000 on every address, not on 127.0.0.1",
    ),
    mutant(
        "bound-ports",
        "a privileged one",
        edit(COMPOSE, "127.0.0.1:8000:8000", "127.0.0.1:443:8000"),
        "run/compose.yaml publishes port 443, which is below 1024",
    ),
    mutant(
        "bound-ports",
        "the node's",
        edit(POD, "containerPort: 8000,", "containerPort: 8000, hostPort: 8000,"),
        "run/pod.yaml takes port 8000 of the node",
        "pod-security",
    ),
    mutant(
        "no-root-exec",
        "docker run",
        edit(SCRIPT, "--user 65532:65532", "--user 0:0"),
        "run/docker-run.sh starts it as root",
    ),
    mutant(
        "no-root-exec",
        "a pod",
        edit(POD, "runAsUser: 65532", "runAsUser: 0"),
        "run/pod.yaml starts it as root",
        "pod-security",
    ),
    mutant(
        "bounded-restart",
        "docker run",
        told("--restart unless-stopped"),
        "run/docker-run.sh restarts it for ever (unless-stopped)",
    ),
    mutant(
        "bounded-restart",
        "without a number",
        edit(COMPOSE, "on-failure:5", "on-failure"),
        "run/compose.yaml restarts it for ever (on-failure without a number)",
    ),
    mutant(
        "bounded-restart",
        "a quadlet",
        edit(QUADLET, "Restart=on-failure", "Restart=always"),
        "run/sample.container restarts it for ever (always)",
    ),
    mutant(
        "bounded-restart",
        "nobody watches",
        edit(POD, "livenessProbe:", "lifelessProbe:"),
        "run/pod.yaml has no readiness and liveness probe, though the image has a health check",
    ),
    mutant(
        "pod-security",
        "runAsNonRoot",
        lambda definition: edit(POD, "runAsNonRoot: true\n        cap", "cap")(
            edit(POD, "    runAsNonRoot: true\n    runAsUser", "    runAsUser")(definition)
        ),
        "run/pod.yaml doesn't say runAsNonRoot: true",
    ),
    mutant(
        "pod-security",
        "kernel parameters",
        edit(POD, "    runAsUser:", "    sysctls: [{name: kernel.shmmax, value: '1'}]\n    runAsUser:"),
        "run/pod.yaml sets kernel parameters (kernel.shmmax)",
        "declared-sysctls",
    ),
    mutant(
        "declared-sysctls",
        "docker run",
        told("--sysctl net.ipv4.ip_forward=1"),
        "run/docker-run.sh sets net.ipv4.ip_forward to '1', which the contract doesn't",
    ),
    mutant(
        "declared-sysctls",
        "behind a variable that may be passed",
        told("${NCCL_DEBUG+--env NCCL_DEBUG} --sysctl net.ipv4.ip_forward=1"),
        "run/docker-run.sh sets net.ipv4.ip_forward to '1', which the contract doesn't",
    ),
    mutant(
        "declared-sysctls",
        "compose",
        edit(COMPOSE, "read_only: true", "read_only: true\n    sysctls: [net.core.somaxconn=1]"),
        "run/compose.yaml sets net.core.somaxconn to '1', which the contract doesn't",
    ),
    mutant(
        "declared-sysctls",
        "a quadlet",
        edit(QUADLET, "ReadOnly=true", 'ReadOnly=true\nSysctl="kernel.sem=1 2 3 4" kernel.shmmax=1'),
        "run/sample.container sets kernel.sem to '1 2 3 4', which the contract doesn't",
    ),
    mutant(
        "declared-sysctls",
        "a pod",
        edit(POD, "    runAsUser:", f"    sysctls: [{SYNCOOKIES}]\n    runAsUser:"),
        "run/pod.yaml sets net.ipv4.tcp_syncookies to '0', which the contract doesn't",
    ),
    mutant(
        "pod-security",
        "/proc unmasked",
        edit(POD, "privileged: false", "procMount: Unmasked"),
        "run/pod.yaml says procMount: Unmasked",
    ),
    mutant(
        "pod-security",
        "a volume of another kind",
        edit(
            POD,
            "  volumes:\n",
            "  volumes:\n    - {name: share, nfs: {path: /x}}\n",
        ),
        "run/pod.yaml has a volume of type nfs",
    ),
    mutant(
        "pod-security",
        "no seccomp profile",
        lambda definition: edit(POD, "        seccompProfile: {type: RuntimeDefault}\n", "")(
            edit(POD, "    seccompProfile: {type: RuntimeDefault}\n", "")(definition)
        ),
        "run/pod.yaml has no seccompProfile RuntimeDefault or Localhost",
        "seccomp",
    ),
)
