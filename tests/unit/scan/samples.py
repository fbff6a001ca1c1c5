"""A target, programs that stand in for scanners, and findings."""

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.config.workspace import Workspace
from builder.model.scan import SCAN_DEFAULTS, Rating, Scan, ScanRun, Vulnerability
from builder.packages.store import Store
from builder.progress import Silent
from builder.scan.target import Target
from builder.workplace import Workplace
from tests.unit.controls import sound

TODAY = datetime.date(2026, 11, 22)
DIGEST = f"sha256:{'a' * 64}"


def target(tmp_path: Path, *, update: bool = False, **settings: Any) -> Target:
    place = Workplace(
        workspace=Workspace((tmp_path,), tmp_path), store=Store(tmp_path / "store"), progress=Silent()
    )
    layout = tmp_path / "oci"
    layout.mkdir(exist_ok=True)
    chosen = SCAN_DEFAULTS.model_copy(update={"timeout": 20, **settings})
    return Target(
        place=place,
        plan=replace(sound.plan(), scan=chosen),
        image=sound.image().replace(digest=DIGEST),
        layout=layout,
        sbom=None,
        today=TODAY,
        update=update,
    )


def program(folder: Path, name: str, body: str) -> Path:
    """A program of this name, to be put on the PATH: a shell script."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def finding(**known: Any) -> Vulnerability:
    given = {
        "id": "CVE-2026-0001", "package": "libc6", "version": "2.41-12", "kind": "deb", "rating": Rating.HIGH,
        "fixed": "2.41-13", "first_seen": "2026-11-01",
    }  # fmt: skip
    return Vulnerability(**{**given, **known})


def ran(scanner: Any = "trivy", *found: Vulnerability, **known: Any) -> ScanRun:
    return ScanRun(scanner=scanner, version="1.2.3", found=found, packages=5, **known)


def scan(*runs: ScanRun) -> Scan:
    return Scan(image="sample", digest=DIGEST, time="2026-11-22T10:00:00Z", runs=runs)
