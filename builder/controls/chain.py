"""Nothing comes into the image that nobody answers for: bases, packages, and the record of what went in."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import Field

from builder.controls.dockerfile import instructions
from builder.controls.frame import Context, Control, NoParameters
from builder.controls.references import (
    cis,
    dockle,
    gpos,
    hadolint,
    nist,
    reproducible,
    slsa,
    srg,
    trivy,
)
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.lock import LockedPlatform
from builder.model.report import Finding, Severity
from builder.model.spec import Strings

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_SYNTAX = re.compile(r"^#\s*syntax\s*=\s*(\S+)", re.IGNORECASE)
DOCKER_HUB = "docker.io"


class BaseParameters(Strict):
    registries: Strings = Field(
        default=(),
        description="registries that a Dockerfile may take images from, such as `registry.example`; any, "
        "where the list is empty",
    )


@dataclass(frozen=True, slots=True)
class _Taken:
    """An image that a Dockerfile asks for."""

    line: int
    name: str

    @property
    def registry(self) -> str:
        """What is before the first slash, where it can be a host; else Docker's own, as engines have it."""
        host, slash, _ = self.name.partition("/")
        return host if slash and (set(".:") & set(host) or host == "localhost") else DOCKER_HUB


class PinnedBase(Control[BaseParameters]):
    key = "pinned-base"
    title = "Every image that the Dockerfile builds on is named by digest, from a registry that is allowed"
    why = (
        "A tag means whatever its owner last pushed. A build from one takes in what nobody here has seen, "
        "and the next build something else."
    )
    remedy = "name the image as `name@sha256:...`, or build FROM scratch"
    severity = Severity.HIGH
    references = (
        cis("4.2"),
        cis("5.28"),
        nist("4.1.5"),
        srg("SRG-APP-000386-CTR-000920"),
        dockle("DKL-DI-0006"),
        hadolint("DL3006"),
        hadolint("DL3007"),
        hadolint("DL3026"),
        trivy("DS-0001"),
    )
    parameters = BaseParameters

    def audit(self, image: Image, parameters: BaseParameters, context: Context) -> Iterable[Finding]:
        for taken in _taken(context.known_dockerfile()):
            where = f"Dockerfile:{taken.line}: '{taken.name}'"
            if _DIGEST.search(taken.name) is None:
                yield Finding(message=f"{where} is named by no digest")
            if parameters.registries and taken.registry not in parameters.registries:
                yield Finding(message=f"{where} is from '{taken.registry}', which the profile doesn't allow")


def _taken(text: str) -> Iterator[_Taken]:
    """FROM, `COPY --from` and what reads the Dockerfile itself; neither scratch nor earlier stages."""
    syntax = _SYNTAX.match(text)
    if syntax is not None:
        yield _Taken(1, syntax[1])
    stages: set[str] = set()
    for one in instructions(text):
        name = ""
        if one.name == "FROM" and one.words:
            name = one.words[0]
            if len(one.words) == 3 and one.words[1].upper() == "AS":
                stages.add(one.words[2].lower())
        elif one.name == "COPY":
            name = one.flag("from")
        if name and name != "scratch" and name.lower() not in stages and not name.isdecimal():
            yield _Taken(one.line, name)


class SignerParameters(Strict):
    signers: Strings = Field(
        default=(),
        description="fingerprints of archive keys, one of which must have signed each index; any key that "
        "was trusted where the lock was made, where the list is empty",
    )


class VerifiedPackages(Control[SignerParameters]):
    key = "verified-packages"
    title = "Every package is from an archive of which the lock holds a signed index"
    why = (
        "A mirror, a proxy or whoever sits between can hand out another package under the same name. Only a "
        "signature over its hash tells it from the distribution's."
    )
    remedy = "lock again (temper lock) from an archive whose key is trusted"
    foreign_remedy = "build it from packages that an archive's signed index names"
    severity = Severity.CRITICAL
    references = (
        cis("4.11"),
        srg("SRG-APP-000131-CTR-000280"),
        gpos("SV-203720"),
        hadolint("DL3008"),
        hadolint("DL3013"),
    )
    parameters = SignerParameters

    def audit(self, image: Image, parameters: SignerParameters, context: Context) -> Iterable[Finding]:
        indexes, lock = context.known_indexes(), context.known_lock()
        wanted = {signer.upper().replace(" ", "") for signer in parameters.signers}
        for index in indexes:
            if wanted and not wanted & set(index.signed_by):
                by = ", ".join(index.signed_by)
                text = f"{index.archive} {index.suite} is signed by {by}, none of which the profile names"
                yield Finding(message=text)
        signed = {index.archive for index in indexes}
        for package in lock.packages:
            if package.archive not in signed:
                message = (
                    f"package '{package.name}' is from '{package.archive}', of which no index was locked"
                )
                yield Finding(message=message)


class Provenance(Control[NoParameters]):
    key = "provenance"
    title = "Its provenance is about this image, and names everything that the lock does"
    why = (
        "Who has to find out where a file came from, or has to build the image again, can do so only by a "
        "record of what went in. One of another build answers for the wrong image."
    )
    remedy = "build the image again: `temper build` writes provenance.json beside the layout"
    foreign_remedy = "ask whoever built it for its provenance"
    severity = Severity.MEDIUM
    references = (slsa("Build L1"), nist("4.1.5"))

    looks_beside = True

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        stated, lock = context.known_provenance(), context.known_lock()
        if stated.problem:
            yield Finding(message=f"provenance.json {stated.problem}")
        elif stated.digest != image.digest:
            yield Finding(message=f"provenance.json is about another image, {stated.digest}")
        else:
            for name, sha256 in _locked(lock):
                if sha256 not in stated.inputs:
                    yield Finding(message=f"provenance.json doesn't name {name}, which is locked")
            for index in context.known_indexes():
                if index.sha256 not in stated.inputs:
                    name = f"{index.archive} {index.suite}"
                    yield Finding(message=f"provenance.json doesn't name the index {name}, which is locked")


def _locked(lock: LockedPlatform) -> Iterator[tuple[str, str]]:
    yield from ((one.path.rpartition("/")[2], one.sha256) for one in lock.packages)
    yield from ((one.filename, one.sha256) for one in lock.wheels)


class ReproducibleDates(Control[NoParameters]):
    key = "reproducible-dates"
    title = "Every date in the image comes from its lock, none from a clock"
    why = (
        "An image that holds the time of its build is another one each time, so that nobody can build it "
        "again and compare. That the digest comes out the same, `temper reproduce` proves."
    )
    remedy = "build the image again with the lock as it is, and leave SOURCE_DATE_EPOCH to its provenance"
    foreign_remedy = "set SOURCE_DATE_EPOCH where it is built"
    severity = Severity.MEDIUM
    references = (reproducible("SOURCE_DATE_EPOCH"), slsa("Build L1"))

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        locked = max((index.date for index in context.known_indexes()), default=0)
        epoch = context.known_provenance().epoch
        wanted, said_by = (locked, "lock") if epoch is None else (epoch, "provenance")
        created = image.config.created
        if created != wanted:
            text = image.config.created_text
            yield Finding(message=f"the image says it was created at {text}, its {said_by} says otherwise")
        for path, entry in image.rootfs.items():
            if entry.mtime > created:
                yield Finding(message=f"{path} is younger than the image itself", path=path)
