import gc
import io
import os
import secrets
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from builder.errors import ArchiveError, EngineError
from builder.image.assemble import assemble, link_layers
from builder.image.engine import TRIED, Engine
from builder.image.layout import find_image
from builder.image.leftovers import LABEL, session
from builder.image.running import Mount
from builder.model.contract import RunContract
from builder.model.image import Image
from builder.model.spec import State, Writable
from builder.model.tree import Bytes
from builder.packages.store import Store

pytestmark = pytest.mark.docker

DOCKERFILE = r"""
FROM scratch
ADD layers/01-system.tar.gz /
ADD layers/02-app.tar.gz /
ENV PATH="/usr/bin"
ENV QUOTED="a \"b\" \$c \\ d"
LABEL org.opencontainers.image.title="test" z="1"
USER 65532:65532
WORKDIR /app
EXPOSE 8000/tcp
VOLUME ["/home/nonroot"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=7s --timeout=5s --start-period=5s --retries=2 CMD ["/usr/bin/wait"]
ENTRYPOINT ["/usr/bin/wait"]
CMD ["--port", "8000"]
"""


@pytest.fixture
def tag(engine: Engine) -> Iterator[str]:
    """A name of this test's own, gone at its end."""
    name = f"temper-test/{uuid.uuid4().hex}:one"
    yield name
    engine.remove_image(name)


def contract(tag: str) -> RunContract:
    return RunContract(
        image=tag, name="test", user="65532:65532", workdir="/app", env=(), entrypoint=("/usr/bin/wait",),
        cmd=(), ports=(8000,), tmpfs=(Writable(path="/tmp", size="8m"),),
        state=(State(path="/models"), State(path="/data", mode="rw")),
        memory="64m", pids=16, cpus=0.5, shm="1m", stop_signal="SIGTERM",
    )  # fmt: skip


def containers(engine: Engine) -> set[str]:
    """Of this process: others may be at work in the same engine."""
    return labelled(engine, f"{LABEL}={session()}")


def labelled(engine: Engine, label: str) -> set[str]:
    return {item["Id"] for item in engine._api.containers(all=True, filters={"label": label})}


def test_the_engine_loads_exactly_what_was_assembled(
    engine: Engine, tag: str, image: Image, store: Store, tmp_path: Path, differences
) -> None:
    made = assemble(image, store, tmp_path / "oci", name=tag)
    identity = engine.load(tmp_path / "oci", tag)
    theirs = engine.export(tag, tmp_path)
    assert differences(image, theirs) == []
    assert [layer.diff_id for layer in theirs.layers] == [layer.diff_id for layer in made.layers]
    assert engine.load(tmp_path / "oci", tag) == identity


@pytest.fixture
def sent(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """Of each archive that the engine is given: the sizes of its files, by name."""
    archives: list[dict[str, int]] = []
    load_image = engine._api.load_image

    def load(archive: Iterator[bytes]) -> object:
        data = b"".join(archive)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            archives.append({member.name: member.size for member in tar})
        return load_image(data)

    monkeypatch.setattr(engine._api, "load_image", load)
    return archives


def changed(image: Image, data: bytes) -> Image:
    """Its own file says something that no engine has seen."""
    entry = next(one for one in image.rootfs.files() if one.owner.kind == "file").replace(content=Bytes(data))
    return image.replace(rootfs=image.rootfs.with_entries([entry]))


def test_after_a_change_only_the_layers_are_sent_that_moved(
    engine: Engine, tag: str, image: Image, store: Store, tmp_path: Path, sent
) -> None:
    first, second = (changed(image, os.urandom(99)) for _ in range(2))
    assemble(first, store, tmp_path / "first", name=tag)
    made = assemble(second, store, tmp_path / "second", name=tag)
    engine.load(tmp_path / "first", tag)
    identity = engine.load(tmp_path / "second", tag)
    assert identity == engine.image_id(tag) == find_image(tmp_path / "second").image_id
    whole, rest = ([size for name, size in one.items() if name.endswith("layer.tar")] for one in sent)
    assert [size > 0 for size in whole] == [True] * len(made.layers)
    assert [size > 0 for size in rest] == [False] * (len(made.layers) - 1) + [True]
    theirs = engine.export(tag, tmp_path)
    assert [layer.diff_id for layer in theirs.layers] == [layer.diff_id for layer in made.layers]


def test_layers_that_the_engine_has_lost_meanwhile_are_sent_all_the_same(
    engine: Engine, tag: str, image: Image, store: Store, tmp_path: Path, sent
) -> None:
    system = image.rootfs["usr/bin/wait"].replace(path="usr/bin/other", content=Bytes(os.urandom(99)))
    unknown = image.replace(rootfs=image.rootfs.with_entries([system]))
    made = assemble(unknown, store, tmp_path / "oci", name=tag)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_in_common", lambda *_: len(made.layers) - 1)
        engine.load(tmp_path / "oci", tag)
    assert len(sent) == 2
    assert min(sent[1].values()) > 0
    theirs = engine.export(tag, tmp_path)
    assert [layer.diff_id for layer in theirs.layers] == [layer.diff_id for layer in made.layers]


def test_docker_build_of_the_definition_gives_the_same_image(
    engine: Engine, tag: str, image: Image, store: Store, tmp_path: Path, differences
) -> None:
    made = assemble(image, store, tmp_path / "oci", name=tag)
    definition = tmp_path / "definition"
    link_layers(made, store, definition)
    (definition / "Dockerfile").write_text(DOCKERFILE)
    engine.build(definition, tag)
    assert differences(image, engine.export(tag, tmp_path)) == []


def test_a_build_that_fails_leaves_no_image_and_no_container(
    engine: Engine, tag: str, tmp_path: Path
) -> None:
    label = f"temper-test={uuid.uuid4().hex}"
    (tmp_path / "Dockerfile").write_text(f"FROM scratch\nLABEL {label}\nENV A=1\nADD missing.tar /\n")
    with pytest.raises(EngineError) as error:
        engine.build(tmp_path, tag)
    assert str(error.value).startswith(f"building '{tag}' failed: the container engine says: ")
    assert "missing.tar" in str(error.value)
    assert error.value.exit_code == 3
    assert engine._api.images(all=True, filters={"label": label}) == []
    assert engine._api.containers(all=True, filters={"label": label}) == []


def test_a_layout_damaged_behind_the_engines_back_is_not_tagged(
    engine: Engine, tag: str, image: Image, store: Store, tmp_path: Path
) -> None:
    unknown = image.replace(config=image.config.with_labels({"unique": tag}))
    made = assemble(unknown, store, tmp_path / "oci", name=tag)
    path = tmp_path / "oci/blobs/sha256" / made.layers[-1].digest[7:]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.unlink()
    path.write_bytes(data)
    with pytest.raises(ArchiveError) as error:
        engine.load(tmp_path / "oci", tag)
    assert str(error.value).startswith(f"'{path}': {made.layers[-1].digest}: is damaged")
    assert not engine._has_image(find_image(tmp_path / "oci").image_id)
    assert not engine._has_image(tag)


@pytest.fixture
def loaded(engine: Engine, tag: str, image: Image, store: Store, tmp_path: Path) -> str:
    assemble(image, store, tmp_path / "oci", name=tag)
    engine.load(tmp_path / "oci", tag)
    return tag


def test_a_container_is_started_by_exactly_the_contract(engine: Engine, loaded: str, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    with engine.start(contract(loaded), mounts=[Mount(source=models, target="/models")]) as container:
        seen = container.inspect()
    host = seen["HostConfig"]
    assert seen["State"]["Running"]
    assert seen["Config"]["User"] == "65532:65532"
    assert seen["Config"]["StopSignal"] == "SIGTERM"
    assert seen["Config"]["Entrypoint"] == ["/usr/bin/wait"]
    assert host["ReadonlyRootfs"] is True
    assert host["Privileged"] is False
    assert host["CapDrop"] == ["ALL"]
    assert host["CapAdd"] is None
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert (host["Memory"], host["MemorySwap"]) == (64 << 20, 64 << 20)
    assert (host["PidsLimit"], host["NanoCpus"], host["ShmSize"]) == (16, 500_000_000, 1 << 20)
    assert set(host["Tmpfs"]) == {"/tmp"}
    mounts = {item["Destination"]: (item["Type"], item["RW"]) for item in seen["Mounts"]}
    assert mounts == {
        "/models": ("bind", False), "/data": ("volume", True), "/home/nonroot": ("volume", True),
    }  # fmt: skip
    assert host["PortBindings"]["8000/tcp"][0]["HostIp"] == "127.0.0.1"


def test_a_container_is_gone_with_its_volumes_when_the_block_ends(engine: Engine, loaded: str) -> None:
    before = containers(engine)
    with engine.start(contract(loaded)) as container:
        assert containers(engine) == before | {container.id}
        volumes = {item["Name"] for item in container.inspect()["Mounts"] if item["Type"] == "volume"}
    assert containers(engine) == before
    assert volumes
    assert not volumes & {item["Name"] for item in engine._api.volumes()["Volumes"] or ()}


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_container_is_gone_however_the_block_ends(engine: Engine, loaded: str, error) -> None:
    before = containers(engine)
    with pytest.raises(error), engine.start(contract(loaded)):
        raise error
    assert containers(engine) == before


def test_a_container_that_cannot_start_is_told_and_gone(engine: Engine, loaded: str, tmp_path: Path) -> None:
    before = containers(engine)
    with (
        pytest.raises(EngineError) as error,
        engine.start(contract(loaded), mounts=[Mount(source=tmp_path / "none", target="/models")]),
    ):
        pass
    assert str(error.value).startswith(f"starting '{loaded}' failed: the container engine says: ")
    assert str(tmp_path / "none") in str(error.value)
    assert containers(engine) == before


KILLED = """
import os, sys, signal
sys.path.insert(0, {root!r})
sys.path.insert(0, {here!r})
from test_engine import contract
from builder.image.engine import Engine
with Engine.connect() as engine, engine.start(contract({tag!r})) as container:
    print(container.id, flush=True)
    {end}
"""


def run_until(end: str, tag: str) -> tuple[str, int]:
    here = Path(__file__)
    script = KILLED.format(root=str(here.parents[3]), here=str(here.parent), tag=tag, end=end)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    return done.stdout.strip(), done.returncode


def test_ctrl_c_leaves_no_container(engine: Engine, loaded: str) -> None:
    identity, code = run_until("os.kill(os.getpid(), signal.SIGINT)", loaded)
    assert code == -signal.SIGINT
    assert identity
    assert identity not in labelled(engine, LABEL)


def test_what_a_killed_process_left_is_removed_by_the_next(engine: Engine, loaded: str) -> None:
    identity, code = run_until("os.kill(os.getpid(), signal.SIGKILL)", loaded)
    assert code == -signal.SIGKILL
    assert identity in labelled(engine, LABEL)
    with engine.start(contract(loaded)) as living:
        assert identity not in labelled(engine, LABEL)
        assert engine.remove_leftovers() == ()
        assert living.inspect()["State"]["Running"]


def test_an_image_is_lent_for_the_block_and_one_that_was_there_stays(
    engine: Engine, image: Image, store: Store, tmp_path: Path
) -> None:
    own = image.replace(config=image.config.with_labels({"lent": secrets.token_hex(8)}))
    assemble(own, store, tmp_path / "oci", name="lent:1")
    stored = find_image(tmp_path / "oci")
    with suppress(KeyboardInterrupt), engine.lent(stored) as identity:
        assert engine.image_id(identity) == stored.image_id
        with engine.lent(stored) as again:
            assert again == identity
        assert engine._has_image(identity)
        raise KeyboardInterrupt
    assert not engine._has_image(stored.image_id)


def test_an_image_that_a_killed_process_was_lent_is_removed_by_the_next(engine: Engine, loaded: str) -> None:
    place, pid = session().split(".")[0], subprocess.Popen(["true"])
    pid.wait()
    dead, alive = f"{place}.{pid.pid}.1", session()
    for tag in (dead, alive):
        engine._tag(loaded, f"{TRIED}:{tag}")
    engine.remove_leftovers()
    assert not engine._has_image(f"{TRIED}:{dead}")
    assert engine._has_image(f"{TRIED}:{alive}")
    engine.remove_image(f"{TRIED}:{alive}")


def test_a_program_that_is_not_there_has_a_code_and_no_exception(engine: Engine, loaded: str) -> None:
    with engine.start(contract(loaded)) as container:
        assert container.exec(["/bin/sh", "-c", "true"]).code in (126, 127)


def test_a_container_that_goes_on_is_told_so(engine: Engine, loaded: str) -> None:
    with engine.start(contract(loaded)) as container, pytest.raises(EngineError) as error:
        container.wait(1)
    assert str(error.value) == f"'{container.name}' did not end within 1 s"


class Relay:
    """Stands between the SDK and the engine on a socket of its own, and can die as an engine does."""

    def __init__(self, path: Path, target: str) -> None:
        self._target = target
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._target)
            self._open += [client, server]
            for pair in ((client, server), (server, client)):
                self._threads.append(threading.Thread(target=self._copy, args=pair, daemon=True))
                self._threads[-1].start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def die(self) -> None:
        for item in [self._listener, *self._open]:
            with suppress(OSError):
                item.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for item in [self._listener, *self._open]:
            item.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_goes_away_is_told(engine: Engine, loaded: str, tmp_path: Path, monkeypatch) -> None:
    where = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not where.startswith("unix://"):
        pytest.skip("the engine is not behind a Unix socket")
    path = tmp_path / "relay.sock"
    relay = Relay(path, where.removeprefix("unix://"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with Engine.connect() as mortal:
        running = mortal.start(contract(loaded))
        container = running.__enter__()
        relay.die()
        with pytest.raises(EngineError) as error:
            container.inspect()
        assert not running.__exit__(EngineError, error.value, None)
        assert str(error.value) == (
            f"the container engine at 'unix://{path}' went away while inspecting '{container.name}'; "
            "start it and run the command again"
        )
        assert error.value.exit_code == 3
    engine._remove_container(container.name)
    del error
    gc.collect()  # the SDK leaves refused sockets open, which is told of here and not in another test


def test_an_unknown_image_is_told(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(EngineError) as error:
        engine.export("temper-test/none:none", tmp_path)
    assert str(error.value) == (
        "saving 'temper-test/none:none' failed: the container engine says: "
        "reference does not exist"
    )  # fmt: skip
