"""The strict base of everything that is parsed from what people or Temper itself wrote."""

from pydantic import BaseModel, ConfigDict


def kebab(name: str) -> str:
    return name.replace("_", "-")


class Strict(BaseModel):
    """Frozen, no unknown keys, no coercion; keys are spelt `kebab-case` in YAML and JSON."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=kebab, populate_by_name=True
    )
