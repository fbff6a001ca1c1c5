"""By which way a container gets its GPU, by what the engine says of itself."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.config.cdi import sound
from builder.errors import InputError, ToolError
from builder.gpu import route
from builder.gpu.host import HostGpu
from builder.gpu.native import Native
from builder.gpu.stage import expected
from builder.gpu.stub import Nodes, stub_spec, uuid_of
from builder.gpu.translate import edits_of
from builder.model.cdi import Edits
from builder.model.injection import Injection
from tests.unit.gpu.test_translate import DRIVER, FOLDER, GENERATED, Host

GPUS = (HostGpu(index=0, uuid="GPU-a", minor=0), HostGpu(index=1, uuid="GPU-b", minor=1))
STUB = Native(
    probe=Path("/native/probe"),
    cuda=Path("/native/libcuda.so.0.0.0"),
    nvml=Path("/native/libnvidia-ml.so.0.0.0"),
)
SONAMES = Host(sonames={str(STUB.cuda): "libcuda.so.1", str(STUB.nvml): "libnvidia-ml.so.1"})


def knowing(folder: Path) -> Callable[[], dict[str, Any]]:
    """An engine of before 28.2 that knows CDI, and looks there."""
    return lambda: {"CDISpecDirs": [str(folder)]}


def stub(*devices: str) -> Edits:
    return edits_of(stub_spec(STUB, "linux/amd64", "13999"), devices)


def test_the_stub_is_described_as_a_driver_is(tmp_path: Path) -> None:
    path = tmp_path / "stub.json"
    spec = stub_spec(STUB, "linux/amd64", "13999", Nodes(gpus=("/dev/null",)))
    path.write_text(spec.model_dump_json(by_alias=True, exclude_defaults=True))
    assert sound(path) == spec
    assert uuid_of(0) in expected(0).uuids


def test_an_engine_without_cdi_is_told_piece_by_piece() -> None:
    with route.rehearsed(dict, stub("0"), SONAMES) as found:
        assert found.how == "piece by piece"
        assert [node.path for node in found.injection.nodes] == [
            *("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm")
        ]
        assert {mount.target for mount in found.injection.mounts} == {
            f"{FOLDER}/{name}"
            for name in (
                *("libcuda.so", "libcuda.so.1", "libcuda.so.0.0.0"),
                *("libnvidia-ml.so.1", "libnvidia-ml.so.0.0.0"),
            )
        }
        assert found.injection.left_out == ()


def test_an_engine_with_cdi_is_given_a_specification_for_as_long_as_it_takes(tmp_path: Path) -> None:
    folder = tmp_path / "cdi"
    with route.rehearsed(knowing(folder), stub("all"), SONAMES) as found:
        [path] = folder.iterdir()
        spec = sound(path)
        assert found.injection == Injection(cdi=(f"{spec.kind}={spec.devices[0].name}",))
        edits = spec.devices[0].container_edits
        assert edits.hooks == ()
        assert f"{FOLDER}/libcuda.so.1" in {mount.container_path for mount in edits.mounts}
        assert [node.path for node in edits.device_nodes][:2] == ["/dev/nvidia0", "/dev/nvidia1"]
    assert [*folder.iterdir()] == []


def test_an_engine_that_lists_devices_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "PAUSE", 0)
    asked = 0

    def later() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        names = [sound(path).devices[0].name for path in tmp_path.glob("*.json")] if asked > 3 else []
        listed = [{"Source": "cdi", "ID": f"temper.rehearsal/gpu={name}"} for name in names]
        return {"CDISpecDirs": [str(tmp_path)], "DiscoveredDevices": listed}

    with route.rehearsed(later, stub("all"), SONAMES) as found:
        assert (found.how, asked) == ("by CDI", 4)


def test_an_engine_that_never_lists_them_runs_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "PAUSE", 0)
    elsewhere = {"CDISpecDirs": [str(tmp_path)], "DiscoveredDevices": []}
    with route.rehearsed(lambda: elsewhere, stub("all"), SONAMES) as found:
        assert (found.how, found.injection.cdi) == ("piece by piece", ())
    assert [*tmp_path.iterdir()] == []


def test_what_a_killed_run_left_there_is_swept(tmp_path: Path) -> None:
    from builder.image.leftovers import session  # noqa: PLC0415

    place = session().partition(".")[0]
    (tmp_path / f"temper-rehearsal-1.{place}.999999999.1.json").touch()
    (tmp_path / f"temper-rehearsal-2.{session()}.json").touch()
    (tmp_path / "nvidia.json").touch()
    with route.rehearsed(knowing(tmp_path), stub("all"), SONAMES):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "nvidia.json",
        f"temper-rehearsal-2.{session()}.json",
    ]


def test_where_its_folder_is_not_ours_to_write_it_is_told_piece_by_piece(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.touch()
    with route.rehearsed(knowing(folder), stub("all"), SONAMES) as found:
        assert found.injection.cdi == ()


def real(info: dict[str, Any], wanted: str = "all", spec: Path | None = None) -> route.Route:
    gpus = GPUS if wanted == "all" else GPUS[:1]
    return route.real(info, gpus, wanted, spec, DRIVER)


@pytest.fixture(autouse=True)
def _no_specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "SPECS", (tmp_path / "specs",))


def test_cdi_goes_before_nvidia_s_runtime(tmp_path: Path) -> None:
    (tmp_path / "nvidia.yaml").write_text(GENERATED.read_text())
    info = {"CDISpecDirs": [str(tmp_path)], "Runtimes": {"nvidia": {}}}
    assert real(info).injection == Injection(cdi=("nvidia.com/gpu=all",))
    assert real(info, "0").injection == Injection(cdi=("nvidia.com/gpu=0",))


def test_nvidia_s_runtime_is_asked_as_by_gpus() -> None:
    assert real({"Runtimes": {"nvidia": {}}}).injection == Injection(gpus=("all",))
    assert real({"Runtimes": {"nvidia": {}}}, "0").injection == Injection(gpus=("0",))


def test_else_the_host_s_specification_is_translated(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/other.yaml").write_text("kind: vendor.com/device\n")
    (tmp_path / "specs/nvidia.yaml").write_text(GENERATED.read_text())
    found = real({})
    assert found.how == "piece by piece"
    assert found.injection.nodes[0].path == "/dev/nvidia0"


def test_a_specification_that_a_person_names_goes_first() -> None:
    assert real({"Runtimes": {"nvidia": {}}}, spec=GENERATED).injection.nodes


def test_one_with_hooks_without_env_or_unknown_fields_is_refused_with_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "nvidia.yaml"
    text = GENERATED.read_text().replace("          env:\n            - NVIDIA_CTK_DEBUG=false\n", "", 1)
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        real({}, spec=path)
    assert str(caught.value) == (
        f"{path}:61: containerEdits.hooks[0]: 'nvidia-cdi-hook create-symlinks' has no env, and so runs as "
        "root with the image's own (CVE-2025-23266); add one, such as NVIDIA_CTK_DEBUG=false"
    )
    path.write_text(GENERATED.read_text().replace("kind:", "frobnicate: 1\nkind:"))
    with pytest.raises(InputError) as caught:
        real({}, spec=path)
    assert str(caught.value).startswith(f"{path}:2: frobnicate: unknown key")


def test_no_way_at_all() -> None:
    with pytest.raises(ToolError) as caught:
        real({})
    assert str(caught.value) == (
        "the engine can't be given a GPU: it has neither a CDI specification nor NVIDIA's runtime; write "
        "one by `nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml`, or name one by --cdi"
    )


def test_what_is_written_for_an_engine_is_its_form_of_json(tmp_path: Path) -> None:
    with route.rehearsed(knowing(tmp_path), stub("all"), SONAMES):
        [path] = tmp_path.iterdir()
        data = json.loads(path.read_text())
    assert {*data} == {"cdiVersion", "kind", "devices"}
    node = data["devices"][0]["containerEdits"]["deviceNodes"][0]
    assert node == {"path": "/dev/nvidia0", "hostPath": "/dev/null", "permissions": "rw"}
