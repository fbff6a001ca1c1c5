"""JSON Schema of image.yaml and profiles, for editors: made of the same types that read the files."""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from builder.controls.frame import AnyControl
from builder.model.profile import Off, Profile
from builder.model.spec import ImageSpec
from builder.model.vex import VexSheet

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(kind: str, catalogue: Mapping[str, AnyControl] | None = None) -> dict[str, Any]:
    """Of an `image`, a `profile` or a file of `vex/`; with the catalogue, each control is spelt out."""
    if kind == "vex":
        return _headed(VexSheet, "vex/*.yaml")
    return image_schema() if kind == "image" else profile_schema(catalogue or {})


def image_schema() -> dict[str, Any]:
    found = _headed(ImageSpec, "image.yaml")
    words = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    found["properties"]["healthcheck"] = {"anyOf": [words, found["properties"]["healthcheck"]]}
    variants = found["properties"]["variants"]
    [name] = variants["patternProperties"]
    variants["patternProperties"] = {name: {"$ref": "#/$defs/Variant"}}
    variants["additionalProperties"] = False
    found["$defs"]["Variant"] = variant_schema(found)
    return found


def variant_schema(image: dict[str, Any]) -> dict[str, Any]:
    """The same keys, of which none is required, nor inside of mappings, which are merged key by key."""
    keys = {key: part for key, part in image["properties"].items() if key != "variants"}
    return _partial({"type": "object", "additionalProperties": False, "properties": keys}, image["$defs"])


def _partial(part: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    """Lists are replaced as a whole, so that their items stay complete."""
    name = part.get("$ref", "").rpartition("/")[2]
    found = {**defs.get(name, {}), **{key: value for key, value in part.items() if key != "$ref"}}
    kept = {key: value for key, value in found.items() if key not in ("required", "default")}
    if "properties" in kept:
        kept["properties"] = {key: _partial(value, defs) for key, value in kept["properties"].items()}
    if "anyOf" in kept:
        kept["anyOf"] = [_partial(choice, defs) for choice in kept["anyOf"]]
    return kept


def profile_schema(catalogue: Mapping[str, AnyControl]) -> dict[str, Any]:
    found = _headed(Profile, "profile")
    controls = found["properties"]["controls"]
    if catalogue:
        controls["properties"] = {
            key: _control(control, found["$defs"]) for key, control in catalogue.items()
        }
        controls["additionalProperties"] = False
    return found


def _control(control: AnyControl, defs: dict[str, Any]) -> dict[str, Any]:
    """What a parent profile has set need not be written again: so nothing is required."""
    parameters = _schema_of(control.parameters)
    defs.update(parameters.pop("$defs", {}))  # references begin at the root of the whole schema
    parameters.pop("required", None)
    return {
        "title": control.title,
        "description": control.why,
        "anyOf": [{"const": True}, _schema_of(Off), parameters],
    }


def _headed(model: type[BaseModel], title: str) -> dict[str, Any]:
    return {"$schema": DIALECT, "title": title, **_schema_of(model)}


def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    found = model.model_json_schema(by_alias=True)
    _add_docstrings(found, model)
    for name, part in found.get("$defs", {}).items():
        if inner := _named(model, name):
            _add_docstrings(part, inner)
    tidied: dict[str, Any] = _tidied(found)
    return tidied


def _tidied(part: Any) -> Any:
    """Without `null`, which our YAML never takes, nor the titles that only repeat a key."""
    if isinstance(part, list):
        return [_tidied(item) for item in part]
    if not isinstance(part, dict):
        return part
    found = {key: _tidied(value) for key, value in part.items() if not (key == "default" and value is None)}
    if isinstance(found.get("title"), str):
        del found["title"]
    if (
        found.get("type") == "array" and "minLength" in found
    ):  # pydantic can't see past our list-to-tuple step
        found["minItems"] = found.pop("minLength")
    choice = [item for item in found.get("anyOf", []) if item != {"type": "null"}]
    if len(choice) == 1:
        del found["anyOf"]
        found.update(choice[0])
    return found


def _named(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    module = inspect.getmodule(model)
    found = getattr(module, name, None)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _add_docstrings(schema: dict[str, Any], model: type[BaseModel]) -> None:
    for name, text in _docstrings(model).items():
        field = model.model_fields.get(name)
        if field is not None:
            schema["properties"][field.alias or name].setdefault("description", text)


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The string below each attribute: the same sentence for the reader of the code and of the schema."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(model)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found = {}
    for attribute, below in pairwise(body):
        text = below.value if isinstance(below, ast.Expr) else None
        if isinstance(attribute, ast.AnnAssign) and isinstance(text, ast.Constant):
            found[ast.unparse(attribute.target)] = inspect.cleandoc(str(text.value))
    return found
