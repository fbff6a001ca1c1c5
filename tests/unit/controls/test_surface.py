"""What stays when documentation, caches and programs go."""

import pytest

from builder.controls.audit import audit_one
from builder.controls.catalogue import BY_KEY
from builder.controls.frame import Context
from builder.controls.programs import topmost
from builder.model.image import Image
from builder.model.report import Outcome
from builder.model.tree import Entry
from tests.unit.controls.sound import deb, directory, elf, file, image, link, planned, put, wheel


def hardened(image: Image, key: str, **parameters: tuple[str, ...]) -> Image:
    control = planned(key, **parameters)
    after: Image = BY_KEY[key].enforce(image, control.parameters, Context())
    assert audit_one(after, control, Context()).outcome is Outcome.PASSED
    return after


@pytest.mark.parametrize(
    "entry",
    [
        file("usr/share/doc/libx/copyright"),
        file("usr/share/doc/libx/LICENSE.txt"),
        file("usr/share/common-licenses/GPL-3"),
        directory("usr/share/man/man1"),
        directory("var/cache"),
        directory("var/log"),
        link("usr/share/doc/libx", "gcc-14-base"),
        file("usr/lib/x86_64-linux-gnu/gconv/ISO8859-1.so"),
        file("var/lib/dpkg/status.d/libx"),
    ],
    ids=lambda entry: entry.path,
)
def test_lean_tree_keeps(entry: Entry) -> None:
    kept = put(entry)(image())
    if "man" not in entry.path:  # an empty folder for manual pages may go, but is no finding
        assert entry.path in hardened(kept, "lean-tree").rootfs
    assert audit_one(kept, planned("lean-tree"), Context()).outcome is Outcome.PASSED


def test_lean_tree_keeps_what_it_is_told_to() -> None:
    broken = put(file("usr/share/locale/de/x.mo"), file("usr/share/locale/fr/x.mo"))(image())
    after = hardened(broken, "lean-tree", keep=("/usr/share/locale/de",))
    assert "usr/share/locale/de/x.mo" in after.rootfs
    assert "usr/share/locale/fr" not in after.rootfs


def test_lean_tree_keeps_a_file_below_what_goes() -> None:
    broken = put(file("var/cache/font/a"), file("var/cache/font/b"))(image())
    after = hardened(broken, "lean-tree", keep=("/var/cache/font/a",))
    assert "var/cache/font/a" in after.rootfs
    assert "var/cache/font/b" not in after.rootfs


@pytest.mark.parametrize(
    "entry",
    [
        file("usr/share/bash-completion/completions/su"),
        file("usr/lib/python3.13/curl"),
        directory("usr/lib/git-core/mount"),
        link("usr/share/doc/sh", "dash"),
    ],
    ids=lambda entry: entry.path,
)
@pytest.mark.parametrize("key", ["no-shell", "no-download-tools", "no-privilege-tools"])
def test_only_programs_count(entry: Entry, key: str) -> None:
    assert audit_one(put(entry)(image()), planned(key), Context()).findings == ()


def test_allowed_programs_stay() -> None:
    broken = put(elf("usr/bin/curl"), elf("usr/bin/wget"))(image())
    after = hardened(broken, "no-download-tools", allow=("curl",))
    assert "usr/bin/curl" in after.rootfs
    assert "usr/bin/wget" not in after.rootfs


def test_pip_goes_with_its_metadata() -> None:
    after = hardened(put(*wheel("pip", "25.3", {"pip/__init__.py": ""}))(image()), "no-package-manager")
    assert not [path for path in after.rootfs if "pip" in path]


def test_packages_that_only_sound_like_pip_stay() -> None:
    sound = put(*wheel("pip_audit", "1.0", {"pip_audit/__init__.py": "", "other/pip/x.py": ""}))(image())
    assert hardened(sound, "no-package-manager") is sound


def test_pip_is_allowed_where_the_profile_says_so() -> None:
    sound = put(*wheel("pip", "25.3", {"pip/__init__.py": ""}), *deb("x", "1"))(image())
    assert hardened(sound, "no-package-manager", allow=("pip",)) is sound


@pytest.mark.parametrize(
    ("path", "folders", "expected"),
    [
        ("a/b/c", {"a/b"}, "a/b"),
        ("a/b/c", {"a/b", "a"}, "a"),
        ("a/b/c", {"a/b/c"}, "a/b/c"),
        ("ab/c", {"a"}, ""),
    ],
)
def test_topmost_goes_by_whole_names(path: str, folders: set[str], expected: str) -> None:
    assert topmost(path, folders) == expected
