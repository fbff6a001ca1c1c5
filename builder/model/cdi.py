"""A specification of the Container Device Interface 1.1.0 as a type: what a host adds to containers.

Source: cncf-tags/container-device-interface, SPEC.md and specs-go. As there, unknown fields are errors.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from builder.model.spec import Strings, as_tuple

VERSIONS = ("0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0")
CdiVersion = Literal["0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0"]
HookName = Literal["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
"""Of the OCI runtime specification."""
Id = Annotated[int, Field(ge=0, le=2**32 - 1)]


class Camel(BaseModel):
    """Strict; keys are spelt `camelCase`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True
    )


class DeviceNode(Camel):
    path: str
    host_path: str = ""
    """Empty for the same path."""
    type: Literal["b", "c", "u", "p"] | None = None
    major: int | None = None
    minor: int | None = None
    file_mode: int | None = None
    permissions: str | None = None
    """Of `r`, `w` and `m`; `none` for none of them, all where nothing is said."""
    uid: Id | None = None
    gid: Id | None = None


class CdiMount(Camel):
    host_path: str
    container_path: str
    type: str = ""
    options: Strings = ()


class Hook(Camel):
    """A program that root of the host runs at a stage of the container's life."""

    hook_name: HookName
    path: str
    args: Strings = ()
    env: Strings = ()
    timeout: int | None = None


class IntelRdt(Camel):
    clos_id: Annotated[str, Field(alias="closID")] = ""
    l3_cache_schema: Annotated[str, Field(alias="l3CacheSchema")] = ""
    mem_bw_schema: str = ""
    schemata: Strings = ()
    enable_monitoring: bool = False


class NetDevice(Camel):
    host_interface_name: str
    name: str


class Edits(Camel):
    env: Strings = ()
    device_nodes: Annotated[tuple[DeviceNode, ...], BeforeValidator(as_tuple)] = ()
    mounts: Annotated[tuple[CdiMount, ...], BeforeValidator(as_tuple)] = ()
    hooks: Annotated[tuple[Hook, ...], BeforeValidator(as_tuple)] = ()
    additional_gids: Annotated[tuple[Id, ...], BeforeValidator(as_tuple)] = ()
    intel_rdt: IntelRdt | None = None
    net_devices: Annotated[tuple[NetDevice, ...], BeforeValidator(as_tuple)] = ()


class CdiDevice(Camel):
    name: str
    annotations: dict[str, str] = {}
    container_edits: Edits


class CdiSpec(Camel):
    cdi_version: CdiVersion
    kind: str
    """`nvidia.com/gpu`"""
    annotations: dict[str, str] = {}
    devices: Annotated[tuple[CdiDevice, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    container_edits: Edits = Edits()
    """Of every device."""
