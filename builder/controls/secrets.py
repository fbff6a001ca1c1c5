"""Secrets by their names and by their looks. What is found is never repeated in a message."""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from pydantic import Field
from pydantic_core import SchemaValidator, core_schema

from builder.controls.frame import Context, Control
from builder.controls.inventory import inventory
from builder.controls.lists import SECRET_FILES, SECRET_PLACES
from builder.controls.programs import inside
from builder.controls.references import cidg, cis, dockle, hadolint, nist
from builder.controls.survey import Placed, hidden
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.spec import Strings
from builder.model.tree import Entry, Kind

LOOKS = tuple(
    (what, mark, re.compile(pattern))
    for what, mark, pattern in (
        (
            "a private key",
            b"PRIVATE KEY-----",
            rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=]",
        ),
        ("an AWS access key", b"AKIA", rb"AKIA[0-9A-Z]{16}(?![0-9A-Za-z])"),
        ("an Anthropic key", b"sk-ant-", rb"sk-ant-[A-Za-z0-9_-]{20,}"),
        ("an OpenAI key", b"sk-", rb"sk-(?:proj-|svcacct-)?[A-Za-z0-9_]{40,}"),
        ("a GitHub token", b"gh", rb"gh[pousr]_[A-Za-z0-9]{36}"),
        ("a GitHub token", b"github_pat_", rb"github_pat_[A-Za-z0-9_]{40,}"),
        ("a GitLab token", b"glpat-", rb"glpat-[A-Za-z0-9_-]{20,}"),
        ("a Google key", b"AIza", rb"AIza[0-9A-Za-z_-]{35}"),
        ("a Hugging Face token", b"hf_", rb"hf_[A-Za-z0-9]{34}(?![0-9A-Za-z])"),
        ("an npm token", b"npm_", rb"npm_[A-Za-z0-9]{36}(?![0-9A-Za-z])"),
        ("an NVIDIA key", b"nvapi-", rb"nvapi-[A-Za-z0-9_-]{40,}"),
        ("a PyPI token", b"pypi-AgE", rb"pypi-AgE[A-Za-z0-9_-]{40,}"),
        ("a Slack token", b"xox", rb"xox[abpsr]-[0-9]{6,}-[A-Za-z0-9-]{10,}"),
        ("a password in a URL", b"://", rb"://[^\s/:@\"'<>{}$%]+:[^\s/:@\"'<>{}$%]{3,}@[\w\[]"),
    )
)
"""What it is, bytes that are always in it, the pattern. Of bytes beyond ASCII no pattern says more than that
they are no blank; only the last group may look ahead."""

NAMES = (
    r"(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|API_?KEY|ACCESS_KEY|PRIVATE_KEY|SECRET_KEY"
    r"|SIGNING_KEY|ENCRYPTION_KEY)"
)
SECRET_NAME = re.compile(rf"(?:^|_){NAMES}(?:_(?!FILE|PATH|DIR|URL)[A-Z0-9]+)*$", re.IGNORECASE)
"""`HF_TOKEN`, `DB_PASSWORD`, but not `TOKENIZERS_PARALLELISM` and not `DB_PASSWORD_FILE`, a place."""
HARMLESS = re.compile(r"|[0-9]{1,6}|true|false|yes|no|on|off|none|null|/.*|\$\{?\w+\}?", re.IGNORECASE)
"""Values that tell nobody anything: nothing, limits, switches, paths and references."""
ASSIGNED = re.compile(rf"\b(?P<name>\w*{NAMES}\w*)=(?P<value>\"[^\"]*\"|'[^']*'|\S*)", re.IGNORECASE)

LARGEST = 1 << 20
"""Bytes. Beyond that it is data, and reading model weights takes minutes."""


class SecretParameters(Strict):
    allow: Strings = Field(
        default=(), description="paths, variables and labels that look like secrets and are none"
    )


class NoSecrets(Control[SecretParameters]):
    key = "no-secrets"
    title = "No secret is in the environment, labels, history or files of any layer"
    why = (
        "Whoever can pull the image has its secrets, for good: layers are copied, cached and mirrored, and "
        "deleting a file in a later layer takes nothing back."
    )
    remedy = (
        "revoke the secret, then bring it at run time as a mounted file; build secrets never enter a layer"
    )
    severity = Severity.CRITICAL
    references = (
        cis("4.10"),
        nist("4.1.4"),
        cidg("CCI-000366"),
        cidg("CCI-002367"),
        dockle("CIS-DI-0010"),
        hadolint("DL3064"),
    )
    parameters = SecretParameters

    def audit(self, image: Image, parameters: SecretParameters, context: Context) -> Iterable[Finding]:
        yield from self._settings("variable", image.config.env, parameters)
        yield from self._settings("label", image.config.labels, parameters)
        yield from self._history(image)
        allowed = frozenset(path.strip("/") for path in parameters.allow)
        for placed in self._suspects(image):
            if not inside(placed.entry.path, allowed):
                yield from self._file(placed)

    def _settings(
        self, what: str, settings: tuple[tuple[str, str], ...], parameters: SecretParameters
    ) -> Iterator[Finding]:
        for name, value in settings:
            if name in parameters.allow:
                continue
            look = look_of(value.encode())
            if look is not None:
                yield Finding(message=f"{what} '{name}' holds {look}")
            elif is_secret_name(name) and not HARMLESS.fullmatch(value):
                yield Finding(message=f"{what} '{name}' is named like a secret and has a value")

    def _history(self, image: Image) -> Iterator[Finding]:
        for number, step in enumerate(image.history, 1):
            look = look_of(step.encode())
            if look is not None:
                yield Finding(message=f"step {number} of the history holds {look}")
            for match in ASSIGNED.finditer(step):
                value = match["value"].strip("\"'")
                if is_secret_name(match["name"]) and not HARMLESS.fullmatch(value):
                    yield Finding(message=f"step {number} of the history sets '{match['name']}'")

    def _suspects(self, image: Image) -> Iterator[Placed]:
        """What a public package brought is public already; what lies below another layer is anything."""
        public = inventory(image).files
        for entry in image.rootfs.files():
            if entry.path not in public:
                yield Placed(entry)
        for placed in hidden(image):
            if placed.entry.kind is Kind.FILE:
                yield placed

    def _file(self, placed: Placed) -> Iterator[Finding]:
        entry = placed.entry
        reason = secret_place(entry.path)
        if reason is not None and entry.size:
            yield placed.finding(reason)
        elif (look := look_of_file(entry)) is not None:
            yield placed.finding(f"holds {look}")


def names_secret(step: str) -> bool:
    """Whether a step of the history has to be kept out of messages."""
    if look_of(step.encode()) is not None:
        return True
    return any(
        is_secret_name(match["name"]) and not HARMLESS.fullmatch(match["value"].strip("\"'"))
        for match in ASSIGNED.finditer(step)
    )


def is_secret_name(name: str) -> bool:
    return SECRET_NAME.search(name.replace(".", "_").replace("-", "_")) is not None


def secret_place(path: str) -> str | None:
    name = path.rpartition("/")[2]
    if name in SECRET_FILES:
        return SECRET_FILES[name]
    return next((why for place, why in SECRET_PLACES.items() if f"/{path}".endswith(f"/{place}")), None)


_ONE_FOR_ALL = bytes(range(128)) + b"!" * 128
_AHEAD = re.compile(r"\(\?![^()]*\)$")
_SPACE = " \\t\\n\\r\\f\\v"


@cache
def _any_look() -> SchemaValidator:
    """All patterns as one, for the engine that pydantic brings along: ten times as fast as one after the
    other, and nearly all files hold none of them."""
    plain = (_AHEAD.sub("", pattern.pattern.decode()) for _, _, pattern in LOOKS)
    narrow = (one.replace(r"[^\s", f"[^{_SPACE}").replace(r"\s", f"[{_SPACE}]") for one in plain)
    ascii_only = (one.replace(r"\w", "A-Za-z0-9_") for one in narrow)
    pattern = "|".join(f"(?:{one})" for one in ascii_only)
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


def _may_hold_one(data: bytes) -> bool:
    text = data if data.isascii() else data.translate(_ONE_FOR_ALL)
    return _any_look().isinstance_python(text.decode("ascii"))


def look_of(data: bytes) -> str | None:
    if not _may_hold_one(data):
        return None
    for what, mark, pattern in LOOKS:
        if mark in data and pattern.search(data):
            return what
    return None


def look_of_file(entry: Entry) -> str | None:
    content = entry.content
    if content is None or not 8 <= content.size <= LARGEST or content.facts.elf is not None:
        return None
    if content.facts.look is not None:
        return content.facts.look or None
    with content.open() as stream:
        return look_of(stream.read(content.size))  # without the size it asks once more for the end
