"""The folder that a build leaves its results in: where it is, who may change it, what is written into it."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from builder.image.folder import plain_errors
from builder.model.definition import Definition, RenderedFile
from builder.model.plan import Plan
from builder.model.report import Report
from builder.stages import REPORT
from builder.verify.report import json_text
from builder.workplace import Workplace


def output_folder(plan: Plan, platform: str, wanted: Path | None) -> Path:
    return wanted or Path("build") / f"{plan.image}-{plan.profile}-{platform.partition('/')[2]}"


@contextmanager
def alone_in(place: Workplace, folder: Path) -> Iterator[None]:
    """Other builds of the same folder wait: what is audited and loaded is what this one has written."""
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()

    def waiting() -> None:
        place.progress.note(f"another temper is at work in {folder}; waiting for it")

    with place.store.lock(f"result-{name}", waiting=waiting):
        yield


def read_definition(folder: Path) -> Definition | None:
    """The rendered files as they stand on the disk: somebody may have changed them since."""
    paths = sorted(path for path in (folder / "run").rglob("*") if path.is_file())
    if not paths:
        return None
    paths += [path for path in (folder / "Dockerfile",) if path.is_file()]
    with plain_errors(folder):
        files = (
            RenderedFile(path=str(path.relative_to(folder)), text=path.read_text("utf-8", "replace"))
            for path in paths
        )
        return Definition(files=tuple(files))


def told_before(folder: Path, digest: str) -> Report | None:
    """The build's report, if it is on this image: what hardening changed, nobody else knows."""
    try:
        report = Report.model_validate_json((folder / REPORT).read_bytes())
    except (OSError, ValueError):
        return None
    return report if report.digest == digest else None


def write_report(folder: Path, report: Report) -> None:
    write_whole(folder / REPORT, json_text(report).encode())


def write_whole(path: Path, data: bytes) -> None:
    """Or not at all."""
    fresh = path.with_name(f".{path.name}.partial")
    with plain_errors(path):
        try:
            fresh.write_bytes(data)
            fresh.replace(path)
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
