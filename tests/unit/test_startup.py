"""What a build starts with, in a process of its own."""

import platform
import subprocess
import sys

import pytest


def told(program: str, *words: str) -> str:
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_neither_mail_nor_templates_are_imported_for_an_audit() -> None:
    """They took a quarter of a small audit's time."""
    program = """
import sys
from builder.startup import hasten
hasten()
import builder.foreign, builder.model.profile
builder.model.profile.Profile(title="x", controls={})
print(sorted({"email", "zipfile", "jinja2", "httpx", "docker", "pytest"} & set(sys.modules)))
"""
    assert told(program) == "[]"


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("from importlib.metadata import version; print(version('click') == click.__version__)", "True"),
        ("import importlib.metadata as m; print(m.version('click') == click.__version__)", "True"),
        (
            "from importlib import metadata; print(metadata.PackageNotFoundError.__name__)",
            "PackageNotFoundError",
        ),
        (
            "from importlib.metadata import entry_points as e; print('temper' in e().names)",
            "True",
        ),
        ("import importlib.metadata; print(importlib.metadata.__name__)", "importlib.metadata"),
    ],
)
def test_what_stands_in_for_a_module_is_the_module_once_it_is_asked(asked: str, answer: str) -> None:
    assert told(f"import click\nfrom builder.startup import hasten\nhasten()\n{asked}") == answer


DATACLASSES = """
import dataclasses, pickle
from builder.startup import lighten_dataclasses
if LIGHT: lighten_dataclasses()
from dataclasses import dataclass, field, replace, FrozenInstanceError

@dataclass(frozen=True, slots=True, kw_only=True)
class Slotted:
    a: int
    b: tuple[str, ...] = ()
    hidden: list = field(default_factory=list, repr=False, compare=False)

@dataclass(frozen=True)
class Base:
    x: int = 1

@dataclass(frozen=True)
class Derived(Base):
    y: object = None

class Loose(Base):
    pass

@dataclass
class Open:
    me: object = None

@dataclass(frozen=True, order=True, slots=True)
class Ordered:
    n: int
    unseen: int = field(default=0, compare=False)

@dataclass(frozen=True)
class Empty:
    pass

def outcome(do):
    try: return repr(do())
    except Exception as error: return f"{type(error).__name__}: {error}"

one, loose, ring = Slotted(a=1, b=("z",)), Loose(), Open()
ring.me = ring
loose.free = 3
for do in (
    lambda: one,
    lambda: Derived(y=one),
    lambda: ring,
    lambda: Base() == Base(2),
    lambda: (hash(Base()), hash(Ordered(1)), hash(Empty()), hash(Derived(y=(2, 1.5)))),
    lambda: (one == replace(one, hidden=[1]), one == Slotted(a=2), Base() == Derived(), Base() == 1),
    lambda: Empty() == Empty(),
    lambda: (Ordered(1) < Ordered(2), Ordered(1, 5) >= Ordered(1), max(Ordered(3), Ordered(2))),
    lambda: Ordered(1) < 2,
    lambda: hash(ring),
    lambda: setattr(one, "a", 2),
    lambda: setattr(one, "c", 2),
    lambda: delattr(one, "a"),
    lambda: setattr(Derived(), "x", 2),
    lambda: setattr(Derived(), "z", 2),
    lambda: setattr(loose, "x", 2),
    lambda: delattr(loose, "free"),
    lambda: delattr(loose, "x"),
    lambda: setattr(loose, "other", 2),
    lambda: replace(one, a=5),
    lambda: setattr(ring, "me", 1),
    lambda: sorted(name for name in vars(Slotted) if name.startswith("__")),
):
    print(outcome(do))
"""


def test_light_dataclasses_are_like_all_others() -> None:
    answers = [told(DATACLASSES.replace("LIGHT", light)) for light in ("True", "False")]
    assert answers[0] == answers[1]
    assert "FrozenInstanceError: cannot assign to field 'a'" in answers[0]


def test_an_interrupt_that_python_drops_comes_again() -> None:
    program = """
import time, weakref
from builder.startup import heed_interrupts
heed_interrupts()
class Thing: pass
def interrupted(_): raise KeyboardInterrupt
thing = Thing()
reference = weakref.ref(thing, interrupted)
try:
    del thing
    time.sleep(60)
except KeyboardInterrupt:
    print("heard")
"""
    assert told(program) == "heard"


def test_other_errors_that_nobody_can_catch_are_told_as_ever() -> None:
    program = """
import sys
from builder.startup import heed_interrupts
heed_interrupts()
sys.stderr = sys.stdout
class Thing:
    def __del__(self): raise KeyError("lost")
Thing()
"""
    assert told(program).endswith("KeyError: 'lost'")


def test_asking_a_server_needs_no_highlighter() -> None:
    """httpx would import its own command line: half of what a publication imported."""
    program = """
import sys
from builder.startup import hasten
hasten()
import builder.packages.session, httpx
httpx.AsyncClient
print(sorted({"pygments", "rich"} & set(sys.modules)))
"""
    assert told(program) == "[]"


def test_who_publishes_unsigned_needs_no_keys() -> None:
    program = """
import sys
import builder.publishing
print(sorted({"securesystemslib", "sigstore"} & set(sys.modules)))
"""
    assert told(program) == "[]"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_buffers_leave_nothing_behind() -> None:
    """Small things that stay, made between large ones that go."""
    program = """
import sys
from builder.startup import give_memory_back
if sys.argv[1:] == ["given back"]:
    give_memory_back()
def memory():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
before, stay, large = memory(), [], []
for _ in range(20):
    bytes(3 << 20)
    large.append(bytes(3 << 20))
    stay.append(bytes(100_000))
large.clear()
print(memory() - before)
"""
    assert int(told(program, "given back")) < 8 << 20 < int(told(program))
