"""temper diff and temper explain-size: what is told of images that were written and read back."""

from dataclasses import replace
from pathlib import Path

import pytest

from builder.comparison import compare, compare_text
from builder.errors import ArchiveError
from builder.image.assemble import assemble
from builder.image.layers import BIG
from builder.image.layout import read_layout
from builder.image.memory import Memory
from builder.model.image import Image, ImageConfig
from builder.model.spec import Healthcheck
from builder.model.tree import Bytes, Entry, Kind, Owner, Rootfs
from builder.packages.store import Store
from builder.sizes import sizes, sizes_text

PACKAGES = "usr/local/lib/python3.13/dist-packages"
DEB = Owner(kind="deb", name="libc6", version="2.41-12")
OWN = Owner(kind="file", name="app/")


def file(path: str, data: bytes, owner: Owner = DEB) -> Entry:
    return Entry(path=path, kind=Kind.FILE, mode=0o644, content=Bytes(data), owner=owner)


def wheel(name: str, version: str, data: bytes) -> list[Entry]:
    """With the RECORD that says what it brought."""
    owner = Owner(kind="wheel", name=name, version=version)
    info = f"{name}-{version}.dist-info"
    record = f"{name}.py,,\n{info}/RECORD,,\n".encode()
    folder = Entry(path=f"{PACKAGES}/{info}", kind=Kind.DIRECTORY, mode=0o755, owner=owner)
    return [
        folder,
        file(f"{PACKAGES}/{name}.py", data, owner),
        file(f"{PACKAGES}/{info}/RECORD", record, owner),
    ]


def deb(version: str) -> list[Entry]:
    stanza = f"Package: libc6\nVersion: {version}\nArchitecture: amd64\n".encode()
    folder = "var/lib/dpkg/status.d/libc6"
    return [
        file(folder, stanza),
        file(f"{folder}.md5sums", b"00000000000000000000000000000000  usr/lib/libc.so.6\n"),
        file("usr/lib/libc.so.6", b"\x7fELF " + version.encode() * 100),
    ]


CONFIG = ImageConfig(platform="linux/amd64", entrypoint=("python3",), env=(("PATH", "/usr/bin"), ("A", "1")))
OLD = [
    *deb("2.41-12"),
    *wheel("tensorflow", "2.0", b"1" * BIG),
    *wheel("six", "1.0", b"six"),
    file("app/x", b"1", OWN),
]


@pytest.fixture
def written(tmp_path: Path):
    """An image of these entries as it is read back from disk."""

    def write(name: str, entries: list[Entry], config: ImageConfig = CONFIG) -> Image:
        store = Store(tmp_path / "store")
        image = Image(rootfs=Rootfs().with_entries(entries), config=config)
        assemble(image, store, tmp_path / name, name=name)
        return read_layout(tmp_path / name)

    return write


def test_an_image_does_not_differ_from_itself(written) -> None:
    one, other = written("one", OLD), written("other", OLD)
    data = compare(one, other, ("one", "other"))
    assert data["same"]
    assert data["pull"] == 0
    assert {row["change"] for row in data["layers"]} == {"same"}
    assert data["packages"] == data["config"] == data["files"] == []
    assert compare_text(data).endswith("\nthe same image")


def test_a_bump_of_a_big_wheel_pulls_its_layer_alone(written) -> None:
    new = [
        *deb("2.41-12"),
        *wheel("tensorflow", "2.1", b"2" * BIG),
        *wheel("six", "1.0", b"six"),
        file("app/x", b"1", OWN),
    ]
    image = written("new", new)
    data = compare(written("old", OLD), image, ("old", "new"))
    tensorflow = next(layer for layer in image.layers if layer.name == "python-tensorflow")
    assert [(row["name"], row["change"]) for row in data["layers"] if row["pull"]] == [
        ("python-tensorflow", "changed")
    ]
    assert data["pull"] == tensorflow.size > 0
    assert data["packages"] == [{"kind": "wheel", "name": "tensorflow", "from": "2.0", "to": "2.1"}]


def test_everything_that_changed_is_told(written) -> None:
    new = [*deb("2.41-13"), file("app/y", b"22", OWN), file("app/x", b"1", OWN).replace(mode=0o755)]
    config = CONFIG.replace(
        entrypoint=("python3", "-m", "x"),
        env=(("PATH", "/usr/bin"), ("B", "2")),
        ports=("80/tcp",),
        created=1_700_000_000,
        healthcheck=Healthcheck(command=("python3", "ok")),
    )
    data = compare(written("old", OLD), written("new", new, config), ("old", "new"))
    assert [(row["name"], row["change"]) for row in data["layers"]] == [
        ("system", "changed"),
        ("app", "changed"),
        ("python-tensorflow", "removed"),
        ("python", "removed"),
    ]
    text = [" ".join(line.split()) for line in compare_text(data).split("\n")]
    assert text[text.index("packages") :] == [
        "packages",
        "~ deb libc6 2.41-12 -> 2.41-13",
        "- wheel six 1.0",
        "- wheel tensorflow 2.0",
        "config",
        "~ entrypoint python3 -> python3 -m x",
        "- variable A 1",
        "+ variable B 2",
        "+ ports 80/tcp",
        "+ healthcheck python3 ok",
        "~ created 1970-01-01T00:00:00Z -> 2023-11-14T22:13:20Z",
        "controls: not compared, no report is beside old and new",
        "vulnerabilities: not compared, no scan is beside old and new; run `temper scan`",
        "files",
        "+ app/y 0.0 kB",
        f"- {PACKAGES}/six-1.0.dist-info/RECORD 0.0 kB",
        f"- {PACKAGES}/six.py 0.0 kB",
        f"- {PACKAGES}/tensorflow-2.0.dist-info/RECORD 0.1 kB",
        f"- {PACKAGES}/tensorflow.py 16.8 MB",
        "~ app/x mode, 0.0 kB -> 0.0 kB",
        "~ usr/lib/libc.so.6 content, 0.7 kB -> 0.7 kB",
        "~ var/lib/dpkg/status.d/libc6 content, 0.1 kB -> 0.1 kB",
    ]


def test_a_flood_of_files_is_counted(written) -> None:
    many = [*OLD, *(file(f"app/{number:03}", b"x", OWN) for number in range(50))]
    data = compare(written("old", OLD), written("new", many), ("old", "new"))
    assert len(data["files"]) == 50
    assert [line.split() for line in compare_text(data).split("\n")[-2:]] == [
        ["+", "app/019", "0.0", "kB"],
        ["+", "and", "30", "more", "added;", "--json", "has", "them", "all"],
    ]


def test_layers_of_an_engine_are_known_by_what_they_unpack_to(written) -> None:
    """An engine gives them uncompressed, so that their digest is another one than in the layout."""
    old = written("old", OLD)
    saved = old.replace(digest="", layers=tuple(replace(layer, digest=layer.diff_id) for layer in old.layers))
    data = compare(saved, old, ("engine", "layout"))
    assert {row["change"] for row in data["layers"]} == {"same"}
    again = old.replace(layers=tuple(replace(layer, digest="sha256:x") for layer in old.layers))
    assert {row["change"] for row in compare(old, again, ("a", "b"))["layers"]} == {"changed"}


def test_sizes_are_told_by_layer_package_and_type(written) -> None:
    image = written("one", OLD)
    data = sizes(image, "one")
    assert data["unpacked"] == sum(entry.size for entry in image.rootfs.files())
    assert [(row["name"], row["files"]) for row in data["layers"]] == [
        ("system", 3),
        ("python-tensorflow", 2),
        ("python", 2),
        ("app", 1),
    ]
    records = len(b"tensorflow.py,,\ntensorflow-2.0.dist-info/RECORD,,\n")
    assert data["packages"][0] == {"name": "wheel tensorflow", "bytes": BIG + records, "files": 2}
    assert {row["name"]: row["files"] for row in data["packages"]} == {
        "wheel tensorflow": 2,
        "wheel six": 2,
        "deb libc6": 1,
        "no package": 3,  # what says so of the others, and one's own
    }
    assert {row["name"]: row["files"] for row in data["types"]} == {
        "Python source": 2,
        "package record": 4,
        "data": 2,
    }
    for group in ("packages", "types", "layers"):
        key = "unpacked" if group == "layers" else "bytes"
        assert sum(row[key] for row in data[group]) == data["unpacked"]
    assert data["largest"][0] == {
        "path": f"{PACKAGES}/tensorflow.py",
        "bytes": BIG,
        "package": "wheel tensorflow",
    }


def test_the_text_of_sizes_counts_what_it_leaves_out(written) -> None:
    many = [entry for number in range(40) for entry in wheel(f"w{number:02}", "1", b"x" * (99 - number))]
    data = sizes(written("many", many), "many")
    lines = [" ".join(line.split()) for line in sizes_text(data).split("\n")]
    assert lines[0].startswith("many, linux/amd64: 4.5 kB in 80 files, ")
    left_out = sum(row["bytes"] for row in data["packages"][25:])
    share = 100 * left_out / data["unpacked"]
    assert f"and 15 more {left_out / 1e3:.1f} kB {share:.1f} % 30 files" in lines


def test_layers_that_were_read_before_are_not_opened(tmp_path: Path) -> None:
    """Their bytes may be anything of that size: what the manifest calls them is believed, here only."""
    store = Store(tmp_path / "store")
    image = Image(rootfs=Rootfs().with_entries(OLD), config=CONFIG)
    assemble(image, store, tmp_path / "one", name="one")
    read_layout(tmp_path / "one", memory=Memory(store=store))
    for blob in (tmp_path / "one/blobs/sha256").iterdir():
        if blob.read_bytes()[:2] == b"\x1f\x8b":
            size = blob.stat().st_size
            blob.unlink()
            blob.write_bytes(bytes(size))
    again = read_layout(tmp_path / "one", memory=Memory(store=store, by_name=True))
    assert "app/x" in again.rootfs
    with pytest.raises(ArchiveError):
        read_layout(tmp_path / "one", memory=Memory(store=store))
