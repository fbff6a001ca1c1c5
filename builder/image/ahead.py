"""Work done a little ahead, on a thread of its own: worth it where the work leaves the interpreter."""

from collections.abc import Generator
from queue import Queue
from threading import Thread

ROOM = 4
"""Pieces that are held ready; with one that is being made and one in use, all that is in memory."""


class _Ahead:
    """Feeds a queue until its source ends, fails, or nobody wants more."""

    def __init__(self, pieces: Generator[bytes, None, None]) -> None:
        self.ready: Queue[bytes | BaseException | None] = Queue(ROOM)
        self._pieces = pieces
        self._wanted = True
        # A daemon, so that a second Ctrl-C, which may come while `stop` waits, still ends the process.
        self._thread = Thread(target=self._work, name="ahead", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            for piece in self._pieces:
                self.ready.put(piece)
                if not self._wanted:
                    return
            self.ready.put(None)
        except BaseException as error:  # raised where the pieces are asked for
            self.ready.put(error)
        finally:
            self._pieces.close()  # it may hold a file open

    def stop(self) -> None:
        """Returns when the thread has ended: a piece that it may be waiting to hand over is taken from it."""
        self._wanted = False
        while not self.ready.empty():
            self.ready.get_nowait()
        self._thread.join()


def ahead(pieces: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    """The same pieces, made on a second thread, and the same errors at the same place.

    To be closed, or read to its end: the thread ends with it.
    """
    working = _Ahead(pieces)
    try:
        while (piece := working.ready.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        working.stop()
