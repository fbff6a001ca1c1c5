"""A CDI specification in an engine's words; one of them is in the form that nvidia-ctk 1.20 writes."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from builder.config.cdi import sound
from builder.errors import InputError
from builder.gpu.translate import ThisHost, edits_of, translated
from builder.model.cdi import Edits
from builder.model.injection import HostNode, Injection
from builder.model.trial import Mount

GENERATED = Path(__file__).parents[2] / "cases/gpu/nvidia-ctk.yaml"
FOLDER = "/usr/lib/x86_64-linux-gnu"
VERSION = "999.88.77"


@dataclass(frozen=True)
class Host:
    """Sonames and nodes by path; every other node is 0666 and root's."""

    sonames: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Path -> mode and group."""

    def facts(self, path: str) -> os.stat_result | None:
        mode, gid = self.nodes.get(path, (0o666, 0))
        return os.stat_result((stat.S_IFCHR | mode, 0, 0, 1, 0, gid, 0, 0, 0, 0))

    def soname(self, path: str) -> str | None:
        return self.sonames.get(path)


DRIVER = Host(
    sonames={
        f"/drv{FOLDER}/libcuda.so.{VERSION}": "libcuda.so.1",
        f"/drv{FOLDER}/libnvidia-ml.so.{VERSION}": "libnvidia-ml.so.1",
    }
)


def edits(**fields: Any) -> Edits:
    return Edits.model_validate(fields)


def names(injection: Injection) -> dict[str, str]:
    return {mount.target: str(mount.source) for mount in injection.mounts}


def test_what_nvidia_writes_is_translated_whole() -> None:
    injection = translated(edits_of(sound(GENERATED), ("0",)), DRIVER)
    cuda, nvml = (f"/drv{FOLDER}/{name}.so.{VERSION}" for name in ("libcuda", "libnvidia-ml"))
    assert names(injection) == {
        "/usr/bin/nvidia-smi": "/drv/usr/bin/nvidia-smi",
        f"{FOLDER}/libcuda.so.{VERSION}": cuda,
        f"{FOLDER}/libnvidia-ml.so.{VERSION}": nvml,
        f"{FOLDER}/libcuda.so.1": cuda,
        f"{FOLDER}/libcuda.so": cuda,
        f"{FOLDER}/libnvidia-ml.so.1": nvml,
        f"{FOLDER}/libnvidia-ml.so": nvml,
    }
    assert [node.path for node in injection.nodes] == [
        *("/dev/nvidia0", "/dev/nvidia-modeset", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidiactl")
    ]
    assert injection.nodes[0] == HostNode(host="/drv/dev/nvidia0", path="/dev/nvidia0", permissions="rwm")
    assert injection.env == (("NVIDIA_CTK_LIBCUDA_DIR", FOLDER), ("NVIDIA_VISIBLE_DEVICES", "void"))
    assert injection.groups == ()
    assert injection.left_out == (
        "hook 'enable-cuda-compat' is not run; compatibility libraries of the image are not used",
        "hook 'disable-device-node-modification' is not run; the driver may try to make nodes, and fails",
        "hook 'update-application-profile' is not run; settings for graphics are the driver's",
    )


def test_a_device_that_it_does_not_name() -> None:
    with pytest.raises(InputError) as caught:
        edits_of(sound(GENERATED), ("7",))
    assert str(caught.value) == (
        "nvidia.com/gpu=7: no such device; there are: 0, GPU-00000000-0000-0000-0000-000000000001, all"
    )


def test_a_node_that_not_everybody_may_open_brings_its_group() -> None:
    host = Host(nodes={"/dev/nvidia0": (0o660, 44), "/dev/nvidiactl": (0o666, 27)})
    given = edits(deviceNodes=[{"path": "/dev/nvidia0"}, {"path": "/dev/nvidiactl"}], additionalGids=[109, 0])
    assert translated(given, host).groups == (44, 109)


def test_a_folder_off_the_loader_s_way_needs_its_cache() -> None:
    given = edits(
        mounts=[
            {"hostPath": "/drv/libcuda.so.1", "containerPath": "/opt/lib/libcuda.so.1", "options": ["ro"]}
        ],
        hooks=[hook("update-ldcache", "--folder", "/opt/lib")],
    )
    [told] = translated(given, Host()).left_out
    what = "is none of the loader's default folders, and only the hook can write its cache"
    assert told == f"update-ldcache: '/opt/lib' {what}"


def hook(*args: str) -> dict[str, Any]:
    words = ["nvidia-cdi-hook", *args]
    return {"hookName": "createContainer", "path": "/usr/bin/nvidia-cdi-hook", "args": words, "env": ["A=b"]}


def test_what_can_t_be_said_is_told() -> None:
    given = edits(
        deviceNodes=[{"path": "/dev/x", "permissions": "none"}, {"path": "/dev/y", "uid": 7}],
        mounts=[
            {"hostPath": "tmpfs", "containerPath": "/scratch", "type": "tmpfs", "options": []},
            {"hostPath": "/a", "containerPath": "/b", "options": ["ro", "noatime"]},
        ],
        hooks=[hook("create-symlinks", "--link=gone.so::/usr/lib/x.so"), hook("frobnicate")],
        intelRdt={"closID": "a"},
        netDevices=[{"hostInterfaceName": "ib0", "name": "ib0"}],
    )
    injection = translated(given, Host())
    assert injection.left_out == (
        "mount /scratch: type 'tmpfs' can't be said; it is not there",
        "mount /b: option 'noatime' can't be said; the engine's default holds",
        "node /dev/x: permissions 'none' can't be said; it is not there",
        "intelRdt can't be said; the container is in the engine's own class",
        "network device 'ib0' can't be said; it is not there",
        "node /dev/y: its owner and mode can't be said; those of the host's node hold",
        "hook 'frobnicate' is not run; what it would do is not done",
        "create-symlinks: '/usr/lib/x.so' leads to nothing that is injected; it is not there",
    )
    assert [node.path for node in injection.nodes] == ["/dev/y"]
    assert injection.mounts == (Mount(source=Path("/a"), target="/b"),)


def test_links_in_a_circle_lead_nowhere() -> None:
    given = edits(hooks=[hook("create-symlinks", "--link", "b::/lib/a", "--link", "a::/lib/b")])
    assert len(translated(given, Host()).left_out) == 2


def test_this_host_reads_sonames_and_misses_nothing_loudly(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no library\n")
    host = ThisHost()
    assert host.soname(str(tmp_path / "text")) is None
    assert host.soname(str(tmp_path / "none")) is None
    assert host.facts(str(tmp_path / "none")) is None
    assert host.facts("/dev/null") is not None
