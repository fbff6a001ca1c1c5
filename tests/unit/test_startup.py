"""What a build starts with, in a process of its own."""

import subprocess
import sys

import pytest


def told(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
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
