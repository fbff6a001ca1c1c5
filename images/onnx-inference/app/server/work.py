"""What the requests share: the loaded models, the inference threads, and the memory for bodies."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import onnxruntime as ort

from server.errors import BusyError, ModelError, OutOfTimeError
from server.models import Models, load_models
from server.settings import Settings

log = logging.getLogger("server")
T = TypeVar("T")


class Service:
    """Loads the models in the background, so that `live` answers while `ready` does not yet."""

    def __init__(self, settings: Settings, on_failure: Callable[[], None] = lambda: None) -> None:
        self.settings = settings
        self.models: Models | None = None
        self.failure = ""
        """Why the models could not be loaded: the process is about to end."""
        self.on_failure = on_failure
        self.queue = InferenceQueue(settings)
        self.buffer = Buffer(settings.max_buffered)
        # A daemon: SIGTERM must not wait for a model of many gigabytes to be loaded.
        self.loading = threading.Thread(target=self._load, name="loading", daemon=True)

    def start(self) -> None:
        self.loading.start()

    def stop(self) -> None:
        self.queue.stop()

    def _load(self) -> None:
        try:
            self.models = load_models(self.settings)
            log.info("ready: serving %s", ", ".join(sorted(self.models.by_name)))
        except ModelError as error:
            self.failure = str(error)
        except Exception as error:  # a thread's end must not leave a server that is never ready
            self.failure = f"loading the models failed: {error!r}"
        if self.failure:
            self.on_failure()

    def ready_models(self) -> Models:
        if self.models is None:
            raise BusyError("the models are still loading")
        return self.models


class InferenceQueue:
    """A fixed number of inference threads with a bounded queue in front of them."""

    def __init__(self, settings: Settings) -> None:
        self._pool = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="inference")
        self._limit = settings.concurrency + settings.queue
        self._timeout = settings.timeout
        self._pending = 0
        self._lock = threading.Lock()

    async def run(self, work: Callable[[Any], T]) -> T:
        """Calls `work(RunOptions)` in a thread.

        Raises `BusyError` when the queue is full, and `OutOfTimeError` after the time limit: the work is then
        stopped, and its place is free once it has ended.
        """
        options = ort.RunOptions()
        job = self._submit(work, options)
        waiting = asyncio.wrap_future(job)
        try:
            await asyncio.wait({waiting}, timeout=self._timeout)
            if not job.done():
                raise OutOfTimeError(f"no result after {self._timeout:g} seconds")
            return waiting.result()
        finally:  # out of time, or the server is being stopped
            if not job.done():
                options.terminate = True
                job.cancel()
                waiting.add_done_callback(lambda late: late.cancelled() or late.exception())

    def _submit(self, work: Callable[[Any], T], options: Any) -> "Future[T]":
        with self._lock:
            if self._pending >= self._limit:
                raise BusyError("too many requests are waiting; try again later")
            self._pending += 1
        job = self._pool.submit(work, options)
        job.add_done_callback(self._done)
        return job

    def _done(self, _: object) -> None:
        with self._lock:
            self._pending -= 1

    def stop(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class Buffer:
    """Counts the bytes of all bodies that are held in memory. Used by the event loop's thread alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Gives a function that takes so many bytes more; all are given back at the end."""
        taken = 0

        def take(size: int) -> None:
            nonlocal taken
            if self._used + size > self._limit:
                raise BusyError("too much data is waiting; try again later")
            self._used += size
            taken += size

        try:
            yield take
        finally:
            self._used -= taken
