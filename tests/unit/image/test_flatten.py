from builder.image.flatten import apply, own_tree, parse_change
from builder.model.tree import Bytes, Entry, Kind, Owner, Rootfs

OWNER = Owner(kind="layer", name="one")


def file(path: str, data: bytes = b"") -> Entry:
    return Entry(path=path, kind=Kind.FILE, mode=0o644, content=Bytes(data), owner=OWNER)


def folder(path: str, mode: int = 0o755) -> Entry:
    return Entry(path=path, kind=Kind.DIRECTORY, mode=mode, owner=OWNER)


def stacked(below: list[Entry], *layer: Entry) -> tuple[Rootfs, tuple[str, ...]]:
    return apply(Rootfs().with_entries(below), parse_change(layer))


BELOW = [folder("a", 0o700), file("a/x", b"1"), file("a/y"), folder("a/deep"), file("a/deep/z"), file("b")]


def test_a_file_of_a_later_layer_replaces_one_below() -> None:
    tree, whiteouts = stacked(BELOW, file("a/x", b"2"))
    assert tree["a/x"].content == Bytes(b"2")
    assert whiteouts == ()


def test_a_whiteout_removes_a_file_and_is_no_entry() -> None:
    tree, whiteouts = stacked(BELOW, file("a/.wh.x"))
    assert list(tree) == ["a", "a/deep", "a/deep/z", "a/y", "b"]
    assert whiteouts == ("a/x",)


def test_a_whiteout_of_a_directory_removes_what_is_in_it() -> None:
    tree, whiteouts = stacked(BELOW, file(".wh.a"))
    assert list(tree) == ["b"]
    assert whiteouts == ("a", "a/deep", "a/deep/z", "a/x", "a/y")


def test_an_opaque_directory_shows_only_what_its_layer_brings() -> None:
    tree, whiteouts = stacked(BELOW, folder("a"), file("a/.wh..wh..opq"), file("a/new"))
    assert list(tree) == ["a", "a/new", "b"]
    assert whiteouts == ("a/deep", "a/deep/z", "a/x", "a/y")


def test_a_whiteout_does_not_hide_what_its_own_layer_brings() -> None:
    tree, _ = stacked(BELOW, file("a/.wh.x"), file("a/x", b"new"))
    assert tree["a/x"].content == Bytes(b"new")


def test_the_book_keeping_of_aufs_is_passed_over() -> None:
    tree, whiteouts = stacked(BELOW, file(".wh..wh.plnk"), file(".wh..wh.aufs"))
    assert len(tree) == len(BELOW)
    assert whiteouts == ()


def test_a_file_in_the_place_of_a_directory_removes_what_was_in_it() -> None:
    tree, _ = stacked(BELOW, file("a"))
    assert list(tree) == ["a", "b"]


def test_a_directory_in_the_place_of_a_file_is_one() -> None:
    tree, _ = stacked(BELOW, folder("b"), file("b/c"))
    assert tree["b"].kind is Kind.DIRECTORY


def test_a_parent_that_the_layer_leaves_out_keeps_its_mode() -> None:
    tree, _ = stacked(BELOW, file("a/new"))
    assert tree["a"].mode == 0o700


def test_a_parent_that_no_layer_brings_is_a_plain_directory() -> None:
    tree, _ = stacked(BELOW, file("c/d/e"))
    assert (tree["c"].kind, tree["c/d"].mode) == (Kind.DIRECTORY, 0o755)


def test_a_link_below_is_not_written_through() -> None:
    link = Entry(path="a", kind=Kind.SYMLINK, mode=0o777, target="b", owner=OWNER)
    tree, _ = stacked([folder("b"), link], file("a/x"))
    assert tree["a"].kind is Kind.DIRECTORY
    assert "b/x" not in tree


def test_the_tree_of_a_layer_alone_has_the_parents_of_its_entries() -> None:
    assert list(own_tree(parse_change([file("a/b/c"), file("a/.wh.x")]))) == ["a", "a/b", "a/b/c"]
