import gzip
import hashlib
import lzma
import zlib
from pathlib import Path

import pytest

from builder.errors import ArchiveError, TrustError
from builder.packages.bases import BASES, Suite, find_base
from builder.packages.index import Index
from builder.packages.index_files import decompress
from builder.packages.release import Listed, Release, parse_release
from builder.packages.store import Store

STANZA = """\
Package: libstdc++6
Source: gcc-14
Version: 14.2.0-19
Architecture: amd64
Pre-Depends: gcc-14-base
Depends: libc6 (>= 2.38),
 libgcc-s1 (>= 4.2)
Conflicts: old [i386], bad
Breaks: broken (<< 2)
Provides: libcxx (= 14), cxx-runtime
Priority: important
Description: library
 Package: not a field
Filename: ./pool/main/g/libstdc++6.deb
Size: 12
SHA256: {sha}
"""
SHA = "ab" * 32
SUITE = Suite(archive="debian", name="trixie", keys=())


def index(text: str) -> Index:
    return Index(text.format(sha=SHA).encode(), "debian", "amd64")


def test_parses_a_stanza() -> None:
    (one,) = index(STANZA).named("libstdc++6")
    assert (str(one), one.architecture, one.archive) == ("libstdc++6 14.2.0-19", "amd64", "debian")
    assert (one.path, one.size, one.sha256, one.priority) == ("pool/main/g/libstdc++6.deb", 12, SHA, 1)
    assert [str(clause[0]) for clause in one.depends] == [
        "gcc-14-base",
        "libc6 (>= 2.38)",
        "libgcc-s1 (>= 4.2)",
    ]
    assert list(map(str, one.conflicts)) == ["bad", "broken (<< 2)"]
    assert list(map(str, one.provides)) == ["libcxx (= 14)", "cxx-runtime"]


def test_finds_by_name_and_by_what_is_provided() -> None:
    many = index(STANZA + "\n" + STANZA.replace("libstdc++6", "other").replace("libcxx", "libcyy"))
    assert list(many.names()) == ["libstdc++6", "other"]
    assert [one.name for one in many.providing("libcxx")] == ["libstdc++6"]
    assert [one.name for one in many.providing("cxx-runtime")] == ["libstdc++6", "other"]
    assert many.named("libcxx") == many.providing("cxx") == []


@pytest.mark.parametrize("text", ["", "\n"])
def test_an_empty_index(text: str) -> None:
    assert list(Index(text.strip().encode(), "debian", "amd64").names()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("Size: 12", "Size: big"), "malformed stanza (invalid literal for int() with base 10: 'big')"),
        (
            ("Filename: ./pool", "Filename: ../pool"),
            "malformed stanza (Filename: '../pool/main/g/libstdc++6.deb')",
        ),
        (("SHA256: ab", "SHA256: xy"), f"malformed stanza (SHA256: 'xy{SHA[2:]}')"),
        (("Version: 14.2.0-19", "Version: 14_2"), "malformed version '14_2'"),
        (("Size: 12\n", ""), "malformed stanza ('Size')"),
        (("bad\n", "bad (\n"), "malformed relation 'bad (' in 'old [i386], bad ('"),
    ],
)
def test_a_malformed_stanza_is_named(change: tuple[str, str], message: str) -> None:
    spoilt = Index(STANZA.format(sha=SHA).replace(*change).encode(), "debian", "amd64")
    with pytest.raises(ArchiveError) as raised:
        spoilt.named("libstdc++6")
    assert str(raised.value) == f"Packages of 'debian': libstdc++6: {message}"


def test_what_is_no_index_at_all() -> None:
    with pytest.raises(ArchiveError) as raised:
        index("<html>\n")
    assert str(raised.value) == "Packages of 'debian': a stanza does not begin with 'Package:'"


RELEASE = f"""\
Origin: Debian
Suite: stable
Codename: trixie
Date: Mon, 21 Sep 2026 14:13:20 UTC
Acquire-By-Hash: yes
MD5Sum:
 00000000000000000000000000000000 5 main/other
SHA256:
 {SHA}     1234 main/binary-amd64/Packages
"""


def release(text: str) -> Release:
    return parse_release(text, SUITE, sha256=SHA, signed_by=("A",))


def test_parses_a_release() -> None:
    found = release(RELEASE)
    assert (found.codename, found.name, found.date, found.valid_until) == (
        "trixie",
        "stable",
        1_790_000_000,
        None,
    )
    assert found.by_hash
    assert found.files == {"main/binary-amd64/Packages": Listed(size=1234, sha256=SHA)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("SHA256:\n", "SHA1:\n"), "lists no SHA256 hashes; use a mirror with a current index format"),
        (
            ("Mon, 21 Sep", "yesterday"),
            "Date: 'yesterday 2026 14:13:20 UTC' is not a date; use another mirror",
        ),
        (("Date:", "Moment:"), "Date: '' is not a date; use another mirror"),
        (
            (f" {SHA}", " beef"),
            "malformed line 'beef     1234 main/binary-amd64/Packages'; use another mirror",
        ),
    ],
)
def test_a_malformed_release(change: tuple[str, str], message: str) -> None:
    with pytest.raises(TrustError) as raised:
        release(RELEASE.replace(*change))
    assert str(raised.value) == f"debian: dists/trixie/InRelease: {message}"


def unpack(tmp_path: Path, packed: bytes, suffix: str, expected: bytes, size: int) -> Store:
    store = Store(tmp_path / "store")
    (tmp_path / "Packages").write_bytes(packed)
    listed = Listed(size=size, sha256=hashlib.sha256(expected).hexdigest())
    decompress(store, tmp_path / "Packages", suffix, listed, "Packages.xz")
    return store


@pytest.mark.parametrize(("suffix", "pack"), [(".xz", lzma.compress), (".gz", gzip.compress)])
def test_decompresses_into_the_store(tmp_path: Path, suffix: str, pack: object) -> None:
    store = unpack(tmp_path, pack(b"text"), suffix, b"text", 4)  # type: ignore[operator]
    assert store.has(hashlib.sha256(b"text").hexdigest())


def test_a_bomb_is_cut_off_at_the_signed_size(tmp_path: Path) -> None:
    with pytest.raises(TrustError) as raised:
        unpack(tmp_path, lzma.compress(b"\0" * 50_000_000), ".xz", b"text", 4)
    assert str(raised.value) == (
        "Packages.xz: unpacks to something else than the signed index says; use another mirror"
    )


@pytest.mark.parametrize(
    ("packed", "suffix"),
    [
        (b"none", ".xz"),
        (lzma.compress(b"text")[:-9], ".xz"),
        (b"none", ".gz"),
        (gzip.compress(b"text" * 99, mtime=0)[:-12], ".gz"),
    ],
)
def test_a_damaged_compression(tmp_path: Path, packed: bytes, suffix: str) -> None:
    with pytest.raises(ArchiveError, match=r"^Packages\.xz: is damaged \(.*\); use another mirror$"):
        unpack(tmp_path, packed, suffix, b"text", 4000)


def test_zlib_faults_inside_gzip_are_damage_too(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(zlib.compress(bytes(range(256)) * 40)))
    packed[12] ^= 0xFF
    with pytest.raises(ArchiveError):
        unpack(tmp_path, bytes(packed), ".gz", b"text", 40_000)


def test_every_base_has_its_keys() -> None:
    from builder.packages.bases import KEYS  # noqa: PLC0415

    for base in BASES.values():
        assert all((KEYS / key).is_file() for suite in base.suites for key in suite.keys)
    shipped = {path.name for path in KEYS.iterdir()}
    assert shipped == {key for base in BASES.values() for suite in base.suites for key in suite.keys}


@pytest.mark.parametrize(
    ("name", "what_to_do"),
    [
        ("debian/trixy", "did you mean 'debian/trixie'?"),
        ("alpine", "use one of debian/bookworm, debian/trixie"),
    ],
)
def test_an_unknown_base(name: str, what_to_do: str) -> None:
    with pytest.raises(Exception, match="unknown base") as raised:
        find_base(name)
    assert str(raised.value) == f"base: unknown base '{name}'; {what_to_do}"
