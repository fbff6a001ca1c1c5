"""Images that break the controls of where files come from."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from builder.model.image import Image, Layer
from builder.model.tree import Kind, Rootfs
from tests.unit.controls.mutant import HIDDEN, Sboms, mutant
from tests.unit.controls.sound import (
    SITE,
    Break,
    append,
    below,
    deb,
    directory,
    drop,
    elf,
    file,
    link,
    pem,
    put,
    wheel,
    with_layers,
)


def with_problem(image: Image) -> Image:
    top = image.layers[-1]
    problem = "'../etc/cron.d/x' leads out of the tree"
    return image.replace(
        layers=(Layer(name=top.name, digest=top.digest, rootfs=top.rootfs, problems=(problem,)),)
    )


def bare(path: str, kind: Kind = Kind.DIRECTORY) -> Break:
    """An entry that nothing holds: `with_entries` would bring its parents."""

    def broken(image: Image) -> Image:
        entry = directory(path).replace(kind=kind)
        return with_layers(image.replace(rootfs=Rootfs.of([*image.rootfs.values(), entry])))

    return broken


SUPPLY = (
    mutant(
        "safe-archive",
        "escaping name",
        with_problem,
        "'../etc/cron.d/x' leads out of the tree, in layer sha256:top",
    ),
    mutant(
        "safe-archive",
        "behind a link",
        put(link("app/evil", "/etc"), directory("app/evil/x")),
        "app/evil/x lies below a symlink",
    ),
    mutant(
        "safe-archive",
        "a name that climbs",
        bare(".."),
        ".. has a name that leads elsewhere",
    ),
    mutant(
        "safe-archive",
        "an absolute name",
        bare("/etc/x"),
        "/etc/x has a name that leads elsewhere",
    ),
    mutant(
        "safe-archive",
        "nothing above it",
        bare("opt/tool"),
        "opt/tool lies in a directory that isn't in the image",
    ),
    mutant(
        "no-shadowed-content",
        "deleted later",
        below(file("app/old.txt")),
        "app/old.txt is hidden by layer sha256:top",
    ),
    mutant(
        "no-shadowed-content",
        "replaced later",
        lambda image: with_layers(
            image,
            Layer(
                name="lower",
                digest="sha256:lower",
                rootfs=image.rootfs.with_entries([file("app/server.py", "old")]),
            ),
        ),
        "app/server.py is not what the image shows there, hidden in layer sha256:lower",
    ),
    mutant(
        "scanner-metadata",
        "no os-release",
        drop("etc/os-release"),
        "etc/os-release is missing",
        mended=False,
    ),
    mutant(
        "scanner-metadata",
        "nameless os-release",
        put(file("usr/lib/os-release", "NAME=Debian\nVERSION_ID=13\n")),
        "etc/os-release doesn't say ID",
        mended=False,
    ),
    mutant(
        "scanner-metadata",
        "no package database",
        drop("var/lib/dpkg"),
        "neither var/lib/dpkg/status.d nor var/lib/dpkg/status lists a package",
        mended=False,
        also=("package-set", "owned-files"),
    ),
    mutant(
        "scanner-metadata",
        "broken stanza",
        put(file("var/lib/dpkg/status.d/odd", "Package: odd\n")),
        "var/lib/dpkg/status.d/odd lacks Package, Version or Architecture",
        mended=False,
    ),
    mutant(
        "scanner-metadata",
        "stale RECORD",
        append(f"{SITE}/demo-1.0.dist-info/RECORD", "demo/gone.py,sha256=AAA,1\n../../../bin/gone,,\n"),
        f"{SITE}/demo-1.0.dist-info/RECORD lists 2 files that the image doesn't have",
    ),
    mutant(
        "scanner-metadata",
        "wheel without METADATA",
        drop(f"{SITE}/demo-1.0.dist-info/METADATA"),
        f"{SITE}/demo-1.0.dist-info has no METADATA",
        mended=False,
    ),
    mutant(
        "owned-files",
        "a file more",
        put(file("usr/lib/extra.bin")),
        "usr/lib/extra.bin belongs to no package and isn't declared",
        mended=False,
    ),
    mutant(
        "owned-files",
        "a folder more",
        put(file("opt/tool/a"), file("opt/tool/b")),
        "opt (2 files) belongs to no package and isn't declared",
        mended=False,
    ),
    mutant(
        "owned-files",
        "a program among the configuration",
        put(elf("etc/tool")),
        "etc/tool belongs to no package and isn't declared",
        mended=False,
    ),
    mutant(
        "owned-files",
        "a changed module",
        put(file(f"{SITE}/demo/more.py", "y = 3\n")),
        f"{SITE}/demo/more.py is not what its wheel recorded",
        mended=False,
    ),
    mutant(
        "package-set",
        "a package more",
        put(*deb("extra", "1.0")),
        "package 'extra' 1.0 is not in the lock",
        mended=False,
    ),
    mutant(
        "package-set",
        "another version",
        put(*deb("base-files", "13.9", file("usr/lib/os-release", "ID=debian\nVERSION_ID=13\n"))),
        "package 'base-files' is 13.9, but 13.8 is locked",
        mended=False,
    ),
    mutant(
        "package-set",
        "a wheel less",
        drop(f"{SITE}/demo", f"{SITE}/demo-1.0.dist-info"),
        "wheel 'demo' 1.0 is locked but not in the image",
        mended=False,
    ),
    mutant(
        "max-size",
        "a large file",
        put(file("app/weights.bin", b"\0" * 2_000_000)),
        "the image is 2.0 MB unpacked, 1 MB are allowed",
        mended=False,
    ),
)

DEP5 = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: somebody
License: {}
"""


def under(licence: str) -> Break:
    return put(file("usr/share/doc/libc6/copyright", DEP5.format(licence)))


def written(**changes: Any) -> Callable[[Sboms], Sboms]:
    """The first document, changed."""
    return lambda sboms: (replace(sboms[0], **changes), *sboms[1:])


def named(*more: tuple[str, str, str]) -> Callable[[Sboms], Sboms]:
    return lambda sboms: (replace(sboms[0], packages=sboms[0].packages ^ set(more)), *sboms[1:])


BILLS = (
    mutant(
        "complete-sbom",
        "one is missing",
        lambda image: image.replace(),
        "sbom/spdx.json is missing",
        sboms=written(problem="is missing"),
        mended=False,
    ),
    mutant(
        "complete-sbom",
        "of another build",
        lambda image: image.replace(),
        f"sbom/spdx.json is about another image, sha256:{'0' * 64}",
        sboms=written(digest=f"sha256:{'0' * 64}"),
        mended=False,
    ),
    mutant(
        "complete-sbom",
        "a package less",
        lambda image: image.replace(),
        "sbom/spdx.json lacks deb 'libc6' 2.41-12, which is locked",
        sboms=named(("deb", "libc6", "2.41-12")),
        mended=False,
    ),
    mutant(
        "complete-sbom",
        "a wheel more",
        lambda image: image.replace(),
        "sbom/spdx.json names wheel 'extra' 2.0, which isn't locked",
        sboms=named(("wheel", "extra", "2.0")),
        mended=False,
    ),
    mutant(
        "licences",
        "denied",
        under("AGPL-3+"),
        "deb libc6 is under 'AGPL-3.0-or-later', which the profile doesn't allow",
        parameters={"deny": ("AGPL-*",)},
        mended=False,
    ),
    mutant(
        "licences",
        "not among the allowed",
        under("GPL-2+ and Expat"),
        "deb libc6 is under 'GPL-2.0-or-later', which the profile doesn't allow",
        parameters={"allow": ("MIT", "BSD-*")},
        mended=False,
    ),
    mutant(
        "licences",
        "both alternatives denied",
        under("GPL-3+ or AGPL-3+"),
        "deb libc6 is under 'GPL-3.0-or-later', which the profile doesn't allow",
        parameters={"deny": ("*GPL-3.0-*",)},
        mended=False,
    ),
    mutant(
        "licences",
        "of a wheel",
        put(
            *wheel(
                "demo",
                "1.0",
                {"demo/__init__.py": "x = 1\n", "demo/more.py": "y = 2\n"},
                "License: SSPL-1.0\n",
            )
        ),
        "wheel demo is under 'SSPL-1.0', which the profile doesn't allow",
        parameters={"deny": ("sspl-1.0",)},
        mended=False,
    ),
    mutant(
        "licences",
        "not to be read",
        lambda image: image.replace(),
        "deb base-files doesn't say its licence in a form that can be read",
        parameters={"unstated": "deny"},
        mended=False,
    ),
)

PICKLE = b"\x80\x04\x95" + bytes(16)

MODELS = (
    mutant(
        "data-only-models",
        "a pickle by its name",
        put(file("app/model.pkl")),
        "app/model.pkl is a pickle, which runs code when it is loaded",
        mended=False,
    ),
    mutant(
        "data-only-models",
        "a pickle by its first bytes",
        put(file("app/weights.bin", PICKLE)),
        "app/weights.bin holds a pickle, which runs code when it is loaded",
        mended=False,
    ),
    mutant(
        "data-only-models",
        "what torch.save writes",
        put(file("app/model.pt", b"PK\x03\x04" + bytes(30))),
        "app/model.pt holds a pickle, which runs code when it is loaded",
        mended=False,
    ),
    mutant(
        "data-only-models",
        "Keras",
        put(file("app/model.keras")),
        "app/model.keras is a Keras archive, which may hold code",
        mended=False,
    ),
    mutant(
        "data-only-models",
        "in a layer below",
        below(file("app/model.ckpt")),
        "app/model.ckpt is a pickle, which runs code when it is loaded, hidden in layer sha256:lower",
        mended=False,
        also=(HIDDEN,),
    ),
)

BUNDLE = "etc/ssl/certs/ca-certificates.crt"

TRUST = (
    mutant(
        "approved-ca-bundle",
        "an authority more",
        append(BUNDLE, pem("proxy")),
        f"{BUNDLE} holds 1 certificates that no package brings and nobody declared",
    ),
    mutant(
        "approved-ca-bundle",
        "an authority less",
        put(file(BUNDLE, pem("A"))),
        f"{BUNDLE} lacks 1 certificates that are approved",
    ),
    mutant(
        "approved-ca-bundle",
        "another than the approved",
        lambda image: image.replace(),
        f"{BUNDLE} is not approved (sha256 {hashlib.sha256((pem('A') + pem('B')).encode()).hexdigest()})",
        parameters={"sha256": ("0" * 64,)},
        mended=False,
    ),
    mutant(
        "fips-claim",
        "no word",
        lambda image: image.replace(config=image.config.replace(labels=image.config.labels[:3])),
        "label 'temper.fips' is missing; it says 'not-claimed' where that is so",
    ),
    mutant(
        "fips-claim",
        "a claim",
        lambda image: image.replace(config=image.config.with_labels({"temper.fips": "yes"})),
        "label 'temper.fips' says 'yes', the profile says 'not-claimed'",
    ),
    mutant(
        "fips-claim",
        "a claim with nothing behind it",
        lambda image: image.replace(
            config=image.config.with_labels({"temper.fips": "140-3 certificate 4985"})
        ),
        "no ossl-modules/fips.so is in the image, which the claim stands on",
        parameters={"certificate": "4985"},
        mended=False,
    ),
)
