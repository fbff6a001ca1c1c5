import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from builder.errors import InputError
from builder.model.definition import Definition
from builder.model.image import Image
from builder.model.plan import Plan
from builder.render.contract import make_contract
from builder.render.definition import render
from builder.render.dockerfile import meaning
from tests.golden import IMAGES, LAYERS, image_of, plan_of

HADOLINT = Path(sys.executable).parent / "hadolint"
NAMES = sorted(IMAGES)


def definition_of(plan: Plan, image: Image | None = None) -> Definition:
    return render(plan, image or image_of(plan), LAYERS, make_contract(plan, "temper/x:y", "65532:65532"))


def rendered(name: str) -> Definition:
    return definition_of(plan_of(name, IMAGES[name]))


@pytest.mark.parametrize("name", NAMES)
def test_hadolint_finds_nothing(name: str, tmp_path: Path) -> None:
    """With no configuration of this machine's, the strictest threshold there is."""
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(rendered(name).file("Dockerfile").text)
    command = [HADOLINT, "--format", "json", "--failure-threshold", "style", dockerfile]
    done = subprocess.run(
        command, capture_output=True, cwd=tmp_path, env={"HOME": str(tmp_path)}, check=False
    )
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_run_and_every_command_is_in_exec_form(name: str) -> None:
    instructions = meaning(rendered(name).file("Dockerfile").text)
    words = [instruction.partition(" ")[0] for instruction in instructions]
    assert words[0] == "FROM"
    assert words.count("FROM") == 1
    assert "RUN" not in words
    assert instructions[0] == "FROM scratch"
    for instruction in instructions:
        word, _, rest = instruction.partition(" ")
        if word in ("ENTRYPOINT", "CMD", "VOLUME", "ADD"):
            assert isinstance(json.loads(rest), list)


@pytest.mark.parametrize("name", NAMES)
def test_the_context_holds_nothing_but_the_layers(name: str) -> None:
    assert rendered(name).file(".dockerignore").text == "*\n!layers\n"


@pytest.mark.parametrize("name", NAMES)
def test_the_run_script_is_a_script(name: str) -> None:
    script = rendered(name).file("run/docker-run.sh")
    assert script.executable
    subprocess.run(["/bin/sh", "-n"], input=script.text.encode(), check=True)


def test_the_run_script_starts_exactly_the_contract(tmp_path: Path) -> None:
    """A stand-in for `docker` says what it was called with."""
    stand_in = tmp_path / "docker"
    stand_in.write_text('#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done\n')
    stand_in.chmod(0o755)
    script = rendered("awkward").file("run/docker-run.sh").text
    folders = {"DATA_FOLDER": "/my data", "SRV_READ_ONLY_FOLDER": "/r", "SRV_READ_ONLY_X_FOLDER": "/x"}
    done = subprocess.run(
        ["/bin/sh", "-c", script, "docker-run.sh", "an argument"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", **folders, "_2ND_FOLDER": "/$HOME"},
        capture_output=True,
        check=True,
    )
    scratch = "uid=65532,gid=65532"
    assert done.stdout.decode().splitlines() == [
        *("run", "--rm", "--interactive"),
        *("--name", "awkward"),
        *("--user", "65532:65532"),
        "--read-only",
        *("--cap-drop", "ALL"),
        *("--security-opt", "no-new-privileges:true"),
        *("--tmpfs", f"/tmp:rw,nosuid,nodev,noexec,size=64m,{scratch},mode=1777"),
        *("--tmpfs", f"/var/cache/my app:rw,nosuid,nodev,exec,size=1g,{scratch},mode=0700"),
        *("--mount", "type=bind,target=/data,source=/my data"),
        *("--mount", "type=bind,target=/srv/read only,readonly,source=/r"),
        *("--mount", "type=bind,target=/srv/read-only,readonly,source=/x"),
        *("--mount", "type=bind,target=/2nd,readonly,source=/$HOME"),
        *("--memory", "512m"),
        *("--memory-swap", "512m"),
        *("--pids-limit", "128"),
        *("--cpus", "1.0"),
        *("--shm-size", "64m"),
        *("--publish", "127.0.0.1:8000:8000"),
        *("--publish", "127.0.0.1:9000:9000"),
        "temper/x:y",
        "an argument",
    ]


def test_the_run_script_asks_for_the_folders_it_needs() -> None:
    script = rendered("onnx-inference").file("run/docker-run.sh").text
    done = subprocess.run(["/bin/sh", "-c", script], env={}, capture_output=True, check=False)
    assert done.returncode != 0
    assert b"MODELS_FOLDER" in done.stderr
    assert b"must name the folder for models" in done.stderr


def compose_service(name: str) -> dict[str, Any]:
    document = yaml.safe_load(rendered(name).file("run/compose.yaml").text)
    assert set(document) == {"name", "services"}
    (service,) = document["services"].values()
    assert isinstance(service, dict)
    return service


@pytest.mark.parametrize("name", NAMES)
def test_compose_starts_what_the_contract_says(name: str) -> None:
    service = compose_service(name)
    assert service["user"] == "65532:65532"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert (service["mem_limit"], service["memswap_limit"]) == ("512m", "512m")
    assert (service["pids_limit"], service["cpus"], service["shm_size"]) == (128, 1.0, "64m")
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"} & set(service)
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_compose_mounts_scratch_space_and_state() -> None:
    service = compose_service("awkward")
    assert service["tmpfs"][1].startswith("/var/cache/my app:rw,nosuid,nodev,exec,size=1g,")
    assert service["volumes"][1] == {
        "type": "bind",
        "source": "${SRV_READ_ONLY_FOLDER:?must name the folder for srv-read-only}",
        "target": "/srv/read only",
        "read_only": True,
        "bind": {"create_host_path": False},
    }


def pod_of(name: str) -> dict[str, Any]:
    pod = yaml.safe_load(rendered(name).file("run/pod.yaml").text)
    assert isinstance(pod, dict)
    return pod


RESTRICTED_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected"),
    "secret",
}


@pytest.mark.parametrize("name", NAMES)
def test_the_pod_meets_pod_security_restricted(name: str) -> None:
    """Pod Security Standards, profile restricted (with baseline), rule by rule."""
    spec = pod_of(name)["spec"]
    (container,) = spec["containers"]
    security = container["securityContext"]
    assert not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))
    assert security["privileged"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert all("hostPort" not in port for port in container.get("ports", []))
    assert all(set(volume) - {"name"} <= RESTRICTED_VOLUMES for volume in spec["volumes"])
    assert security["allowPrivilegeEscalation"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert security["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"sysctls", "seLinuxOptions", "windowsOptions"} & set(spec["securityContext"])
    assert "procMount" not in security


@pytest.mark.parametrize("name", NAMES)
def test_the_pod_is_the_contract(name: str) -> None:
    spec = pod_of(name)["spec"]
    (container,) = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["limits"] == {"memory": "512Mi", "cpu": "1.0"}
    assert spec["automountServiceAccountToken"] is False
    mounted = [mount["name"] for mount in container["volumeMounts"]]
    assert mounted == [volume["name"] for volume in spec["volumes"]]


def test_the_pod_checks_health_by_the_image_s_own_command() -> None:
    (container,) = pod_of("awkward")["spec"]["containers"]
    command = {"command": ["/bin/check", "a b", "$PATH"]}
    assert [container[f"{probe}Probe"]["exec"] for probe in ("startup", "readiness", "liveness")] == [
        command
    ] * 3
    assert container["livenessProbe"]["periodSeconds"] == 10
    (without,) = pod_of("own-template")["spec"]["containers"]
    assert not [key for key in without if key.endswith("Probe")]


def test_the_pod_mounts_scratch_space_and_state() -> None:
    spec = pod_of("awkward")["spec"]
    assert {"name": "scratch-2", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}} in spec["volumes"]
    assert {
        "name": "state-1",
        "persistentVolumeClaim": {"claimName": "awkward-data", "readOnly": False},
    } in spec["volumes"]


def test_a_value_with_a_line_break_names_what_holds_it() -> None:
    planned = plan_of("own-template", IMAGES["own-template"])
    image = image_of(planned)
    image = image.replace(config=image.config.with_env(KEY="a\nRUN id"))
    with pytest.raises(InputError) as caught:
        definition_of(planned, image)
    assert (
        str(caught.value)
        == "'a\\nRUN id': holds a line break, which a Dockerfile can't; write it on one line"
    )
