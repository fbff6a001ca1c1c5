from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from builder.errors import EngineError
from builder.model.contract import RunContract
from builder.model.profile import Ulimit
from builder.verify.refused import refused_ulimit, started, without_refused
from tests.unit.verify.test_runner import CONTRACT

LIMIT = Ulimit(soft=-1, hard=-1)
WANTED = replace(CONTRACT, ulimits=(("core", LIMIT), ("memlock", LIMIT), ("rttime", LIMIT)))


class Engine:
    """Refuses these ulimits, one at a time as engines do."""

    def __init__(self, **reasons: str) -> None:
        self.reasons = reasons
        self.stopped = 0

    @contextmanager
    def start(self, contract: RunContract) -> Iterator[tuple[str, ...]]:
        for name, reason in self.reasons.items():
            if name in dict(contract.ulimits) or name == "other":
                raise EngineError(reason)
        yield tuple(name for name, _ in contract.ulimits)
        self.stopped += 1


def test_an_engine_that_refuses_nothing_is_told_all() -> None:
    engine = Engine()
    with started(engine.start, WANTED) as ran:
        assert (ran.container, ran.contract, ran.refused) == (("core", "memlock", "rttime"), WANTED, {})
    assert engine.stopped == 1


def test_what_it_refuses_is_left_out_with_its_reason() -> None:
    engine = Engine(memlock="error setting rlimit type 8: no", rttime="setrlimit `RLIMIT_RTTIME`: no")
    with started(engine.start, WANTED) as ran:
        assert (ran.container, ran.refused) == (("core",), engine.reasons)
        assert ran.contract == replace(WANTED, ulimits=(("core", LIMIT),))
    assert engine.stopped == 1


@pytest.mark.parametrize("reason", ["no such image", "error setting rlimit type 7: not permitted"])
def test_anything_else_is_an_error(reason: str) -> None:
    with pytest.raises(EngineError, match=reason), started(Engine(other=reason).start, WANTED):
        pass


@pytest.mark.parametrize(
    ("message", "name"),
    [("rlimit type 8: x", "memlock"), ("RLIMIT_NOFILE: x", "nofile"), ("rlimit type 9", ""), ("gone", "")],
)
def test_the_engine_names_it_by_number_or_name(message: str, name: str) -> None:
    assert refused_ulimit(message) == name


PLACED = replace(
    CONTRACT,
    cpuset_cpus="8-15",
    cpuset_mems="1",
    sysctls=(("kernel.sem", "1 2 3 4"), ("net.core.rmem_max", "1")),
)
INIT = "runc create failed: unable to start container process: error during container init: "


@pytest.mark.parametrize(
    ("message", "name", "changed"),
    [
        ("Requested CPUs are not available - requested 8-15, available: 0-1", "cpuset-cpus", "cpuset_cpus"),
        (
            "Requested memory nodes are not available - requested 1",
            "cpuset-mems",
            "cpuset_mems",
        ),
        ("crun: write to `/sys/fs/cgroup/x/cpuset.cpus`: Invalid argument", "cpuset-cpus", "cpuset_cpus"),
        (f"{INIT}open /proc/sys/net/core/rmem_max: permission denied: x", "net.core.rmem_max", "sysctls"),
        (f"{INIT}write /proc/sys/kernel/sem: invalid argument", "kernel.sem", "sysctls"),
    ],
)
def test_of_what_this_host_lacks_the_one_that_is_spoken_of_is_left_out(
    message: str, name: str, changed: str
) -> None:
    found, left = without_refused(PLACED, message)
    assert found == name
    fields = ("cpuset_cpus", "cpuset_mems", "sysctls")
    assert [one for one in fields if getattr(left, one) != getattr(PLACED, one)] == [changed]
    assert name not in dict(left.sysctls)
    assert "all" in (left.cpuset_cpus, left.cpuset_mems) or changed == "sysctls"


@pytest.mark.parametrize("message", ["open /proc/sys/kernel/shmmax: no", "cpuset.cpus: no", "gone"])
def test_what_the_contract_did_not_ask_for_is_no_reason_to_go_on(message: str) -> None:
    assert without_refused(CONTRACT, message) == ("", CONTRACT)
