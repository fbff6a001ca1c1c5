"""The closure follows ld.so(8) and execve(2): where the loader looks, and where it doesn't."""

from typing import Any

import pytest

from builder.model.tree import Bytes, Elf, Entry, Facts, Kind, Rootfs
from builder.rootfs.closure import Missing, configured_folders, missing, missing_interpreters

LIB = "usr/lib/x86_64-linux-gnu"


def file(path: str, data: bytes = b"", facts: Facts | None = None, mode: int = 0o755) -> Entry:
    return Entry(path=path, kind=Kind.FILE, mode=mode, content=Bytes(data, facts or Facts()))


def elf(path: str, *needed: str, machine: str = "x86_64", **known: Any) -> Entry:
    return file(path, facts=Facts(elf=Elf(machine=machine, needed=needed, **known)))


def script(path: str, shebang: str, mode: int = 0o755) -> Entry:
    return file(path, facts=Facts(shebang=shebang), mode=mode)


def link(path: str, target: str) -> Entry:
    return Entry(path=path, kind=Kind.SYMLINK, mode=0o777, target=target)


def tree(*entries: Entry) -> Rootfs:
    return Rootfs().with_entries(entries)


def lacking(*entries: Entry, **how: Any) -> list[tuple[str, str]]:
    return [(gap.path, gap.soname) for gap in missing(tree(*entries), **how)]


@pytest.mark.parametrize(
    "place", [LIB, "usr/lib", "usr/lib64", "lib/x86_64-linux-gnu", "lib", "lib64"], ids=str
)
def test_default_folders_are_searched(place: str) -> None:
    assert lacking(elf("usr/bin/a", "libx.so.1"), elf(f"{place}/libx.so.1")) == []


@pytest.mark.parametrize("place", ["usr/local/lib", "opt/lib", "usr/lib/aarch64-linux-gnu"], ids=str)
def test_other_folders_are_not(place: str) -> None:
    gaps = lacking(elf("usr/bin/a", "libx.so.1"), elf(f"{place}/libx.so.1"))
    assert gaps == [("usr/bin/a", "libx.so.1")]


def test_links_are_followed_as_the_loader_does() -> None:
    entries = (link("lib", "usr/lib"), link(f"{LIB}/libx.so.1", "libx.so.1.2"), elf(f"{LIB}/libx.so.1.2"))
    assert lacking(elf("usr/bin/a", "libx.so.1"), *entries) == []


def test_a_dangling_link_is_no_library() -> None:
    gaps = lacking(elf("usr/bin/a", "libx.so.1"), link(f"{LIB}/libx.so.1", "libx.so.1.2"))
    assert gaps == [("usr/bin/a", "libx.so.1")]


def test_a_library_of_another_machine_is_passed_over() -> None:
    gaps = lacking(elf("usr/bin/a", "libx.so.1"), elf(f"{LIB}/libx.so.1", machine="aarch64"))
    assert gaps == [("usr/bin/a", "libx.so.1")]


def test_a_text_file_is_no_library() -> None:
    gaps = lacking(elf("usr/bin/a", "libx.so.1"), file(f"{LIB}/libx.so.1", b"INPUT(-lx)"))
    assert gaps == [("usr/bin/a", "libx.so.1")]


def searching(kind: str, folder: str) -> Entry:
    known: dict[str, Any] = {kind: (folder,)}
    return elf("site/a/m.so", "libx.so", **known)


@pytest.mark.parametrize("kind", ["rpath", "runpath"])
@pytest.mark.parametrize("folder", ["$ORIGIN/../libs", "${ORIGIN}/../libs", "/site/libs"])
def test_own_folders_are_searched(kind: str, folder: str) -> None:
    assert lacking(searching(kind, folder), elf("site/libs/libx.so")) == []


def test_relative_own_folders_are_not() -> None:
    gaps = lacking(elf("site/m.so", "libx.so", runpath=("libs", "")), elf("site/libs/libx.so"))
    assert gaps == [("site/m.so", "libx.so")]


def test_runpath_takes_rpath_out_of_force() -> None:
    gaps = lacking(elf("a/m.so", "libx.so", rpath=("/libs",), runpath=("/other",)), elf("libs/libx.so"))
    assert gaps == [("a/m.so", "libx.so")]


def test_lib_stands_for_the_machines_folder() -> None:
    entries = (elf("opt/m.so", "libx.so", runpath=("/opt/$LIB",)), elf("opt/lib/x86_64-linux-gnu/libx.so"))
    assert lacking(*entries) == []


def test_rpath_of_the_program_holds_for_its_libraries() -> None:
    entries = (
        elf("opt/bin/a", "liby.so", rpath=("/opt/lib",)),
        elf("opt/lib/liby.so", "libz.so"),
        elf("opt/lib/libz.so"),
    )
    assert lacking(*entries) == []


def test_runpath_of_the_program_does_not() -> None:
    entries = (
        elf("opt/bin/a", "liby.so", runpath=("/opt/lib",)),
        elf("opt/lib/liby.so", "libz.so"),
        elf("opt/lib/libz.so"),
    )
    assert lacking(*entries) == [("opt/lib/liby.so", "libz.so")]


def test_a_library_that_the_program_has_loaded_is_there_for_its_libraries() -> None:
    entries = (
        elf("opt/bin/a", "liby.so", "libz.so", runpath=("/opt/lib",)),
        elf("opt/lib/liby.so", "libz.so"),
        elf("opt/lib/libz.so"),
    )
    assert lacking(*entries) == []


def test_libraries_that_need_each_other_end_the_search() -> None:
    entries = (
        elf(f"{LIB}/liba.so", "libb.so", "libgone.so"),
        elf(f"{LIB}/libb.so", "liba.so", "libgone.so"),
    )
    assert lacking(*entries) == [(f"{LIB}/liba.so", "libgone.so"), (f"{LIB}/libb.so", "libgone.so")]


def test_library_path_is_searched() -> None:
    entries = (elf("usr/bin/a", "libx.so"), elf("opt/cuda/libx.so"))
    assert lacking(*entries, library_path=["/opt/cuda"]) == []


def test_what_the_host_brings_is_not_missing() -> None:
    entries = (elf("usr/bin/a", "libcuda.so.1", "libcudart.so.13"),)
    assert lacking(*entries, brought_by_host=("libcuda.so.*",)) == [("usr/bin/a", "libcudart.so.13")]


def test_files_of_another_machine_are_left_out_on_request() -> None:
    entries = (elf("usr/bin/a", "libx.so", machine="i386"),)
    assert lacking(*entries, machine="x86_64") == []
    assert lacking(*entries) == [("usr/bin/a", "libx.so")]


def test_the_loader_itself_must_be_there() -> None:
    gaps = missing(tree(elf("usr/bin/a", interpreter="/lib64/ld-linux-x86-64.so.2")))
    assert gaps == (Missing(path="usr/bin/a", soname="/lib64/ld-linux-x86-64.so.2"),)


def test_ld_so_conf_counts_only_with_a_cache() -> None:
    conf = (
        file("etc/ld.so.conf", b"include /etc/ld.so.conf.d/*.conf  # all\n/opt/one\n"),
        file("etc/ld.so.conf.d/b.conf", b"# none\n/opt/two\ninclude ld.so.conf\n"),
        file("etc/ld.so.conf.d/a.txt", b"/opt/three\n"),
    )
    program = (elf("usr/bin/a", "libx.so"), elf("opt/two/libx.so"))
    assert lacking(*program, *conf) == [("usr/bin/a", "libx.so")]
    assert lacking(*program, *conf, file("etc/ld.so.cache")) == []
    assert set(configured_folders(tree(*conf, file("etc/ld.so.cache")))) == {"/opt/one", "/opt/two"}


def gaps_of(*entries: Entry) -> list[str]:
    return [gap.soname for gap in missing_interpreters(tree(*entries), ["/usr/bin"])]


@pytest.mark.parametrize(
    ("shebang", "gaps"),
    [
        ("/usr/bin/python3 -I", []),
        ("/bin/sh", ["/bin/sh"]),
        ("python3", ["python3"]),
        ("/usr/bin/env python3", []),
        ("/usr/bin/env -S python3 -I", []),
        ("/usr/bin/env LANG=C python3", []),
        ("/usr/bin/env perl", ["perl"]),
    ],
)
def test_interpreters_of_scripts(shebang: str, gaps: list[str]) -> None:
    there = (file("usr/bin/python3.13"), link("usr/bin/python3", "python3.13"), file("usr/bin/env"))
    assert gaps_of(script("usr/bin/tool", shebang), *there) == gaps


def test_a_module_with_a_first_line_is_no_script() -> None:
    assert gaps_of(script("usr/lib/python3.13/pdb.py", "/usr/bin/env python3", mode=0o644)) == []


def test_an_interpreter_must_be_executable() -> None:
    assert gaps_of(script("usr/bin/tool", "/usr/bin/x"), file("usr/bin/x", mode=0o644)) == ["/usr/bin/x"]
