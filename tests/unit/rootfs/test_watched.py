"""Who asks for a watched file's bytes is noticed; who asks for less is not."""

from collections.abc import Callable

import pytest

from builder.controls.passwd import text_of
from builder.controls.secrets import look_of_file
from builder.image.layers import content_key
from builder.model.tree import Bytes, Entry, Facts, Kind, Rootfs
from builder.rootfs.watched import Watch, unwatched

FACTS = Facts(shebang="/bin/x", look="")
PLAIN = Entry(path="app/run", kind=Kind.FILE, mode=0o755, content=Bytes(b"#!/bin/x\n"))
OTHER = Entry(path="app/other", kind=Kind.FILE, mode=0o644, content=Bytes(b"other"))


@pytest.mark.parametrize(
    "look",
    [
        text_of,
        lambda entry: entry.content.sha256,
        lambda entry: content_key([entry], 0),
    ],
)
def test_a_look_at_the_bytes_is_noticed(look: Callable[[Entry], object]) -> None:
    watch = Watch()
    assert look(watch.over(PLAIN, FACTS)) == look(PLAIN)
    assert watch.looked_at == {"app/run"}


@pytest.mark.parametrize(
    "look",
    [
        lambda entry: entry.size,
        lambda entry: entry.content.facts.shebang,
        lambda entry: entry.replace(mode=0o644) == entry,
        lambda entry: str(entry.path),
        look_of_file,
    ],
)
def test_whatever_else_is_asked_is_not(look: Callable[[Entry], object]) -> None:
    watch = Watch()
    look(watch.over(PLAIN, FACTS))
    assert watch.looked_at == set()


def test_afterwards_the_contents_are_the_same_objects_again() -> None:
    watch = Watch()
    tree = Rootfs.of([watch.over(PLAIN, FACTS).replace(mode=0o500), OTHER])
    bare = unwatched(tree, {"app/run", "app/gone"})
    assert bare["app/run"].content is PLAIN.content
    assert bare["app/run"].mode == 0o500
    assert bare["app/other"] is OTHER
    assert watch.looked_at == set()
