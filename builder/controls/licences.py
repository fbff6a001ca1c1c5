"""Under which licences an image may pass on what it holds."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import Field

from builder.controls.frame import Context, Control
from builder.controls.inventory import inventory
from builder.controls.passwd import read_text
from builder.controls.references import nist
from builder.controls.survey import remembered
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.spec import Strings
from builder.model.tree import Rootfs
from builder.packages.licences import Licence, of_copyright, of_metadata

_WORD = re.compile(r"[A-Za-z0-9.+-]+")


def debian_licence(rootfs: Rootfs, package: str) -> Licence:
    return of_copyright(read_text(rootfs, f"usr/share/doc/{package}/copyright") or "")


def wheel_licence(metadata: str) -> Licence:
    return of_metadata(metadata)


@remembered
def licences(image: Image) -> dict[str, Licence]:
    """`deb libc6`, `wheel numpy` -> what it says of its licence."""
    found = {f"deb {name}": debian_licence(image.rootfs, name) for name in inventory(image).debs}
    for wheel in inventory(image).wheels:
        metadata = read_text(image.rootfs, f"{wheel.folder}/METADATA") or ""
        found[f"wheel {wheel.name}"] = wheel_licence(metadata)
    return found


class LicenceParameters(Strict):
    allow: Strings = Field(
        default=(),
        description="licences that may be used, `*` for any letters; everything where the list is empty",
    )
    deny: Strings = Field(default=(), description="licences that may not be used, whatever `allow` says")
    unstated: Literal["allow", "deny"] = Field(
        default="allow", description="whether a package passes whose licence no machine can read"
    )
    cleared: Strings = Field(
        default=(), description="packages and wheels whose licence a person has looked at and found fit"
    )


class Licences(Control[LicenceParameters]):
    key = "licences"
    title = "Every package's licence is one that the profile allows"
    why = (
        "Who passes on an image passes on all that is in it. A licence that forbids commercial use or asks "
        "for the service's source is a reason not to ship, and is found out late where nobody looks."
    )
    remedy = (
        "leave the package out or take another; where a person has read its licence and found it fit, name "
        "it under `cleared`"
    )
    severity = Severity.MEDIUM
    references = (nist("4.1.5"),)
    parameters = LicenceParameters

    def audit(self, image: Image, parameters: LicenceParameters, context: Context) -> Iterable[Finding]:
        if not (parameters.allow or parameters.deny or parameters.unstated == "deny"):
            return
        for owner, licence in licences(image).items():
            if owner.partition(" ")[2] in parameters.cleared:
                continue
            if not licence.expression:
                if parameters.unstated == "deny":
                    yield Finding(message=f"{owner} doesn't say its licence in a form that can be read")
                continue
            faults = _faults(licence.expression, parameters)
            if faults:
                words = " and ".join(f"'{name}'" for name in faults)
                yield Finding(message=f"{owner} is under {words}, which the profile doesn't allow")


def _faults(expression: str, parameters: LicenceParameters) -> list[str]:
    """The licences in the way; where there are alternatives, of the one with the fewest. In order."""
    names = [word for word in _WORD.findall(expression) if word not in ("AND", "OR")]
    if "WITH" not in names and all(_passes(name, parameters) for name in names):
        return []
    from license_expression import Licensing  # noqa: PLC0415 - only where it matters how they are joined

    tree = Licensing().parse(expression)
    return list(dict.fromkeys(_in_the_way(tree, parameters)))


def _in_the_way(tree: Any, parameters: LicenceParameters) -> list[str]:
    parts = [_in_the_way(part, parameters) for part in tree.args] if tree.args else []
    if not parts:
        name = tree.render()
        return [] if _passes(name, parameters) else [name]
    if tree.operator.strip() == "OR":
        return min(parts, key=len)
    return [name for part in parts for name in part]


def _passes(name: str, parameters: LicenceParameters) -> bool:
    if _matches(name, parameters.deny):
        return False
    return not parameters.allow or _matches(name, parameters.allow)


def _matches(name: str, patterns: Strings) -> bool:
    return any(fnmatchcase(name.casefold(), pattern.casefold()) for pattern in patterns)
