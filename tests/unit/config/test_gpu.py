"""What `gpu:` drives, and what it never sets."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from builder.model import gpu
from builder.model.plan import Plan
from builder.model.profile import DEFAULTS, Ulimit
from builder.model.spec import ImageSpec, Needs
from builder.show import plan_text
from tests.unit.config.cases import plan
from tests.unit.render.contracts import contract_of

CACHES = {*gpu.CODE_CACHES, *gpu.DATA_CACHES}


def spec(**more: Any) -> ImageSpec:
    text = {"description": "x", "base": "debian/trixie", "entrypoint": ["a"], "gpu": {"vendor": "nvidia"}}
    return ImageSpec.model_validate({**text, **more})


@pytest.mark.parametrize(
    "asked", [{"vendor": "nvidia"}, {"vendor": "nvidia", "cuda": "12"}, {"vendor": "amd"}]
)
def test_no_image_asks_for_gpus_by_itself(asked: dict[str, str]) -> None:
    found = gpu.variables(spec(gpu=asked))
    assert not {"CUDA_VERSION", "NVIDIA_REQUIRE_CUDA", "NVIDIA_VISIBLE_DEVICES"} & found.keys()


def test_without_a_gpu_nothing_is_driven() -> None:
    plain = spec(gpu=None, env={"A": "b"}, labels={"c": "d"})
    assert gpu.variables(plain) == {"A": "b"}
    assert gpu.labels(plain) == {"c": "d"}
    assert gpu.run_defaults(plain) is DEFAULTS
    assert gpu.access(plain) is None


def test_the_driver_s_capabilities_are_those_declared_in_one_order() -> None:
    one = spec(gpu={"vendor": "nvidia", "capabilities": ["video", "compute"]})
    assert gpu.variables(one)["NVIDIA_DRIVER_CAPABILITIES"] == "compute,video"
    assert gpu.variables(spec())["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"


@pytest.mark.parametrize("vendor", ["amd", "intel"])
def test_other_drivers_have_no_capabilities(vendor: str) -> None:
    assert "NVIDIA_DRIVER_CAPABILITIES" not in gpu.variables(spec(gpu={"vendor": vendor}))


def test_telemetry_is_off() -> None:
    assert gpu.TELEMETRY_OFF.items() <= gpu.variables(spec()).items()


def test_what_env_says_wins() -> None:
    assert gpu.variables(spec(env={"DO_NOT_TRACK": "0"}))["DO_NOT_TRACK"] == "0"


def test_code_is_cached_where_it_may_be_mapped_and_downloads_where_they_stay() -> None:
    found = gpu.variables(
        spec(
            writable=[{"path": "/tmp"}, {"path": "/jit", "exec": True}],
            state=[{"path": "/data", "mode": "rw"}, {"path": "/models"}],
        )
    )
    assert {found[name].rpartition("/")[0] for name in gpu.CODE_CACHES} == {"/jit"}
    assert {found[name].rpartition("/")[0] for name in gpu.DATA_CACHES} == {"/data"}
    assert len({found[name] for name in CACHES}) == len(CACHES)


def test_one_writable_path_takes_every_cache() -> None:
    found = gpu.variables(spec(writable=[{"path": "/tmp"}]))
    assert {found[name].rpartition("/")[0] for name in CACHES} == {"/tmp"}


def test_without_a_writable_path_no_cache_is_named() -> None:
    assert not CACHES & gpu.variables(spec(state=[{"path": "/models"}])).keys()


def test_the_memory_cap_is_told_to_each_framework() -> None:
    found = gpu.variables(spec(gpu={"vendor": "nvidia", "memory-fraction": 0.25}))
    assert found["PYTORCH_ALLOC_CONF"] == "per_process_memory_fraction:0.25"
    assert found["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.25"
    assert found["CUPY_GPU_MEMORY_LIMIT"] == "25%"


def test_labels_say_which_driver_is_needed() -> None:
    said = {"temper.gpu.minimum-driver": "1", "mine": "x"}
    assert gpu.labels(spec(gpu={"vendor": "nvidia", "cuda": "13"}, labels=said)) == {
        "mine": "x",
        "temper.gpu.cuda": "13",
        "temper.gpu.minimum-driver": "580",
        "temper.gpu.vendor": "nvidia",
    }
    assert gpu.labels(spec(gpu={"vendor": "intel"})) == {"temper.gpu.vendor": "intel"}


@pytest.mark.parametrize(("base", "library"), [("trixie", "librdmacm1t64"), ("bookworm", "librdmacm1")])
def test_rdma_brings_its_user_space(base: str, library: str) -> None:
    one = spec(base=f"debian/{base}", gpu={"vendor": "nvidia", "rdma": True})
    assert gpu.packages(one) == ("ibverbs-providers", "libibverbs1", library)


def planned(tmp_path: Path, asked: dict[str, Any], profile: str = "", **more: Any) -> Plan:
    text = {"description": "x", "base": "debian/trixie", "entrypoint": ["a"], "gpu": asked, **more}
    (tmp_path / "images/app").mkdir(parents=True)
    (tmp_path / "images/app/image.yaml").write_text(yaml.safe_dump(text))
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/bank.yaml").write_text(f"title: Bank\nextends: hardened\n{profile}")
    return plan(tmp_path)


def test_rdma_s_packages_are_requested_by_the_gpu(tmp_path: Path) -> None:
    made = planned(tmp_path, {"vendor": "nvidia", "rdma": True})
    assert {item.name for item in made.packages if item.asked_by == "gpu"} == {
        "ibverbs-providers",
        "libibverbs1",
        "librdmacm1t64",
    }
    limits = made.run.ulimits or {}
    assert limits["memlock"] == Ulimit(soft=-1, hard=-1)
    assert limits["core"] == Ulimit(soft=0, hard=0)


def test_shared_memory_is_what_the_image_needs_unless_a_profile_says_it(tmp_path: Path) -> None:
    assert planned(tmp_path / "a", {"vendor": "nvidia", "shm": "8g"}).run.shm == "8g"
    made = planned(tmp_path / "b", {"vendor": "nvidia", "shm": "8g"}, "run: {shm: 2g}\n")
    assert made.run.shm == "2g"


def test_what_the_program_needs_holds_until_a_profile_says_otherwise(tmp_path: Path) -> None:
    plain = ImageSpec(description="x", base="debian/trixie", entrypoint=("x",))
    needy = plain.model_copy(update={"needs": Needs(memory="4g", cpus=2.0)})
    assert gpu.run_defaults(plain) is DEFAULTS
    found = gpu.run_defaults(needy)
    assert (found.memory, found.cpus, found.pids) == ("4g", 2.0, DEFAULTS.pids)
    made = planned(tmp_path, {"vendor": "nvidia"}, "run: {memory: 1g}\n", needs={"memory": "4g", "cpus": 3})
    assert (made.run.memory, made.run.cpus) == ("1g", 3)


def test_who_compiles_while_running_brings_a_compiler(tmp_path: Path) -> None:
    made = planned(tmp_path, {"vendor": "nvidia"}, jit=True, python={"version": "3.13"})
    asked = {item.name for item in made.packages if item.asked_by == "jit"}
    assert asked == {"g++", "libpython3.13-dev"}
    assert "compiles while it runs" in plan_text(replace(made, controls=()))


def test_the_plan_tells_of_the_gpu(tmp_path: Path) -> None:
    asked = {"vendor": "nvidia", "cuda": "13", "memory-fraction": 0.5, "shm": "2g", "rdma": True}
    told = "gpu nvidia cuda=13 capabilities=compute,utility memory-fraction=0.5 shm=2g rdma=yes"
    assert gpu_line(planned(tmp_path / "a", asked)) == told
    assert gpu_line(planned(tmp_path / "b", {"vendor": "amd"})) == "gpu amd"


def gpu_line(made: Plan) -> str:
    lines = [" ".join(line.split()) for line in plan_text(replace(made, controls=())).splitlines()]
    (line,) = [line for line in lines if line.startswith("gpu ")]
    return line


def test_the_contract_says_how_the_gpu_gets_in() -> None:
    nvidia, amd = contract_of("gpu").gpu, contract_of("gpu-amd").gpu
    assert nvidia is not None
    assert nvidia.cdi == "nvidia.com/gpu=all"
    assert nvidia.devices == gpu.RDMA_NODES
    assert amd is not None
    assert amd.cdi == ""
    assert [device.path for device in amd.devices] == ["/dev/kfd", "/dev/dri"]
