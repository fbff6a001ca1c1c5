"""grype, by its command line. Source of its forms: anchore/grype 0.120.0."""

import json
import re

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

VERSION = re.compile(r"^Version: +v?(\d+\.\d+\.\d+\S*)", re.MULTILINE)
ANSWER, BILL = "grype.json", "bill.json"
NO_DATABASE = (
    "no database; run `temper scan --update`, or `grype db import` with GRYPE_DB_CACHE_DIR='{folder}'"
)
LACKING = re.compile(
    r"database does not exist|no such file|unable to get vulnerability store|not found", re.I
)
KINDS = {"python": "wheel"}
"""Its words for what a package is -> ours."""


def scan(target: Target) -> ScanRun:
    program = None
    try:
        program = found(target, "grype", ("version",), VERSION)
        with room(target, "grype", program.path) as place:
            if target.update:
                update(place, target)
            return parsed(ask(place, target), program, target, str(place.cache))
    except NotAssessedError as error:
        return not_assessed("grype", error, program)


def settings(place: Room) -> dict[str, str]:
    """How old its database may be is Temper's to say, for every scanner alike."""
    return {
        "GRYPE_CHECK_FOR_APP_UPDATE": "false",
        "GRYPE_DB_AUTO_UPDATE": "false",
        "GRYPE_DB_CACHE_DIR": str(place.cache),
        "GRYPE_DB_VALIDATE_AGE": "false",
    }


def update(place: Room, target: Target) -> None:
    """The only time that it gets the network."""
    seconds = target.settings.timeout or 0
    said = run(place, ("db", "update"), seconds=seconds, env=settings(place), network=True)
    if said.code != 0 and not any(place.cache.iterdir()):  # one from before may still be young enough
        raise NotAssessedError(f"its database can't be updated: {said.last}")


def ask(place: Room, target: Target) -> Said:
    """The layout before the SBOM: what our SBOM leaves out, grype would not see there either.

    Its own answer doesn't say how many packages it saw, so that it is asked for an SBOM too.
    """
    subject = f"oci-dir:{target.layout.resolve()}" if target.layout is not None else f"sbom:{target.sbom}"
    command = (subject, "-o", f"json={ANSWER}", "-o", f"cyclonedx-json={BILL}", "--by-cve")
    return run(
        place, command, seconds=target.settings.timeout or 0, answers=(ANSWER, BILL), env=settings(place)
    )


def parsed(said: Said, program: Program, target: Target, folder: str = "") -> ScanRun:
    """Raises `NotAssessedError` for an answer that means nothing."""
    if said.code != 0 and not said.answer.strip():
        lacking = LACKING.search(said.errors)
        raise NotAssessedError(NO_DATABASE.format(folder=folder) if lacking else f"it failed: {said.last}")
    data = answers.document(said)
    day = database(data)
    answers.fresh(day, target.today, target.settings.database_days or 0)
    seen = packages(said)
    if not seen:
        raise NotAssessedError("saw no packages")
    answers.distribution_known(bool(text(data, "distro", "name")), target)
    left_out = sum(1 for _ in rows(data, "ignoredMatches"))
    return ScanRun(
        scanner="grype",
        version=program.version,
        sha256=program.sha256,
        database=day,
        packages=seen,
        limits=(*known_limits(), *answers.left_out(left_out)),
        found=tuple(map(vulnerability, rows(data, "matches"))),
    )


def database(data: Row) -> str:
    """Where it stands has moved: `descriptor.db.status.built` since 0.88, `descriptor.db.built` before."""
    return answers.day(
        text(data, "descriptor", "db", "status", "built") or text(data, "descriptor", "db", "built")
    )


def packages(said: Said) -> int:
    try:
        bill = json.loads(said.others[0]) if said.others else {}
    except (ValueError, RecursionError):
        return 0
    kinds = ("library", "application")
    return sum(1 for one in rows(bill, "components") if one.get("type") in kinds)


def vulnerability(row: Row) -> Vulnerability:
    about, package = answers.at(row, "vulnerability"), answers.at(row, "artifact")
    others = (text(one, "id") for one in rows(row, "relatedVulnerabilities"))
    name, aliases = answers.by_cve(text(about, "id"), others)
    versions = answers.at(about, "fix", "versions")
    kind = text(package, "type")
    return Vulnerability(
        id=name,
        aliases=aliases,
        package=text(package, "name"),
        version=text(package, "version"),
        kind=KINDS.get(kind, kind),
        purl=text(package, "purl"),
        rating=answers.rating(text(about, "severity")),
        fixed=", ".join(map(str, versions)) if isinstance(versions, list) else "",
        fixed_since=fixed_since(about),
        status=text(about, "fix", "state"),
        title=text(about, "description").partition("\n")[0],
        url=text(about, "dataSource"),
    )


def fixed_since(about: Row) -> str:
    return min(
        filter(None, (answers.day(text(one, "date")) for one in rows(about, "fix", "available"))), default=""
    )
