import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

from builder.errors import InputError, StoreError
from builder.image import assemble as module
from builder.image import folder
from builder.image.assemble import assemble, link_layers
from builder.image.layout import read_layout
from builder.model.image import Image
from builder.packages.store import Store

NAME = "temper/test:hardened"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_layout_is_one_by_the_specification(image: Image, store: Store, tmp_path: Path) -> None:
    made = assemble(image, store, tmp_path / "oci", name=NAME)
    files = contents(tmp_path / "oci")
    assert files["oci-layout"] == b'{"imageLayoutVersion":"1.0.0"}'
    index = json.loads(files["index.json"])
    (entry,) = index["manifests"]
    assert entry["annotations"] == {"org.opencontainers.image.ref.name": NAME}
    assert entry["platform"] == {"os": "linux", "architecture": "amd64"}
    assert entry["digest"] == made.digest
    manifest = json.loads(files[f"blobs/sha256/{made.digest[7:]}"])
    assert [layer["digest"] for layer in manifest["layers"]] == [layer.digest for layer in made.layers]
    assert made.size == sum(layer["size"] for layer in manifest["layers"])
    assert len(files) == 2 + 1 + 1 + 4


def test_the_config_is_what_engines_read(image: Image, store: Store, tmp_path: Path) -> None:
    made = assemble(image, store, tmp_path / "oci", name=NAME)
    files = contents(tmp_path / "oci")
    manifest = json.loads(files[f"blobs/sha256/{made.digest[7:]}"])
    config = json.loads(files[f"blobs/sha256/{manifest['config']['digest'][7:]}"])
    step = {"created": "2023-11-14T22:13:20Z"}
    assert config == {
        "architecture": "amd64",
        "os": "linux",
        "created": "2023-11-14T22:13:20Z",
        "config": {
            "User": "65532:65532",
            "Entrypoint": ["python3", "-m", "server"],
            "Cmd": ["--port", "8000"],
            "Env": ["PATH=/usr/bin", "A=x=y"],
            "WorkingDir": "/app",
            "Labels": {"a": "1", "b": 'quote " and ü'},
            "ExposedPorts": {"80/tcp": {}, "8000/tcp": {}},
            "Volumes": {"/state": {}},
            "StopSignal": "SIGTERM",
            "Healthcheck": {
                "Test": ["CMD", "python3", "/app/health.py"],
                "Interval": 7_000_000_000,
                "Timeout": 5_000_000_000,
                "StartPeriod": 5_000_000_000,
                "Retries": 2,
            },
        },
        "history": [
            {**step, "created_by": "temper: layer system"},
            {**step, "created_by": "temper: layer python"},
            {**step, "created_by": "temper: layer configuration"},
            {**step, "created_by": "temper: layer app"},
        ],
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in made.layers]},
    }


SCRIPT = """
import os, sys
sys.path[:0] = [{root!r}, {here!r}]
from pathlib import Path
from conftest import image
from builder.image.assemble import assemble
from builder.packages.store import Store
made = assemble(image.__wrapped__(), Store(Path({store!r})), Path({out!r}), name="temper/test:hardened")
print(made.digest)
"""


def test_the_bytes_do_not_depend_on_umask_time_zone_locale_or_folder(
    image: Image, store: Store, tmp_path: Path
) -> None:
    made = assemble(image, store, tmp_path / "oci", name=NAME)
    elsewhere = tmp_path / "another folder"
    elsewhere.mkdir()
    here = Path(__file__)
    script = SCRIPT.format(
        root=str(here.parents[3]),
        here=str(here.parent),
        store=str(elsewhere / "store"),
        out=str(elsewhere / "oci"),
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7", "PATH": os.environ["PATH"]},
        cwd=elsewhere, umask=0o077, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == made.digest
    assert contents(elsewhere / "oci") == contents(tmp_path / "oci")


def test_layers_are_linked_and_not_copied(image: Image, store: Store, tmp_path: Path) -> None:
    made = assemble(image, store, tmp_path / "oci", name=NAME)
    names = link_layers(made, store, tmp_path / "definition")
    assert names == (
        "layers/01-system.tar.gz",
        "layers/02-python.tar.gz",
        "layers/03-configuration.tar.gz",
        "layers/04-app.tar.gz",
    )
    for name, layer in zip(names, made.layers, strict=True):
        blob = tmp_path / "oci/blobs/sha256" / layer.digest[7:]
        assert (tmp_path / "definition" / name).samefile(blob)


def test_layers_of_an_older_build_leave_the_definition(image: Image, store: Store, tmp_path: Path) -> None:
    older = tmp_path / "definition/layers/07-old.tar.gz"
    older.parent.mkdir(parents=True)
    older.touch()
    (older.parent / "notes.txt").touch()
    link_layers(assemble(image, store, tmp_path / "oci", name=NAME), store, tmp_path / "definition")
    assert not older.exists()
    assert (older.parent / "notes.txt").exists()


def test_a_store_on_another_disk_is_copied_from(image, store, tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(module.os, "link", refuse)
    made = assemble(image, store, tmp_path / "oci", name=NAME)
    for layer in made.layers:
        blob = tmp_path / "oci/blobs/sha256" / layer.digest[7:]
        assert blob.read_bytes() == store.blob(layer.digest[7:]).read_bytes()


def full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_leaves_the_older_layout_and_nothing_else(
    image, store, tmp_path: Path, monkeypatch
) -> None:
    out = tmp_path / "build/oci"
    assemble(image, store, out, name="temper/test:older")
    before = contents(out)
    monkeypatch.setattr(module, "link_blob", full_disk)
    with pytest.raises(StoreError) as error:
        assemble(image, store, out, name=NAME)
    assert str(error.value) == (
        f"'{out}': can't be written: no space left on device; free room or choose another folder"
    )
    assert contents(out) == before
    assert [path.name for path in out.parent.iterdir()] == ["oci"]


def test_ctrl_c_leaves_no_layout(image: Image, store: Store, tmp_path: Path, monkeypatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_index", interrupt)
    with pytest.raises(KeyboardInterrupt):
        assemble(image, store, tmp_path / "build/oci", name=NAME)
    assert list((tmp_path / "build").iterdir()) == []


@pytest.mark.parametrize("place", ["link_blob", "_index", "_exchange"])
@pytest.mark.parametrize("there", [True, False], ids=["over an older one", "the first"])
def test_kill_9_leaves_no_half_layout_and_the_next_run_is_fine(
    image: Image, store: Store, tmp_path: Path, place: str, there: bool
) -> None:
    out = tmp_path / "build/oci"
    if there:
        assemble(image, store, out, name="temper/test:older")
    before = contents(out)

    def killed() -> None:
        setattr(
            folder if place == "_exchange" else module, place, lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        )
        assemble(image, store, out, name=NAME)

    assert in_child(killed) == -signal.SIGKILL
    assert contents(out) == before
    assemble(image, store, out, name=NAME)
    assert json.loads((out / "index.json").read_bytes())["manifests"][0]["annotations"]
    assert [path.name for path in out.parent.iterdir()] == ["oci"]


def in_child(function) -> int:
    """Runs it in a forked process, which inherits what the test has set up; returns how that ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside a test runner's threads
        child = os.fork()
    if child == 0:
        try:
            function()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_layout_that_was_moved_aside_by_a_killed_process_comes_back(
    image, store, tmp_path, monkeypatch
) -> None:
    out = tmp_path / "oci"
    assemble(image, store, out, name="temper/test:older")
    before = contents(out)
    out.rename(tmp_path / ".oci.old")
    monkeypatch.setattr(module, "link_blob", full_disk)
    with pytest.raises(StoreError):
        assemble(image, store, out, name=NAME)
    assert contents(out) == before


def test_a_folder_of_something_else_is_not_replaced(image: Image, store: Store, tmp_path: Path) -> None:
    thesis = tmp_path / "home/thesis.txt"
    thesis.parent.mkdir()
    thesis.touch()
    with pytest.raises(InputError) as error:
        assemble(image, store, thesis.parent, name=NAME)
    assert str(error.value) == (
        f"'{thesis.parent}': holds something else ('oci-layout' is not there); choose another folder"
    )
    assert error.value.exit_code == 2
    assert thesis.exists()


def test_a_file_is_not_replaced(image: Image, store: Store, tmp_path: Path) -> None:
    (tmp_path / "oci").touch()
    with pytest.raises(InputError) as error:
        assemble(image, store, tmp_path / "oci", name=NAME)
    assert str(error.value) == f"'{tmp_path}/oci': is not a folder; choose another place"


def test_two_builds_at_once_leave_one_whole_layout(image: Image, store: Store, tmp_path: Path) -> None:
    out = tmp_path / "build/oci"

    def both() -> None:
        assert in_child(lambda: assemble(image, store, out, name=NAME)) == 0

    other = threading.Thread(target=both)
    other.start()
    made = assemble(image, store, out, name=NAME)
    other.join()
    assert read_layout(out).digest == made.digest
    assert [path.name for path in out.parent.iterdir()] == ["oci"]
