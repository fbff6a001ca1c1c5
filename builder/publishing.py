"""`temper publish`: what `build` left on the disk, into a registry, with what tells about it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.beside import publication, published
from builder.bills import stated
from builder.errors import InputError
from builder.image.config import MANIFEST
from builder.image.folder import plain_errors
from builder.image.layout import find_image
from builder.image.stored import Folder
from builder.model.package import normal
from builder.model.plan import Plan
from builder.model.report import Report
from builder.model.sbom import CYCLONEDX, FILES, SPDX
from builder.packages.store import Store
from builder.registry.credentials import find_credentials
from builder.registry.name import Reference
from builder.registry.push import Artifact, Document, Pushed, Seal, Sent, push
from builder.registry.upload import Blob
from builder.results import alone_in, output_folder, write_whole
from builder.scans import issued_of, read_scan
from builder.signing import cosign
from builder.stages import LAYOUT, PROVENANCE, PUBLISHED, REPORT, SBOM, SCAN, VEX
from builder.supply import openvex, vulns
from builder.workplace import Workplace, today

SPDX_FILE, CYCLONEDX_FILE = (f"{SBOM}/{FILES[form]}" for form in (SPDX, CYCLONEDX))
PREDICATES = {
    REPORT: "urn:temper:report:1",
    SPDX_FILE: "https://spdx.dev/Document",
    CYCLONEDX_FILE: "https://cyclonedx.org/bom",
    VEX: openvex.PREDICATE,
}
"""Files of a build's folder -> types of in-toto predicates."""
LARGEST_STATEMENT = 32 << 20
"""Bytes of a file that is put into a statement. What is larger is attached all the same."""
UNSIGNED = "no; name a key by --key, or sign as who you are by --keyless"
REPORT_TYPE = "application/vnd.temper.report.v1+json"
BILLS = {
    PROVENANCE: cosign.STATEMENT_TYPE,
    SPDX_FILE: "application/spdx+json",
    CYCLONEDX_FILE: "application/vnd.cyclonedx+json",
    SCAN: "application/vnd.temper.scan.v1+json",
    VEX: openvex.MEDIA_TYPE,
}
"""Files of a build's folder -> what they are, by their registered media types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    reference: Reference
    digest: str
    """What the tag means now: the image's manifest, or the index over several platforms."""
    platforms: tuple[str, ...]
    sent: Sent
    signed: bool
    identity: str | None = None
    """Who has signed, where it is no key."""


def publish(
    place: Workplace,
    plan: Plan,
    reference: Reference,
    platforms: tuple[str, ...],
    seal: Seal | None = None,
) -> Published:
    """All platforms that were built, unless some are named; signed, where there is what signs.

    Raises `InputError` for an image that wasn't built or fails its profile, and what `push` does.
    """
    folders = built(plan, platforms)
    with ExitStack() as stack:
        for folder in folders.values():
            stack.enter_context(alone_in(place, folder))
        refuse_mixed(folders)
        images = [pushed(place, plan, folder, platform, reference) for platform, folder in folders.items()]
        place.progress.stage(f"publishing to {reference}")
        credentials = find_credentials(reference.host)
        top, sent = push(images, reference, credentials, place.progress, seal)
        for folder, image in zip(folders.values(), images, strict=True):
            remember(folder, image.manifest.digest, reference, signed=seal is not None)
    return Published(
        reference=reference,
        digest=top.digest,
        platforms=tuple(folders),
        sent=sent,
        signed=seal is not None,
        identity=seal.identity if seal is not None else None,
    )


def remember(folder: Path, digest: str, reference: Reference, *, signed: bool) -> None:
    """For who audits the image later."""
    data = publication(published(folder), digest, str(reference), signed=signed)
    write_whole(folder / PUBLISHED, data)


def built(plan: Plan, wanted: tuple[str, ...]) -> dict[str, Path]:
    for platform in wanted:
        if platform not in plan.spec.platforms:
            there = ", ".join(plan.spec.platforms)
            raise InputError(
                f"--platform: image '{plan.image}' is not made for '{platform}'; it has: {there}"
            )
    folders = {platform: output_folder(plan, platform, None) for platform in wanted or plan.spec.platforms}
    found = {platform: folder for platform, folder in folders.items() if (folder / LAYOUT).is_dir()}
    missing = [platform for platform in folders if platform not in found and (wanted or not found)]
    if missing:
        again = f"temper build {plan.image} --profile {plan.profile}"
        raise InputError(
            [
                f"{folders[one] / LAYOUT}: no such image; run `{again} --platform {one}` first"
                for one in missing
            ]
        )
    return dict(sorted(found.items()))


def refuse_mixed(folders: dict[str, Path]) -> None:
    """One tag for images of one lock: an older build for another platform is easily forgotten."""
    dates = {platform: report_of(folder).created for platform, folder in folders.items()}
    newest = max(dates.values())
    older = [platform for platform, created in dates.items() if created != newest]
    if older:
        raise InputError(
            [
                f"{folders[one]}: is of {dates[one]}, the image for another platform of {newest}; "
                "build it again, or name those to publish by --platform"
                for one in older
            ]
        )


def refuse_other_bills(store: Store, folder: Path, digest: str) -> None:
    """An SBOM that was exchanged since the build is not attested to be the image's."""
    other = f"speaks of another image than {digest}"
    problems = [
        f"{folder / one.file}: {one.problem or other}; build the image again"
        for one in stated(store, folder)
        if one.problem or one.digest != digest
    ]
    if problems:
        raise InputError(problems)


def refuse_other_scan(folder: Path, digest: str) -> None:
    scan = read_scan(folder / SCAN)
    if (folder / SCAN).is_file() and (scan is None or scan.digest != digest):
        raise InputError(f"{folder / SCAN}: speaks of another image than {digest}; scan the image again")


def write_vex(place: Workplace, plan: Plan, folder: Path, digest: str, reference: Reference) -> None:
    """What is said of the image today, under the name by which it is pulled."""
    issued, path = issued_of(place, plan), folder / VEX
    name = reference.repository.rpartition("/")[2]
    data = openvex.document(issued, name, digest, purls(folder), today()) if issued else b""
    if data:
        write_whole(path, data)
    else:
        with plain_errors(path):
            path.unlink(missing_ok=True)


def purls(folder: Path) -> Iterator[tuple[str, str]]:
    """Of the image's packages, without qualifiers: readers take those that are there for conditions."""
    found = json.loads((folder / CYCLONEDX_FILE).read_bytes()).get("components", ())
    for one in found:
        purl = str(one.get("purl", "")).partition("?")[0]
        if purl.startswith(("pkg:deb/", "pkg:pypi/")):
            yield normal(one["name"]), purl


def pushed(place: Workplace, plan: Plan, folder: Path, platform: str, reference: Reference) -> Pushed:
    """The layout as it lies there: its blobs are hashed while they are sent."""
    layout = folder / LAYOUT
    stored = find_image(layout, platform)
    report = sound(folder, stored.manifest)
    refuse_other_bills(place.store, folder, stored.manifest)
    refuse_other_scan(folder, stored.manifest)
    write_vex(place, plan, folder, stored.manifest, reference)
    manifest = Folder(layout).span(blob_name(stored.manifest), stored.manifest)
    return Pushed(
        platform=platform,
        manifest=Document(media_type=MANIFEST, data=manifest.path.read_bytes()),
        blobs=(
            Blob.of(stored.config),
            *(Blob(digest=layer.name, size=layer.size, path=layer.path) for layer in stored.layers),
        ),
        artifacts=tuple(artifacts(folder, report.created)),
        statements=tuple(statements(folder, f"{reference.host}/{reference.repository}", stored.manifest)),
    )


def blob_name(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def sound(folder: Path, digest: str) -> Report:
    """The report of exactly this image, which must not fail its profile."""
    report = report_of(folder)
    if report.digest != digest:
        raise InputError(f"{folder / REPORT}: speaks of another image than {digest}; build the image again")
    if not report.passed:
        raise InputError(
            f"{folder}: the image fails profile '{report.profile}', so it is not published; "
            "mend it, or waive the control in the profile with a reason"
        )
    return report


def report_of(folder: Path) -> Report:
    try:
        return Report.model_validate_json((folder / REPORT).read_bytes())
    except (OSError, ValueError):
        raise InputError(f"{folder / REPORT}: no report on the image is there; build it again") from None


def artifacts(folder: Path, created: str) -> Iterator[Artifact]:
    for name, kind in {REPORT: REPORT_TYPE, **BILLS}.items():
        path = folder / name
        if path.is_file():
            yield Artifact(artifact_type=kind, media_type=kind, file=Blob.at(path), created=created)


def statements(folder: Path, subject: str, digest: str) -> Iterator[bytes]:
    """What is attested of the image, beside its signature."""
    if (folder / PROVENANCE).is_file():
        yield made_so(folder / PROVENANCE, digest)
    scan = read_scan(folder / SCAN)
    for one in vulns.predicates(scan) if scan is not None else ():
        yield cosign.statement(subject, digest, vulns.PREDICATE, one)
    for name, kind in PREDICATES.items():
        path = folder / name
        if path.is_file() and path.stat().st_size <= LARGEST_STATEMENT:
            yield cosign.statement(subject, digest, kind, json.loads(path.read_bytes()))


def made_so(path: Path, digest: str) -> bytes:
    """The provenance, which has to be that of exactly this image."""
    data = path.read_bytes()
    try:
        subjects = cosign.subject_digests(json.loads(data))
    except (ValueError, AttributeError):
        subjects = set()
    if digest not in subjects:
        raise InputError(f"{path}: speaks of another image than {digest}; build the image again")
    return data


def as_data(published: Published) -> dict[str, Any]:
    sent = published.sent
    return {
        "reference": str(published.reference),
        "digest": published.digest,
        "platforms": list(published.platforms),
        "sent": {"blobs": sent.blobs, "bytes": sent.size},
        "there": sent.there,
        "referrers": sent.referrers,
        "signed": published.signed,
        "identity": published.identity,
    }


def as_text(published: Published) -> str:
    from builder.console import amount  # noqa: PLC0415 - a terminal's affair

    sent = published.sent
    by = f"by {published.identity}" if published.identity else "yes" if published.signed else UNSIGNED
    rest = f"; {sent.there} were there" if sent.there else ""
    return (
        f"published {published.reference}\n"
        f"digest    {published.digest}\n"
        f"platforms {', '.join(published.platforms)}\n"
        f"sent      {sent.blobs} of {sent.blobs + sent.there} blobs, {amount(sent.size)}{rest}\n"
        f"referrers {len(sent.referrers)}\n"
        f"signed    {by}"
    )
