"""A container-structure-test file, schema 2.0.0, as a type.

Source: GoogleContainerTools/container-structure-test, README and pkg/types/v2.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from builder.model.spec import AbsolutePath, as_tuple


class Camel(BaseModel):
    """Strict as all else; keys are spelt `camelCase`, as people have them in their files."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True
    )


def as_text(value: Any) -> Any:
    """`value: 1` means the text, in Go's YAML reader."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def pattern(text: str) -> str:
    """Go's regular expressions are nearly Python's; what is not is refused, not read as something else."""
    try:
        re.compile(in_python(text))
    except re.error as error:
        raise ValueError(
            f"'{text}' is no regular expression to Python ({error}); write one that both know"
        ) from None
    return text


def in_python(text: str) -> str:
    """Both of Go's marks for the end of the text: Python's `$` would let a line feed follow."""
    return re.sub(r"(\\+)z", lambda end: end[1] + ("Z" if len(end[1]) % 2 else "z"), text)


def without_slash(value: Any) -> Any:
    """`/etc/` is the same to the original."""
    return value.rstrip("/") or "/" if isinstance(value, str) and value else value


Path = Annotated[AbsolutePath, BeforeValidator(without_slash)]
Text = Annotated[str, BeforeValidator(as_text)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(as_tuple)]
Pattern = Annotated[str, BeforeValidator(as_text), AfterValidator(pattern)]
Patterns = Annotated[tuple[Pattern, ...], BeforeValidator(as_tuple)]
Commands = Annotated[
    tuple[Annotated[tuple[Text, ...], BeforeValidator(as_tuple), Field(min_length=1)], ...],
    BeforeValidator(as_tuple),
]
"""Each a list of words."""


class Variable(Camel):
    key: Text
    value: Text = ""
    is_regex: bool = False


Variables = Annotated[tuple[Variable, ...], BeforeValidator(as_tuple)]


class CommandTest(Camel):
    name: str
    setup: Commands = ()
    teardown: Commands = ()
    env_vars: Variables = ()
    command: str
    args: Texts = ()
    expected_output: Patterns = ()
    excluded_output: Patterns = ()
    expected_error: Patterns = ()
    excluded_error: Patterns = ()
    exit_code: int = 0


class FileExistenceTest(Camel):
    name: str
    path: Path
    should_exist: bool = True
    permissions: str = ""
    """As Go writes a mode (`urwxr-xr-x`), or as ls does (`-rwsr-xr-x`)."""
    uid: int | None = None
    gid: int | None = None
    is_executable_by: Literal["", "owner", "group", "other", "any"] = ""


class FileContentTest(Camel):
    name: str
    path: Path
    expected_contents: Patterns = ()
    excluded_contents: Patterns = ()


class MetadataTest(Camel):
    """What is not named is not looked at; an empty list demands that there is none."""

    env_vars: Variables = ()
    unbound_env_vars: Variables = ()
    labels: Variables = ()
    exposed_ports: Texts = ()
    unexposed_ports: Texts = ()
    volumes: Texts = ()
    unmounted_volumes: Texts = ()
    entrypoint: Texts | None = None
    cmd: Texts | None = None
    workdir: str = ""
    user: Text = ""


class LicenseTest(Camel):
    debian: bool = False
    """Every package's copyright file below /usr/share/doc."""
    files: Annotated[tuple[Path, ...], BeforeValidator(as_tuple)] = ()


class ContainerRunOptions(Camel):
    """How the command tests' containers are started besides what the image says."""

    user: Text = ""
    privileged: bool = False
    allocate_tty: bool = False
    env_vars: Texts = ()
    """Names: each has the value that it has for whoever starts the tests."""
    env_file: str = ""
    """`NAME=value` lines; relative to the working directory."""
    capabilities: Texts = ()
    """Added to those that an engine gives by itself."""
    bind_mounts: Texts = ()
    """`source:target`, with `:ro` behind it or not."""


class StructureTest(Camel):
    schema_version: Literal["2.0.0"]
    global_env_vars: Variables = ()
    command_tests: Annotated[tuple[CommandTest, ...], BeforeValidator(as_tuple)] = ()
    file_existence_tests: Annotated[tuple[FileExistenceTest, ...], BeforeValidator(as_tuple)] = ()
    file_content_tests: Annotated[tuple[FileContentTest, ...], BeforeValidator(as_tuple)] = ()
    metadata_test: MetadataTest = MetadataTest()
    license_tests: Annotated[tuple[LicenseTest, ...], BeforeValidator(as_tuple)] = ()
    container_run_options: ContainerRunOptions = ContainerRunOptions()
