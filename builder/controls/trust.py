"""Whom the image trusts, and what it claims of its cryptography."""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field

from builder.controls import passwd
from builder.controls.frame import Context, Control, NotAssessed
from builder.controls.passwd import read_text
from builder.controls.references import cidg, docker_stig, fips, gpos, srg
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.spec import Strings
from builder.model.tree import Bytes, Kind
from builder.rootfs.installed import CA_BUNDLE
from builder.rootfs.installed import owner as composed_by

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
COMPOSED = composed_by("ca-bundle")
SHIPPED = "usr/share/ca-certificates"
"""Where Debian's package ca-certificates has them, one a file."""


class BundleParameters(Strict):
    sha256: Strings = Field(
        default=(),
        description="digests of approved bundles; none: what ca-certificates and image.yaml add up to",
    )


class ApprovedCaBundle(Control[BundleParameters]):
    key = "approved-ca-bundle"
    title = "The bundle of certificate authorities is the approved one"
    why = (
        "Whoever adds one authority can read and change every TLS connection of the service; a proxy's test "
        "certificate left in an image does just that."
    )
    remedy = "list own authorities under `certificates:` in image.yaml; approve another bundle by its sha256"
    foreign_remedy = "take the stranger out of the bundle, or approve the bundle by its sha256 in the profile"
    severity = Severity.MEDIUM
    references = (gpos("SV-263659"), cidg("CCI-000366"))
    parameters = BundleParameters

    def enforce(self, image: Image, parameters: BundleParameters, context: Context) -> Image:
        bundle = image.rootfs.resolve(CA_BUNDLE)
        if bundle is not None and bundle.owner == COMPOSED:
            return image  # just made of what is approved, which takes long to read
        approved = self._approved(image, context)
        text = read_text(image.rootfs, CA_BUNDLE)
        if bundle is None or text is None or parameters.sha256 or not approved:
            return image
        if set(blocks(text)) == set(approved):
            return image
        data = "".join(f"{block}\n" for block in approved.values())
        return passwd.put(image, bundle.replace(content=Bytes(data.encode())))

    def _approved(self, image: Image, context: Context) -> dict[str, str]:
        """Certificate without line breaks -> its PEM block: the package's, then image.yaml's."""
        found: dict[str, str] = {}
        for entry in image.rootfs.below(SHIPPED):
            if entry.kind is Kind.FILE and entry.path.endswith(".crt"):
                found.update(blocks(read_text(image.rootfs, entry.path) or ""))
        if found and context.plan is not None:
            for name in context.plan.spec.certificates:
                text = (context.plan.folder / name).read_text(encoding="utf-8", errors="replace")
                found.update(blocks(text))
        return found

    def audit(self, image: Image, parameters: BundleParameters, context: Context) -> Iterable[Finding]:
        bundle = image.rootfs.resolve(CA_BUNDLE)
        if bundle is None or bundle.content is None:
            return
        if parameters.sha256:
            if bundle.content.sha256 not in parameters.sha256:
                message = f"{CA_BUNDLE} is not approved (sha256 {bundle.content.sha256})"
                yield Finding(message=message, path=CA_BUNDLE)
            return
        approved = self._approved(image, context)
        if not approved:
            raise NotAssessed(
                f"nothing below /{SHIPPED} says what a package brought; name a sha256 to approve"
            )
        there = blocks(read_text(image.rootfs, CA_BUNDLE) or "")
        yield from self._compared(there, approved)

    def _compared(self, there: dict[str, str], approved: dict[str, str]) -> Iterator[Finding]:
        extra, missing = len(there.keys() - approved.keys()), len(approved.keys() - there.keys())
        if extra:
            message = f"{CA_BUNDLE} holds {extra} certificates that no package brings and nobody declared"
            yield Finding(message=message, path=CA_BUNDLE)
        if missing:
            yield Finding(
                message=f"{CA_BUNDLE} lacks {missing} certificates that are approved", path=CA_BUNDLE
            )


def blocks(text: str) -> dict[str, str]:
    """Certificate without line breaks -> its PEM block. A pattern takes ten times as long."""
    bodies = (part.partition(END) for part in text.split(BEGIN)[1:])
    return {"".join(body.split()): f"{BEGIN}{body}{END}" for body, end, _ in bodies if end}


FIPS_LABEL = "temper.fips"
NOT_CLAIMED = "not-claimed"
OPENSSL_CONFIGS = ("etc/ssl/openssl.cnf", "usr/lib/ssl/openssl.cnf")


class FipsParameters(Strict):
    certificate: Annotated[str, Field(pattern=r"^([0-9]{4,5})?$")] = Field(
        default="",
        description="number of the FIPS 140-3 certificate of the OpenSSL provider; none: nothing is claimed",
    )


class FipsClaim(Control[FipsParameters]):
    key = "fips-claim"
    title = "The image says whether it claims FIPS 140-3, and a claim is backed by a validated provider"
    why = (
        "'FIPS' on an image without a validated module, or with one that no configuration switches on, is a "
        "false statement to an auditor; all FIPS 140-2 certificates became historical in September 2026."
    )
    remedy = "claim nothing, or bring fips.so, fipsmodule.cnf and `fips=yes` as the certificate's policy says"
    severity = Severity.HIGH
    references = (
        gpos("SV-203739"),
        srg("SRG-APP-000635-CTR-001405"),
        srg("SRG-APP-000514-CTR-001315"),
        docker_stig("DKER-EE-001070"),
        fips("section 4"),
    )
    parameters = FipsParameters

    def _claim(self, parameters: FipsParameters) -> str:
        return f"140-3 certificate {parameters.certificate}" if parameters.certificate else NOT_CLAIMED

    def enforce(self, image: Image, parameters: FipsParameters, context: Context) -> Image:
        claim = self._claim(parameters)
        if dict(image.config.labels).get(FIPS_LABEL) == claim:
            return image
        return image.replace(config=image.config.with_labels({FIPS_LABEL: claim}))

    def audit(self, image: Image, parameters: FipsParameters, context: Context) -> Iterable[Finding]:
        said, claim = dict(image.config.labels).get(FIPS_LABEL), self._claim(parameters)
        if said is None:
            yield Finding(
                message=f"label '{FIPS_LABEL}' is missing; it says '{NOT_CLAIMED}' where that is so"
            )
        elif said != claim:
            yield Finding(message=f"label '{FIPS_LABEL}' says '{said}', the profile says '{claim}'")
        if parameters.certificate:
            yield from self._unbacked(image)

    def _unbacked(self, image: Image) -> Iterator[Finding]:
        if not any(path.endswith("/ossl-modules/fips.so") for path in image.rootfs):
            yield Finding(message="no ossl-modules/fips.so is in the image, which the claim stands on")
        if not any(path.endswith("/fipsmodule.cnf") for path in image.rootfs):
            yield Finding(message="no fipsmodule.cnf is in the image: the provider refuses to start without")
        configured = (read_text(image.rootfs, path) or "" for path in OPENSSL_CONFIGS)
        if not any(re.search(r"^\s*default_properties\s*=\s*fips=yes", text, re.M) for text in configured):
            yield Finding(message="openssl.cnf doesn't say default_properties = fips=yes")
