"""Where results lie, and what is refused before any stage runs."""

from datetime import date
from pathlib import Path

import pytest

from builder import pipeline, results
from builder.config.plan import make_plan
from builder.config.workspace import Workspace
from builder.controls.catalogue import BY_KEY
from builder.errors import InputError
from builder.model.plan import Plan
from builder.packages.store import Store
from builder.progress import Silent
from builder.resources import data_folder
from builder.stages import LAYOUT, Options
from builder.workplace import Workplace, created


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    workspace = Workspace((data_folder(),), tmp_path)
    return Workplace(workspace=workspace, store=Store(tmp_path / "store"), progress=Silent())


@pytest.fixture
def plan(place: Workplace) -> Plan:
    return make_plan(place.workspace, "python", "hardened", BY_KEY, date(2026, 11, 22))


def test_results_lie_in_a_folder_named_by_image_profile_and_architecture(plan: Plan) -> None:
    assert results.output_folder(plan, "linux/arm64", None) == Path("build/python-hardened-arm64")
    assert results.output_folder(plan, "linux/arm64", Path("x")) == Path("x")


def test_auditing_what_was_not_built_says_how_to_build_it(
    place: Workplace, plan: Plan, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        pipeline.audit(place, plan, Options(output=tmp_path, platform="linux/arm64"))
    assert str(caught.value) == f"{tmp_path}/oci: no such image; run `temper build python` first"


def test_an_image_of_another_platform_is_not_verified_in_silence(
    place: Workplace, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "host_platform", lambda: "linux/amd64")
    (tmp_path / LAYOUT).mkdir()
    with pytest.raises(InputError) as caught:
        pipeline.audit(place, plan, Options(output=tmp_path, platform="linux/arm64", verify=True))
    assert str(caught.value) == (
        "--platform: an image for linux/arm64 can't be started on linux/amd64; run `temper audit`"
    )


def test_source_date_epoch_wins_over_the_locks_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert created(5) == 5
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "7")
    assert created(5) == 7


def test_a_source_date_epoch_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(InputError) as caught:
        created(5)
    assert str(caught.value) == (
        "SOURCE_DATE_EPOCH: 'yesterday' is not a number of seconds since 1970; correct or unset it"
    )
