"""What makes a short-lived process answer sooner, and end when it is told to."""

import dataclasses
import gc
import importlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import Field
from operator import attrgetter, eq, ge, gt, le, lt
from reprlib import recursive_repr
from types import ModuleType
from typing import Any

THRESHOLD = 200_000
"""New objects between two collections of garbage. Python's 700 has it walk over every entry of the tree
dozens of times, and there is hardly any garbage in cycles here. A small build makes fewer than these."""


SELDOM = "importlib.metadata"
"""pydantic imports it to look for plugins, which we turn off. It drags in a mail parser, zip files and
sockets: a tenth of all that a build imports."""


COMMAND = "httpx._main"
"""httpx's own command line, which it does without where it can't be imported. It drags in a highlighter: more
than half of what asking a server costs until the first byte."""


def hasten() -> None:
    """To be called before anything large is imported, and in a process of our own only."""
    gc.set_threshold(THRESHOLD, 20, 20)
    lighten_dataclasses()
    sys.modules.setdefault(COMMAND, None)  # type: ignore[arg-type]  # None: there is no such module
    if SELDOM not in sys.modules:
        sys.modules[SELDOM] = importlib.metadata = Later(SELDOM)


def give_memory_back() -> None:
    """For work that goes through gigabytes: a buffer that is freed is the system's again.

    Else the C library has a heap for each thread, and raises the size from which a buffer is a mapping of
    its own whenever it has freed one: large ones come to lie between small things that stay. A build of vllm
    in an empty store needs 37 MB less so. To be called before the first thread, in a process of our own
    only. Source: mallopt(3) of glibc; other C libraries have none of it.
    """
    import ctypes  # noqa: PLC0415 - not every command works with gigabytes

    with suppress(AttributeError, OSError):
        set_option = ctypes.CDLL(None).mallopt
        for option, value in _MALLOC.items():
            set_option(option, value)


_MALLOC = {-8: 1, -3: 2 << 20, -1: 8 << 20}
"""`M_ARENA_MAX`, `M_MMAP_THRESHOLD` in bytes, and `M_TRIM_THRESHOLD`: how much may lie unused at the end. At
half a mebibyte each piece of a layer would be a mapping, and reading one take a tenth longer."""


def lighten_dataclasses() -> None:
    """Most of what a frozen dataclass costs are six methods that are compiled from text for each class.

    Closures do the same; with 150 classes that is a sixth of a build. Python 3.13 compiles them all at once.
    """
    if sys.version_info < (3, 13):
        light = {
            "_repr_fn": _repr, "_frozen_get_del_attr": _frozen, "_cmp_fn": _compared, "_hash_fn": _hashed,
        }  # fmt: skip
        for name in light.keys() & vars(dataclasses).keys():
            setattr(dataclasses, name, light[name])


def _repr(fields: Sequence[Field[Any]], _globals: Any) -> Callable[[Any], str]:
    names = [field.name for field in fields]

    @recursive_repr()
    def shown(self: Any) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({values})"

    return shown


def _frozen(cls: Any, fields: Sequence[Field[Any]], _globals: Any) -> tuple[Callable[..., None], ...]:
    names = frozenset(field.name for field in fields)

    def set_one(self: Any, name: str, value: Any) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def delete_one(self: Any, name: str) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    set_one.__name__, delete_one.__name__ = (
        "__setattr__",
        "__delattr__",
    )  # by which they are put into the class
    return set_one, delete_one


def _compared(name: str, sign: str, own: str, _other: str, **_globals: Any) -> Callable[[Any, Any], Any]:
    """`own` is `(self.a,self.b,)`. The last argument is given by name."""
    fields = tuple_of([word.removeprefix("self.") for word in own.strip("()").split(",") if word])
    compare = {"==": eq, "<": lt, "<=": le, ">": gt, ">=": ge}[sign]

    def compared(self: Any, other: Any) -> Any:
        return compare(fields(self), fields(other)) if other.__class__ is self.__class__ else NotImplemented

    compared.__name__ = name
    return compared


def _hashed(fields: Sequence[Field[Any]], _globals: Any) -> Callable[[Any], int]:
    values = tuple_of([field.name for field in fields])
    return lambda self: hash(values(self))


def tuple_of(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """`attrgetter` gives no tuple for one name."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda one: tuple(getattr(one, name) for name in names)


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
