"""Work done ahead gives the same pieces and the same errors, and leaves no thread."""

import threading
from collections.abc import Generator

import pytest

from builder.image.ahead import ROOM, ahead


def counted(closed: list[bool], fails_at: int = -1) -> Generator[bytes, None, None]:
    try:
        for number in range(20):
            if number == fails_at:
                raise ValueError("damaged")
            yield str(number).encode()
    finally:
        closed.append(True)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "ahead"]


def test_the_pieces_come_in_their_order() -> None:
    closed: list[bool] = []
    assert list(ahead(counted(closed))) == [str(number).encode() for number in range(20)]
    assert closed == [True]
    assert threads() == []


def test_an_error_comes_where_it_happened() -> None:
    pieces = ahead(counted([], fails_at=2))
    assert [next(pieces), next(pieces)] == [b"0", b"1"]
    with pytest.raises(ValueError, match=r"^damaged$"):
        next(pieces)
    assert threads() == []


@pytest.mark.parametrize("taken", [1, ROOM, 19])
def test_who_stops_early_leaves_no_thread_and_no_open_source(taken: int) -> None:
    closed: list[bool] = []
    pieces = ahead(counted(closed))
    for _ in range(taken):
        next(pieces)
    pieces.close()
    assert closed == [True]
    assert threads() == []
