"""Images that declare a GPU: what they ask for is theirs, and no more."""

from dataclasses import replace

import pytest

from builder.controls.audit import audit_one
from builder.controls.frame import Context
from builder.controls.harden import harden
from builder.model import gpu
from builder.model.report import Outcome
from builder.model.spec import GpuSpec
from tests.unit.controls.sound import image, lock, plan, planned, set_env
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
