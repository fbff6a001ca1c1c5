"""What makes a short-lived process answer sooner, and end when it is told to."""

import gc
import importlib
import signal
import sys
import threading
from types import ModuleType
from typing import Any

THRESHOLD = 50_000
"""New objects between two collections of garbage. Python's 700 has it walk over every entry of the tree
dozens of times, and there is hardly any garbage in cycles here."""


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
        # a moment later and from another thread, since raised here it would be dropped as well
        words = (threading.main_thread().ident, signal.SIGTERM)
        again = threading.Timer(0.01, signal.pthread_kill, words)
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(dropped)


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
