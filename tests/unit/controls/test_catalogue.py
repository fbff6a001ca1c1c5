"""The whole catalogue: nothing fires on a sound image, each mutant is caught by its control and no other."""

import re
from collections.abc import Iterator, Mapping

import pytest

from builder.controls.audit import Audited, audit, audit_one
from builder.controls.catalogue import BY_KEY, CATALOGUE
from builder.controls.frame import AnyControl, Context
from builder.controls.harden import harden
from builder.model.image import Image
from builder.model.plan import PlannedControl
from builder.model.report import Outcome
from builder.model.tree import Entry, Rootfs
from tests.unit.controls.mutant import Mutant
from tests.unit.controls.mutants import MUTANTS
from tests.unit.controls.sound import beside, contract, definition, image, lock, plan, planned, sboms, scan

SOUND = image()
PLAN = plan()
LOCK = lock()
CONTRACT = contract()
DEFINITION = definition()
SBOMS = sboms()
BESIDE = beside()
SCAN = scan()

every_control = pytest.mark.parametrize("control", CATALOGUE, ids=lambda control: control.key)
every_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=str)


def controls_for(mutant: Mutant) -> tuple[PlannedControl, ...]:
    own = planned(mutant.control, **mutant.parameters)
    return tuple(own if control.key == mutant.control else control for control in PLAN.controls)


def context(mutant: Mutant | None = None) -> Context:
    files = mutant.run(DEFINITION) if mutant is not None else DEFINITION
    said = mutant.plan(PLAN) if mutant is not None else PLAN
    written = mutant.sboms(SBOMS) if mutant is not None else SBOMS
    around = mutant.beside(BESIDE) if mutant is not None else BESIDE
    scanned = mutant.scan(SCAN) if mutant is not None else SCAN
    return Context(
        plan=said, lock=LOCK, contract=CONTRACT, definition=files, sboms=written, beside=around, scan=scanned
    )


def failed(results: tuple[Audited, ...]) -> set[str]:
    return {result.key for result in results if result.outcome is Outcome.FAILED}


def test_sound_image_has_no_finding() -> None:
    known = {
        "contract": CONTRACT,
        "definition": DEFINITION,
        "sboms": SBOMS,
        "beside": BESIDE,
        "scan": SCAN,
    }
    results = audit(SOUND, PLAN, LOCK, PLAN.controls, **known)
    assert [finding.message for result in results for finding in result.findings] == []
    assert {result.outcome for result in results} == {Outcome.PASSED}


@every_mutant
def test_mutant_is_caught_by_its_control_and_no_other(mutant: Mutant) -> None:
    files = mutant.run(DEFINITION)
    broken = mutant.break_(SOUND)
    said = mutant.plan(PLAN)
    known = {
        "contract": CONTRACT,
        "definition": files,
        "sboms": mutant.sboms(SBOMS),
        "beside": mutant.beside(BESIDE),
        "scan": mutant.scan(SCAN),
    }
    results = audit(broken, said, LOCK, controls_for(mutant), **known)
    assert failed(results) == {mutant.control, *mutant.also}


@every_mutant
def test_finding_says_what_is_wrong(mutant: Mutant) -> None:
    control = planned(mutant.control, **mutant.parameters)
    assert audit_one(mutant.break_(SOUND), control, context(mutant)).findings[0].message == mutant.message


def enforced(broken: Image, mutant: Mutant) -> tuple[Image, PlannedControl]:
    control = planned(mutant.control, **mutant.parameters)
    return BY_KEY[control.key].enforce(broken, control.parameters, context(mutant)), control


@every_mutant
def test_enforce_mends_what_can_be_mended(mutant: Mutant) -> None:
    after, control = enforced(mutant.break_(SOUND), mutant)
    expected = Outcome.PASSED if mutant.mended else Outcome.FAILED
    assert audit_one(after, control, context(mutant)).outcome is expected


@every_mutant
def test_enforcing_twice_changes_nothing_more(mutant: Mutant) -> None:
    after, control = enforced(mutant.break_(SOUND), mutant)
    assert BY_KEY[control.key].enforce(after, control.parameters, context(mutant)) is after


@every_control
def test_enforce_leaves_a_sound_image_alone(control: AnyControl) -> None:
    assert control.enforce(SOUND, planned(control.key).parameters, context()) is SOUND


def test_hardening_a_sound_image_changes_nothing() -> None:
    assert harden(SOUND, PLAN, LOCK).changes == {}


@every_mutant
def test_hardening_mends_hidden_content_too(mutant: Mutant) -> None:
    hardened = harden(mutant.break_(SOUND), PLAN, LOCK)
    assert hardened.image.layers == ()
    if "no-shadowed-content" in mutant.also:
        results = audit(hardened.image, PLAN, LOCK, PLAN.controls)
        assert failed(results) == set()


@every_control
def test_every_control_has_a_mutant(control: AnyControl) -> None:
    assert control.key in {mutant.control for mutant in MUTANTS}


@every_control
def test_every_control_is_told_in_words(control: AnyControl) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", control.key)
    for text in (control.title, control.why, control.remedy):
        assert len(text) > 20
    assert not control.title.endswith(".")
    assert not control.remedy.endswith(".")
    assert control.why.endswith(".")


OURS = re.compile(
    r"image\.yaml|image\.lock|`(writable|state|ports|labels|files|run)\b|temper lock|dev profile"
)


@every_control
def test_what_to_do_about_an_image_of_others_names_nothing_that_only_ours_have(control: AnyControl) -> None:
    text = control.remedy_for(foreign=True)
    assert not OURS.search(text)
    assert not text.endswith(".")
    if control.foreign_remedy:
        assert text != control.remedy_for(foreign=False)
        assert len(text) > 20


@every_control
def test_what_to_do_about_our_image_is_said_in_its_own_words(control: AnyControl) -> None:
    assert control.remedy_for(foreign=False) == control.remedy


@every_control
def test_every_control_answers_to_a_published_rule_with_its_version(control: AnyControl) -> None:
    assert control.references
    for reference in control.references:
        assert re.search(r"\d", reference.standard)
        assert reference.rule


@every_control
def test_parameters_are_described(control: AnyControl) -> None:
    for name, field in control.parameters.model_fields.items():
        assert field.description, name


def test_keys_are_unique() -> None:
    assert len(BY_KEY) == len(CATALOGUE)


class Untouchable(Mapping[str, Entry]):
    """Entries that nobody may look at."""

    def __getitem__(self, path: str) -> Entry:
        pytest.fail(f"looked at {path}")

    def __iter__(self) -> Iterator[str]:
        pytest.fail("looked at every entry")

    def __len__(self) -> int:
        raise AssertionError("looked at how many entries there are")


@pytest.mark.parametrize("mutant", [one for one in MUTANTS if BY_KEY[one.control].looks_beside], ids=str)
def test_who_looks_beside_the_image_looks_at_no_file(mutant: Mutant) -> None:
    """Of an image whose files are known from the build before, they are all that is run."""
    for image_, outcome in ((SOUND, Outcome.PASSED), (mutant.break_(SOUND), Outcome.FAILED)):
        bare = image_.replace(rootfs=Rootfs(Untouchable()), layers=())
        known = context(mutant if outcome is Outcome.FAILED else None)
        assert audit_one(bare, planned(mutant.control), known).outcome is outcome
