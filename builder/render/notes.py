"""What an engine's file can't say of the contract, and what is to be made before it: lines for its head."""

from collections.abc import Iterator

from builder.model.contract import RunContract
from builder.model.scheduling import ANY, SAFE
from builder.render.mounts import StateMount


def unsaid_in_kubernetes(contract: RunContract) -> list[str]:
    """What of the contract a pod can't say, and who can."""
    told = [
        f"Not in a pod's words: {contract.pids} pids (the kubelet's podPidsLimit), ulimits, noexec mounts."
    ]
    rdma = contract.gpu.rdma if contract.gpu is not None else ()
    if contract.devices or rdma:
        devices = ", ".join(device.path for device in (*contract.devices, *rdma))
        told.append(f"Nor devices ({devices}): ask for the resource of your cluster's device plugin.")
    if contract.seccomp:
        told.append(
            "Put the seccomp profile on each node, below the kubelet's seccomp folder, as it is named here."
        )
    if host_wide := [name for name, _ in contract.sysctls if name not in SAFE]:
        told.append(
            f"Nor the kernel parameters {', '.join(host_wide)}: Pod Security forbids them, and the kubelet "
            "takes them by --allowed-unsafe-sysctls only."
        )
    if contract.cpuset_cpus != ANY or contract.cpuset_mems != ANY:
        told.append(
            f"Nor processors ({contract.cpuset_cpus}) and memory nodes ({contract.cpuset_mems}): the "
            "kubelet's managers of both choose, by their policies static and Static."
        )
    return [*told, *group_notes(contract)]


def brought_to_kubernetes(contract: RunContract, states: list[StateMount]) -> Iterator[str]:
    """What the pod names and its user makes."""
    if contract.pass_env:
        yield f"Variables come from a ConfigMap, if there is one: {contract.name}-environment."
    for state in states:
        if state.secret:
            files = " ".join(f"--from-file={file}=FILE" for file in state.secret)
            name = f"{contract.name}-{state.label}"
            yield f"Make the secret first: kubectl create secret generic {name} {files}"


def secrets_of_podman(contract: RunContract, states: list[StateMount]) -> Iterator[str]:
    for state in states:
        for file in state.secret:
            yield f"Make the secret first: podman secret create {contract.name}-{state.label}-{file} FILE"


def unsaid_in_compose(contract: RunContract) -> list[str]:
    if contract.cpuset_mems == ANY:
        return []
    return [f"Not in Compose's words: memory nodes ({contract.cpuset_mems}); docker-run.sh has them."]


def podman_words(contract: RunContract) -> list[str]:
    """Options of `podman run` that the quadlet has no keys for."""
    places = {"--cpuset-cpus": contract.cpuset_cpus, "--cpuset-mems": contract.cpuset_mems}
    found = [f"{option}={value}" for option, value in places.items() if value != ANY]
    return [*found, *(f"--env={name}" for name in contract.pass_env)]


def group_notes(contract: RunContract) -> list[str]:
    """The host's number of a group can't be known here, and a name would be looked up in the image."""
    nodes = contract.gpu.nodes if contract.gpu is not None else ()
    if not nodes or contract.groups:
        return []
    names = " and ".join(device.path for device in nodes)
    return [
        f"The user needs the group that owns {names} on the host: its number by 'run: groups' in the profile."
    ]
