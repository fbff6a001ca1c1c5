"""Images that declare a GPU: what they ask for is theirs, and no more."""

from dataclasses import replace
from typing import Any

import pytest

from builder.controls.audit import audit_one
from builder.controls.catalogue import BY_KEY
from builder.controls.frame import Context
from builder.controls.harden import harden
from builder.model import gpu
from builder.model.report import Outcome
from builder.model.spec import GpuSpec
from builder.model.tree import Entry
from tests.unit.controls.mutants.gpu import COMPAT, soname
from tests.unit.controls.mutants.gpu import gpu as with_gpu
from tests.unit.controls.sound import (
    SITE,
    contract,
    definition,
    elf,
    file,
    image,
    link,
    lock,
    plan,
    planned,
    put,
    set_env,
    wheel,
)
from tests.unit.render.contracts import contract_of, rendered

DECLARED = replace(plan(), spec=plan().spec.model_copy(update={"gpu": GpuSpec(vendor="nvidia", cuda="13")}))


@pytest.mark.parametrize("name", ["gpu", "gpu-amd"])
def test_the_run_files_open_what_the_contract_declares(name: str) -> None:
    context = Context(contract=contract_of(name), definition=rendered(name))
    assert audit_one(image(), planned("declared-devices"), context).findings == ()


@pytest.mark.parametrize("name", ["gpu", "gpu-amd"])
def test_the_same_files_open_too_much_for_an_image_without_a_gpu(name: str) -> None:
    context = Context(contract=replace(contract_of(name), gpu=None), definition=rendered(name))
    found = {
        finding.message.split()[0]
        for finding in audit_one(image(), planned("declared-devices"), context).findings
    }
    assert found == {
        "run/docker-run.sh",
        "run/compose.yaml",
        "run/pod.yaml",
        "run/kubernetes.yaml",
        f"run/{name}.container",
    }


@pytest.mark.parametrize(
    ("value", "outcome"), [("compute,utility", Outcome.PASSED), ("graphics", Outcome.FAILED)]
)
def test_declared_capabilities_may_be_asked_for(value: str, outcome: Outcome) -> None:
    asking = set_env("NVIDIA_DRIVER_CAPABILITIES", value)(image())
    assert audit_one(asking, planned("gpu-request"), Context(plan=DECLARED)).outcome is outcome


def test_hardening_leaves_what_the_gpu_drives() -> None:
    driven = gpu.variables(DECLARED.spec)
    asking = image().replace(config=image().config.with_env(**driven))
    assert driven.items() <= dict(harden(asking, DECLARED, lock()).image.config.env).items()


@pytest.mark.parametrize(
    "name",
    [
        *("libcudart.so.13", "libcublasLt.so.13", "libnvJitLink.so.13", "libnvrtc-builtins.so.13.0"),
        *("libnvblas.so.13", "libnvshmem_host.so.3", "libcudnn.so.9", "libNVIDIA-ml.so.1", "libcuda.py"),
    ],
)
def test_libraries_of_wheels_are_no_driver(name: str) -> None:
    assert findings("no-driver-files", soname(f"app/{name}")) == []


def test_a_module_of_a_program_s_name_is_no_program() -> None:
    assert findings("no-driver-files", file("app/nvidia-smi")) == []


def test_declared_compatibility_libraries_may_link_to_each_other() -> None:
    library, alias = (
        soname(f"{COMPAT}/libcuda.so.580.65.06"),
        link(f"{COMPAT}/libcuda.so.1", "libcuda.so.580.65.06"),
    )
    assert findings("cuda-compat", library, alias, declared=True) == []
    assert findings("no-driver-files", library, alias) == []


def test_an_allocator_may_be_loaded_first_where_the_profile_says_so() -> None:
    broken = set_env("LD_PRELOAD", "/usr/lib/libjemalloc.so.2")(image())
    control = planned("loader-environment", allow=("LD_PRELOAD",))
    assert audit_one(broken, control, Context(plan=plan())).findings == ()


def test_links_of_a_merged_usr_and_of_a_versioned_cuda_are_fine() -> None:
    there = file("usr/local/cuda-13.0/lib64/x"), link("usr/local/cuda", "cuda-13.0"), link("usr/lib64", "lib")
    assert findings("loader-folders", *there) == []


def test_debian_s_own_loader_configuration_is_fine() -> None:
    conf = file("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n")
    own = file("etc/ld.so.conf.d/x.conf", "# multiarch\n/usr/local/lib/x86_64-linux-gnu\n/usr/lib\n")
    assert findings("loader-folders", conf, own) == []


def test_libraries_that_count_for_themselves_say_nothing_of_cuda() -> None:
    others = (soname(f"app/{name}") for name in ("libcudnn.so.9", "libcufft.so.12", "libcurand.so.10"))
    assert findings("one-cuda-major", soname("app/libcudart.so.13"), *others) == []


def test_rdma_with_a_provider_is_whole() -> None:
    names = ("libibverbs.so.1", "librdmacm.so.1", "libibverbs/libmlx5-rdmav34.so")
    context = Context(plan=with_gpu("nvidia", rdma=True)(plan()))
    broken = put(*(soname(f"app/{name}") for name in names))(image())
    assert audit_one(broken, planned("rdma-libraries"), context).findings == ()


@pytest.mark.parametrize("place", ["/tmp", "/tmp/hf", "/var/lib/app/hf"])
def test_caches_may_lie_in_scratch_space_and_in_state_that_is_written(place: str) -> None:
    broken = set_env("HF_HOME", place)(image())
    assert audit_one(broken, planned("writable-caches"), Context(plan=plan())).findings == ()


def test_of_an_image_of_others_nobody_knows_where_it_writes() -> None:
    broken = set_env("HF_HOME", "/x")(image())
    assert audit_one(broken, planned("writable-caches"), Context()).outcome is Outcome.NOT_ASSESSED


@pytest.mark.parametrize(("value", "found"), [(None, 1), ("compute", 1), ("compute,video", 0), ("all", 0)])
def test_an_image_of_others_declares_by_its_variable(value: str | None, found: int) -> None:
    broken = put(elf("app/decode.so", "libnvcuvid.so.1"))(image())
    broken = set_env("NVIDIA_DRIVER_CAPABILITIES", value)(broken) if value else broken
    assert len(audit_one(broken, planned("driver-capabilities"), Context()).findings) == found


def test_telemetry_is_switched_off_by_hardening() -> None:
    talking = put(*wheel("onnxruntime", "1.31.1", {"onnxruntime/__init__.py": ""}))(image())
    assert harden(talking, plan(), lock()).image.config.env_value("ORT_DISABLE_TELEMETRY") == "1"


def findings(key: str, *entries: Entry, **parameters: Any) -> list[str]:
    context = Context(plan=plan(), contract=contract(), definition=definition())
    result = audit_one(put(*entries)(image()), planned(key, **parameters), context)
    return [finding.message for finding in result.findings]


PLUGIN = f"{SITE}/onnxruntime/capi/libonnxruntime_providers_tensorrt.so"


def test_a_plug_in_that_can_not_be_loaded_goes_and_another_library_is_a_finding() -> None:
    broken = put(elf(PLUGIN, "libnvinfer.so.10"), elf("app/libx.so", "libgone.so.1"))(image())
    control = planned("elf-closure")
    after = BY_KEY["elf-closure"].enforce(broken, control.parameters, Context())
    assert PLUGIN not in after.rootfs
    assert [one.path for one in audit_one(after, control, Context()).findings] == ["app/libx.so"]


def test_a_plug_in_that_can_be_loaded_stays() -> None:
    sound = put(elf(PLUGIN, "libnvinfer.so.10"), elf("usr/lib/libnvinfer.so.10"))(image())
    assert BY_KEY["elf-closure"].enforce(sound, planned("elf-closure").parameters, Context()) is sound


def test_who_opens_a_plug_in_has_loaded_its_neighbours() -> None:
    folder = f"{SITE}/nvidia/cu13/lib"
    both = put(elf(f"{folder}/libcufile_rdma.so.1", "libcufile.so.0"), elf(f"{folder}/libcufile.so.0"))(
        image()
    )
    assert BY_KEY["elf-closure"].enforce(both, planned("elf-closure").parameters, Context()) is both
    assert (
        findings(
            "elf-closure",
            both.rootfs[f"{folder}/libcufile_rdma.so.1"],
            both.rootfs[f"{folder}/libcufile.so.0"],
        )
        == []
    )
