"""Whatever stands in the two files, planning ends in a plan or in problems of the house's form."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.config.wording import keys
from builder.errors import InputError
from builder.model.profile import Device, Profile, RunSettings, Ulimit, Waiver
from builder.model.spec import FileSpec, Healthcheck, ImageSpec, PythonSpec, State, Writable
from tests.unit.config.cases import CATALOGUE, SOUND, plan

MODELS = (
    ImageSpec,
    PythonSpec,
    FileSpec,
    Healthcheck,
    Writable,
    State,
    Profile,
    RunSettings,
    Waiver,
    Device,
    Ulimit,
)
WORDS = sorted({key for model in MODELS for key in keys(model)} | set(CATALOGUE) | {"off", "uid", "modes"})
PLAIN = [True, False, None, 0, -1, 8000, 1.5, 10**17]
TEXTS = ["", " ", "x", "3.13", "/tmp", "64m", "app/", "a b", "..", "/", "it's", "2027-01-01"]
NAMES = ["bank", "baseline", "debian/trixie", "linux/amd64"]
VALUES = st.sampled_from(PLAIN) | st.sampled_from(TEXTS) | st.sampled_from(NAMES)
DATA = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(min_size=1, max_size=3), inner, max_size=5)
    ),
    max_leaves=12,
)
IMAGE = st.fixed_dictionaries({}, optional=dict.fromkeys(keys(ImageSpec), DATA))
PROFILE = st.fixed_dictionaries({}, optional=dict.fromkeys(keys(Profile), DATA))


@settings(max_examples=60, deadline=None)
@given(image=IMAGE | DATA, profile=PROFILE | DATA)
def test_any_data_is_planned_or_refused(
    tmp_path_factory: pytest.TempPathFactory, image: object, profile: object
) -> None:
    team = tmp_path_factory.getbasetemp() / "team"
    written = {"images/app/image.yaml": image, "profiles/bank.yaml": profile}
    for name, data in written.items():
        path = team / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data, ensure_ascii=False))
    problems = _problems(team)
    assert all(_of_good_form(problem, team) for problem in problems), problems
    assert len(set(problems)) == len(problems)


def _problems(team: Path) -> tuple[str, ...]:
    try:
        plan(team)
    except InputError as error:
        return error.problems
    return ()


def _of_good_form(problem: str, team: Path) -> bool:
    return problem.startswith((f"{team}/", f"{SOUND}/")) and "; " in problem
