"""The JSON of an image as others wrote it: index, manifest, config. What is missing or of another type is
told by name; what Temper has no use for is passed over.

Source: OCI image-spec 1.1 (image-index.md, manifest.md, config.md); Docker image specification 1.2.
"""

import json
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from builder.errors import ArchiveError

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
LAYERS = (
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
)
MAX_LAYERS = 128
"""More than any engine can mount on top of each other: overlayfs in Docker stops at 125."""


def absent_as_empty(value: Any) -> Any:
    """Go's encoders write `null` for an empty list or map."""
    return {} if value is None else value


def absent_as_no_items(value: Any) -> Any:
    return () if value is None else tuple(value) if isinstance(value, list) else value


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, defer_build=True)


class Platform(_Document):
    os: str = "linux"
    architecture: str = "unknown"

    def __str__(self) -> str:
        """The variant is left out, since Temper's platforms have one each."""
        return f"{self.os}/{self.architecture}"


Annotations = Annotated[dict[str, str], BeforeValidator(absent_as_empty)]


class Descriptor(_Document):
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0)]
    media_type: str = Field(default="", alias="mediaType")
    platform: Platform | None = None
    annotations: Annotations = {}


Descriptors = Annotated[tuple[Descriptor, ...], BeforeValidator(absent_as_no_items)]


class Index(_Document):
    manifests: Descriptors


class Manifest(_Document):
    config: Descriptor
    layers: Annotated[Descriptors, Field(max_length=MAX_LAYERS)]
    annotations: Annotations = {}


class Saved(_Document):
    """One image of manifest.json in an archive of `docker save`."""

    config: str = Field(alias="Config")
    layers: Annotated[
        tuple[str, ...], BeforeValidator(absent_as_no_items), Field(alias="Layers", max_length=MAX_LAYERS)
    ]


Texts = Annotated[tuple[str, ...], BeforeValidator(absent_as_no_items)]
Keys = Annotated[dict[str, Any], BeforeValidator(absent_as_empty)]
"""A set, as Go writes one: a map to nothing."""


class Check(_Document):
    test: Texts = Field(default=(), alias="Test")
    interval: int = Field(default=0, alias="Interval")
    timeout: int = Field(default=0, alias="Timeout")
    start_period: int = Field(default=0, alias="StartPeriod")
    retries: int = Field(default=0, alias="Retries")


class Running(_Document):
    """`config` of the config: how containers are started."""

    user: str | None = Field(default="", alias="User")
    entrypoint: Texts = Field(default=(), alias="Entrypoint")
    cmd: Texts = Field(default=(), alias="Cmd")
    env: Texts = Field(default=(), alias="Env")
    workdir: str | None = Field(default="", alias="WorkingDir")
    labels: Annotations = Field(default={}, alias="Labels")
    ports: Keys = Field(default={}, alias="ExposedPorts")
    volumes: Keys = Field(default={}, alias="Volumes")
    stop_signal: str | None = Field(default="", alias="StopSignal")
    healthcheck: Check | None = Field(default=None, alias="Healthcheck")
    on_build: Texts = Field(default=(), alias="OnBuild")


class Step(_Document):
    created_by: str | None = ""
    empty_layer: bool | None = False


class Roots(_Document):
    diff_ids: Texts = ()


class Config(Platform):
    config: Running | None = None
    created: str | None = None
    history: Annotated[tuple[Step, ...], BeforeValidator(absent_as_no_items)] = ()
    rootfs: Roots | None = None

    @property
    def diff_ids(self) -> tuple[str, ...]:
        return self.rootfs.diff_ids if self.rootfs else ()


D = TypeVar("D", bound=_Document)


def parse(kind: type[D], data: bytes, place: str) -> D:
    """Raises `ArchiveError` that begins with `place`."""
    return check(kind, parse_json(data, place), place)


def parse_json(data: bytes, place: str) -> Any:
    try:
        return json.loads(data)
    except RecursionError:
        raise ArchiveError(f"{place}: is not valid JSON: it is nested too deeply") from None
    except ValueError as error:
        raise ArchiveError(f"{place}: is not valid JSON: {error}") from None


def check(kind: type[D], data: Any, place: str) -> D:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        at = ".".join(map(str, first["loc"]))
        what = first["msg"][0].lower() + first["msg"][1:]
        name = "image" if kind is Saved else f"image {kind.__name__.lower()}"
        raise ArchiveError(f"{place}: is not an {name}: {at + ': ' if at else ''}{what}") from None
