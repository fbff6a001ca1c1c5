"""What a person calls a place in a registry: `registry.example:5000/team/python:1.0`. Pure."""

import ipaddress
import re
from dataclasses import dataclass

from builder.errors import InputError

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")
LONGEST = 255
"""Characters of a repository's name with its host (distribution, reference.NameTotalLengthMax)."""
EXAMPLE = "registry.example/team/python:1.0"


@dataclass(frozen=True, slots=True)
class Reference:
    host: str
    """With its port, where one is given."""
    repository: str
    tag: str

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}:{self.tag}"

    @property
    def is_near(self) -> bool:
        """On this machine: only there a registry may speak plain HTTP, as engines have it."""
        name = self.host.rpartition(":")[0] if re.search(r":[0-9]+$", self.host) else self.host
        return is_loopback(name.strip("[]"))


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse(text: str) -> Reference:
    """Raises `InputError`: a registry and a tag have to be said, nothing is taken for granted."""
    host, slash, rest = text.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        raise InputError(f"'{text}': names no registry; write it as HOST/REPOSITORY:TAG, such as {EXAMPLE}")
    if "@" in text:
        raise InputError(f"'{text}': holds a digest, which follows from the image; leave it out")
    repository, colon, tag = rest.partition(":")
    problems = []
    if not HOST.fullmatch(host):
        problems.append(f"'{text}': '{host}' is not a host with an optional port")
    if not REPOSITORY.fullmatch(repository) or len(host) + 1 + len(repository) > LONGEST:
        rule = "lower-case letters and digits, with '.', '_', '-' inside and '/' between parts"
        problems.append(
            f"'{text}': '{repository}' is no repository's name: {rule}, {LONGEST} characters at most"
        )
    if not colon:
        problems.append(f"'{text}': has no tag; add one, such as ':1.0'")
    elif not TAG.fullmatch(tag):
        problems.append(f"'{text}': '{tag}' is no tag: letters, digits, '.', '_', '-', at most 128 of them")
    if problems:
        raise InputError(problems)
    return Reference(host=host, repository=repository, tag=tag)
