"""The distribution's own archive, as this host's configuration finds it."""

import time
from pathlib import Path

import pytest

from builder.model.lock import Lock
from builder.model.plan import PackageRequest, Plan
from builder.model.profile import RunSettings
from builder.model.spec import ImageSpec, PythonSpec
from builder.packages.bases import BASES
from builder.packages.locking import make_lock
from builder.packages.store import Store
from builder.progress import Silent

pytestmark = [pytest.mark.network, pytest.mark.slow]


def lock_python(base: str) -> Lock:
    version = BASES[base].python
    wanted = (f"python{version}", "ca-certificates", "tzdata", "libstdc++6", "libgomp1")
    plan = Plan(
        image="python",
        profile="hardened",
        chain=("hardened",),
        spec=ImageSpec(description="x", base=base, entrypoint=("x",), python=PythonSpec(version=version)),
        folder=Path(),
        packages=tuple(PackageRequest(name=name, asked_by="image") for name in wanted),
        controls=(),
        switched_off=(),
        run=RunSettings(),
        waivers=(),
    )
    return make_lock(
        plan,
        Store.default(),
        wheels=lambda *_: (),
        now=int(time.time()),
        previous=None,
        progress=Silent(),
    ).lock


@pytest.mark.parametrize(("base", "most"), [("debian/trixie", 28), ("debian/bookworm", 36)])
def test_a_python_closure_is_small_and_holds_no_tools(base: str, most: int) -> None:
    lock = lock_python(base)
    assert sorted(lock.platforms) == ["linux/amd64", "linux/arm64"]
    for section in lock.platforms.values():
        names = {one.name for one in section.packages}
        assert len(names) <= most
        assert {"libc6", "base-files", "ca-certificates"} <= names
        assert not names & {"dpkg", "debconf", "perl-base", "mawk", "openssl", "tar", "dash", "coreutils"}
        assert {one.package for one in section.held_back} == {"awk", "debconf", "openssl", "readline-common"}
