"""The image is not left behind: its release is supported, and it is not too old. The day comes as a value."""

import datetime
from collections.abc import Iterable, Iterator

from pydantic import Field

from builder.controls.frame import Context, Control, NotAssessed
from builder.controls.passwd import read_text
from builder.controls.references import nist, srg
from builder.controls.releases import RELEASES
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.report import Finding, Severity


class ReleaseParameters(Strict):
    long_term: bool = Field(
        default=True,
        description="whether a distribution's long-term support counts, which other people than its own "
        "security team give",
    )


class SupportedRelease(Control[ReleaseParameters]):
    key = "supported-release"
    title = "The distribution that the image is made of is still supported"
    why = (
        "After its last day nobody mends anything in a release any more. Scanners then find nothing that has "
        "a fix, and the image looks better the older it gets."
    )
    remedy = "move to a release that is supported: `base:` in image.yaml"
    foreign_remedy = "take an image of a release that is supported"
    severity = Severity.MEDIUM
    references = (srg("SRG-APP-000456-CTR-001130"), nist("4.1.1"))
    parameters = ReleaseParameters

    def audit(self, image: Image, parameters: ReleaseParameters, context: Context) -> Iterable[Finding]:
        name, version = release_of(image)
        supported = RELEASES.get(name, {}).get(version)
        if supported is None:
            said = " ".join(filter(None, (name, version))) or "nothing"
            raise NotAssessed(f"until when '{said}' is supported, the table of releases doesn't know")
        end = supported.long_term if parameters.long_term else supported.regular
        if end < context.known_day():
            yield Finding(message=f"{name} {version} is out of support since {end}", path="etc/os-release")


def release_of(image: Image) -> tuple[str, str]:
    text = read_text(image.rootfs, "etc/os-release") or read_text(image.rootfs, "usr/lib/os-release") or ""
    fields = dict(_fields(text))
    return fields.get("ID", ""), fields.get("VERSION_ID", "")


def _fields(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, _, value = line.partition("=")
        yield name.strip(), value.strip().strip("\"'")


class AgeParameters(Strict):
    days: int = Field(ge=0, description="days since the date of its lock after which an image is too old")


class RecentBuild(Control[AgeParameters]):
    key = "recent-build"
    title = "The image is not older than the profile allows"
    why = (
        "Images that run are forgotten. One that must be built again every so often takes the updates along "
        "even where nobody looked, and shows that it still can be built."
    )
    remedy = "move to what is new (temper lock --upgrade), build and roll it out"
    foreign_remedy = "take a newer image from those who make it"
    severity = Severity.LOW
    references = (nist("4.2.2"), srg("SRG-APP-000454-CTR-001115"))
    parameters = AgeParameters

    def audit(self, image: Image, parameters: AgeParameters, context: Context) -> Iterable[Finding]:
        if image.config.created <= 0:
            raise NotAssessed("the image doesn't say when it was created")
        created = datetime.datetime.fromtimestamp(image.config.created, tz=datetime.UTC).date()
        if (context.known_day() - created).days > parameters.days:
            yield Finding(message=f"the image is of {created}, {parameters.days} days are allowed")
