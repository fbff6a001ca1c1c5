"""The strict base of everything that is parsed from what people or Temper itself wrote."""

import os

# What other packages plug in would change how files are parsed, and is looked for in every one of them.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from pydantic import BaseModel, ConfigDict


def kebab(name: str) -> str:
    return name.replace("_", "-")


class Strict(BaseModel):
    """Frozen, no unknown keys, no coercion; keys are spelt `kebab-case` in YAML and JSON."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=kebab,
        populate_by_name=True,
        defer_build=True,
    )
