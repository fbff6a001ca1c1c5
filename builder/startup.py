"""What makes a short-lived process answer sooner, and end when it is told to."""

import gc
import importlib
import signal
import sys
import threading
import time
from types import ModuleType
from typing import Any

THRESHOLD = 200_000
"""New objects between two collections of garbage. Python's 700 has it walk over every entry of the tree
dozens of times, and there is hardly any garbage in cycles here. A small build makes fewer than these."""


SELDOM = "importlib.metadata"
"""pydantic imports it to look for plugins, which we turn off. It drags in a mail parser, zip files and
sockets: a tenth of all that a build imports."""


def hasten() -> None:
    """To be called before anything large is imported, and in a process of our own only."""
    gc.set_threshold(THRESHOLD, 20, 20)
    if SELDOM not in sys.modules:
        sys.modules[SELDOM] = importlib.metadata = Later(SELDOM)


def heed_interrupts() -> None:
    """A polite kill is like Ctrl-C. And neither is lost: Python drops one that hits a destructor or the
    callback of a weak reference, and goes on as if nothing had been said. Here it comes again."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.unraisablehook = _unraisable


def _unraisable(dropped: "sys.UnraisableHookArgs") -> None:
    if isinstance(dropped.exc_value, KeyboardInterrupt):
        left = threading.Event()
        threading.Thread(target=_again, args=(left,), daemon=True).start()
        left.set()
    else:
        sys.__unraisablehook__(dropped)


def _again(left: threading.Event) -> None:
    """From another thread, and once the hook was left: raised in there it would be dropped as well."""
    left.wait()
    time.sleep(0.1)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


class Later(ModuleType):
    """Stands in for the module until somebody asks it for something."""

    __path__ = [f"{folder}/metadata" for folder in importlib.__path__]
    """So that its parts can be imported, and that asking whether it has any doesn't wake it."""

    def entry_points(self, **wanted: Any) -> Any:
        """Can be imported by name without the module being there."""
        return self._there().entry_points(**wanted)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._there(), name)

    def _there(self) -> Any:
        if sys.modules.get(SELDOM) is self:
            del sys.modules[SELDOM]
        return importlib.import_module(SELDOM)
