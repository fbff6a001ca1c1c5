"""What the rendered run files ask of an engine, in one form: docker run, compose, Kubernetes, Podman.

Read back, because an audit that trusts what was meant to be written proves nothing of what was.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import yaml

from builder.controls.frame import NotAssessed
from builder.model.definition import Definition, RenderedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A file or folder of the host."""

    source: str
    """May hold variables: `${MODELS_FOLDER}`."""
    target: str
    shared: bool = False
    """What the container mounts there shows up on the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How one file starts the image. Empty text stands for what it doesn't say."""

    where: str
    """`run/compose.yaml`"""
    engine: str
    """`docker`, `kubernetes` or `podman`."""
    user: str = ""
    read_only: bool = False
    privileged: bool = False
    dropped: frozenset[str] = frozenset()
    """Capabilities, upper case, without `CAP_`."""
    added: frozenset[str] = frozenset()
    no_new_privileges: bool = False
    security: frozenset[str] = frozenset()
    """`seccomp=unconfined`, `apparmor=docker-default`, `label=disable`, ..."""
    shared: frozenset[str] = frozenset()
    """Namespaces of the host or of another container: `network`, `pid`, `ipc`, `uts`, `user`, `cgroup`."""
    binds: tuple[Bind, ...] = ()
    scratch: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Path of a tmpfs -> its options."""
    devices: tuple[str, ...] = ()
    memory: str = ""
    swap: str = ""
    cpus: str = ""
    pids: str = ""
    shm: str = ""
    ulimits: frozenset[str] = frozenset()
    """By name."""
    sysctls: Mapping[str, str] = field(default_factory=dict)
    published: tuple[str, ...] = ()
    """`127.0.0.1:8000:8000`"""
    restart: str = ""
    health: bool = False
    """Somebody watches its health beyond the image's own check."""
    pod: Mapping[str, Any] = field(default_factory=dict)
    """The pod's whole spec, for Kubernetes."""
    container: Mapping[str, Any] = field(default_factory=dict)


@lru_cache(maxsize=2)
def launches(definition: Definition) -> tuple[Launch, ...]:
    """Raises `NotAssessed` for a file that can't be understood: somebody changed it after it was rendered."""
    found: list[Launch] = []
    for file in definition.files:
        try:
            found += _launches(file)
        except (yaml.YAMLError, ValueError, AttributeError, KeyError, TypeError) as error:
            raise NotAssessed(f"{file.path} can't be understood: {type(error).__name__}") from None
    return tuple(found)


def _launches(file: RenderedFile) -> Iterator[Launch]:
    if not file.path.startswith("run/"):
        return
    if file.path.endswith(".sh"):
        yield from docker_launches(file)
    elif file.path.endswith((".yaml", ".yml")):
        for document in yaml.load_all(file.text, LOADER):
            yield from yaml_launches(file.path, document if isinstance(document, dict) else {})
    elif file.path.endswith(".container"):
        yield quadlet_launch(file)


LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SHM = "/dev/shm"  # noqa: S108 - the name of a mount point
SWITCHES = frozenset(
    {
        "--detach",
        "--init",
        "--interactive",
        "--no-healthcheck",
        "--privileged",
        "--read-only",
        "--rm",
        "--tty",
    }
    | {"-d", "-i", "-it", "-t"}
)
"""Options of `docker run` without a value."""


def docker_launches(file: RenderedFile) -> Iterator[Launch]:
    for line in file.text.replace("\\\n", " ").splitlines():
        before, found, after = line.partition("docker run ")
        if found and before.strip() in ("", "exec"):
            yield from_options(file.path, "docker", options(shlex.split(WHERE_SET.sub(r"\1", after))))


WHERE_SET = re.compile(r"\$\{\w+\+([^}]*)\}")
"""`${NAME+--env NAME}`: an option that is there where its variable is."""

Options = dict[str, list[str]]


def options(words: Iterable[str]) -> Options:
    """Up to the first word that is neither an option nor the value of one: the image."""
    found: Options = {}
    left = iter(words)
    for word in left:
        if not word.startswith("-"):
            break
        name, equals, value = word.partition("=")
        if name not in SWITCHES and not equals:
            value = next(left, "")
        found.setdefault(name, []).append(value)
    return found


def from_options(where: str, engine: str, told: Options) -> Launch:
    def last(name: str) -> str:
        return (told.get(name) or [""])[-1]

    def switch(name: str) -> bool:
        return name in told and last(name) in ("", "true")

    security = frozenset(told.get("--security-opt", ()))
    names = {"--network": "network", "--pid": "pid", "--ipc": "ipc", "--uts": "uts", "--userns": "user"}
    return Launch(
        where=where,
        engine=engine,
        user=last("--user"),
        read_only=switch("--read-only"),
        privileged=switch("--privileged"),
        dropped=capabilities(told.get("--cap-drop", ())),
        added=capabilities(told.get("--cap-add", ())),
        no_new_privileges=any(item in NNP for item in security),
        security=security,
        shared=frozenset(what for name, what in names.items() if any(map(is_shared, told.get(name, ())))),
        binds=tuple(docker_binds(told)),
        scratch=dict(map(scratch, told.get("--tmpfs", ()))),
        devices=(*told.get("--device", ()), *told.get("--gpus", ())),
        memory=last("--memory"),
        swap=last("--memory-swap"),
        cpus=last("--cpus"),
        pids=last("--pids-limit"),
        shm=last("--shm-size"),
        ulimits=frozenset(item.partition("=")[0] for item in told.get("--ulimit", ())),
        sysctls=pairs(told.get("--sysctl", ())),
        published=(*told.get("--publish", ()), *told.get("-p", ())),
        restart=last("--restart"),
    )


NNP = frozenset({"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"})


def capabilities(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.upper().removeprefix("CAP_") for name in names)


def is_shared(mode: str) -> bool:
    return mode == "host" or mode.startswith("container:")


def scratch(text: str) -> tuple[str, frozenset[str]]:
    path, _, words = text.partition(":")
    return path, frozenset(word for word in words.split(",") if word)


def docker_binds(told: Options) -> Iterator[Bind]:
    for text in told.get("--mount", ()):
        known = dict(part.partition("=")[::2] for part in text.split(","))
        source = known.get("source") or known.get("src", "")
        if known.get("type", "volume") == "bind":
            target = known.get("target") or known.get("dst", "")
            yield Bind(source=source, target=target, shared="shared" in known.get("bind-propagation", ""))
    for text in (*told.get("--volume", ()), *told.get("-v", ())):
        source, _, rest = text.partition(":")
        target, _, words = rest.partition(":")
        if source.startswith(("/", ".", "$")):
            yield Bind(source=source, target=target, shared="shared" in words)


def yaml_launches(where: str, document: Mapping[str, Any]) -> Iterator[Launch]:
    if "services" in document:
        for service in (document["services"] or {}).values():
            yield compose_launch(where, service)
    pod = pod_spec(document)
    for container in pod.get("containers", ()):
        yield pod_launch(where, pod, container)


def compose_launch(where: str, told: Mapping[str, Any]) -> Launch:
    def text(name: str) -> str:
        return str(told.get(name, ""))

    security = frozenset(map(str, told.get("security_opt", ())))
    names = {"network_mode": "network", "pid": "pid", "ipc": "ipc", "uts": "uts", "userns_mode": "user"}
    tmpfs = told.get("tmpfs", ())
    return Launch(
        where=where,
        engine="docker",
        user=text("user"),
        read_only=told.get("read_only") is True,
        privileged=told.get("privileged") is True,
        dropped=capabilities(told.get("cap_drop", ())),
        added=capabilities(told.get("cap_add", ())),
        no_new_privileges=any(item in NNP for item in security),
        security=security,
        shared=frozenset(what for name, what in names.items() if is_shared(text(name))),
        binds=tuple(compose_binds(told.get("volumes", ()))),
        scratch=dict(map(scratch, [tmpfs] if isinstance(tmpfs, str) else tmpfs)),
        devices=(*map(str, told.get("devices", ())), *reservations(told)),
        memory=text("mem_limit"),
        swap=text("memswap_limit"),
        cpus=text("cpus"),
        pids=text("pids_limit"),
        shm=text("shm_size"),
        ulimits=frozenset(told.get("ulimits", ())),
        sysctls=compose_sysctls(told.get("sysctls", ())),
        published=tuple(map(str, told.get("ports", ()))),
        restart=text("restart"),
    )


def pairs(words: Iterable[str]) -> dict[str, str]:
    """`name=value`, each."""
    return dict(word.partition("=")[::2] for word in words)


def compose_sysctls(told: Any) -> dict[str, str]:
    """A mapping or a list, by the Compose Specification."""
    if isinstance(told, Mapping):
        return {name: str(value) for name, value in told.items()}
    return pairs(map(str, told))


def reservations(told: Mapping[str, Any]) -> Iterator[str]:
    """Devices that the engine's driver brings: `nvidia=all`. Compose Deploy Specification, `devices`."""
    resources = (told.get("deploy") or {}).get("resources") or {}
    for item in (resources.get("reservations") or {}).get("devices") or ():
        which = item.get("device_ids") or [item.get("count", "all")]
        yield from (f"{item.get('driver', 'gpu')}={one}" for one in which)


def compose_binds(volumes: Iterable[Any]) -> Iterator[Bind]:
    for volume in volumes:
        if isinstance(volume, str):
            yield from docker_binds({"-v": [volume]})
        elif volume.get("type") == "bind":
            propagation = (volume.get("bind") or {}).get("propagation", "")
            yield Bind(source=volume["source"], target=volume["target"], shared="shared" in propagation)


WORKLOADS = frozenset({"DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"})


def pod_spec(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a Pod, or of what makes Pods; nothing for other kinds."""
    spec: Mapping[str, Any] = document.get("spec") or {}
    if document.get("kind") in WORKLOADS:
        return (spec.get("template") or {}).get("spec") or {}
    return spec if document.get("kind") == "Pod" else {}


def pod_launch(where: str, pod: Mapping[str, Any], container: Mapping[str, Any]) -> Launch:
    both = {**(pod.get("securityContext") or {}), **(container.get("securityContext") or {})}
    limits = (container.get("resources") or {}).get("limits") or {}
    volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
    mounts = {
        mount["mountPath"]: volumes.get(mount["name"], {}) for mount in container.get("volumeMounts", ())
    }
    drops = both.get("capabilities") or {}
    flags = {"hostNetwork": "network", "hostPID": "pid", "hostIPC": "ipc"}
    empty = {path: volume["emptyDir"] or {} for path, volume in mounts.items() if "emptyDir" in volume}
    return Launch(
        where=where,
        engine="kubernetes",
        user=str(both.get("runAsUser", "")),
        read_only=both.get("readOnlyRootFilesystem") is True,
        privileged=both.get("privileged") is True,
        dropped=capabilities(drops.get("drop", ())),
        added=capabilities(drops.get("add", ())),
        no_new_privileges=both.get("allowPrivilegeEscalation") is False,
        security=frozenset(pod_security_words(both)),
        shared=frozenset(what for name, what in flags.items() if pod.get(name)),
        binds=tuple(
            Bind(source=volume["hostPath"]["path"], target=path)
            for path, volume in mounts.items()
            if "hostPath" in volume
        ),
        scratch={path: empty_words(volume) for path, volume in empty.items() if path != SHM},
        devices=tuple(name for name in limits if "/" in name),
        memory=str(limits.get("memory", "")),
        cpus=str(limits.get("cpu", "")),
        shm=str((empty.get(SHM) or {}).get("sizeLimit", "")),
        sysctls={item["name"]: str(item["value"]) for item in both.get("sysctls", ())},
        published=tuple(str(port["hostPort"]) for port in container.get("ports", ()) if "hostPort" in port),
        restart=str(pod.get("restartPolicy", "")),
        health="livenessProbe" in container and "readinessProbe" in container,
        pod=pod,
        container=container,
    )


def pod_security_words(context: Mapping[str, Any]) -> Iterator[str]:
    for field_name, what in (("seccompProfile", "seccomp"), ("appArmorProfile", "apparmor")):
        kind = (context.get(field_name) or {}).get("type")
        if kind:
            yield f"{what}={'unconfined' if kind == 'Unconfined' else kind}"


def empty_words(volume: Mapping[str, Any]) -> frozenset[str]:
    words = {f"size={volume['sizeLimit']}"} if volume.get("sizeLimit") else set()
    return frozenset(words | ({"memory"} if volume.get("medium") == "Memory" else set()))


def quadlet_launch(file: RenderedFile) -> Launch:
    """podman-systemd.unit(5): every key of [Container] is an option of `podman run`."""
    sections: dict[str, Options] = {}
    section = ""
    for line in file.text.replace("\\\n", " ").splitlines():
        key, equals, value = line.strip().partition("=")
        if key.startswith("["):
            section = key.strip("[]")
        elif equals and not key.startswith(("#", ";")):
            sections.setdefault(section, {}).setdefault(key, []).append(value)
    told = sections.get("Container", {})
    found = options(word for text in told.get("PodmanArgs", ()) for word in shlex.split(text))
    for key, name in QUADLET.items():
        found.setdefault(name, []).extend(told.get(key, ()))
    parameters = [word for text in told.get("Sysctl", ()) for word in shlex.split(text)]
    found.setdefault("--sysctl", []).extend(parameters)
    found["--user"] = [":".join([*told.get("User", ()), *told.get("Group", ())])]
    if told.get("NoNewPrivileges") == ["true"]:
        found.setdefault("--security-opt", []).append("no-new-privileges")
    for profile in told.get("SeccompProfile", ()):
        found.setdefault("--security-opt", []).append(f"seccomp={profile}")
    if told.get("SecurityLabelDisable") == ["true"]:
        found.setdefault("--security-opt", []).append("label=disable")
    found["--restart"] = sections.get("Service", {}).get("Restart", [""])
    return from_options(file.path, "podman", {name: values for name, values in found.items() if values})


QUADLET = {
    "AddCapability": "--cap-add",
    "AddDevice": "--device",
    "DropCapability": "--cap-drop",
    "Memory": "--memory",
    "Mount": "--mount",
    "Network": "--network",
    "PidsLimit": "--pids-limit",
    "PublishPort": "--publish",
    "ReadOnly": "--read-only",
    "ShmSize": "--shm-size",
    "Tmpfs": "--tmpfs",
    "Ulimit": "--ulimit",
    "UserNS": "--userns",
    "Volume": "--volume",
}
