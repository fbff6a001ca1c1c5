"""Wheels: laid out as an installer would, RECORD true, and malformed ones refused by name."""

import base64
import csv
import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from builder.errors import ArchiveError
from builder.model.lock import LockedPlatform, LockedWheel
from builder.model.package import Package
from builder.model.tree import Entry, Facts, Kind, Owner
from builder.packages import wheel_install
from builder.packages.store import Store
from builder.packages.unpack import unpack
from builder.packages.wheel import unpack_wheel
from builder.packages.wheel_install import patched
from tests.unit.rootfs.test_elf import elf

NAME = "hello-1.0-py3-none-any.whl"
INFO = "hello-1.0.dist-info"
SITE = "usr/local/lib/python3.13/dist-packages"
METADATA = {
    f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: Hello\nVersion: 1.0\n",
    f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
FILES = {
    "hello/__init__.py": b"def main(): pass\n",
    **METADATA,
    f"{INFO}/entry_points.txt": b"[console_scripts]\nhello = hello:main\n",
    "hello-1.0.data/scripts/tool": b"#!python\nprint()\n",
    "hello-1.0.data/scripts/prog": b"\x7fELF",
    "hello-1.0.data/data/share/hello.txt": b"text",
    "hello-1.0.data/headers/hello.h": b"/**/",
    "hello-1.0.data/platlib/hello/fast.so": b"fast",
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def encoded(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def record(files: dict[str, bytes]) -> bytes:
    rows = [f"{path},{encoded(data)},{len(data)}\n" for path, data in files.items()]
    return "".join([*rows, f"{INFO}/RECORD,,\n"]).encode()


def wheel(
    files: dict[str, bytes], records: bytes | None = None, modes: dict[str, int] | None = None
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in {**files, f"{INFO}/RECORD": records or record(files)}.items():
            member = zipfile.ZipInfo(path)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = (modes or {}).get(path, 0o100644) << 16
            archive.writestr(member, data)
    return out.getvalue()


def lock(store: Store, data: bytes, name: str = NAME) -> LockedWheel:
    return LockedWheel(name="hello", version="1.0", filename=name, size=len(data), sha256=store.put(data))


def installed(store: Store, data: bytes) -> dict[str, Entry]:
    return {entry.path: entry for entry in unpack_wheel(store, lock(store, data), "3.13").entries}


def text(entry: Entry) -> bytes:
    assert entry.content is not None
    with entry.content.open() as stream:
        return stream.read()


def refusal(store: Store, data: bytes) -> str:
    with pytest.raises(ArchiveError) as caught:
        unpack_wheel(store, lock(store, data), "3.13")
    return str(caught.value)


def test_every_part_lands_where_debians_python_looks(store: Store) -> None:
    tree = installed(store, wheel(FILES))
    files = {path: entry.mode for path, entry in tree.items() if entry.kind is Kind.FILE}
    assert files == {
        f"{SITE}/hello/__init__.py": 0o644,
        f"{SITE}/hello/fast.so": 0o644,
        f"{SITE}/{INFO}/INSTALLER": 0o644,
        f"{SITE}/{INFO}/METADATA": 0o644,
        f"{SITE}/{INFO}/RECORD": 0o644,
        f"{SITE}/{INFO}/WHEEL": 0o644,
        f"{SITE}/{INFO}/entry_points.txt": 0o644,
        "usr/local/bin/hello": 0o755,
        "usr/local/bin/prog": 0o755,
        "usr/local/bin/tool": 0o755,
        "usr/local/include/python3.13/hello.h": 0o644,
        "usr/local/share/hello.txt": 0o644,
    }


def test_every_parent_is_a_folder_of_the_wheel(store: Store) -> None:
    tree = installed(store, wheel(FILES))
    folders = {path: entry for path, entry in tree.items() if entry.kind is Kind.DIRECTORY}
    assert {"usr", "usr/local/bin", SITE, f"{SITE}/hello"} <= set(folders)
    assert {(entry.mode, entry.uid, entry.mtime) for entry in folders.values()} == {(0o755, 0, 0)}
    assert {entry.owner for entry in tree.values()} == {Owner(kind="wheel", name="hello", version="1.0")}


def test_scripts_start_the_images_python(store: Store) -> None:
    tree = installed(store, wheel(FILES))
    assert text(tree["usr/local/bin/hello"]).decode() == (
        "#!/usr/bin/python3.13\n"
        "# -*- coding: utf-8 -*-\n"
        "import re\n"
        "import sys\n"
        "from hello import main\n"
        'if __name__ == "__main__":\n'
        '    sys.argv[0] = re.sub(r"(-script\\.pyw|\\.exe)?$", "", sys.argv[0])\n'
        "    sys.exit(main())\n"
    )
    assert text(tree["usr/local/bin/tool"]) == b"#!/usr/bin/python3.13\nprint()\n"
    assert text(tree["usr/local/bin/prog"]) == b"\x7fELF"
    assert tree["usr/local/bin/tool"].content.facts == Facts(shebang="/usr/bin/python3.13")  # type: ignore[union-attr]


def test_record_is_true_of_the_tree(store: Store) -> None:
    tree = installed(store, wheel(FILES))
    rows = list(csv.reader(text(tree[f"{SITE}/{INFO}/RECORD"]).decode().splitlines()))
    found = {}
    for path, digest, size in rows:
        steps = f"{SITE}/{path}".split("/")
        while ".." in steps:
            at = steps.index("..")
            del steps[at - 1 : at + 1]
        found["/".join(steps)] = (digest, size)
    files = {path: text(entry) for path, entry in tree.items() if entry.kind is Kind.FILE}
    own = f"{SITE}/{INFO}/RECORD"
    assert found.pop(own) == ("", "")
    assert found == {path: (encoded(data), str(len(data))) for path, data in files.items() if path != own}


def test_the_installer_names_itself(store: Store) -> None:
    tree = installed(
        store, wheel({**METADATA, f"{INFO}/INSTALLER": b"pip\n", f"{INFO}/direct_url.json": b"{}"})
    )
    assert text(tree[f"{SITE}/{INFO}/INSTALLER"]) == b"temper\n"
    assert f"{SITE}/{INFO}/direct_url.json" not in tree


def test_byte_code_is_left_out(store: Store) -> None:
    tree = installed(store, wheel({**METADATA, "hello/__pycache__/x.cpython-313.pyc": b"x"}))
    assert not [path for path in tree if "__pycache__" in path]


def test_programs_of_packages_stay_executable(store: Store) -> None:
    modes = {"hello/__init__.py": 0o100755}
    tree = installed(store, wheel({"hello/__init__.py": b"", **METADATA}, modes=modes))
    assert tree[f"{SITE}/hello/__init__.py"].mode == 0o755


def test_a_second_call_reads_the_record_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = lock(store, wheel(FILES))
    cold = unpack_wheel(store, locked, "3.13")
    monkeypatch.setattr(wheel_install, "install_wheel", None)
    store.blob(locked.sha256).unlink()
    assert unpack_wheel(store, locked, "3.13") == cold


def test_another_python_is_another_layout(store: Store) -> None:
    locked = lock(store, wheel(FILES))
    unpack_wheel(store, locked, "3.13")
    paths = [entry.path for entry in unpack_wheel(store, locked, "3.11").entries]
    assert "usr/local/lib/python3.11/dist-packages/hello/__init__.py" in paths
    assert not [path for path in paths if "3.13" in path]


def test_wheels_follow_the_debian_packages(store: Store) -> None:
    locked = LockedPlatform(packages=(), wheels=(lock(store, wheel(FILES)),))
    [package] = unpack(store, locked, "3.13")
    assert isinstance(package, Package)
    assert package.owner.name == "hello"


HOSTILE = {
    "dots": ({"../x": b""}, {}, "'../x': the name holds '..'"),
    "absolute": ({"/etc/x": b""}, {}, "'/etc/x': the name is absolute"),
    "dots in data": (
        {"hello-1.0.data/data/../../../etc/x": b""},
        {},
        "'hello-1.0.data/data/../../../etc/x': the name holds '..'",
    ),
    "symlink": ({"x": b"/etc/passwd"}, {"x": 0o120777}, "'x': is neither a file nor a directory"),
    "script name": (
        {f"{INFO}/entry_points.txt": b"[console_scripts]\n../../../etc/x = a:b\n"},
        {},
        "'../../../etc/x': the name holds '..'",
    ),
    "entry point without function": (
        {f"{INFO}/entry_points.txt": b"[console_scripts]\nx = a\n"},
        {},
        "is not a sound wheel: an entry point names no function",
    ),
    "unknown part": (
        {"hello-1.0.data/etc/x": b""},
        {},
        "is not a sound wheel: hello-1.0.data/etc/x is not contained in a valid .data subdirectory",
    ),
    "twice": (
        {"a/x": b"", "hello-1.0.data/purelib/a/x": b""},
        {},
        f"'a/x': is installed twice as '/{SITE}/a/x'",
    ),
    "file and folder": (
        {"a": b"", "a/x": b""},
        {},
        f"'/{SITE}/a' would be a file and a directory",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_wheel_is_refused(store: Store, case: str) -> None:
    files, modes, message = HOSTILE[case]
    assert refusal(store, wheel({**METADATA, **files}, modes=modes)) == f"{NAME}: {message}"


def test_a_changed_file_is_refused(store: Store) -> None:
    files = {"a.py": b"good", **METADATA}
    data = wheel({**files, "a.py": b"evil"}, records=record(files))
    assert refusal(store, data) == f"{NAME}: 'a.py': is not what RECORD says"


def test_a_file_that_record_does_not_know_is_refused(store: Store) -> None:
    data = wheel({**METADATA, "a.py": b""}, records=record(METADATA))
    assert refusal(store, data) == f"{NAME}: is not a sound wheel: a.py is not mentioned in RECORD"


def test_a_weak_hash_is_refused(store: Store) -> None:
    records = record(METADATA) + b"a.py,md5=abc,4\n"
    data = wheel({**METADATA, "a.py": b"good"}, records=records)
    assert refusal(store, data) == f"{NAME}: is not a sound wheel: RECORD has a hash of the kind 'md5'"


def test_another_project_is_refused(store: Store) -> None:
    files = {**METADATA, f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: other\nVersion: 2\n"}
    assert refusal(store, wheel(files)) == f"{NAME}: its METADATA says other 2, the lock says hello 1.0"


def test_a_later_wheel_format_is_refused(store: Store) -> None:
    files = {**METADATA, f"{INFO}/WHEEL": b"Wheel-Version: 2.0\nRoot-Is-Purelib: true\n"}
    assert refusal(store, wheel(files)) == (
        f"{NAME}: is not a sound wheel: Incompatible Wheel-Version 2.0, only support version 1.x wheels"
    )


def test_a_member_twice_is_refused(store: Store) -> None:
    out = io.BytesIO(wheel({"a.py": b"x", **METADATA}))
    with zipfile.ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("a.py", b"y")
    assert refusal(store, out.getvalue()) == f"{NAME}: 'a.py': is in the archive twice"


def test_an_encrypted_member_is_refused(store: Store) -> None:
    data = bytearray(wheel({"a.py": b"x", **METADATA}))
    data[data.index(b"PK\1\2") + 8] |= 1
    assert refusal(store, bytes(data)) == f"{NAME}: 'a.py': is encrypted"


def test_a_bomb_is_refused_unread(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_install, "allowance", lambda _size: 1 << 20)
    message = refusal(store, wheel({"a": bytes(5 << 20)}))
    assert message.startswith(f"{NAME}: its files have ")
    assert message.endswith(" bytes, more than the 1048576 that are allowed")


@pytest.mark.parametrize("cut", [0, 10, 100, -30])
def test_a_wheel_that_is_cut_off_is_refused(store: Store, cut: int) -> None:
    data = wheel(FILES)[:cut] or b"x"
    assert refusal(store, data).startswith(f"{NAME}: is not a sound wheel: ")


def test_nothing_is_left_of_a_refused_wheel(store: Store) -> None:
    refusal(store, wheel({"../x": b""}))
    assert list((store.root / "temp").iterdir()) == []
    assert list((store.root / "records").iterdir()) == []


def test_no_library_is_searched_in_the_working_directory(store: Store) -> None:
    """As NVIDIA's cusparselt has it: RUNPATH `$ORIGIN:.`."""
    library = elf()
    files = {"hello/one.so": library, "hello/other.so": elf(tags={}), **METADATA}
    found = installed(store, wheel(files))
    mended = found[f"{SITE}/hello/one.so"]
    assert mended.content is not None
    assert mended.content.facts.elf is not None
    assert mended.content.facts.elf.runpath == ("$ORIGIN", "/opt/lib")
    data = text(mended)
    assert len(data) == len(library)
    assert [at for at, byte in enumerate(data) if byte != library[at]] == [*range(549, 558)]
    assert text(found[f"{SITE}/hello/other.so"]) == files["hello/other.so"]
    rows = {row[0]: row for row in csv.reader(text(found[f"{SITE}/{INFO}/RECORD"]).decode().splitlines())}
    assert rows["hello/one.so"] == ["hello/one.so", encoded(data), str(len(data))]


def test_nothing_is_left_of_the_first_try(store: Store) -> None:
    before = {*store.blob("0" * 64).parent.iterdir()}
    data = wheel({"hello/one.so": elf(), **METADATA})
    installed(store, data)
    assert len({*store.blob("0" * 64).parent.iterdir()} - before) == 2  # the wheel, and what it holds


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_a_patch_may_lie_across_pieces(size: int) -> None:
    data, patches = bytes(range(50)), ((5, b"abcdef"), (40, b"xyz"))
    pieces = [patched(data[at : at + size], at, patches) for at in range(0, 50, size)]
    assert b"".join(pieces) == data[:5] + b"abcdef" + data[11:40] + b"xyz" + data[43:]
