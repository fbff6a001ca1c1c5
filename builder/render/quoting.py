"""One filter per language that a value may land in. Jinja itself escapes nothing."""

import json
import re
import shlex
from collections.abc import Iterable

from builder.errors import InputError

_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_YAML_UNITS = {"k": "Ki", "m": "Mi", "g": "Gi"}


def dockerfile_string(value: str) -> str:
    r"""A double-quoted word of ENV, LABEL or WORKDIR: `"`, `\` and `$` lose their meaning.

    Raises `InputError` for a line break: a Dockerfile has no way to write one there.
    """
    if re.search(r"[\r\n\0]", value):
        raise InputError(f"{value!r}: holds a line break, which a Dockerfile can't; write it on one line")
    return '"' + re.sub(r'(["\\$])', r"\\\1", value) + '"'


def dockerfile_word(value: str) -> str:
    """A bare word: names, `65532:65532`, `8000/tcp`. Raises `InputError` for anything else."""
    if not re.fullmatch(r"[A-Za-z0-9_./:-]+", value):
        raise InputError(f"{value!r}: can't stand in a Dockerfile; use letters, digits and . _ - / :")
    return value


def comment(value: str) -> str:
    """One line of text, whatever it holds."""
    return re.sub(r"[^ -~]", "?", value)


def json_array(values: Iterable[str]) -> str:
    """The exec form. ASCII only, as nothing then depends on the reader's encoding."""
    return json.dumps(list(values))


def shell_word(value: object) -> str:
    return shlex.quote(str(value))


def yaml_string(value: str) -> str:
    """Double-quoted: no word of YAML 1.1 (`no`, `3.10`, `0x1`) can be taken for something else."""
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def yaml_array(values: Iterable[str]) -> str:
    return f"[{', '.join(yaml_string(value) for value in values)}]"


def compose_string(value: str) -> str:
    """As in YAML, and `$` starts no variable (Compose Specification, Interpolation)."""
    return yaml_string(value.replace("$", "$$"))


def kubernetes_quantity(size: str) -> str:
    """`64m` (Docker: mebibytes) is `64Mi` there, where `64m` would be 64 thousandths of a byte."""
    return size[:-1] + _YAML_UNITS[size[-1]]


def socket_address(address: str) -> str:
    """Before `:PORT`, where IPv6 has brackets (RFC 3986, 3.2.2)."""
    return f"[{address}]" if ":" in address else address


def quadlet_value(value: str) -> str:
    """Podman hands it on to systemd as one quoted word of a command, where `%` and `$` still mean something.

    Raises `InputError` for what would end the line or go on with the next one (systemd.syntax(7)).
    """
    if re.search(r"[\r\n\0]|\\$", value):
        raise InputError(
            f"{value!r}: can't stand in a unit file; write it on one line, with no '\\' at its end"
        )
    return value.replace("%", "%%").replace("$", "$$")


def health_command(words: tuple[str, ...]) -> str:
    """Podman takes an array of one for a line of a shell, and `CMD x` for the program itself."""
    return json_array(words) if len(words) > 1 else f"CMD {words[0]}"


def account_field(value: str) -> str:
    """A field of passwd or group. Raises `InputError` for what would start another field or line."""
    if re.search(r"[:\n\0]", value):
        raise InputError(f"{value!r}: a field of an account file holds no colon and no line break")
    return value


FILTERS = {
    "dockerfile": dockerfile_string,
    "word": dockerfile_word,
    "comment": comment,
    "json_array": json_array,
    "shell": shell_word,
    "yaml": yaml_string,
    "yaml_array": yaml_array,
    "compose": compose_string,
    "quantity": kubernetes_quantity,
    "account": account_field,
    "address": socket_address,
    "quadlet": quadlet_value,
    "health_command": health_command,
}
