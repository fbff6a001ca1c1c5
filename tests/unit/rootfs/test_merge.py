"""Packages into one tree: sharing, replacing, merged /usr, and what is refused."""

import pytest

from builder.errors import ArchiveError
from builder.model.package import Package
from builder.model.tree import Bytes, Entry, Kind, Owner
from builder.rootfs.merge import merge, replaced_names


def deb(name: str, *entries: Entry, control: str = "") -> Package:
    owner = Owner(kind="deb", name=name, version="1")
    owned = tuple(entry.replace(owner=owner) for entry in entries)
    return Package(owner=owner, entries=owned, control=f"Package: {name}\n{control}")


def file(path: str, data: bytes = b"x") -> Entry:
    return Entry(path=path, kind=Kind.FILE, mode=0o644, content=Bytes(data))


def folder(path: str, mode: int = 0o755) -> Entry:
    return Entry(path=path, kind=Kind.DIRECTORY, mode=mode)


def symlink(path: str, target: str) -> Entry:
    return Entry(path=path, kind=Kind.SYMLINK, mode=0o777, target=target)


def test_files_of_lib_and_bin_land_below_usr_with_links_at_the_top() -> None:
    tree = merge([deb("libc6", folder("lib"), file("lib/libc.so.6")), deb("dash", file("bin/dash"))], 7)
    assert "usr/lib/libc.so.6" in tree
    assert "usr/bin/dash" in tree
    assert (tree["lib"].kind, tree["lib"].target) == (Kind.SYMLINK, "usr/lib")
    assert "sbin" not in tree


def test_the_links_of_a_merged_base_are_taken_once() -> None:
    tree = merge([deb("base-files", symlink("lib", "usr/lib")), deb("libc6", file("usr/lib/libc.so.6"))], 7)
    assert tree["lib"].target == "usr/lib"


def test_a_directory_may_be_shared_and_the_first_package_sets_its_mode() -> None:
    tree = merge([deb("b", folder("var/x", 0o700)), deb("a", folder("var/x", 0o755))], 7)
    assert tree["var/x"].mode == 0o755
    assert tree["var/x"].owner.name == "a"


def test_missing_parents_appear_as_root_owned_directories() -> None:
    tree = merge([deb("a", file("opt/x/y"))], 7)
    assert (tree["opt/x"].kind, tree["opt/x"].mode, tree["opt/x"].uid) == (Kind.DIRECTORY, 0o755, 0)


def test_two_packages_with_one_file_are_refused_naming_both() -> None:
    with pytest.raises(ArchiveError) as caught:
        merge([deb("a", file("usr/x", b"1")), deb("b", file("usr/x", b"2"))], 7)
    assert str(caught.value) == "usr/x: both deb a 1 and deb b 1 bring it, and neither replaces the other"


@pytest.mark.parametrize("replacing", ["a", "b"])
def test_the_replacing_package_wins_in_either_order(replacing: str) -> None:
    other = "b" if replacing == "a" else "a"
    packages = [
        deb(replacing, file("usr/x", replacing.encode()), control=f"Replaces: foo, {other} (<< 2)\n"),
        deb(other, file("usr/x", other.encode())),
    ]
    assert merge(packages, 7)["usr/x"].owner.name == replacing


def test_the_same_file_from_two_packages_is_no_conflict() -> None:
    assert "usr/x" in merge([deb("a", file("usr/x")), deb("b", file("usr/x"))], 7)


SITE = "usr/local/lib/python3.13/dist-packages"


def wheel(name: str, path: str) -> Package:
    owner = Owner(kind="wheel", name=name, version="1")
    entry = file(f"{SITE}/{path}", name.encode()).replace(owner=owner)
    return Package(owner=owner, entries=(entry,), control="")


def test_build_scripts_that_wheels_bring_by_mistake_are_no_conflict() -> None:
    """As flashinfer-python 0.7.0 and torch-c-dlpack-ext 0.1.5 do; installers keep the last one."""
    tree = merge([wheel("b", "build_backend.py"), wheel("a", "build_backend.py")], 7)
    assert tree[f"{SITE}/build_backend.py"].owner.name == "a"


@pytest.mark.parametrize("path", ["thing.py", "package/setup.py"])
def test_any_other_module_of_two_wheels_is_refused(path: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        merge([wheel("a", path), wheel("b", path)], 7)
    said = f"{SITE}/{path}: both wheel a 1 and wheel b 1 bring it, and neither replaces the other"
    assert str(caught.value) == said


def test_an_entry_behind_another_packages_symlink_is_refused() -> None:
    with pytest.raises(ArchiveError) as caught:
        merge([deb("a", symlink("usr/share/x", "/etc")), deb("b", file("usr/share/x/passwd"))], 7)
    assert str(caught.value) == (
        "usr/share/x/passwd of deb b 1 lies below usr/share/x, which deb a 1 brings as a symlink"
    )


def test_replaces_field_may_be_folded_over_lines() -> None:
    control = "Package: x\nReplaces: libfoo (<< 1),\n libbar,\n  baz\nDepends: nothing\n"
    assert replaced_names(control) == {"libfoo", "libbar", "baz"}
