"""Small images with owners, as `compose` makes them, and as others do."""

import hashlib
import json
from typing import Any

from builder.model.image import Image, ImageConfig, Layer
from builder.model.lock import LockedPackage, LockedPlatform, LockedWheel
from builder.model.tree import Bytes, Elf, Entry, Facts, Kind, Owner, Rootfs

SITE = "usr/local/lib/python3.13/dist-packages"
DEB = Owner(kind="deb", name="libdemo++1", version="1:2.0-3")
WHEEL = Owner(kind="wheel", name="demo", version="1.0")
OWN = Owner(kind="file", name="app/")
TEMPER = Owner(kind="temper", name="accounts")
DIGEST = f"sha256:{'a' * 64}"
STANZA = """\
Package: libdemo++1
Status: install ok installed
Source: demo (2.0-2)
Version: 1:2.0-3
Architecture: amd64
Maintainer: Demo Team <demo@example.org>
Homepage: https://example.org/demo
Depends: libc6 (>= 2.4) | libc, other
Description: a library
 and more of it
"""
COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
License: LGPL-2.1+ and odd
"""
METADATA = """\
Name: demo
Version: 1.0
Summary: Shows it
Author-email: Ann Author <ann@example.org>
License-Expression: Apache-2.0
Requires-Dist: missing>=2
"""


def entry(path: str, text: str = "x\n", owner: Owner = DEB, **elf: Any) -> Entry:
    facts = Facts(elf=Elf(machine="x86_64", **elf)) if elf else Facts()
    return Entry(path=path, kind=Kind.FILE, mode=0o644, content=Bytes(text.encode(), facts), owner=owner)


def entries() -> list[Entry]:
    library, bundled = f"{SITE}/demo.libs/libblas-1a2b.so.3", f"{SITE}/demo/_core.so"
    sbom = {"components": [{"name": "openblas", "version": "0.3.30", "purl": "pkg:generic/openblas@0.3.30"}]}
    return [
        entry("etc/os-release", 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian 13"\n', TEMPER),
        entry("usr/lib/libdemo.so.1", soname="libdemo.so.1", build_id="00ff"),
        entry("usr/share/doc/libdemo++1/copyright", COPYRIGHT),
        entry("var/lib/dpkg/status.d/libdemo++1", STANZA, TEMPER),
        entry(f"{SITE}/demo-1.0.dist-info/METADATA", METADATA, WHEEL),
        entry(f"{SITE}/demo-1.0.dist-info/sboms/auditwheel.cdx.json", json.dumps(sbom), WHEEL),
        entry(library, "l", WHEEL, soname="libblas.so.3", build_id="abcd"),
        entry(bundled, "m", WHEEL, needed=("libdemo.so.1", "libblas.so.3")),
        entry(f"{SITE}/demo/_vendor/inner-0.5.dist-info/METADATA", "Name: Inner_One\nVersion: 0.5\n", WHEEL),
        entry(f"{SITE}/demo/static/package.json", '{"name": "@demo/ui", "version": "3.1.0"}', WHEEL),
        entry(f"{SITE}/demo/static/other/package.json", '{"name": "nameless"}', WHEEL),
        entry("app/server.py", "print()\n", OWN),
    ]


def image(found: list[Entry] | None = None) -> Image:
    rootfs = Rootfs().with_entries(found if found is not None else entries())
    layer = Layer(name="system", digest=f"sha256:{'b' * 64}", diff_id=f"sha256:{'c' * 64}", rootfs=rootfs)
    config = ImageConfig(platform="linux/amd64", created=1_760_000_000)
    return Image(rootfs=rootfs, config=config, layers=(layer,), digest=DIGEST)


def recorded() -> list[Entry]:
    """With the records by which a stranger knows who brought what."""
    sums = "".join(f"{'0' * 32}  {one.path}\n" for one in entries() if one.owner == DEB)
    rows = "".join(
        f"{one.path.removeprefix(SITE + '/')},sha256=,1\n" for one in entries() if one.owner == WHEEL
    )
    return [
        *entries(),
        entry("var/lib/dpkg/status.d/libdemo++1.md5sums", sums, TEMPER),
        entry(f"{SITE}/demo-1.0.dist-info/RECORD", rows + "demo-1.0.dist-info/RECORD,,\n", WHEEL),
        entry("srv/node_modules/left-pad/package.json", '{"name": "left-pad", "version": "1.3.0"}'),
        entry("srv/node_modules/left-pad/index.js"),
    ]


def lock() -> LockedPlatform:
    package = LockedPackage(
        name="libdemo++1",
        version="1:2.0-3",
        architecture="amd64",
        archive="debian",
        path="pool/main/libdemo++1_2.0-3_amd64.deb",
        size=1,
        sha256=hashlib.sha256(b"deb").hexdigest(),
        because="image",
    )
    wheel = LockedWheel(
        name="demo",
        version="1.0",
        filename="demo-1.0-py3-none-any.whl",
        size=1,
        sha256=hashlib.sha256(b"wheel").hexdigest(),
    )
    return LockedPlatform(packages=(package,), wheels=(wheel,))
