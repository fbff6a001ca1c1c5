import gzip
import hashlib
import io
import json
import resource
import shutil
import tarfile
from pathlib import Path

import pytest
import zstandard

from builder.errors import ArchiveError, InputError
from builder.image import contents
from builder.image.assemble import assemble
from builder.image.config import compact
from builder.image.layout import read_archive, read_layout
from builder.image.packed import Packed, Undigested
from builder.model.image import Image
from builder.model.spec import Healthcheck
from builder.model.tree import Unhashed
from builder.packages.store import Store


@pytest.fixture
def oci(image: Image, store: Store, tmp_path: Path) -> Path:
    assemble(image, store, tmp_path / "oci", name="temper/test:hardened")
    shutil.rmtree(store.root)  # what was read back may not lean on the store
    return tmp_path / "oci"


def test_what_was_written_is_read_back(image: Image, store: Store, oci: Path, plain) -> None:
    back = read_layout(oci)
    limit = image.config.created
    wanted = [plain(entry.replace(mtime=min(entry.mtime, limit))) for entry in image.rootfs.values()]
    assert [plain(entry) for entry in back.rootfs.values()] == wanted
    # Labels come sorted, ports in numeric order; everything else as it was.
    assert back.config == image.config
    assert [layer.name for layer in back.layers] == ["system", "python", "configuration", "app"]
    assert [layer.problems for layer in back.layers] == [(), (), (), ()]
    assert back.history == (
        "temper: layer system",
        "temper: layer python",
        "temper: layer configuration",
        "temper: layer app",
    )


def test_digests_and_sizes_are_those_that_assemble_told(image: Image, store: Store, tmp_path: Path) -> None:
    made = assemble(image, store, tmp_path / "oci", name="x")
    back = read_layout(tmp_path / "oci")
    assert (back.digest, back.size) == (made.digest, made.size)
    assert [(layer.digest, layer.diff_id) for layer in back.layers] == [
        (layer.digest, layer.diff_id) for layer in made.layers
    ]


def test_every_content_can_be_read_again(oci: Path, monkeypatch) -> None:
    monkeypatch.setattr(contents, "BUDGET", 0)
    monkeypatch.setattr(contents.Budget.__init__, "__defaults__", (0, 0))
    back = read_layout(oci)
    files = list(back.rootfs.files())
    assert all(isinstance(entry.content, Packed | Undigested) for entry in files if entry.size)
    for entry in reversed(files):
        with entry.content.open() as stream:
            data = stream.read()
        assert hashlib.sha256(data).hexdigest() == entry.content.sha256


def test_short_texts_are_kept_in_memory(oci: Path) -> None:
    back = read_layout(oci)
    shutil.rmtree(oci)
    with back.rootfs["etc/shadow"].content.open() as stream:
        assert stream.read() == b"root:*:::::::\n"


def corrupt(path: Path, at: int = -40) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.unlink()  # the store's blob may share it
    path.write_bytes(data)


def blobs(oci: Path) -> tuple[Path, Path, Path]:
    """Manifest, config, and the first layer."""
    index = json.loads((oci / "index.json").read_bytes())
    folder = oci / "blobs/sha256"
    manifest = folder / index["manifests"][0]["digest"][7:]
    data = json.loads(manifest.read_bytes())
    return manifest, folder / data["config"]["digest"][7:], folder / data["layers"][0]["digest"][7:]


@pytest.mark.parametrize("which", [0, 1])
def test_a_flipped_byte_in_the_manifest_or_config_is_found(oci: Path, which: int) -> None:
    path = blobs(oci)[which]
    corrupt(path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ArchiveError) as error:
        read_layout(oci)
    assert str(error.value) == (
        f"'{path}': sha256:{path.name}: is damaged: its bytes are sha256:{found}; build the image again"
    )
    assert error.value.exit_code == 3


@pytest.mark.parametrize("at", [0, 4, 15, 200, 5000, -1, -5, -9])
def test_a_flipped_byte_in_a_layer_is_found_wherever_it_is(oci: Path, at: int) -> None:
    path = blobs(oci)[2]
    corrupt(path, at)
    with pytest.raises(ArchiveError) as error:
        read_layout(oci)
    assert str(error.value).startswith(f"'{path}': sha256:{path.name}: ")


def test_a_flipped_byte_that_gzip_does_not_mind_is_found_by_the_digest(oci: Path) -> None:
    path = blobs(oci)[2]
    corrupt(path, 4)  # the member's time stamp
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ArchiveError) as error:
        read_layout(oci)
    assert str(error.value) == (
        f"'{path}': sha256:{path.name}: is damaged: its bytes are sha256:{found}; build the image again"
    )


def test_a_layer_that_is_cut_off_is_found(oci: Path) -> None:
    path = blobs(oci)[2]
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ArchiveError) as error:
        read_layout(oci)
    assert str(error.value) == (
        f"'{path}': sha256:{path.name}: is damaged: it has {size - 7} bytes instead of {size}; "
        "build the image again"
    )


def test_a_missing_layer_is_found(oci: Path) -> None:
    path = blobs(oci)[2]
    path.unlink()
    with pytest.raises(ArchiveError) as error:
        read_layout(oci)
    assert str(error.value) == f"'{path}': sha256:{path.name}: can't be read: no such file or directory"


def test_a_folder_that_is_no_layout_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError) as error:
        read_layout(tmp_path)
    assert str(error.value) == f"'{tmp_path}/index.json': index.json: not found; is this an OCI image layout?"


def test_a_platform_that_is_not_there_is_told_with_those_that_are(oci: Path) -> None:
    with pytest.raises(InputError) as error:
        read_layout(oci, "linux/arm64")
    assert str(error.value) == f"'{oci}': holds no image for 'linux/arm64'; it holds 'linux/amd64'"


def foreign(folder: Path, layers: list[tuple[bytes, bytes]], **config) -> Path:
    """A layout as other tools write them: each layer as stored, and uncompressed."""
    target = folder / "blobs/sha256"
    target.mkdir(parents=True)

    def put(data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (target / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data), "mediaType": ""}

    diff_ids = [f"sha256:{hashlib.sha256(plain).hexdigest()}" for _, plain in layers]
    settings = {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": diff_ids}, **config}
    manifest = {"config": put(compact(settings)), "layers": [put(stored) for stored, _ in layers]}
    (folder / "index.json").write_bytes(compact({"manifests": [put(compact(manifest))]}))
    return folder


def tar_of(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


PLAIN = tar_of(one=b"1" * 100_000, two=b"\0" * 70_000)


@pytest.mark.parametrize(
    "stored",
    [
        PLAIN,
        gzip.compress(PLAIN),
        gzip.compress(PLAIN[:1000]) + gzip.compress(PLAIN[1000:]),
        zstandard.compress(PLAIN),
        zstandard.compress(PLAIN[:1000]) + zstandard.compress(PLAIN[1000:]),
    ],
    ids=["tar", "gzip", "gzip of two members", "zstd", "zstd of two frames"],
)
def test_layers_of_every_compression_are_read(tmp_path: Path, stored: bytes) -> None:
    back = read_layout(foreign(tmp_path, [(stored, PLAIN)]))
    assert list(back.rootfs) == ["one", "two"]
    with back.rootfs["two"].content.open() as stream:
        assert stream.read() == b"\0" * 70_000


def test_a_layer_that_is_not_what_the_config_says_is_refused(tmp_path: Path) -> None:
    oci = foreign(tmp_path, [(gzip.compress(PLAIN, mtime=0), b"something else")])
    with pytest.raises(ArchiveError) as error:
        read_layout(oci)
    path = blobs(oci)[2]
    assert str(error.value) == (
        f"'{path}': sha256:{path.name}: unpacks to sha256:{hashlib.sha256(PLAIN).hexdigest()}, "
        f"though the config says sha256:{hashlib.sha256(b'something else').hexdigest()}"
    )


def test_more_bytes_behind_the_compressed_layer_are_refused(tmp_path: Path) -> None:
    oci = foreign(tmp_path, [(gzip.compress(PLAIN) + b"hidden", PLAIN)])
    with pytest.raises(ArchiveError, match="more data follows its gzip data"):
        read_layout(oci)


def test_an_unsafe_layer_is_read_and_its_problems_are_told(tmp_path: Path) -> None:
    data = tar_of(**{"../../etc/passwd": b"x", "fine": b"y"})
    (layer,) = read_layout(foreign(tmp_path, [(data, data)])).layers
    assert list(layer.rootfs) == ["fine"]
    assert len(layer.problems) == 1
    assert "'./../../etc/passwd'" in layer.problems[0]


def test_a_layer_of_few_bytes_cannot_fill_the_memory(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(1 << 20), 1) * 128
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ArchiveError, match="unpacks to"):
        read_layout(foreign(tmp_path, [(bomb, b"")]))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10


def test_a_health_check_in_shell_form_is_told_apart(tmp_path: Path) -> None:
    check = {"Test": ["CMD-SHELL", "curl -f localhost"], "Interval": 10**10}
    config = read_layout(foreign(tmp_path, [(PLAIN, PLAIN)], config={"Healthcheck": check})).config
    assert config.healthcheck_shell
    assert config.healthcheck == Healthcheck(
        command=("curl -f localhost",), interval=10, timeout=30
    ).model_copy(update={"start_period": 0})


def test_a_switched_off_health_check_is_none(tmp_path: Path) -> None:
    oci = foreign(tmp_path, [(PLAIN, PLAIN)], config={"Healthcheck": {"Test": ["NONE"]}})
    assert read_layout(oci).config.healthcheck is None


def test_steps_that_made_no_layer_name_none(tmp_path: Path) -> None:
    history = [{"created_by": "ENV A=1", "empty_layer": True}, {"created_by": "ADD x"}]
    back = read_layout(foreign(tmp_path, [(PLAIN, PLAIN)], history=history))
    assert [layer.name for layer in back.layers] == ["ADD x"]
    assert back.history == ("ENV A=1", "ADD x")


def test_an_archive_of_docker_save_is_read(tmp_path: Path) -> None:
    config = compact({"rootfs": {"diff_ids": [f"sha256:{hashlib.sha256(PLAIN).hexdigest()}"]}})
    manifest = compact([{"Config": "c.json", "Layers": ["1/layer.tar"]}])
    path = tmp_path / "saved.tar"
    path.write_bytes(tar_of(**{"c.json": config, "1/layer.tar": PLAIN, "manifest.json": manifest}))
    back = read_archive(path)
    content = back.rootfs["two"].content
    assert isinstance(content, Unhashed)
    with content.open() as stream:
        assert stream.read() == b"\0" * 70_000
