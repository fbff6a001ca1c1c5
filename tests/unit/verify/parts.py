"""A report with one control of every fate, and what it is made of."""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder.controls.audit import Audited
from builder.controls.frame import NoParameters
from builder.model.image import Image, ImageConfig, Layer
from builder.model.lock import LockedPackage, LockedPlatform, LockedWheel
from builder.model.plan import PackageRequest, Plan, PlannedControl, SwitchedOff
from builder.model.profile import RunSettings, Waiver
from builder.model.report import CheckResult, Finding, Outcome, Report
from builder.model.spec import ImageSpec
from builder.model.tree import Bytes, Entry, Kind, Rootfs
from builder.verify.formats import FORMATS
from builder.verify.live import LiveResult
from builder.verify.report import make_report, totals

CASES = Path(__file__).parents[2] / "cases" / "verify"
GOLDEN = {"text": "report.txt", "junit": "report.xml", "sarif": "report.sarif"}
KEYS = ("no-setuid", "no-shell", "nonroot-user", "healthcheck", "no-secrets", "package-set")


def check(name: str, outcome: Outcome = Outcome.PASSED, message: str = "") -> CheckResult:
    return CheckResult(name=name, outcome=outcome, message=message, seconds=0.012)


def make_plan(keys: tuple[str, ...] = KEYS, waivers: tuple[Waiver, ...] = ()) -> Plan:
    controls = (PlannedControl(key=key, parameters=NoParameters(), asked_by="hardened") for key in keys)
    return Plan(
        image="probe",
        profile="hardened",
        chain=("hardened", "baseline"),
        spec=ImageSpec(description="a probe", base="debian/trixie", entrypoint=("/usr/bin/httpd",)),
        folder=Path("/nowhere"),
        packages=(PackageRequest(name="libc6", asked_by="image"),),
        controls=tuple(controls),
        switched_off=(SwitchedOff(key="max-size", reason="it holds a model", by="bank"),),
        run=RunSettings(memory="128m", pids=64, cpus=0.5, shm="16m"),
        waivers=waivers,
    )


WAIVER = Waiver(control="healthcheck", reason="batch job", expires=datetime.date(2027, 3, 31))

IMAGE = Image(
    rootfs=Rootfs().with_entries(
        [
            Entry(path="usr/bin/httpd", kind=Kind.FILE, mode=0o755, content=Bytes(b"x" * 2_500_000)),
            Entry(path="usr/bin/web", kind=Kind.SYMLINK, mode=0o777, target="httpd"),
        ]
    ),
    config=ImageConfig(platform="linux/amd64", created=1_760_000_000),
    layers=(Layer(name="system", rootfs=Rootfs()),),
    digest="sha256:" + "5e" * 32,
    size=1_234_567,
)

LOCK = LockedPlatform(
    packages=(
        LockedPackage(
            name="libc6", version="2.41-12", architecture="amd64", archive="debian", path="pool/main/c.deb",
            size=1, sha256="0" * 64, because="image",
        ),
    ),
    wheels=(LockedWheel(name="numpy", version="2.4.0", filename="numpy.whl", size=1, sha256="1" * 64),),
)  # fmt: skip

AUDITS = (
    Audited(key="no-setuid", outcome=Outcome.PASSED),
    Audited(
        key="no-shell",
        outcome=Outcome.FAILED,
        findings=(
            Finding(message="usr/bin/da sh is a shell", path="usr/bin/da sh", layer="sha256:" + "7a" * 32),
            Finding(message="bin/sh leads to one <&>", path="bin/sh"),
        ),
    ),
    Audited(key="nonroot-user", outcome=Outcome.PASSED),
    Audited(key="healthcheck", outcome=Outcome.FAILED, findings=(Finding(message="there is none"),)),
    Audited(key="no-secrets", outcome=Outcome.PASSED),
    Audited(key="package-set", outcome=Outcome.NOT_ASSESSED, reason="no lock: it was not built here"),
)

LIVE = LiveResult(
    controls={
        "no-shell": (
            check("files: there is no shell (sh)", Outcome.FAILED, "/bin/sh is there"),
            check("files: there is no shell (bash)"),
        ),
        "nonroot-user": (
            check("users: the user id is the contracts"),
            check("processes: no process is root", Outcome.NOT_RUN, "the program ran to its end at once"),
        ),
        "healthcheck": (check("processes: the health check passes", Outcome.FAILED, "it ends with 1"),),
    },
    suites=(
        check("contract: the root is read only"),
        check("contract: memory is limited", Outcome.FAILED, "the engine was told 0 bytes\x07"),
        check("contract: processes are limited", Outcome.NOT_RUN, "the container does not see its cgroup"),
    ),
)


CHANGES = {"no-setuid": ("changed usr/bin/httpd: mode 4755 to 0755",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What `make_report` takes, so that a test can change one part."""

    waivers: tuple[Waiver, ...] = (WAIVER,)
    audits: tuple[Audited, ...] = AUDITS
    live: LiveResult = LIVE
    tag: str = "temper/probe:hardened"
    keys: tuple[str, ...] = KEYS
    changes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: CHANGES)

    def report(self) -> Report:
        return make_report(
            plan=make_plan(self.keys, self.waivers),
            image=totals(IMAGE, LOCK),
            audits=self.audits,
            changes=self.changes,
            live=self.live,
            tag=self.tag,
        )


def golden_files() -> Iterator[tuple[Path, str]]:
    """The report in the forms that people and their tools read."""
    for form, name in GOLDEN.items():
        yield CASES / name, FORMATS[form](Parts().report())
