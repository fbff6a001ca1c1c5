"""What lies inside other packages and says its own name: npm packages, copied Python packages, PEP 770 SBOMs.

A scanner reports these wherever they lie, and so does an SBOM: as parts of the package that brought them.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from packageurl import PackageURL

from builder.controls.passwd import LARGEST, text_of
from builder.image.packed import packed_in
from builder.model.package import normal
from builder.model.tree import Entry, Kind, Rootfs
from builder.packages.licences import NO_LICENCE, Licence, metadata_fields, of_metadata, of_word
from builder.supply.graph import Component, Sort
from builder.supply.naming import slug

PYTHON = re.compile(r"\.(?:dist-info/METADATA|egg-info/PKG-INFO|egg-info)$")
NPM = "/package.json"
MOST = 5000
"""Parts of one component; nobody copies more."""


class Named(NamedTuple):
    kind: str
    """`npm` or `pypi`."""
    name: str
    version: str
    licence: Licence = NO_LICENCE

    @property
    def purl(self) -> str:
        group, _, name = self.name.rpartition("/")
        return str(PackageURL(self.kind, namespace=group or None, name=name, version=self.version))

    def part(self, whole: str) -> Component:
        return Component(
            ref=part_ref(whole, self.name, self.version),
            sort=Sort.BUNDLED,
            name=self.name,
            version=self.version,
            purl=self.purl,
            licence=self.licence,
        )


def is_statement(path: str) -> bool:
    return path.endswith(NPM) or PYTHON.search(path) is not None


def is_out_of_reach(entry: Entry) -> bool:
    """Inside a compressed layer that would have to be gone through once more for this one file."""
    return packed_in(entry.content) is not None


def named(entry: Entry) -> Named | None:
    """What a file says of the package that it stands in; `None` where it doesn't say name and version."""
    if entry.size > LARGEST or is_out_of_reach(entry):
        return None
    text = text_of(entry)
    return _npm(text) if entry.path.endswith(NPM) else _python(text)


def _npm(text: str) -> Named | None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    name, version, licence = data.get("name"), data.get("version"), data.get("license")
    if not (isinstance(name, str) and name and isinstance(version, str) and version):
        return None
    stated = of_word(licence, "package.json") if isinstance(licence, str) else NO_LICENCE
    return Named("npm", name, version, stated)


def _python(text: str) -> Named | None:
    fields = metadata_fields(text)
    name, version = fields.get("name"), fields.get("version")
    return Named("pypi", normal(name[0]), version[0], of_metadata(text)) if name and version else None


def own_sboms(rootfs: Rootfs, folder: str, whole: str) -> Iterator[Component]:
    """What a wheel says in SBOMs of its own (PEP 770, CycloneDX) was copied or compiled into it."""
    for entry in rootfs.below(f"{folder}/sboms"):
        if not entry.path.endswith(".json") or entry.kind is not Kind.FILE or is_out_of_reach(entry):
            continue
        for name, version, purl in _listed(text_of(entry)):
            if not purl.startswith("pkg:pypi/"):  # the wheel itself
                ref = part_ref(whole, name, version)
                yield Component(ref=ref, sort=Sort.BUNDLED, name=name, version=version, purl=purl)


def _listed(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, version and purl of a CycloneDX document's components; of anything else, nothing."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return
    listed = data.get("components") if isinstance(data, dict) else None
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            yield one["name"], str(one.get("version") or ""), sound(str(one.get("purl") or ""))


def sound(purl: str) -> str:
    """The purl in its canonical form; empty for what is none: a wheel may write there what it likes."""
    try:
        return str(PackageURL.from_string(purl)) if purl else ""
    except ValueError:
        return ""


def part_ref(whole: str, name: str, version: str) -> str:
    return f"bundled-{whole.partition('-')[2]}-{slug(f'{name}-{version}')}"


def once(parts: Iterable[Component]) -> tuple[Component, ...]:
    """Each reference once, sorted."""
    found = {part.ref: part for part in parts}
    return tuple(part for _, part in sorted(found.items()))[:MOST]
