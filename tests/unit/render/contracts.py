"""Run contracts and what is rendered of them, for the tests of each engine's words."""

from builder.model.contract import RunContract
from builder.model.definition import Definition
from builder.model.image import Image
from builder.model.plan import Plan
from builder.render.contract import make_contract
from builder.render.definition import render
from tests.golden import IMAGES, LAYERS, image_of, plan_of

NAMES = sorted(IMAGES)


def contract_of(name: str) -> RunContract:
    return make_contract(plan_of(name, IMAGES[name]), "temper/x:y", "65532:65532")


def definition_of(plan: Plan, image: Image | None = None) -> Definition:
    return render(plan, image or image_of(plan), LAYERS, make_contract(plan, "temper/x:y", "65532:65532"))


def rendered(name: str) -> Definition:
    return definition_of(plan_of(name, IMAGES[name]))


def text_of(name: str, path: str) -> str:
    return rendered(name).file(path).text
