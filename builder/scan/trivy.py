"""trivy, by its command line. Source of its forms: aquasecurity/trivy 0.74.0."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from builder.model.scan import ScanRun, Vulnerability
from builder.scan import answers
from builder.scan.answers import Row, rows, text
from builder.scan.program import (
    NotAssessedError,
    Program,
    Room,
    Said,
    found,
    known_limits,
    not_assessed,
    room,
    run,
)
from builder.scan.target import Target

VERSION = re.compile(r"^Version: v?(\d+\.\d+\.\d+\S*)", re.MULTILINE)
CALM = ("--skip-version-check", "--disable-telemetry", "--no-progress")
"""No word to its makers' servers: neither which version asks, nor what for."""
OFFLINE = ("--skip-db-update", "--skip-java-db-update", "--skip-vex-repo-update",
           "--offline-scan")  # fmt: skip
NO_DATABASE = "no database; run `temper scan --update`, or copy one into '{folder}'"
KINDS = {"python-pkg": "wheel", "debian": "deb", "ubuntu": "deb"}
"""Its words for what a package is -> ours."""
ANSWER = "trivy.json"


def scan(target: Target) -> ScanRun:
    program = None
    try:
        program = found(target, "trivy", ("--version",), VERSION)
        with room(target, "trivy", program.path) as place:
            if target.update:
                update(place, target)
            day = database(place, target)
            return parsed(ask(place, target), program, target, day)
    except NotAssessedError as error:
        return not_assessed("trivy", error, program)


def update(place: Room, target: Target) -> None:
    """The only time that it gets the network."""
    command = ("image", "--download-db-only", "--cache-dir", str(place.cache), *CALM)
    said = run(place, command, seconds=target.settings.timeout or 0, network=True)
    if said.code != 0 and not metadata_file(place).is_file():  # one from before may still be young enough
        raise NotAssessedError(f"its database can't be updated: {said.last}")


def metadata_file(place: Room) -> Path:
    return place.cache / "db" / "metadata.json"


def database(place: Room, target: Target) -> str:
    """The day that its data is of. Raises `NotAssessedError` where there is none, or where it is too old."""
    path = metadata_file(place)
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise NotAssessedError(NO_DATABASE.format(folder=path.parent)) from None
    day = answers.day(text(data, "UpdatedAt"))
    answers.fresh(day, target.today, target.settings.database_days or 0)
    return day


def ask(place: Room, target: Target) -> Said:
    """The layout before the SBOM: what our SBOM leaves out, trivy would not see there either."""
    layout = target.layout
    subject = (
        ["image", "--input", str(layout.resolve())] if layout is not None else ["sbom", str(target.sbom)]
    )
    seconds = target.settings.timeout or 0
    command = (
        *subject, "--format", "json", "--output", ANSWER, "--list-all-pkgs", "--exit-code", "0",
        "--scanners", "vuln", "--cache-dir", str(place.cache), "--cache-backend", "memory",
        "--timeout", f"{seconds + 60}s", *CALM, *OFFLINE,
    )  # fmt: skip
    return run(place, command, seconds=seconds, answers=(ANSWER,))


def parsed(said: Said, program: Program, target: Target, day: str) -> ScanRun:
    """Raises `NotAssessedError` for an answer that means nothing."""
    if said.code != 0 and not said.answer.strip():
        raise NotAssessedError(f"it failed: {said.last}")
    data = answers.document(said)
    results = list(rows(data, "Results"))
    seen = sum(1 for result in results for _ in rows(result, "Packages"))
    if not seen:
        raise NotAssessedError("saw no packages")
    family = text(data, "Metadata", "OS", "Family") or any(
        result.get("Class") == "os-pkgs" for result in results
    )
    answers.distribution_known(bool(family), target)
    left_out = sum(1 for result in results for _ in rows(result, "ExperimentalModifiedFindings"))
    return ScanRun(
        scanner="trivy",
        version=program.version,
        sha256=program.sha256,
        database=day,
        packages=seen,
        limits=(*known_limits(), *answers.left_out(left_out)),
        found=tuple(vulnerabilities(results)),
    )


def vulnerabilities(results: list[Row]) -> Iterator[Vulnerability]:
    for result in results:
        kind = text(result, "Type")
        for row in rows(result, "Vulnerabilities"):
            name, aliases = answers.by_cve(text(row, "VulnerabilityID"), map(str, row.get("VendorIDs") or ()))
            yield Vulnerability(
                id=name,
                aliases=aliases,
                package=text(row, "PkgName"),
                version=text(row, "InstalledVersion"),
                kind=KINDS.get(kind, kind),
                purl=text(row, "PkgIdentifier", "PURL"),
                rating=answers.rating(text(row, "Severity")),
                fixed=text(row, "FixedVersion"),
                status=text(row, "Status"),
                title=text(row, "Title"),
                url=text(row, "PrimaryURL"),
            )
