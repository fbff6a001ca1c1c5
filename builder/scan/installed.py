"""What an image itself says is in it: its distribution, and the Debian packages by their own records."""

from dataclasses import dataclass

from builder.model.image import Image
from builder.packages.bases import ARCHITECTURES, BASES, Base
from builder.packages.relations import source_package
from builder.supply.collect import STANZA_FIELD, deb_stanzas, distribution_of, purl_of_deb
from builder.supply.graph import Distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A Debian package."""

    name: str
    version: str
    architecture: str
    source: str
    source_version: str
    purl: str


def installed(image: Image) -> tuple[Installed, ...]:
    """By name; of both kinds of records, status.d and status. What lacks a field is left out."""
    distribution = distribution_of(image.rootfs)
    found = {}
    for text in deb_stanzas(image.rootfs):
        fields = {key: value.strip() for key, value in STANZA_FIELD.findall(text)}
        present = fields.get("Status", "ok installed").endswith(" installed")
        if present and {"Package", "Version", "Architecture"} <= fields.keys():
            one = _package(fields, distribution)
            found[one.name, one.architecture] = one
    return tuple(found[key] for key in sorted(found))


def _package(fields: dict[str, str], distribution: Distribution) -> Installed:
    source, source_version = source_package(fields)
    return Installed(
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        source=source,
        source_version=source_version,
        purl=purl_of_deb(fields, distribution),
    )


RELEASES = {"13": "debian/trixie", "12": "debian/bookworm"}
"""VERSION_ID of os-release -> base."""


def base_of(image: Image) -> tuple[Base | None, str]:
    """The distribution's release, where its signed indexes and their keys are known; else why not."""
    said = distribution_of(image.rootfs)
    name = " ".join(filter(None, (said.id, said.version)))
    if not name:
        return None, "the image doesn't say which distribution it is of: it has no os-release"
    base = BASES.get(RELEASES.get(said.version, "")) if said.id == "debian" else None
    if base is None:
        known = " and ".join(f"debian {version}" for version in sorted(RELEASES))
        return None, f"the security index of '{name}' is not known, only those of {known}"
    return base, ""


def architecture_of(image: Image) -> tuple[str, str]:
    """Debian's name of the image's platform; else why there is none."""
    platform = "/".join(image.config.platform.split("/")[:2])
    found = ARCHITECTURES.get(platform, "")
    known = " and ".join(sorted(ARCHITECTURES))
    return found, "" if found else f"the image is for '{platform}', and only {known} are known"
