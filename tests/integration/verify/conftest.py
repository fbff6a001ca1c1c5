"""A small shell-less image with a server in it, and the toolbox to look into it.

Both come out of Debian's static busybox: under the name `httpd` it is a web server and nothing else.
"""

import contextlib
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from builder.controls.frame import NoParameters
from builder.image.assemble import assemble
from builder.image.engine import Engine
from builder.image.running import Container, Mount
from builder.model.contract import RunContract
from builder.model.image import Image, ImageConfig
from builder.model.lock import LockedPackage, LockedPlatform
from builder.model.plan import PackageRequest, Plan, PlannedControl
from builder.model.profile import RunSettings
from builder.model.spec import FileSpec, ImageSpec, Writable
from builder.model.tree import Bytes, Entry, Kind, Rootfs
from builder.packages.store import Store
from builder.render.contract import make_contract
from builder.verify.session import MOUNT, Shell
from builder.verify.toolbox import make_toolbox

PASSWD = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"
GROUP = "root:x:0:\nvideo:x:44:nonroot\nnonroot:x:65532:\n"
SHADOW = "root:!:20000:0:99999:7:::\nnonroot:!:20000:0:99999:7:::\n"
OS_RELEASE = 'ID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n'
STATUS = (
    "Package: probe\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: amd64\nDescription: x\n y\n"
)
LOCK = LockedPlatform(
    packages=(
        LockedPackage(
            name="probe", version="1.0-1", architecture="amd64", archive="debian", path="pool/probe.deb",
            size=1, sha256="0" * 64, because="image",
        ),
    )
)  # fmt: skip
KEYS = [
    *("nonroot-user", "user-resolves", "unique-ids", "no-login-shells", "account-files", "package-set"),
    *("scanner-metadata", "no-package-manager", "no-shell", "no-download-tools", "no-privilege-tools"),
    *("code-owned-by-root", "declared-writable", "safe-path", "exec-entrypoint", "declared-ports"),
    *("healthcheck", "no-root-group", "effective-groups", "read-only-root", "scratch-tmpfs"),
    *("drop-capabilities", "not-privileged", "no-new-privileges", "seccomp", "lsm", "no-host-namespaces"),
    *("no-host-mounts", "declared-devices", "limits", "shm-and-ulimits", "bound-ports", "no-root-exec"),
    *("bounded-restart", "declared-sysctls"),
]
"""Not stop-signal: busybox's web server leaves every signal to the kernel."""
SUITES = Path(__file__).parents[2] / "suites"


def host_busybox(folder: Path) -> Path:
    """Out of the distribution's package, by its ordinary client."""
    commands = (["apt-get", "download", "busybox-static"], ["sh", "-c", "dpkg -x busybox-static_*.deb ."])
    for command in commands:
        with contextlib.suppress(FileNotFoundError):
            subprocess.run(command, cwd=folder, capture_output=True, check=False)
    found = next(iter(folder.glob("**/bin/busybox")), None)
    if found is None:
        pytest.skip("busybox-static can't be downloaded here")
    return found


@pytest.fixture(scope="session")
def busybox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return host_busybox(tmp_path_factory.mktemp("busybox"))


@pytest.fixture(scope="session")
def toolbox(busybox: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toolbox(busybox, tmp_path_factory.mktemp("toolbox"), "linux/amd64")


def file(path: str, data: bytes | str, mode: int = 0o644, uid: int = 0) -> Entry:
    content = data.encode() if isinstance(data, str) else data
    return Entry(path=path, kind=Kind.FILE, mode=mode, uid=uid, gid=uid, content=Bytes(content))


def folder(path: str, mode: int = 0o755, uid: int = 0) -> Entry:
    return Entry(path=path, kind=Kind.DIRECTORY, mode=mode, uid=uid, gid=uid)


def tree(busybox: Path) -> Rootfs:
    """`hidden` is what a search without capabilities can't see."""
    return Rootfs().with_entries(
        [
            file("usr/bin/httpd", busybox.read_bytes(), 0o755),
            Entry(path="bin", kind=Kind.SYMLINK, mode=0o777, target="usr/bin"),
            Entry(path="etc/dangling", kind=Kind.SYMLINK, mode=0o777, target="/usr/nowhere"),
            file("etc/passwd", PASSWD),
            file("etc/group", GROUP),
            file("etc/shadow", SHADOW, 0o640),
            file("etc/os-release", OS_RELEASE),
            file("srv/index.html", "it works\n"),
            file("srv/odd name\twith \\ signs", "x"),
            file("var/lib/dpkg/status.d/probe", STATUS),
            file("var/lib/dpkg/status.d/probe.md5sums", ""),
            folder("home/nonroot", 0o755, 65532),
            folder("home/nonroot/hidden", 0o700, 65532),
            file("home/nonroot/hidden/su", b"", 0o4755, 65532),
            folder("tmp", 0o1777),
            folder("run", 0o755, 65532),
            *(folder(name) for name in ("proc", "sys", "dev", "root", "usr/lib")),
        ]
    )


CONFIG = ImageConfig(
    platform="linux/amd64",
    user="65532:65532",
    entrypoint=("/usr/bin/httpd", "-f"),
    cmd=("-p", "8000", "-h", "/srv"),
    env=(("PATH", "/usr/local/bin:/usr/bin:/bin"), ("PROBE", "a b=c")),
    workdir="/srv",
    ports=("8000/tcp",),
    stop_signal="SIGTERM",
    created=1_760_000_000,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An image that the engine has, with all that `verify` needs of it."""

    image: Image
    layout: Path
    plan: Plan
    contract: RunContract


def plan_for(config: ImageConfig, keys: list[str]) -> Plan:
    spec = ImageSpec(
        description="a probe",
        base="debian/trixie",
        entrypoint=config.entrypoint,
        cmd=config.cmd,
        workdir=config.workdir,
        env=dict(config.env),
        ports=tuple(int(port.partition("/")[0]) for port in config.ports),
        files=(FileSpec(source="x", target="/srv"),),
        writable=(Writable(path="/tmp", size="8m"), Writable(path="/run", size="8m", exec=True)),
    )
    controls = (PlannedControl(key=key, parameters=NoParameters(), asked_by="hardened") for key in keys)
    return Plan(
        image="probe",
        profile="hardened",
        chain=("hardened",),
        spec=spec,
        folder=Path("/nowhere"),
        packages=(PackageRequest(name="probe", asked_by="image"),),
        controls=tuple(controls),
        switched_off=(),
        run=RunSettings(memory="128m", pids=64, cpus=0.5, shm="16m"),
        waivers=(),
    )


Build = Callable[..., Built]


@pytest.fixture(scope="session")
def build(engine: Engine, busybox: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Builds the probe image, changed: `config` replaces config values, `entries` come on top."""
    tags = []
    store = Store(tmp_path_factory.mktemp("store"))

    def make(entries: tuple[Entry, ...] = (), keys: list[str] = KEYS, **config: object) -> Built:
        tag = f"temper-test/probe:{secrets.token_hex(4)}"
        layout = tmp_path_factory.mktemp("layout") / "oci"
        changed = replace(CONFIG, **config)
        image = Image(rootfs=tree(busybox).with_entries(entries), config=changed)
        written = assemble(image, store, layout, name=tag)
        tags.append(tag)
        engine.load(layout, tag)
        plan = plan_for(changed, keys)
        return Built(image=written, layout=layout, plan=plan, contract=make_contract(plan, tag, changed.user))

    yield make
    for tag in tags:
        engine.remove_image(tag)


@pytest.fixture(scope="session")
def probe(build: Build) -> Built:
    """The sound image."""
    return build()


Started = AbstractContextManager[Container]


@pytest.fixture(scope="session")
def start(engine: Engine, toolbox: Path) -> Callable[[RunContract], Started]:
    return lambda contract: engine.start(contract, mounts=[Mount(source=toolbox, target=MOUNT)])


@pytest.fixture(scope="session")
def container(start: Callable[[RunContract], Started], probe: Built) -> Iterator[Container]:
    with start(probe.contract) as running:
        yield running


@pytest.fixture
def shell(container: Container) -> Iterator[Shell]:
    opened = Shell(container)
    yield opened
    opened.close()
