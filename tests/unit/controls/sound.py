"""A small image that no control finds anything wrong with, and tools to break it in one place."""

import base64
import datetime
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.controls.catalogue import CATALOGUE
from builder.model.beside import Beside, StatedProvenance, StatedPublication
from builder.model.contract import RunContract
from builder.model.definition import Definition
from builder.model.image import Image, ImageConfig, Layer
from builder.model.lock import LockedIndex, LockedPackage, LockedPlatform, LockedWheel
from builder.model.plan import Plan, PlannedControl
from builder.model.profile import RunSettings
from builder.model.sbom import FILES, StatedSbom
from builder.model.scan import Rating, Scan, ScanRun, StatedScan, Vulnerability
from builder.model.spec import FileSpec, Healthcheck, ImageSpec, PythonSpec, State, Writable
from builder.model.tree import Bytes, Elf, Entry, Facts, Kind, Owner, Rootfs
from builder.model.vex import Issued, Statement
from builder.render.contract import make_contract
from builder.render.definition import render

CREATED = 1_760_000_000
LAYER = Owner(kind="layer", name="sha256:top")
SITE = "usr/local/lib/python3.13/dist-packages"
LIB = "usr/lib/x86_64-linux-gnu"
CERTIFICATES = "usr/share/ca-certificates/mozilla"
LOADER = "ld-linux-x86-64.so.2"
VERSIONS = {
    "libc6": "2.41-12",
    "base-files": "13.8",
    "ca-certificates": "20250419",
    "python3.13": "3.13.5-2",
}
"""Of the Debian packages."""
PARAMETERS: dict[str, dict[str, Any]] = {"max-size": {"megabytes": 1}, "recent-build": {"days": 30}}
"""For controls that can't be switched on without."""

PASSWD = """\
root:x:0:0:root:/root:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/usr/sbin/nologin
"""
GROUP = "root:x:0:\nshadow:x:42:\nnonroot:x:65532:\nnogroup:x:65534:\n"
SHADOW = "root:!*:::::::\nnonroot:!*:::::::\nnobody:!*:::::::\n"


def directory(path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(path=path, kind=Kind.DIRECTORY, mode=mode, uid=uid, gid=gid, mtime=CREATED, owner=LAYER)


def file(path: str, text: str | bytes = "x\n", mode: int = 0o644, uid: int = 0, gid: int = 0) -> Entry:
    data = text.encode() if isinstance(text, str) else text
    return Entry(
        path=path,
        kind=Kind.FILE,
        mode=mode,
        uid=uid,
        gid=gid,
        mtime=CREATED,
        content=Bytes(data, facts_of(data)),
        owner=LAYER,
    )


def pem(name: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\nMII{name}\n-----END CERTIFICATE-----\n"


def facts_of(data: bytes) -> Facts:
    if data.startswith(b"#!"):
        return Facts(shebang=data[2:].partition(b"\n")[0].decode().strip())
    return Facts()


def elf(path: str, *needed: str, mode: int = 0o755, **known: Any) -> Entry:
    facts = Facts(elf=Elf(**{"machine": "x86_64", "needed": needed, **known}))
    return file(path, mode=mode).replace(content=Bytes(b"\x7fELF " + path.encode(), facts))


def link(path: str, target: str) -> Entry:
    return Entry(path=path, kind=Kind.SYMLINK, mode=0o777, target=target, mtime=CREATED, owner=LAYER)


def fifo(path: str, kind: Kind = Kind.FIFO) -> Entry:
    return Entry(path=path, kind=kind, mode=0o600, mtime=CREATED, owner=LAYER)


def recorded(path: str, entry: Entry) -> str:
    """A line of RECORD."""
    assert entry.content is not None
    digest = base64.urlsafe_b64encode(bytes.fromhex(entry.content.sha256)).rstrip(b"=").decode()
    return f"{path},sha256={digest},{entry.size}\n"


def wheel(name: str, version: str, files: dict[str, str], fields: str = "") -> list[Entry]:
    """A wheel's modules with its metadata."""
    entries = [file(f"{SITE}/{path}", text) for path, text in files.items()]
    info = f"{name}-{version}.dist-info"
    entries.append(file(f"{SITE}/{info}/METADATA", f"Name: {name}\nVersion: {version}\n{fields}"))
    lines = [recorded(entry.path.removeprefix(SITE + "/"), entry) for entry in entries]
    return [*entries, file(f"{SITE}/{info}/RECORD", "".join(lines) + f"{info}/RECORD,,\n")]


def deb(name: str, version: str, *entries: Entry) -> list[Entry]:
    """A Debian package's files with its record under status.d."""
    stanza = f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"
    sums = "".join(f"{hashlib.sha256(e.path.encode()).hexdigest()[:32]}  {e.path}\n" for e in entries)
    base = f"var/lib/dpkg/status.d/{name}"
    return [*entries, file(base, stanza), file(base + ".md5sums", sums)]


def entries() -> list[Entry]:
    return [
        *(directory(path) for path in ("dev", "etc", "home", "proc", "run", "sys", "usr", "var", "app")),
        directory("root", 0o700),
        directory("tmp", 0o1777),
        directory("var/tmp", 0o1777),
        directory("home/nonroot", 0o750, 65532, 0),
        directory("models"),
        directory("var/lib/app", 0o775, 65532, 0),
        directory("var/log"),
        link("bin", "usr/bin"),
        link("lib", "usr/lib"),
        link("lib64", "usr/lib64"),
        *deb(
            "libc6",
            "2.41-12",
            elf(f"{LIB}/libc.so.6", LOADER, soname="libc.so.6"),
            elf(f"{LIB}/{LOADER}", soname=LOADER),
            file("usr/share/doc/libc6/copyright", "Free\n"),
            link("usr/lib64/ld-linux-x86-64.so.2", f"/lib/x86_64-linux-gnu/{LOADER}"),
        ),
        *deb(
            "ca-certificates",
            "20250419",
            file(f"{CERTIFICATES}/a.crt", pem("A")),
            file(f"{CERTIFICATES}/b.crt", pem("B")),
        ),
        file("etc/ssl/certs/ca-certificates.crt", pem("A") + pem("B")),
        *deb("base-files", "13.8", file("usr/lib/os-release", 'ID=debian\nVERSION_ID="13"\n')),
        *deb(
            "python3.13",
            "3.13.5-2",
            elf("usr/bin/python3.13", "libm.so.6", "libc.so.6", interpreter=f"/lib64/{LOADER}"),
            elf(f"{LIB}/libm.so.6", "libc.so.6", soname="libm.so.6"),
            file("usr/lib/python3.13/os.py", "#!/usr/bin/python3.13\n"),
        ),
        link("usr/bin/python3", "python3.13"),
        link("etc/os-release", "../usr/lib/os-release"),
        file("etc/passwd", PASSWD),
        file("etc/group", GROUP),
        file("etc/shadow", SHADOW, 0o640, 0, 42),
        *wheel("demo", "1.0", {"demo/__init__.py": "x = 1\n", "demo/more.py": "y = 2\n"}),
        file("app/server.py", "#!/usr/bin/env python3\nprint()\n"),
    ]


def config() -> ImageConfig:
    variables = {
        "HOME": "/home/nonroot",
        "PATH": "/usr/local/bin:/usr/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
    }
    labels = {
        "org.opencontainers.image.title": "sample",
        "org.opencontainers.image.description": "A sample",
        "org.opencontainers.image.created": "2025-10-09T08:53:20Z",
        "temper.fips": "not-claimed",
    }
    return ImageConfig(
        platform="linux/amd64",
        user="65532:65532",
        entrypoint=("python3", "/app/server.py"),
        env=tuple(sorted(variables.items())),
        workdir="/app",
        labels=tuple(sorted(labels.items())),
        ports=("8000/tcp",),
        stop_signal="SIGTERM",
        healthcheck=Healthcheck(command=("python3", "-c", "pass")),
        created=CREATED,
    )


def image() -> Image:
    """As it is read back: one layer, and the merged tree holds the same entries."""
    rootfs = Rootfs().with_entries(entries())
    return with_layers(Image(rootfs=rootfs, config=config(), history=("ADD layers/01-system.tar.gz /",)))


def with_layers(broken: Image, *below: Layer) -> Image:
    top = Layer(name="top", digest="sha256:top", rootfs=broken.rootfs)
    return broken.replace(layers=(*below, top))


def plan() -> Plan:
    spec = ImageSpec(
        description="A sample",
        base="debian/trixie",
        python=PythonSpec(version="3.13"),
        files=(FileSpec(source="app/", target="/app"),),
        entrypoint=("python3", "/app/server.py"),
        ports=(8000,),
        writable=(Writable(path="/tmp"),),
        state=(State(path="/models"), State(path="/var/lib/app", mode="rw")),
    )
    return Plan(
        image="sample",
        profile="all",
        chain=("all",),
        spec=spec,
        folder=Path("images/sample"),
        packages=(),
        controls=controls(),
        switched_off=(),
        run=RunSettings(),
        waivers=(),
    )


def contract() -> RunContract:
    """Every control is on, and yet the pod names its user: so that mutants can name another one."""
    return replace(make_contract(plan(), "temper/sample:all", "65532:65532"), any_user=False)


def definition() -> Definition:
    """By the real templates: what they get wrong, these tests see."""
    return render(plan(), image(), ("layers/01-system.tar.gz",), contract())


def controls() -> tuple[PlannedControl, ...]:
    return tuple(planned(control.key) for control in CATALOGUE)


def planned(key: str, **parameters: Any) -> PlannedControl:
    control = next(control for control in CATALOGUE if control.key == key)
    known = control.parameters(**(parameters or PARAMETERS.get(key, {})))
    return PlannedControl(key=key, parameters=known, asked_by="all")


def lock() -> LockedPlatform:
    packages = tuple(
        LockedPackage(
            name=name,
            version=version,
            architecture="amd64",
            archive="debian",
            path=f"pool/main/{name}.deb",
            size=1,
            sha256="0" * 64,
            because="image",
        )
        for name, version in VERSIONS.items()
    )
    demo = LockedWheel(
        name="demo", version="1.0", filename="demo-1.0-py3-none-any.whl", size=1, sha256="0" * 64
    )
    return LockedPlatform(packages=packages, wheels=(demo,))


def beside() -> Beside:
    """The indexes are as old as the image, and somebody looks a week later."""
    index = LockedIndex(
        archive="debian", suite="trixie", date=CREATED, valid_until=None, sha256="1" * 64, signed_by=("ABCD",)
    )
    return Beside(
        today=datetime.date(2025, 10, 16),
        indexes=(index,),
        provenance=StatedProvenance(inputs=frozenset({"0" * 64, "1" * 64})),
        published=StatedPublication(digest="", references=(("registry.example/sample:1", True),)),
    )


def sboms() -> tuple[StatedSbom, ...]:
    packages = frozenset({("deb", name, version) for name, version in VERSIONS.items()})
    named = packages | {("wheel", "demo", "1.0")}
    return tuple(StatedSbom(file=f"sbom/{file}", packages=named) for file in FILES.values())


def scan() -> StatedScan:
    """One scanner, one finding, and who answers for it."""
    row = Vulnerability(
        id="CVE-2026-0001", package="libc6", version="2.41-12", kind="deb", rating=Rating.CRITICAL,
        fixed="2.41-13", first_seen="2026-11-01", excused="vex/a.yaml: vulnerable_code_not_present",
    )  # fmt: skip
    run = ScanRun(scanner="trivy", version="0.74.0", sha256="0" * 64, packages=5, found=(row,))
    own = ScanRun(scanner="built-in", version="0.1.0", packages=4, database="2026-11-20", support=())
    said = Statement(
        vulnerability="CVE-2026-0001", packages=("libc6",), status="not_affected",
        justification="vulnerable_code_not_present", statement="it is built without",
        date=datetime.date(2026, 11, 1), expires=datetime.date(2026, 12, 24),
    )  # fmt: skip
    return StatedScan(
        scan=Scan(image="sample", digest="", time="2026-11-20T10:00:00Z", runs=(run, own)),
        today=datetime.date(2026, 11, 22),
        issued=(Issued(statement=said, author="me", file="vex/a.yaml", line=3),),
    )


Break = Callable[[Image], Image]
"""Makes a sound image unsound."""


def put(*new: Entry) -> Break:
    """With the entries added or replaced, in the tree and in the layer."""
    return lambda image: with_layers(image.replace(rootfs=image.rootfs.with_entries(new)))


def drop(*paths: str) -> Break:
    return lambda image: with_layers(image.replace(rootfs=image.rootfs.without(paths)))


def change(path: str, **changes: Any) -> Break:
    return lambda image: put(image.rootfs[path].replace(**changes))(image)


def append(path: str, text: str) -> Break:
    """A line more in a file."""

    def broken(image: Image) -> Image:
        old = image.rootfs[path]
        assert old.content is not None
        return put(old.replace(content=Bytes(old.content.open().read() + text.encode())))(image)

    return broken


def set_config(**changes: Any) -> Break:
    return lambda image: image.replace(config=image.config.replace(**changes))


def set_env(name: str, value: str) -> Break:
    return lambda image: image.replace(config=image.config.with_env(**{name: value}))


def without_env(name: str) -> Break:
    def broken(image: Image) -> Image:
        kept = tuple(item for item in image.config.env if item[0] != name)
        return image.replace(config=image.config.replace(env=kept))

    return broken


def below(*hidden: Entry) -> Break:
    """Entries of a layer below that the top layer deletes."""

    def broken(image: Image) -> Image:
        lower = Layer(name="lower", digest="sha256:lower", rootfs=Rootfs().with_entries(hidden))
        top = Layer(
            name="top",
            digest="sha256:top",
            rootfs=image.rootfs,
            whiteouts=tuple(entry.path for entry in hidden),
        )
        return image.replace(layers=(lower, top))

    return broken
