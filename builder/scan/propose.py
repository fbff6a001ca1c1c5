"""Statements that the audit of an image proves by itself, for a person to answer for. Pure."""

import datetime
from collections.abc import Iterable, Mapping

from builder import __version__
from builder.controls.gate import Merged, Standing
from builder.model.image import Image
from builder.model.package import Package, normal
from builder.model.vex import ABSENT
from builder.scan.absent import proven_absent

DAYS = 90
"""For which a proposed statement holds."""
REASON = (
    "no file of the package is in any layer of the image; hardening took them out, and the record in "
    "the package database is all that is left"
)
HEAD = """\
# Proposed by temper {version}: in {digest} no layer holds a file that these packages bring.
# Read it, write your name as the author, and keep it as vex/<name>.yaml.
author: ''
statements:
"""
ROW = """\
  - vulnerability: {name}
    packages: [{packages}]
    images: [{image}]
    status: not_affected
    justification: {justification}
    statement: >-
      {reason}
    date: {date}
    expires: {expires}
"""


def absent(
    findings: Iterable[Merged], packages: Iterable[Package], image: Image
) -> dict[str, tuple[str, ...]]:
    """Vulnerability -> packages that bring nothing into the image. Only where the proof is whole."""
    known = {(package.owner.kind, normal(package.owner.name)): package for package in packages}
    proven: dict[tuple[str, str], bool] = {}
    found: dict[str, set[str]] = {}
    for one in findings:
        key = (one.first.kind, normal(one.first.package))
        if one.standing is Standing.EXCUSED or not one.id or key not in known:
            continue
        if key not in proven:
            proven[key] = proven_absent(image, known[key])
        if proven[key]:
            found.setdefault(one.id, set()).add(one.first.package)
    return {name: tuple(sorted(found[name])) for name in sorted(found)}


def proposal(absences: Mapping[str, tuple[str, ...]], name: str, digest: str, today: datetime.date) -> str:
    """A file for `vex/`, which is not taken before somebody has put a name to it."""
    if not absences:
        return f"# Nothing to propose: of every package with a finding, some file is in {digest}.\n"
    rows = [
        ROW.format(
            name=vulnerability,
            packages=", ".join(packages),
            image=name,
            justification=ABSENT,
            reason=REASON,
            date=today,
            expires=today + datetime.timedelta(days=DAYS),
        )
        for vulnerability, packages in absences.items()
    ]
    return HEAD.format(version=__version__, digest=digest) + "".join(rows)
