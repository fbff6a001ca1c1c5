"""What a registry answers to whoever has not said who he is. Pure.

Source: RFC 9110, 11.6.1; distribution, "Token Authentication Specification".
"""

import re
from dataclasses import dataclass

_SCHEME = re.compile(r"\s*,?\s*(?P<scheme>[A-Za-z][A-Za-z0-9-]*)(?:\s+(?=[^\s,=]+\s*=)|\s*$|\s*(?=,))")
_PARAMETER = re.compile(
    r'\s*,?\s*(?P<name>[A-Za-z0-9_-]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]+))'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    scheme: str
    """`basic`, `bearer`, ..."""
    realm: str = ""
    service: str = ""
    scope: str = ""


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Of a WWW-Authenticate header, in its order; what can't be read of it is left out."""
    found, at = [], 0
    while match := _SCHEME.match(header, at):
        at, parameters = match.end(), {}
        while parameter := _PARAMETER.match(header, at):
            quoted = parameter["quoted"]
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else parameter["plain"]
            parameters[parameter["name"].lower()] = value
            at = parameter.end()
        known = {name: parameters.get(name, "") for name in ("realm", "service", "scope")}
        found.append(Challenge(scheme=match["scheme"].lower(), **known))
    return tuple(found)
