"""What maintainer scripts would have done and a workload needs, done as data. No script ever runs."""

import re
from collections.abc import Iterable

from builder.model.package import Package
from builder.model.tree import Bytes, Entry, Kind, Owner, Rootfs

CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
"""Where Debian's update-ca-certificates writes it, and where Go, curl and Python packages look."""


def owner(name: str) -> Owner:
    return Owner(kind="temper", name=name)


def link(path: str, target: str, mtime: int, by: str) -> Entry:
    return Entry(path=path, kind=Kind.SYMLINK, mode=0o777, target=target, mtime=mtime, owner=owner(by))


def file(path: str, data: bytes, mtime: int, by: str) -> Entry:
    return Entry(path=path, kind=Kind.FILE, mode=0o644, content=Bytes(data), mtime=mtime, owner=owner(by))


def dpkg_status(packages: Iterable[Package], mtime: int) -> list[Entry]:
    """One file a package under status.d, as distroless made scanners learn it; dpkg itself isn't there."""
    entries = []
    for package in packages:
        base = f"var/lib/dpkg/status.d/{package.owner.name}"
        stanza = re.sub(r"\A(Package:.*\n)", r"\1Status: install ok installed\n", package.control)
        entries.append(file(base, (stanza.rstrip("\n") + "\n").encode(), mtime, "dpkg-status"))
        entries.append(file(base + ".md5sums", package.md5sums.encode(), mtime, "dpkg-status"))
    return entries


def ca_bundle(rootfs: Rootfs, extra: Iterable[bytes], mtime: int) -> list[Entry]:
    """The distribution's certificates in path order, then the image's own; OpenSSL's default path to them.

    Debian ships the links below usr/lib/ssl in the `openssl` package, for a command that we leave out.
    """
    shipped = (entry for entry in rootfs.below("usr/share/ca-certificates") if entry.path.endswith(".crt"))
    certificates = [read(entry) for entry in shipped if entry.kind is Kind.FILE]
    bundle = b"".join(pem.rstrip(b"\n") + b"\n" for pem in [*certificates, *extra])
    if not bundle:
        return []
    return [
        file(CA_BUNDLE, bundle, mtime, "ca-bundle"),
        link("usr/lib/ssl/cert.pem", f"/{CA_BUNDLE}", mtime, "ca-bundle"),
        link("usr/lib/ssl/certs", "/etc/ssl/certs", mtime, "ca-bundle"),
    ]


def read(entry: Entry) -> bytes:
    assert entry.content is not None  # noqa: S101 - only called for files
    with entry.content.open() as stream:
        return stream.read()


def time_zone(rootfs: Rootfs, mtime: int) -> list[Entry]:
    """UTC, where the zones are there: what tzdata's postinst does when nobody was asked."""
    if "usr/share/zoneinfo/Etc/UTC" not in rootfs:
        return []
    return [
        link("etc/localtime", "/usr/share/zoneinfo/Etc/UTC", mtime, "time-zone"),
        file("etc/timezone", b"Etc/UTC\n", mtime, "time-zone"),
    ]


def python_link(rootfs: Rootfs, version: str, mtime: int) -> list[Entry]:
    """`python3`, which Debian's python3-minimal brings together with byte-compilation scripts."""
    if f"usr/bin/python{version}" not in rootfs or "usr/bin/python3" in rootfs:
        return []
    return [link("usr/bin/python3", f"python{version}", mtime, "python-link")]


ALTERNATIVE = re.compile(
    r"update-alternatives\s+(?:--quiet\s+)?--install\s+(/\S+)\s+([\w.+-]+)\s+(/\S+)\s+(\d+)"
)


def alternatives(rootfs: Rootfs, packages: Iterable[Package], mtime: int) -> list[Entry]:
    """The links of `update-alternatives --install LINK NAME PATH PRIORITY` with plain words only.

    Read out of the postinst text: highest priority wins, then the first path in order. A line with shell
    variables in it is passed over; what needs it shows up in the ELF and interpreter closure.
    """
    best: dict[str, tuple[int, str, str]] = {}
    for package in packages:
        script = dict(package.scripts).get("postinst", "").replace("\\\n", " ")
        for place, name, path, priority in ALTERNATIVE.findall(script):
            if "$" in place + path or rootfs.resolve(path) is None:
                continue
            candidate = (-int(priority), path, place)
            best[name] = min(best.get(name, candidate), candidate)
    entries = []
    for name, (_, path, place) in sorted(best.items()):
        entries.append(link(f"etc/alternatives/{name}", path, mtime, "alternatives"))
        if place.lstrip("/") not in rootfs:
            entries.append(link(place.lstrip("/"), f"/etc/alternatives/{name}", mtime, "alternatives"))
    return entries
