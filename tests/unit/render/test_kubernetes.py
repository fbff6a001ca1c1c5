"""The rendered Kubernetes files: the published API schemas, Pod Security restricted, and the contract."""

import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import utils as tool

from builder.controls.catalogue import BY_KEY
from builder.model.contract import RunContract
from builder.model.plan import PlannedControl
from builder.render.contract import make_contract
from builder.render.definition import run_files
from builder.render.quoting import kubernetes_quantity
from tests.golden import IMAGES, image_of, plan_of
from tests.unit.render.contracts import NAMES, contract_of

VERSIONS = ("1.30", tool.major_minor(kubernetes_validate.latest_version()))
"""The oldest one that clouds still keep up, and the newest that the tool has schemas of."""
FILES = ("run/pod.yaml", "run/kubernetes.yaml")
RESTRICTED_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected"),
    "secret",
}
SAFE_SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"),
    *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    "net.ipv4.tcp_keepalive_probes",
}
CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
HANDLERS = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")


def objects(contract: RunContract, path: str, name: str = "full-contract") -> list[dict[str, Any]]:
    image = image_of(plan_of(name, IMAGES[name]))
    texts = {file.path: file.text for file in run_files(image, contract)}
    return [item for item in yaml.safe_load_all(texts[path]) if item is not None]


def by_kind(contract: RunContract, path: str = "run/kubernetes.yaml") -> dict[str, dict[str, Any]]:
    return {item["kind"]: item for item in objects(contract, path)}


def pod_specs(name: str) -> Iterator[dict[str, Any]]:
    contract = contract_of(name)
    (pod,) = objects(contract, "run/pod.yaml", name)
    yield pod["spec"]
    for item in objects(contract, "run/kubernetes.yaml", name):
        if item["kind"] == "Deployment":
            yield item["spec"]["template"]["spec"]


def bare(contract: RunContract) -> RunContract:
    return replace(contract, ports=(), tmpfs=(), state=(), groups=(), capabilities=(), seccomp="", devices=())


CONTRACTS = {
    **{name: contract_of(name) for name in NAMES},
    "bare": bare(contract_of("full-contract")),
    "no network": replace(contract_of("full-contract"), network="none"),
}


@pytest.fixture(scope="module", autouse=True)
def _schemas_are_read_once() -> Iterator[None]:
    """The tool reads megabytes of JSON for each object."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tool, "schema_contents", functools.cache(tool.schema_contents))
        yield


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("name", CONTRACTS)
def test_the_published_api_schemas_accept_it(name: str, path: str, version: str) -> None:
    for item in objects(CONTRACTS[name], path):
        assert kubernetes_validate.validate(item, version, strict=True) == version


@pytest.mark.parametrize(
    ("place", "value"),
    [(("spec", "replica"), 1), (("spec", "template", "spec", "containers", 0, "ports"), "8000")],
)
def test_the_schemas_would_find_a_mistake(place: tuple[str | int, ...], value: object) -> None:
    broken: Any = json.loads(json.dumps(by_kind(contract_of("full-contract"))["Deployment"]))
    inner = broken
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("name", NAMES)
def test_it_meets_pod_security_baseline(name: str) -> None:
    """Pod Security Standards, profile baseline, control by control."""
    for spec in pod_specs(name):
        security, (container,) = spec["securityContext"], spec["containers"]
        own = container["securityContext"]
        assert not {"initContainers", "ephemeralContainers"} & set(spec), "their security is not looked at"
        assert "windowsOptions" not in {**security, **own}, "HostProcess"
        assert [spec[key] for key in ("hostNetwork", "hostPID", "hostIPC")] == [False] * 3, "Host Namespaces"
        assert own["privileged"] is False, "Privileged Containers"
        assert all("hostPath" not in volume for volume in spec["volumes"]), "HostPath Volumes"
        assert all("hostPort" not in port for port in container.get("ports", [])), "Host Ports"
        assert all("host" not in json.dumps(container.get(key, {})) for key in HANDLERS), "Host Probes"
        assert "appArmorProfile" not in {**security, **own}, "AppArmor: the runtime's default"
        assert "seLinuxOptions" not in {**security, **own}, "SELinux"
        assert "procMount" not in own, "/proc Mount Type"
        assert {item["name"] for item in security.get("sysctls", [])} <= SAFE_SYSCTLS, "Sysctls"


@pytest.mark.parametrize("name", NAMES)
def test_it_meets_pod_security_restricted(name: str) -> None:
    """Pod Security Standards, profile restricted, control by control."""
    for spec in pod_specs(name):
        security, (container,) = spec["securityContext"], spec["containers"]
        own = container["securityContext"]
        for volume in spec["volumes"]:
            assert set(volume) - {"name"} <= RESTRICTED_VOLUMES, "Volume Types"
        assert own["allowPrivilegeEscalation"] is False, "Privilege Escalation"
        assert (security["runAsNonRoot"], own["runAsNonRoot"]) == (True, True), "Running as Non-root"
        assert security["runAsUser"] != 0, "Running as Non-root user"
        assert "runAsUser" not in own, "Running as Non-root user"
        for profile in (security["seccompProfile"], own["seccompProfile"]):
            assert profile["type"] in ("RuntimeDefault", "Localhost"), "Seccomp"
        assert own["capabilities"]["drop"] == ["ALL"], "Capabilities"
        assert own["capabilities"].get("add", []) in ([], ["NET_BIND_SERVICE"]), "Capabilities"


@pytest.mark.parametrize("name", NAMES)
def test_the_pod_is_the_contract(name: str) -> None:
    contract = contract_of(name)
    for spec in pod_specs(name):
        security, (container,) = spec["securityContext"], spec["containers"]
        assert (container["name"], container["image"]) == (contract.name, contract.image)
        assert (security["runAsUser"], security["runAsGroup"]) == (65532, 65532)
        assert security.get("supplementalGroups", []) == list(contract.groups)
        safe = [{"name": key, "value": value} for key, value in contract.sysctls if key in SAFE_SYSCTLS]
        assert security.get("sysctls", []) == safe
        variables = {item["name"]: item.get("value") for item in container.get("env", [])}
        assert variables == {**dict(contract.given), **dict.fromkeys(contract.pass_env)}
        assert container["workingDir"] == contract.workdir
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"].get("add", []) == list(contract.capabilities)
        assert [port["containerPort"] for port in container.get("ports", [])] == list(contract.ports)
        memory = kubernetes_quantity(contract.memory)
        gpus = {contract.gpu.resource: 1} if contract.gpu else {}
        assert container["resources"]["limits"] == {"memory": memory, "cpu": str(contract.cpus), **gpus}
        assert container["resources"]["requests"]["memory"] == memory, "no memory of others, no swap"
        assert spec["automountServiceAccountToken"] is False
        profile = {"type": "RuntimeDefault"}
        if contract.seccomp:
            path = f"temper/{contract.name}.seccomp.json"
            profile = {"type": "Localhost", "localhostProfile": path}
        assert (security["seccompProfile"], container["securityContext"]["seccompProfile"]) == (
            profile,
            profile,
        )


@pytest.mark.parametrize("name", NAMES)
def test_what_is_mounted_is_the_contract(name: str) -> None:
    contract = contract_of(name)
    for spec in pod_specs(name):
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        mounts = {mount["mountPath"]: mount for mount in spec["containers"][0]["volumeMounts"]}
        assert {mount["name"] for mount in mounts.values()} == set(volumes)
        sizes = {"/dev/shm": contract.shm, **{item.path: item.size for item in contract.tmpfs}}
        for path, size in sizes.items():
            scratch = {"medium": "Memory", "sizeLimit": kubernetes_quantity(size)}
            assert volumes[mounts[path]["name"]]["emptyDir"] == scratch
        for state in contract.state:
            volume = volumes[mounts[state.path]["name"]]
            assert mounts[state.path]["readOnly"] is (state.mode == "ro")
            if state.secret:
                assert [item["path"] for item in volume["secret"]["items"]] == list(state.secret)
                assert volume["secret"]["defaultMode"] == 0o440, "the pod's fsGroup reads it"
            else:
                assert volume["persistentVolumeClaim"]["readOnly"] is (state.mode == "ro")
        assert set(mounts) == {*sizes, *(state.path for state in contract.state)}


def test_health_is_checked_by_the_image_s_own_command() -> None:
    command = {"command": ["/bin/check", "a b", "$PATH"]}
    for spec in pod_specs("awkward"):
        (container,) = spec["containers"]
        probes = [container[f"{probe}Probe"] for probe in ("startup", "readiness", "liveness")]
        assert [probe["exec"] for probe in probes] == [command] * 3
        assert (probes[2]["periodSeconds"], probes[2]["failureThreshold"]) == (10, 7)
    for spec in pod_specs("own-template"):
        assert not [key for key in spec["containers"][0] if key.endswith("Probe")]


def test_the_service_account_has_no_token_and_is_the_deployment_s() -> None:
    found = by_kind(contract_of("full-contract"))
    assert found["ServiceAccount"]["automountServiceAccountToken"] is False
    account = found["ServiceAccount"]["metadata"]["name"]
    assert found["Deployment"]["spec"]["template"]["spec"]["serviceAccountName"] == account


def test_the_policy_lets_in_by_the_declared_ports_and_nothing_out() -> None:
    policy = by_kind(contract_of("full-contract"))["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []
    declared = [{"port": 443, "protocol": "TCP"}, {"port": 8000, "protocol": "TCP"}]
    assert policy["ingress"] == [{"ports": declared}]


@pytest.mark.parametrize("contract", [CONTRACTS["bare"], CONTRACTS["no network"]], ids=["bare", "no network"])
def test_without_a_port_to_reach_nothing_comes_in_and_there_is_no_service(contract: RunContract) -> None:
    found = by_kind(contract)
    assert found["NetworkPolicy"]["spec"]["ingress"] == []
    assert set(found) == {"ServiceAccount", "Deployment", "NetworkPolicy"}


def test_the_service_leads_to_the_pod_s_ports() -> None:
    found = by_kind(contract_of("full-contract"))
    pod = found["Deployment"]["spec"]["template"]
    ports = {port["name"]: port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]}
    service = found["Service"]["spec"]
    assert service["type"] == "ClusterIP"
    assert {ports[port["targetPort"]] for port in service["ports"]} == {443, 8000}
    labels = pod["metadata"]["labels"]
    assert service["selector"] == found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels


def test_two_pods_never_write_to_the_same_volume() -> None:
    contract = contract_of("full-contract")
    assert by_kind(contract)["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}
    assert "strategy" not in by_kind(contract_of("onnx-inference"))["Deployment"]["spec"]


@pytest.mark.parametrize("path", FILES)
def test_what_a_pod_cannot_say_is_told(path: str) -> None:
    contract = contract_of("full-contract")
    image = image_of(plan_of("full-contract", IMAGES["full-contract"]))
    text = {file.path: file.text for file in run_files(image, contract)}[path]
    assert "# Not in a pod's words: 256 pids (the kubelet's podPidsLimit), ulimits, noexec mounts.\n" in text
    assert "# Nor devices (/dev/fuse, /dev/kvm): " in text
    assert "# Nor the kernel parameters net.core.somaxconn, net.ipv4.tcp_rmem: " in text
    assert "# Nor processors (0-3,8) and memory nodes (0): " in text


def test_the_secret_and_the_variables_are_named_as_they_are_to_be_made() -> None:
    contract = contract_of("full-contract")
    pod = objects(contract, "run/pod.yaml")[0]["spec"]
    [volume] = [item for item in pod["volumes"] if "secret" in item]
    source = pod["containers"][0]["env"][0]["valueFrom"]["configMapKeyRef"]
    assert source == {"name": "full-contract-environment", "key": "OMP_NUM_THREADS", "optional": True}
    image = image_of(plan_of("full-contract", IMAGES["full-contract"]))
    text = {file.path: file.text for file in run_files(image, contract)}["run/pod.yaml"]
    made = "kubectl create secret generic full-contract-run-secrets-tls "
    assert f"# Make the secret first: {made}--from-file=tls.crt=FILE --from-file=tls.key=FILE\n" in text
    assert volume["secret"]["secretName"] in made


@pytest.mark.parametrize("path", FILES)
def test_where_the_cluster_chooses_the_user_the_pod_names_none(path: str) -> None:
    """OpenShift's restricted-v2 refuses runAsUser and fsGroup out of its range; the rest stays as it is."""
    contract = replace(contract_of("full-contract"), user="65532:0", any_user=True)
    for item in objects(contract, path):
        assert kubernetes_validate.validate(item, VERSIONS[-1], strict=True) == VERSIONS[-1]
        if item["kind"] not in ("Pod", "Deployment"):
            continue
        spec = item["spec"]["template"]["spec"] if item["kind"] == "Deployment" else item["spec"]
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(spec["securityContext"])
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert "runAsUser" not in spec["containers"][0]["securityContext"]


def test_only_a_profile_for_any_user_leaves_the_choice_to_the_cluster() -> None:
    plan = plan_of("python", IMAGES["python"])
    control = BY_KEY["arbitrary-user"]
    asked = PlannedControl(key=control.key, parameters=control.parameters(), asked_by="kubernetes")
    assert not make_contract(plan, "x", "65532:65532").any_user
    assert make_contract(replace(plan, controls=(asked,)), "x", "65532:0").any_user
