"""Runs the live suites: a container by the run contract, and pytest beside it in its own process."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from builder.controls.catalogue import BY_KEY
from builder.image.running import Mount
from builder.model.contract import RunContract
from builder.model.lock import LockedPlatform
from builder.model.plan import Plan
from builder.model.report import CheckResult
from builder.verify.live import LiveResult
from builder.verify.refused import Started, started
from builder.verify.seccomp.facts import probe_calls
from builder.verify.seccomp.profile import widened
from builder.verify.seccomp.tracer import Tracer
from builder.verify.session import BUSYBOX, MOUNT
from builder.verify.start import Running, Start, answers_alone, excused, wait_until_ready
from builder.verify.state import state_mounts
from builder.verify.subject import Subject, make_subject
from builder.verify.suites import Suites, begun

HOLD = (BUSYBOX, "sleep", "3600")
"""Runs in the place of an image's program that ends by itself."""
STOP_WITHIN = 5
"""Seconds that a program gets to end, before it is killed."""


class Starter(Protocol):
    """What of an engine is needed: `image.engine.Engine` has it."""

    def start(
        self,
        contract: RunContract,
        *,
        mounts: Sequence[Mount],
        interactive: bool = False,
        program: Sequence[str] = (),
    ) -> AbstractContextManager[Running]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An image, and what is brought along to look at it."""

    engine: Starter
    layout: Path
    contract: RunContract
    plan: Plan
    lock: LockedPlatform | None
    tracer: Tracer | None
    mounts: tuple[Mount, ...]

    @property
    def probed(self) -> RunContract:
        return probe_contract(self.contract)

    @property
    def needs_gpu(self) -> bool:
        return self.plan.spec.gpu is not None and self.plan.spec.gpu.required

    @property
    def traced(self) -> tuple[str, ...]:
        """What the probe shell is run under."""
        return tuple(self.tracer.shell) if self.tracer else ()

    def started(self) -> AbstractContextManager[Started[Running]]:
        own = self.tracer.program(self.contract) if self.tracer else ()
        return started(
            partial(self.engine.start, mounts=self.mounts, interactive=True, program=own), self.probed
        )

    def held(self) -> AbstractContextManager[Started[Running]]:
        """In the place of a program that ended."""
        return started(partial(self.engine.start, mounts=self.mounts, program=HOLD), self.probed)


def verify(  # noqa: PLR0913 - what the stages before it made, by name
    engine: Starter,
    layout: Path,
    contract: RunContract,
    plan: Plan,
    toolbox: Path,
    suites: tuple[Path, ...],
    *,
    lock: LockedPlatform | None = None,
    tracer: Tracer | None = None,
) -> LiveResult:
    """Without `lock` the packages are not compared with it; with `tracer` the system calls are recorded.

    Raises `EngineError` where the engine is gone, `ToolError` where pytest crashed, `InputError` where a
    suite can't be read: none of them says anything of the image.
    """
    # what a container wrote into its state may belong to a user whose files we can't remove
    with tempfile.TemporaryDirectory(prefix="temper-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        state = state_mounts(plan, contract, scratch)
        mounts = (*probe_mounts(toolbox, tracer), *state)
        case = Case(
            engine=engine,
            layout=layout,
            contract=contract,
            plan=plan,
            lock=lock,
            tracer=tracer,
            mounts=mounts,
        )
        with begun(suites, scratch) as waiting:
            live = look(case, waiting)
        if case.probed != contract:
            live = replace(live, suites=(alone(engine, contract, plan, state), *live.suites))
        return live


def look(case: Case, suites: Suites) -> LiveResult:
    """A container that ends at once says something of the image, unless it ends with 0; the suites then look
    into one that runs the toolbox's `sleep` instead. Stdin is left open, so that an image whose program is an
    interpreter keeps running.
    """
    with case.started() as ran:
        start = wait_until_ready(ran.container, case.contract, case.plan.spec.healthcheck, tracer=case.traced)
        if case.needs_gpu:
            start = excused(start)
        if not start.over:
            live = suites.look(subject_of(case, ran), ran.container)
            if case.tracer:
                ran.container.stop(STOP_WITHIN)
            return joined(start, live)
    with case.held() as ran:
        return joined(start, suites.look(subject_of(case, ran, held=start.over), ran.container))


def subject_of(case: Case, ran: Started[Running], held: str = "") -> Subject:
    return make_subject(
        case.plan,
        replace(ran.contract, seccomp=case.contract.seccomp),
        case.layout,
        case.lock,
        container=ran.container.id,
        held=held,
        tracer=case.traced,
        refused=ran.refused,
        inspected=unprobed(ran.container.inspect(), case.contract),
        known=tuple(BY_KEY),
    )


def joined(start: Start, live: LiveResult) -> LiveResult:
    return replace(live, suites=(start.check, *live.suites))


def probe_contract(contract: RunContract) -> RunContract:
    """The contract with room for the probes: what they call on top of the program's own calls.

    A program that is executed in a container is held by the container's own filter, whoever executes it.
    """
    if not contract.seccomp:
        return contract
    return replace(contract, seccomp=widened(contract.seccomp, probe_calls()))


def probe_mounts(toolbox: Path, tracer: Tracer | None) -> tuple[Mount, ...]:
    tools = Mount(source=toolbox, target=MOUNT)
    if tracer is None:
        return (tools,)
    return tools, Mount(source=tracer.folder, target=f"{MOUNT}/{tracer.folder.name}", read_only=False)


def alone(engine: Starter, contract: RunContract, plan: Plan, state: tuple[Mount, ...]) -> CheckResult:
    """The contract to the letter, with no probe in the container and no room for one in its profile."""
    with started(partial(engine.start, mounts=state, interactive=True), contract) as ran:
        return answers_alone(ran.container, plan.spec.healthcheck)


def unprobed(inspected: Mapping[str, Any], contract: RunContract) -> dict[str, Any]:
    """The engine's answer as it would be without the toolbox."""
    host = dict(inspected["HostConfig"])
    host["Binds"] = [bind for bind in host.get("Binds") or () if not is_probes(bind.split(":")[1])]
    host["Mounts"] = [mount for mount in host.get("Mounts") or () if not is_probes(mount["Target"])]
    host["SecurityOpt"] = [
        f"seccomp={contract.seccomp}" if contract.seccomp and option.startswith("seccomp=") else option
        for option in host.get("SecurityOpt") or ()
    ]
    mounts = [mount for mount in inspected.get("Mounts") or () if not is_probes(mount["Destination"])]
    return {**inspected, "HostConfig": host, "Mounts": mounts}


def is_probes(target: str) -> bool:
    return f"{target}/".startswith(f"{MOUNT}/")
