"""A GPU's wiring by a stub driver, on the image `cuda-runtime` and its real CUDA runtime, in real containers.

Each way of wiring it wrongly that docs/gpu.md lists is done for real, and must give its own finding.
"""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from builder import sandbox
from builder.gpu.findings import Expected, unasked_findings, wiring
from builder.gpu.hooks import hooks_row
from builder.gpu.host import HostGpu
from builder.gpu.native import COMPILERS, compiled, find_compiler
from builder.gpu.permissions import drivers_own
from builder.gpu.probing import Case, runtimes_of
from builder.gpu.real import rows_of
from builder.gpu.rehearsal import rehearse
from builder.gpu.route import real
from builder.gpu.rows import kernel_row, wiring_rows
from builder.gpu.seen import Seen
from builder.gpu.stage import GPUS, Stage, expected
from builder.gpu.stub import Nodes
from builder.gpu.translate import ThisHost, translated
from builder.image.engine import Engine
from builder.model.injection import Injection
from builder.model.report import Outcome
from builder.model.spec import GpuSpec
from builder.model.trial import Mount
from builder.packages.store import Store
from tests.integration.images.desk import Build, Built, Desk

pytestmark = [
    pytest.mark.network,
    pytest.mark.docker,
    pytest.mark.skipif(not any(map(shutil.which, COMPILERS)), reason="no C compiler is on the PATH"),
]

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="making device nodes takes root")
FOLDER = "/usr/lib/x86_64-linux-gnu"
ELSEWHERE = "/usr/local/nvidia/lib64"
BOTH = expected(*range(GPUS))


@dataclass(frozen=True, kw_only=True)
class Wired:
    """The image with the stub, ready to be wired otherwise."""

    stage: Stage
    case: Case
    scratch: Path

    def injection(self, *devices: str, cuda: str = "", nodes: Nodes | None = None) -> Injection:
        return translated(self.stage.edits(*devices, cuda=cuda, nodes=nodes), self.stage.host)

    def see(self, injection: Injection, user: str = "") -> Seen:
        probing = self.stage.probing
        if user:
            probing = replace(probing, contract=replace(probing.contract, user=user))
        return probing.look(injection).seen

    def findings(self, injection: Injection, meant: Expected = BOTH) -> list[str]:
        return [one.name for one in wiring(self.see(injection), meant)]

    def nodes(self, mode: int, gid: int, *, own: bool = False, permissions: str = "rw") -> Nodes:
        """Of /dev/null, or with the numbers of NVIDIA's own nodes."""
        folder = self.scratch / f"{mode:o}-{gid}-{own}-{permissions}"
        folder.mkdir(exist_ok=True)
        numbers = drivers_own()
        for name, device in numbers.items():
            path = folder / name
            if not path.exists():
                os.mknod(path, stat.S_IFCHR | mode, os.makedev(*(device if own else (1, 3))))
                path.chmod(mode)
                os.chown(path, 0, gid)
        places = {name: str(folder / name) for name in numbers}
        return Nodes(
            gpus=(places["gpu0"], places["gpu1"]),
            control=places["ctl"],
            uvm=places["uvm"],
            permissions=permissions,
        )


@pytest.fixture(scope="module")
def image(build: Build) -> Built:
    return build("cuda-runtime")


@pytest.fixture(scope="module")
def wired(engine: Engine, desk: Desk, image: Built, tmp_path_factory: pytest.TempPathFactory) -> Wired:
    scratch = tmp_path_factory.mktemp("gpu")
    native = compiled(Store(tmp_path_factory.mktemp("store")), scratch)
    case = Case(
        platform=image.image().config.platform,
        contract=desk.contract("cuda-runtime"),
        gpu=GpuSpec(vendor="nvidia", cuda="13"),
        wheels={},
        runtimes=runtimes_of(image.image()),
        image=image.image(),
    )
    probing = case.probing(engine, native, BOTH.nodes)
    stage = Stage(probing=probing, native=native, info=engine.info, platform=case.platform, scratch=scratch)
    return Wired(stage=stage, case=case, scratch=scratch)


# Each wrong wiring -------------------------------------------------------------------------------------


def test_without_an_injection_there_is_nothing(wired: Wired) -> None:
    seen = wired.see(Injection())
    assert unasked_findings(seen) == ()
    assert [(one.driver, one.code) for one in seen.runtimes] == [(0, 35)]


def test_wired(wired: Wired) -> None:
    seen = wired.see(wired.injection())
    assert wiring(seen, BOTH) == ()
    assert (seen.cuda.mounted, seen.cuda.stub, seen.nvml.count) == (True, True, GPUS)
    assert [(one.driver, one.code) for one in seen.runtimes] == [(13999, 801)]


def test_wired_for_a_user_that_the_image_has_never_heard_of(wired: Wired) -> None:
    seen = wired.see(wired.injection(), user="1234567:0")
    assert (seen.uid, wiring(seen, BOTH)) == (1234567, ())


def without(injection: Injection, *words: str) -> Injection:
    kept = [mount for mount in injection.mounts if not any(word in mount.target for word in words)]
    return replace(injection, mounts=tuple(kept))


def moved(injection: Injection) -> Injection:
    return replace(
        injection,
        mounts=tuple(
            replace(mount, target=mount.target.replace(FOLDER, ELSEWHERE)) for mount in injection.mounts
        ),
    )


def only_versioned(injection: Injection) -> Injection:
    """As a runtime mounts them, and no hook runs."""
    return replace(injection, mounts=tuple(one for one in injection.mounts if one.target.endswith(".0.0.0")))


def masked(injection: Injection) -> Injection:
    empty = Mount(source=Path("/dev/null"), target=f"{FOLDER}/libcuda.so.1")
    return replace(without(injection, "libcuda.so"), mounts=(*without(injection, "libcuda.so").mounts, empty))


WRONG: dict[str, tuple[Callable[[Injection], Injection], list[str]]] = {
    "no driver": (lambda one: without(one, "libcuda", "libnvidia-ml"), ["no-libcuda", "no-nvml"]),
    "no compute": (lambda one: without(one, "libcuda"), ["no-libcuda"]),
    "no utility": (lambda one: without(one, "libnvidia-ml"), ["no-nvml"]),
    "elsewhere": (moved, ["wrong-path"]),
    "elsewhere, and led there": (lambda one: moved(one).with_env(LD_LIBRARY_PATH=ELSEWHERE), []),
    "no hooks": (only_versioned, ["hooks-not-run"]),
    "masked": (masked, ["shadowed"]),
    "no nvidiactl": (lambda one: one.without_node("/dev/nvidiactl"), ["no-device-node"]),
    "no nvidia-uvm": (lambda one: one.without_node("/dev/nvidia-uvm"), ["no-device-node"]),
    "no nvidia0": (lambda one: one.without_node("/dev/nvidia0"), ["no-device-node"]),
    "an old driver": (lambda one: one.with_env(TEMPER_REHEARSAL_CUDA="12040"), ["old-driver"]),
    "a driver of the same major": (lambda one: one.with_env(TEMPER_REHEARSAL_CUDA="13000"), []),
}


@pytest.mark.parametrize("name", WRONG)
def test_wiring(wired: Wired, name: str) -> None:
    change, names = WRONG[name]
    assert wired.findings(change(wired.injection())) == names


@ROOT
def test_a_node_of_a_group(wired: Wired) -> None:
    injection = wired.injection(nodes=wired.nodes(0o660, 44000))
    assert injection.groups == (44000,)
    assert wired.findings(injection) == []
    assert {*wired.findings(replace(injection, groups=()))} == {"no-permission"}


@ROOT
def test_nodes_without_hardware_and_nodes_that_the_cgroup_closes(wired: Wired) -> None:
    seen = wired.see(wired.injection(nodes=wired.nodes(0o666, 0, own=True)))
    assert {*seen.nodes.values()} == {"ENXIO"}
    assert wiring(seen, BOTH) == ()
    meant = Expected(nodes=BOTH.nodes)
    assert {one.name for one in wiring(seen, meant)} >= {"stub-driver", "no-hardware"}
    closed = wired.injection(nodes=wired.nodes(0o666, 0, own=True, permissions="r"))
    assert {*wired.findings(closed)} == {"closed-by-cgroup"}


@ROOT
def test_nodes_that_are_mounted_and_not_handed_on(wired: Wired) -> None:
    injection = wired.injection(nodes=wired.nodes(0o666, 0, own=True))
    mounts = [Mount(source=Path(one.host), target=one.path, read_only=False) for one in injection.nodes]
    mounted = replace(injection, nodes=(), mounts=(*injection.mounts, *mounts))
    assert {*wired.findings(mounted)} == {"closed-by-cgroup"}


def test_a_library_that_is_baked_in(wired: Wired, engine: Engine, tmp_path: Path) -> None:
    shutil.copy(wired.stage.native.cuda, tmp_path / "libcuda.so.1")
    (tmp_path / "libcuda.so.1").chmod(0o755)
    (tmp_path / "Dockerfile").write_text(
        f"FROM {wired.case.contract.image}\nCOPY libcuda.so.1 /opt/lib/\nENV LD_LIBRARY_PATH=/opt/lib\n"
    )
    baked = engine.build(tmp_path, "temper-test/baked:1", tagged=False)
    try:
        probing = replace(wired.stage.probing, contract=replace(wired.case.contract, image=baked))
        seen = probing.look(wired.injection()).seen
        assert seen.cuda.path == "/opt/lib/libcuda.so.1"
        assert [one.name for one in wiring(seen, BOTH)] == ["shadowed"]
        assert [one.name for one in unasked_findings(probing.look().seen)] == ["baked-in"]
    finally:
        engine.remove_image(baked)


def test_the_stub_is_refused_where_a_gpu_is_meant(wired: Wired) -> None:
    seen = wired.stage.probing.look(wired.injection(), kernel=True).seen
    rows = {one.name: one for one in wiring_rows("gpu", seen, replace(BOTH, stub=False))}
    assert rows["gpu: the loader finds the host's driver"].message.startswith("stub-driver: ")
    assert kernel_row(seen).outcome is Outcome.FAILED
    assert {one.step for one in seen.kernels} == {"cuDevicePrimaryCtxRetain"}


SPEC = """\
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
  - name: all
    containerEdits:
      deviceNodes:
        - {{path: /dev/nvidia0, hostPath: /dev/null, permissions: rw}}
        - {{path: /dev/nvidia1, hostPath: /dev/null, permissions: rw}}
containerEdits:
  deviceNodes:
    - {{path: /dev/nvidiactl, hostPath: /dev/null, permissions: rw}}
    - {{path: /dev/nvidia-uvm, hostPath: /dev/null, permissions: rw}}
  hooks:
    - hookName: createContainer
      path: /usr/bin/nvidia-cdi-hook
      args: [nvidia-cdi-hook, update-ldcache, --folder, {folder}]
      env: [NVIDIA_CTK_DEBUG=false]
  mounts:
    - {{hostPath: {library}, containerPath: {folder}/libcuda.so.1.2.3, options: [ro, nosuid, nodev]}}
"""
COMPUTING = Path(__file__).parents[2] / "cases/gpu/computing_cuda.c"
COMPUTES = (
    HostGpu(index=0, uuid="GPU-70717273-7475-7677-7879-7a7b7c7d7e7f", minor=0),
    HostGpu(index=1, uuid="GPU-80818283-8485-8687-8889-8a8b8c8d8e8f", minor=1),
)


def test_a_driver_without_the_mark_goes_all_the_way_of_a_real_one(
    wired: Wired, engine: Engine, tmp_path: Path
) -> None:
    """One that computes on the CPU, by a CDI specification. NVIDIA's runtime knows that it isn't genuine."""
    library, spec = tmp_path / "libcuda.so.1.2.3", tmp_path / "nvidia.yaml"
    words = ["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", COMPUTING, "-o", library]
    subprocess.run([find_compiler(), *words], check=True)
    spec.write_text(SPEC.format(library=library, folder=FOLDER))
    case = replace(wired.case, gpu=GpuSpec(vendor="nvidia", cuda="13", capabilities=("compute",)))
    route = real({}, COMPUTES, "all", spec, ThisHost())
    rows = rows_of(engine, case, wired.stage.native, route, COMPUTES, None)
    failed = {one.name: one.message for one in rows if one.outcome is Outcome.FAILED}
    assert {name: text.partition(":")[0] for name, text in failed.items()} == {
        "gpu: the CUDA runtime reaches the driver": "runtime-fails"
    }
    told = {one.name: (one.outcome.value, one.message) for one in rows}
    assert told["gpu: the engine gives the GPU to a container"] == ("passed", "piece by piece")
    assert told["gpu: the loader finds the host's driver"] == ("passed", f"{FOLDER}/libcuda.so.1")
    assert told["gpu: the driver shows the GPUs that were asked for"] == ("passed", "2 GPUs")
    assert told["gpu: a kernel's sums are the CPU's"] == ("passed", "on 2 GPUs")


# The verbs ---------------------------------------------------------------------------------------------


NOT_RUN = {
    "rehearsal: frameworks load their CUDA parts",
    "rehearsal: the runtime's own hooks wire it",
    "rehearsal: a real GPU",
}


def test_a_rehearsal_by_the_command(image: Built, desk: Desk) -> None:
    report = json.loads(desk.temper("verify", "cuda-runtime", "--gpu", "rehearsal", "--format", "json"))
    rows = {one["name"]: one for one in report["gpu"]}
    assert len(rows) == 14
    assert [name for name in rows if not name.startswith("rehearsal: ")] == []
    assert {name for name, one in rows.items() if one["outcome"] == "failed"} == set()
    if os.geteuid() == 0 and shutil.which("nvidia-cdi-hook") is None:
        assert {name for name, one in rows.items() if one["outcome"] == "not run"} == NOT_RUN
    kept = json.loads((image.folder / "report.json").read_text())
    assert [one["name"] for one in kept["gpu"]] == [*rows]


@pytest.fixture(scope="module")
def tree(image: Built) -> Iterator[Path]:
    with sandbox.unpacked(image.image().rootfs.values()) as root:
        yield root


def contents(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@ROOT
def test_a_folder_is_checked_without_an_engine_and_stays_as_it_was(tree: Path, desk: Desk) -> None:
    before = contents(tree)
    rows = json.loads(desk.temper("gpu", "check", tree, "--rehearsal", "--json", env={"ENGINE": "none"}))
    assert {one["outcome"] for one in rows} == {"passed", "not run"}
    assert len([one for one in rows if one["outcome"] == "passed"]) == 9
    assert contents(tree) == before


@pytest.fixture
def nobody(image: Built, desk: Desk) -> Iterator[Desk]:
    """In a folder of his own with the layout; without root, whoever runs the tests."""
    with tempfile.TemporaryDirectory(prefix="temper-test-") as name:
        home = Path(name)
        shutil.copytree(image.folder / "oci", home / "oci")
        prefix: tuple[str, ...] = ()
        if os.geteuid() == 0:
            for path in (home, *home.rglob("*")):
                os.chown(path, 65534, 65534)
            prefix = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
        for words in (
            (desk.program, "--version"),
            ("unshare", "--user", "--map-root-user", "--mount", "true"),
        ):
            if subprocess.run([*prefix, *words], cwd=home, capture_output=True, check=False).returncode != 0:
                pytest.skip(f"another user can't run {words[0]}")
        yield replace(desk, prefix=prefix, folder=home, env={"HOME": name, "TEMPER_STORE": f"{name}/store"})


def test_a_layout_is_checked_by_anybody(nobody: Desk) -> None:
    """With user namespaces root's rights are needed for no row but those of other users."""
    rows = json.loads(nobody.temper("gpu", "check", "oci", "--rehearsal", "--json"))
    assert {one["outcome"] for one in rows} == {"passed", "not run"}
    passed = {one["name"] for one in rows if one["outcome"] == "passed"}
    assert "rehearsal: the CUDA runtime reaches the driver" in passed
    assert rows[-1]["message"] == "without root there is no other user to be; the rows above are of your own"


@ROOT
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not on this machine")
def test_a_root_that_may_not_mount_checks_a_layout(image: Built, desk: Desk) -> None:
    """As in a container: by a namespace of users of its own."""
    mortal = ("setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-all")
    try_it = ("unshare", "--user", "--map-root-user", "--mount", "true")
    if subprocess.run([*mortal, *try_it], capture_output=True, check=False).returncode != 0:
        pytest.skip("namespaces of users are not allowed here")
    layout = image.folder / "oci"
    rows = json.loads(replace(desk, prefix=mortal).temper("gpu", "check", layout, "--rehearsal", "--json"))
    told = {one["name"]: one["outcome"] for one in rows}
    assert {*told.values()} == {"passed", "not run"}
    assert told["rehearsal: the CUDA runtime reaches the driver"] == "passed"
    assert told["rehearsal: the image's user may use the GPU"] == "not run"


@ROOT
def test_a_folder_with_a_baked_in_driver_fails(wired: Wired, tree: Path, desk: Desk, tmp_path: Path) -> None:
    baked = tmp_path / "odd, as folders are: a tree"
    shutil.copytree(tree, baked, symlinks=True, copy_function=os.link)
    shutil.copy(wired.stage.native.cuda, baked / "usr/lib/libcuda.so.1")
    rows = json.loads(desk.temper("gpu", "check", baked, "--rehearsal", "--json", code=1))
    failed = {one["name"]: one["message"] for one in rows if one["outcome"] == "failed"}
    assert failed == {
        "rehearsal: without a request there is no driver and no GPU": (
            "baked-in: libcuda.so.1 is loaded from '/usr/lib/libcuda.so.1', though nothing was injected; "
            "remove it from the image"
        )
    }


@ROOT
def test_without_a_compiler_it_is_not_run(tree: Path, desk: Desk, tmp_path: Path) -> None:
    """Where everything else is on the PATH."""
    for folder in os.get_exec_path():
        for program in Path(folder).glob("*"):
            link = tmp_path / program.name
            if program.name not in COMPILERS and not link.is_symlink():
                link.symlink_to(program)
    told = desk.temper("gpu", "check", tree, "--rehearsal", "--json", env={"PATH": str(tmp_path)})
    assert [(one["outcome"], one["name"], one["message"]) for one in json.loads(told)] == [
        (
            *("not run", "rehearsal: the GPU's wiring"),
            "no C compiler: none of cc, gcc, clang is on the PATH; install one (Debian: gcc, libc6-dev)",
        ),
        (
            *("not run", "rehearsal: a real GPU"),
            "the stub driver computes nothing; run the same without rehearsal where there is a GPU",
        ),
    ]


@ROOT
def test_a_folder_s_frameworks_are_asked_by_its_own_python(tree: Path, desk: Desk, tmp_path: Path) -> None:
    """A module of CuPy's name, since the real one is large."""
    copy = tmp_path / "tree"
    shutil.copytree(tree, copy, symlinks=True, copy_function=os.link)
    [wheels] = copy.glob("usr/local/lib/python3*/*-packages")
    (wheels / "cupy_cuda13x-14.2.0.dist-info").mkdir()
    what = "frameworks load their CUDA parts: cupy-cuda13x"
    for text, code, row in (
        (CUPY, 0, ("passed", f"rehearsal: {what}", "cupy 14.2.0, driver 13.0")),
        (
            "raise ImportError('broken')\n",
            1,
            ("failed", f"rehearsal: {what}", "it ends with 1: ImportError: broken"),
        ),
    ):
        (wheels / "cupy.py").write_text(text)
        rows = json.loads(desk.temper("gpu", "check", copy, "--rehearsal", "--json", code=code))
        assert row in [(one["outcome"], one["name"], one["message"]) for one in rows]


BROKEN = "it ends with 1: ImportError: broken"
CUPY = """
from types import SimpleNamespace
__version__ = "14.2.0"
cuda = SimpleNamespace(runtime=SimpleNamespace(driverGetVersion=lambda: 13000))
"""
HOOK = """#!{python}
# As the vendor's program does it: links, then the host's ldconfig over the container's files.
import json, os, subprocess, sys
with open(json.load(sys.stdin)["bundle"] + "/config.json") as file:
    root = json.load(file)["root"]["path"]
assert "TEMPER_REHEARSAL_CUDA" not in os.environ, "hooks see what the specification gives them, and no more"
words = sys.argv[1:]
for at, word in enumerate(words):
    if word == "--link":
        target, link = words[at + 1].split("::")
        os.symlink(target, root + link)
    if word == "--folder":
        subprocess.run(["/sbin/ldconfig", "-r", root, words[at + 1]], check=True)
"""


@ROOT
@pytest.mark.skipif(shutil.which("runc") is None, reason="runc is not on this machine")
@pytest.mark.parametrize(("text", "outcome"), [(HOOK, "passed"), ("#!{python}\n", "failed")])
def test_the_hooks_are_run_by_runc(
    wired: Wired, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, outcome: str
) -> None:
    program = tmp_path / "nvidia-cdi-hook"
    program.write_text(text.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    stage = replace(wired.stage, scratch=tmp_path)
    row = hooks_row(stage, wired.case.image, Store(tmp_path / "store"))
    assert (row.outcome.value, row.message.partition(":")[0]) == (
        outcome,
        "" if outcome == "passed" else "hooks-not-run",
    )


def test_another_vendor_s_image(wired: Wired, engine: Engine, tmp_path: Path) -> None:
    case = replace(wired.case, gpu=GpuSpec(vendor="amd"))
    rows = rehearse(engine, case, Store(tmp_path))
    assert {one.name: one.outcome.value for one in rows} == {
        "rehearsal: the image's user may open every node": "passed",
        "rehearsal: a node opens for its group, and for nobody else (EACCES)": "passed"
        if os.geteuid() == 0
        else "not run",
        "rehearsal: shared and lockable memory are as declared": "passed",
        "rehearsal: the vendor's libraries reach the driver": "not run",
        "rehearsal: a real GPU": "not run",
    }
