"""Images that mean harm, or are merely broken: a clear error, in bounded memory, and nothing is written."""

import gzip
import io
import json
import resource
import tarfile
from pathlib import Path

import pytest
import zstandard

from builder.errors import ArchiveError, InputError
from builder.image import packed_stream
from builder.image.layout import read_archive, read_layout
from builder.model.tree import Entry, Kind, Rootfs
from builder.rootfs import archive
from tests.unit.image.foreign_layout import digest, plain_layout, tar_of, write_layout

ONE = tar_of({"etc/passwd": b"root:x:0:0::/root:/bin/sh\n", "app/main": b"\0" * 5000})


def refusal(folder: Path) -> str:
    before = sorted(folder.rglob("*"))
    with pytest.raises(ArchiveError) as error:
        read_layout(folder)
    assert sorted(folder.rglob("*")) == before
    return str(error.value)


def blob(folder: Path, data: bytes) -> str:
    return f"'{folder}/blobs/sha256/{digest(data)}': sha256:{digest(data)}"


def test_a_layer_that_is_cut_off_names_the_layer_and_the_entry(tmp_path: Path) -> None:
    short = ONE[:2100]
    assert refusal(plain_layout(tmp_path, short)) == (
        f"{blob(tmp_path, short)}: is cut off after 2100 bytes, at 'app/main'"
    )


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_bomb_is_stopped_before_it_has_unpacked(tmp_path: Path, monkeypatch, pack) -> None:
    monkeypatch.setattr(packed_stream, "HARMLESS", 1 << 20)
    bomb = pack(tar_of({"zeros": bytes(64 << 20)}))
    limit = max(1 << 20, 200 * len(bomb))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refusal(write_layout(tmp_path, [(bomb, b"")])) == (
        f"{blob(tmp_path, bomb)}: unpacks to more than {limit} bytes though it has only {len(bomb)}, "
        "as no layer does that serves a purpose, at 'zeros'"
    )
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 48 << 10


def test_a_sparse_file_of_a_terabyte_is_refused_by_name(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("huge")
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.realsize": str(1 << 40)}
        tar.addfile(info)
    data = out.getvalue()
    assert (
        refusal(plain_layout(tmp_path, data)) == f"{blob(tmp_path, data)}: 'huge': is stored as a sparse file"
    )


def test_an_entry_larger_than_its_layer_is_refused_by_name(tmp_path: Path) -> None:
    header = tarfile.TarInfo("lies")
    header.size = 1 << 40
    data = header.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    assert refusal(plain_layout(tmp_path, data)).endswith(": is cut off after 1536 bytes, at 'lies'")


def test_more_entries_than_any_image_has_are_refused_over_all_layers(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archive.Room.__init__, "__defaults__", (5, 1 << 20))
    layers = [tar_of({f"{name}{number}": b"x" for number in range(3)}) for name in "ab"]
    assert refusal(plain_layout(tmp_path, *layers)) == (
        f"{blob(tmp_path, layers[1])}: the image holds more than 400000 entries, at 'b2'"
    )


def test_folders_that_a_long_name_implies_count(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archive.Room.__init__, "__defaults__", (1000, 1 << 20))
    data = tar_of({f"{number}/" + "a/" * 400 + "f": b"" for number in range(4)})
    assert "the image holds more than 400000 entries" in refusal(plain_layout(tmp_path, data))


def test_attributes_fill_no_memory(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archive.Room.__init__, "__defaults__", (1000, 100_000))
    data = tar_of(
        {f"f{number}": b"" for number in range(3)}, pax_headers={"SCHILY.xattr.user.x": "v" * 50_000}
    )
    assert refusal(plain_layout(tmp_path, data)) == (
        f"{blob(tmp_path, data)}: the image's names and attributes take more than 67108864 bytes, at 'f1'"
    )


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("layer_type", "can't be read as a layer"),
        ("config_type", "is not a container image"),
        ("manifest_type", "is not an image"),
    ],
)
def test_an_unknown_media_type_is_named(tmp_path: Path, kind: str, what: str) -> None:
    message = refusal(write_layout(tmp_path, [(ONE, ONE)], **{kind: "application/x-chart"}))
    assert message.startswith(f"'{tmp_path}': sha256:")
    assert message.endswith(f": {what}: its media type is 'application/x-chart'")


def test_more_layers_than_can_be_mounted_are_refused(tmp_path: Path) -> None:
    message = refusal(plain_layout(tmp_path, *[ONE] * 129))
    assert message.endswith(
        ": is not an image manifest: layers: value should have at most 128 items after validation, not 129"
    )


def test_a_layer_that_is_not_as_long_as_it_says_is_refused(tmp_path: Path) -> None:
    plain_layout(tmp_path, ONE)
    path = tmp_path / "blobs/sha256" / digest(ONE)
    path.write_bytes(ONE + b"more")
    assert refusal(tmp_path) == (
        f"{blob(tmp_path, ONE)}: is damaged: it has {len(ONE) + 4} bytes instead of {len(ONE)}; "
        "build the image again"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "is not an image index: input should be a valid dictionary or instance of Index"),
        ('{"manifests": 3}', "is not an image index: manifests: input should be a valid tuple"),
        (
            '{"manifests": [{"digest": "sha256:../../etc/passwd", "size": 1}]}',
            "is not an image index: manifests.0.digest: string should match pattern '^sha256:[0-9a-f]{64}$'",
        ),
        ("[" * 100_000, "is not valid JSON: it is nested too deeply"),
        ('{"manifests": []}', "names no image"),
    ],
)
def test_an_index_that_is_none_is_told_where(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "index.json").write_text(text)
    assert refusal(tmp_path) == f"'{tmp_path}': index.json: {reason}"


def test_a_list_without_our_platform_says_what_it_holds(tmp_path: Path) -> None:
    plain_layout(tmp_path, ONE)
    index = json.loads((tmp_path / "index.json").read_text())
    one = index["manifests"][0]
    index["manifests"] = [
        {**one, "platform": {"os": "linux", "architecture": name}} for name in ("s390x", "ppc64le")
    ]
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(InputError) as error:
        read_layout(tmp_path, "linux/arm64")
    assert str(error.value) == (
        f"'{tmp_path}': holds no image for 'linux/arm64'; it holds 'linux/ppc64le', 'linux/s390x'"
    )


def test_a_config_with_a_field_of_another_type_is_told(tmp_path: Path) -> None:
    message = refusal(plain_layout(tmp_path, ONE, config={"Env": "PATH=/bin"}))
    assert message.endswith(": config: is not an image config: config.Env: input should be a valid tuple")


def test_what_go_writes_for_nothing_is_nothing(tmp_path: Path) -> None:
    config = {"Env": None, "Labels": None, "Volumes": None, "Entrypoint": None, "User": None}
    image = read_layout(plain_layout(tmp_path, ONE, config=config))
    assert (image.config.env, image.config.labels, image.config.user) == ((), (), "")


def test_links_in_a_circle_lead_nowhere() -> None:
    def link(path: str, target: str) -> Entry:
        return Entry(path=path, kind=Kind.SYMLINK, mode=0o777, target=target)

    tree = Rootfs.of([link("a", "b"), link("b", "/a"), link("c", "c/c/c"), link("d", "x/" * 4000)])
    assert [tree.resolve(path) for path in tree] == [None] * 4


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (b"{}", "manifest.json: holds not one image; save one at a time"),
        (
            b'[{"Config": 1, "Layers": []}]',
            "manifest.json: is not an image: Config: input should be a valid string",
        ),
        (b'[{"Config": "c", "Layers": []}]', "c: not found; is this the archive of an image?"),
    ],
)
def test_an_archive_with_a_wrong_manifest_is_told(tmp_path: Path, manifest: bytes, reason: str) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(tar_of({"manifest.json": manifest}))
    with pytest.raises(ArchiveError) as error:
        read_archive(path)
    assert str(error.value) == f"'{path}': {reason}"
