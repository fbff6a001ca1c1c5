"""What of the engine can be tested without one: the contract in its words, and an engine that isn't there."""

import gc
import io
import os
import socket
import subprocess
import tarfile
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from docker.types import DeviceRequest

from builder.errors import ArchiveError, EngineError
from builder.image import docker_archive as docker_archive_module
from builder.image.assemble import assemble
from builder.image.docker_archive import docker_archive
from builder.image.engine import Engine
from builder.image.engine_answers import keeps_layers
from builder.image.layers import plain_size
from builder.image.layout import find_image, read_archive
from builder.image.leftovers import is_dead, session
from builder.image.running import Mount, engine_arguments, trial_arguments
from builder.model.contract import GpuAccess, RunContract
from builder.model.injection import HostNode, Injection
from builder.model.profile import Device, Ulimit
from builder.model.scheduling import Mps
from builder.model.spec import State, Writable
from builder.model.trial import Trial

CONTRACT = RunContract(
    image="temper/test:hardened",
    name="test",
    user="65532:65532",
    groups=(44, 109),
    workdir="/app",
    env=(("PATH", "/usr/bin"),),
    entrypoint=("python3",),
    cmd=(),
    ports=(8000,),
    interface="192.0.2.7",
    network="bank",
    devices=(Device(path="/dev/fuse"), Device(path="/dev/kvm", permissions="r")),
    capabilities=("NET_BIND_SERVICE",),
    seccomp='{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[]}',
    ulimits=(("core", Ulimit(soft=0, hard=0)), ("nofile", Ulimit(soft=1024, hard=4096))),
    tmpfs=(Writable(path="/tmp"), Writable(path="/jit", size="1g", exec=True)),
    state=(State(path="/models"), State(path="/data", mode="rw")),
    memory="512m",
    pids=128,
    cpus=1.5,
    shm="64m",
    cpuset_cpus="0-3",
    cpuset_mems="1",
    sysctls=(("kernel.sem", "1 2 3 4"),),
    pass_env=("NCCL_DEBUG",),
    gpu=GpuAccess(vendor="nvidia", resource="nvidia.com/gpu"),
    mps=Mps(threads=25),
    stop_signal="SIGTERM",
)


def test_the_contract_is_told_to_the_engine_word_by_word() -> None:
    assert engine_arguments(CONTRACT, [Mount(source=Path("/srv/models"), target="/models")]) == {
        "image": "temper/test:hardened",
        "user": "65532:65532",
        "group_add": ["44", "109"],
        "working_dir": "/app",
        "read_only": True,
        "cap_drop": ["ALL"],
        "cap_add": ["NET_BIND_SERVICE"],
        "security_opt": [
            "no-new-privileges:true",
            'seccomp={"defaultAction":"SCMP_ACT_ERRNO","syscalls":[]}',
        ],
        "mem_limit": "512m",
        "memswap_limit": "512m",
        "pids_limit": 128,
        "nano_cpus": 1_500_000_000,
        "shm_size": "64m",
        "ulimits": [
            {"Name": "core", "Soft": 0, "Hard": 0},
            {"Name": "nofile", "Soft": 1024, "Hard": 4096},
        ],
        "cpuset_cpus": "0-3",
        "cpuset_mems": "1",
        "sysctls": {"kernel.sem": "1 2 3 4"},
        "environment": ["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=25"],
        "stop_signal": "SIGTERM",
        "tmpfs": {
            "/tmp": "rw,nosuid,nodev,noexec,size=64m,uid=65532,gid=65532,mode=1777",
            "/jit": "rw,nosuid,nodev,exec,size=1g,uid=65532,gid=65532,mode=0700",
        },
        "devices": ["/dev/fuse:/dev/fuse:rw", "/dev/kvm:/dev/kvm:r"],
        "network_mode": "bank",
        "ports": {"8000/tcp": ("192.0.2.7", None)},
        "mounts": [
            {"Type": "bind", "Source": "/srv/models", "Target": "/models", "ReadOnly": True},
            {"Type": "volume", "Target": "/data", "ReadOnly": False},
        ],
    }


def test_a_gpu_is_told_beside_the_contract() -> None:
    injection = Injection(
        nodes=(HostNode(host="/dev/null", path="/dev/nvidia0", permissions="rw"),),
        mounts=(Mount(source=Path("/drv/libcuda.so"), target="/usr/lib/libcuda.so.1"),),
        env=(("NVIDIA_VISIBLE_DEVICES", "void"),),
        groups=(44000,),
    )
    told, plain = engine_arguments(CONTRACT, injection=injection), engine_arguments(CONTRACT)
    assert told["devices"] == [*plain["devices"], "/dev/null:/dev/nvidia0:rw"]
    assert told["group_add"] == [*plain["group_add"], "44000"]
    assert told["environment"] == [*plain["environment"], "NVIDIA_VISIBLE_DEVICES=void"]
    assert told["mounts"][0] == {
        "Type": "bind",
        "Source": "/drv/libcuda.so",
        "Target": "/usr/lib/libcuda.so.1",
        "ReadOnly": True,
    }
    assert {*told} == {*plain}


def test_a_gpu_is_asked_for_as_each_engine_has_it() -> None:
    def requests(injection: Injection) -> object:
        return engine_arguments(CONTRACT, injection=injection)["device_requests"]

    assert requests(Injection(cdi=("nvidia.com/gpu=all",))) == [
        {"driver": "cdi", "device_ids": ["nvidia.com/gpu=all"]}
    ]
    assert requests(Injection(gpus=("all",))) == [{"count": -1, "capabilities": [["gpu"]]}]
    assert requests(Injection(gpus=("0", "1"))) == [{"device_ids": ["0", "1"], "capabilities": [["gpu"]]}]
    for one in ({"driver": "cdi", "device_ids": ["a"]}, {"count": -1, "capabilities": [["gpu"]]}):
        assert DeviceRequest(**one)


def test_a_contract_that_asks_for_little_tells_little() -> None:
    plain = replace(
        CONTRACT, groups=(), network="none", devices=(), capabilities=(), seccomp="", ulimits=()
    )  # fmt: skip
    told = engine_arguments(plain)
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert [told[key] for key in ("group_add", "cap_add", "ulimits", "devices")] == [[], [], [], []]
    assert (told["network_mode"], told["ports"]) == ("none", {})
    unset = replace(CONTRACT, cpuset_cpus="all", cpuset_mems="all", sysctls=(), gpu=None)
    told = engine_arguments(unset)
    placed = [told[key] for key in ("cpuset_cpus", "cpuset_mems", "sysctls", "environment")]
    assert placed == [None, None, {}, []]


def refused(monkeypatch, path: Path) -> EngineError:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with pytest.raises(EngineError) as error:
        Engine.connect()
    assert error.value.exit_code == 3
    return error.value


def test_an_image_without_a_contract_is_started_as_the_engine_does_it_within_bounds() -> None:
    trial = Trial(
        image="sha256:ab",
        user="1000",
        env=(("A", "b"),),
        capabilities=("NET_ADMIN",),
        mounts=(Mount(source=Path("/srv/data"), target="/data"),),
    )
    arguments = trial_arguments(trial, [Mount(source=Path("/tools"), target="/.toolbox")])
    binds = arguments.pop("mounts")
    assert [(bind["Source"], bind["Target"], bind["ReadOnly"]) for bind in binds] == [
        ("/srv/data", "/data", True),
        ("/tools", "/.toolbox", True),
    ]
    assert arguments == {
        "image": "sha256:ab",
        "user": "1000",
        "environment": {"A": "b"},
        "cap_add": ["NET_ADMIN"],
        "security_opt": ["no-new-privileges:true"],
        "mem_limit": "2g",
        "memswap_limit": "2g",
        "pids_limit": 512,
        "healthcheck": {"test": ["NONE"]},
    }
    assert trial_arguments(Trial(image="x"))["user"] is None


def test_no_engine_at_all(monkeypatch, tmp_path: Path) -> None:
    assert str(refused(monkeypatch, tmp_path / "none.sock")) == (
        f"no container engine at 'unix://{tmp_path}/none.sock': nothing is there; "
        "start Docker or Podman, or set DOCKER_HOST"
    )


def test_an_engine_that_was_stopped(monkeypatch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "old.sock"))
    assert str(refused(monkeypatch, tmp_path / "old.sock")) == (
        f"no container engine answers at 'unix://{tmp_path}/old.sock': connection refused; "
        "start Docker or Podman, or set DOCKER_HOST"
    )


def test_no_permission_on_the_socket(monkeypatch, tmp_path: Path) -> None:
    path = tmp_path / "d.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0)
        as_root = os.geteuid() == 0
        try:
            if as_root:
                os.seteuid(65534)
            error = refused(monkeypatch, path)
        finally:
            if as_root:
                os.seteuid(0)
    assert str(error) == (
        f"no permission to use the container engine at 'unix://{path}'; "
        "add yourself to the group 'docker' and log in again, or set DOCKER_HOST to an engine of your own"
    )


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_something_that_is_no_engine(monkeypatch, tmp_path: Path) -> None:
    path = tmp_path / "odd.sock"

    def hang_up(listener: socket.socket) -> None:
        while True:
            try:
                listener.accept()[0].close()
            except OSError:
                return

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=hang_up, args=(listener,), daemon=True)
        thread.start()
        message = str(refused(monkeypatch, path))
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert message.startswith(f"the container engine at 'unix://{path}' can't be used: ")
    assert message.endswith("; check DOCKER_HOST and the engine")
    gc.collect()  # the SDK leaves its socket open, which is told of here and not in another test


def test_an_address_that_makes_no_sense(monkeypatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "nonsense://here")
    with pytest.raises(EngineError) as error:
        Engine.connect()
    assert str(error.value) == (
        "the container engine at 'nonsense://here' can't be used: "
        "invalid bind address protocol: nonsense://here; check DOCKER_HOST and the engine"
    )


@pytest.mark.parametrize("packed", [False, True])
def test_the_stream_for_docker_load_is_an_archive_as_docker_saves_them(
    image, store, tmp_path, plain, packed: bool
) -> None:
    made = assemble(image, store, tmp_path / "oci", name="x")
    path = tmp_path / "stream.tar"
    path.write_bytes(b"".join(docker_archive(find_image(tmp_path / "oci"), packed=packed)))
    with tarfile.open(path) as archive:
        names = archive.getnames()
    assert names[0] == "manifest.json"
    assert names[2:] == ["000/layer.tar", "001/layer.tar", "002/layer.tar", "003/layer.tar"]
    back = read_archive(path)
    assert [layer.diff_id for layer in back.layers] == [layer.diff_id for layer in made.layers]
    assert [layer.digest for layer in back.layers] == [
        layer.digest if packed else layer.diff_id for layer in made.layers
    ]


def test_a_layer_whose_size_is_known_is_read_once(image, store, tmp_path, monkeypatch) -> None:
    assemble(image, store, tmp_path / "oci", name="x")
    stored, readings = find_image(tmp_path / "oci"), []
    unpacked = docker_archive_module.unpacked

    def counted(span, *rest, **named):
        readings.append(span.name)
        return unpacked(span, *rest, **named)

    monkeypatch.setattr(docker_archive_module, "unpacked", counted)
    twice = b"".join(docker_archive(stored, packed=False))
    assert len(readings) == 2 * len(stored.layers)
    once = b"".join(docker_archive(stored, packed=False, sizes=partial(plain_size, store)))
    assert len(readings) == 3 * len(stored.layers)
    assert once == twice


def test_a_layer_of_another_size_than_it_was_said_to_have_is_told(image, store, tmp_path) -> None:
    made = assemble(image, store, tmp_path / "oci", name="x")
    span = find_image(tmp_path / "oci").layers[0]
    right = plain_size(store, made.layers[0].digest)
    with pytest.raises(ArchiveError) as error:
        b"".join(docker_archive(find_image(tmp_path / "oci"), packed=False, sizes=lambda _digest: 7))
    assert str(error.value) == f"{span.problem_prefix}: unpacks to {right} bytes instead of 7; build it again"


@pytest.mark.parametrize("packed", [False, True])
def test_a_flipped_byte_is_found_before_the_stream_ends(image, store, tmp_path: Path, packed: bool) -> None:
    made = assemble(image, store, tmp_path / "oci", name="x")
    path = tmp_path / "oci/blobs/sha256" / made.layers[0].digest[7:]
    data = bytearray(path.read_bytes())
    data[4] ^= 1
    path.unlink()
    path.write_bytes(data)
    out = io.BytesIO()
    with pytest.raises(ArchiveError) as error:
        out.writelines(docker_archive(find_image(tmp_path / "oci"), packed=packed))
    assert str(error.value).startswith(
        f"'{path}': {made.layers[0].digest}: is damaged: its bytes are sha256:"
    )


def test_a_session_that_lives_is_not_dead() -> None:
    assert not is_dead(session())


def test_a_session_of_a_process_that_ended_is_dead() -> None:
    with subprocess.Popen(["sleep", "100"]) as process:
        label = f"{session().partition('.')[0]}.{process.pid}.1"
        process.kill()
    assert is_dead(label)


def test_a_session_elsewhere_is_never_known_to_be_dead() -> None:
    assert not is_dead("another-boot-4026531836.1.2")


@pytest.mark.parametrize(
    ("info", "kept"),
    [
        ({"Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "extfs"]]}, True),
        ({"Driver": "overlay2", "DriverStatus": None}, True),
        ({"Driver": "overlayfs", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}, False),
        ({"Driver": "btrfs", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}, False),
        ({"Driver": "overlay", "DriverStatus": [["Using metacopy", "false"]]}, False),
        ({}, False),
    ],
    ids=["Docker", "silent", "containerd", "containerd on btrfs", "Podman", "nothing"],
)
def test_only_docker_with_storage_of_its_own_is_spared_layers(info: dict[str, Any], kept: bool) -> None:
    assert keeps_layers(info) is kept
