"""The snippets of docs/ci.md, and the shell lines in them."""

import re
from pathlib import Path
from typing import Any

import yaml

PAGE = Path(__file__).parents[1] / "docs" / "ci.md"
SNIPPETS = ("GitHub Actions", "GitLab CI", "make", "Every night")
FENCE = re.compile(r"^## (?P<name>.+?)\n(?:(?!^## ).*\n)*?```\w+\n(?P<text>(?:.*\n)*?)```$", re.MULTILINE)


def snippets() -> dict[str, str]:
    return {found["name"]: found["text"] for found in FENCE.finditer(PAGE.read_text(encoding="utf-8"))}


def shell_lines(name: str) -> list[str]:
    """What a runner's shell gets; of the makefile, what make would run for the image `python`."""
    text = snippets()[name]
    if name == "make":
        found = [line.strip() for line in text.splitlines() if line.startswith("\t")]
        return [
            line.replace("$(TEMPER)", "temper").replace("$@", "python").replace("$$", "$") for line in found
        ]
    data: Any = yaml.safe_load(text)
    if name == "GitLab CI":
        return [*data["image"]["script"]]
    [job] = data["jobs"].values()
    return [step["run"] for step in job["steps"] if "run" in step]
