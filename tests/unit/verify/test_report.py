from dataclasses import replace

import pytest

from builder.controls.audit import Audited
from builder.controls.terms import carried_terms
from builder.model.image import Image, ImageConfig
from builder.model.report import ControlResult, Outcome, Report, SbomRow
from builder.model.tree import Bytes, Entry, Kind, Rootfs
from builder.verify.formats import json_text
from builder.verify.live import LiveResult, not_run
from builder.verify.text import coverage
from tests.unit.verify.parts import AUDITS, Parts, check


def control(report: Report, key: str) -> ControlResult:
    return next(item for item in report.controls if item.key == key)


def test_the_head_describes_the_image(report: Report) -> None:
    assert (report.image, report.profile, report.platform) == ("probe", "hardened", "linux/amd64")
    assert (report.created, report.tag) == ("2025-10-09T08:53:20Z", "temper/probe:hardened")
    assert (report.size, report.unpacked, report.layers, report.files) == (1_234_567, 2_500_000, 1, 2)
    assert [(row.name, row.kind) for row in report.packages] == [("libc6", "deb"), ("numpy", "wheel")]
    assert report.switched_off == ("max-size: it holds a model (bank)",)


def test_controls_come_in_the_order_of_the_plan(report: Report) -> None:
    assert [item.key for item in report.controls] == list(Parts().keys)


@pytest.mark.parametrize(
    ("key", "audit", "live", "outcome"),
    [
        ("no-setuid", "passed", "none", "passed"),
        ("no-shell", "failed", "failed", "failed"),
        ("nonroot-user", "passed", "not run", "passed"),
        ("healthcheck", "waived", "waived", "waived"),
        ("package-set", "not assessed", "none", "not assessed"),
    ],
)
def test_how_a_control_stands(report: Report, key: str, audit: str, live: str, outcome: str) -> None:
    found = control(report, key)
    assert (found.audit.value, found.live.value, found.outcome.value) == (audit, live, outcome)


def test_a_waiver_is_shown_only_where_it_answers_for_a_failure() -> None:
    assert control(Parts().report(), "healthcheck").waiver == "batch job (until 2027-03-31)"
    fine = (*AUDITS[:3], Audited(key="healthcheck", outcome=Outcome.PASSED), *AUDITS[4:])
    report = Parts(audits=fine, live=LiveResult(suites=(check("x"),))).report()
    assert (control(report, "healthcheck").waiver, control(report, "healthcheck").audit) == (
        "",
        Outcome.PASSED,
    )


def test_a_waiver_does_not_answer_for_what_was_not_assessed() -> None:
    unknown = (Audited(key="healthcheck", outcome=Outcome.NOT_ASSESSED, reason="no plan"),)
    found = control(Parts(audits=unknown, live=not_run("x")).report(), "healthcheck")
    assert (found.audit, found.live, found.waiver) == (Outcome.NOT_ASSESSED, Outcome.NOT_RUN, "")


def test_without_a_live_run_no_control_is_known_live() -> None:
    report = Parts(live=not_run("no engine")).report()
    assert {item.live for item in report.controls} == {Outcome.NOT_RUN}
    assert report.not_run == ("live suites: no engine", "package-set: no lock: it was not built here")


def test_a_control_that_nobody_audited_is_not_run() -> None:
    assert control(Parts(audits=()).report(), "no-setuid").audit is Outcome.NOT_RUN


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ((Outcome.PASSED, Outcome.PASSED), Outcome.PASSED),
        ((Outcome.PASSED, Outcome.NOT_RUN), Outcome.NOT_RUN),
        ((Outcome.NOT_RUN, Outcome.NOT_ASSESSED), Outcome.NOT_ASSESSED),
        ((Outcome.PASSED, Outcome.NOT_RUN, Outcome.FAILED), Outcome.FAILED),
    ],
)
def test_the_worst_check_speaks_for_a_control(outcomes: tuple[Outcome, ...], expected: Outcome) -> None:
    checks = tuple(check("x", outcome) for outcome in outcomes)
    report = Parts(live=LiveResult(controls={"no-setuid": checks})).report()
    assert control(report, "no-setuid").live is expected


def test_a_report_reads_back_from_its_json(report: Report) -> None:
    assert Report.model_validate_json(json_text(report)) == report


@pytest.mark.parametrize(
    ("owned_files", "owned_bytes", "share"),
    [
        (2, 2_000_000, "2 of 2 files and 100 %"),
        (1, 1_999_999, "1 of 2 files and 99.9 %"),
        (1, 0, "1 of 2 files and 0.0 %"),
    ],
)
def test_an_sbom_is_never_rounded_up_to_all(owned_files: int, owned_bytes: int, share: str) -> None:
    row = SbomRow(
        components=1, libraries=0, files=2, owned_files=owned_files, bytes=2_000_000, owned_bytes=owned_bytes
    )
    assert coverage(row) == f"1 component owns {share} of the bytes"


BARE = Image(rootfs=Rootfs(), config=ImageConfig(platform="linux/amd64"))


def test_what_nvidia_asks_is_named_with_the_wheels_that_it_is_about() -> None:
    wheels = [
        ("wheel", "numpy", "2.5.5"),
        ("wheel", "nvidia-cuda-runtime", "13.5.37"),
        ("wheel", "tensorrt-cu13", "10.0"),
    ]
    (line,) = carried_terms(BARE, wheels)
    assert line.startswith("NVIDIA's libraries (nvidia-cuda-runtime 13.5.37, tensorrt-cu13 10.0): ")
    assert list(carried_terms(BARE, wheels[:1])) == []


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("cuda-cudart-12-4", True),
        ("libcublas-12-4", True),
        ("libcudnn9-cuda-12", True),
        ("libnccl2", True),
        ("libcudart12", True),
        ("libnpp-12-4", True),
        ("libcurl4t64", False),
        ("libcups2", False),
        ("libnss3", False),
        ("cuda-keyring", False),
        ("barracuda-tools", False),
    ],
)
def test_packages_of_nvidias_own_archive_are_told_by_name(name: str, theirs: bool) -> None:
    assert bool(list(carried_terms(BARE, [("deb", name, "1")]))) is theirs


def test_libraries_that_no_package_accounts_for_are_told_by_path() -> None:
    paths = [
        "usr/local/cuda/lib64/libcudart.so.13.0.1",
        "opt/app.libs/libcublasLt-4ef2b1a0.so.13",
        "usr/lib/x86_64-linux-gnu/libcups.so.2",
        "usr/lib/libcuda.so.1",
    ]
    entries = [Entry(path=path, kind=Kind.FILE, mode=0o644, content=Bytes(b"x")) for path in paths]
    image = replace(BARE, rootfs=Rootfs().with_entries(entries))
    (line,) = carried_terms(image, [("deb", "libc6", "2.41")])
    assert line.startswith(
        "NVIDIA's libraries (/opt/app.libs/libcublasLt-4ef2b1a0.so.13, "
        "/usr/local/cuda/lib64/libcudart.so.13.0.1): "
    )
    assert line.endswith("; whoever put them there has the text")
