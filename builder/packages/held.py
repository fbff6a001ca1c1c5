"""Packages held back: what only maintainer scripts need, which never run in an image."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BeforeValidator, Field

from builder.model.base import Strict
from builder.model.spec import Strings, as_tuple


class HeldRule(Strict):
    package: str
    """A package or a virtual name."""
    wanted_by: Strings = ()
    """Only relations of these packages are not followed; empty means: of all."""
    unless_wanted_by: Strings = ()
    """Relations of these packages are followed all the same."""
    reason: Annotated[str, Field(min_length=1)]


class _HeldFile(Strict):
    held: Annotated[tuple[HeldRule, ...], BeforeValidator(as_tuple)]


@dataclass(frozen=True, slots=True)
class Held:
    rules: tuple[HeldRule, ...] = ()

    def reason(self, package: str, wanted_by: str) -> str | None:
        """Why a relation from one package to another is not followed; None where it is."""
        for rule in self.rules:
            if rule.package != package or wanted_by in rule.unless_wanted_by:
                continue
            if not rule.wanted_by or wanted_by in rule.wanted_by:
                return rule.reason
        return None


@cache
def load_held() -> Held:
    """The list that ships with Temper; a fault in it is a bug."""
    text = (Path(__file__).parent / "held.yaml").read_text(encoding="utf-8")
    return Held(_HeldFile.model_validate(yaml.safe_load(text)).held)
