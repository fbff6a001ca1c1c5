"""The image config and the manifest as JSON: written compact and sorted, read from whoever wrote them.

Source: OCI image-spec 1.1 (config.md, manifest.md); Healthcheck as in Docker's image specification 1.2,
durations in nanoseconds.
"""

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any

from builder.image.compress import Blob
from builder.model.image import ImageConfig
from builder.model.spec import Healthcheck

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_SECOND = 1_000_000_000


def compact(data: Any) -> bytes:
    """JSON with sorted keys and no spaces: one text for one meaning."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def config_data(config: ImageConfig, layers: Sequence[tuple[str, Blob]]) -> dict[str, Any]:
    """`layers` are names and blobs, lowest first."""
    system, _, architecture = config.platform.partition("/")
    return {
        "architecture": architecture,
        "config": _container_config(config),
        "created": config.created_text,
        "history": [
            {"created": config.created_text, "created_by": f"temper: layer {name}"} for name, _ in layers
        ],
        "os": system,
        "rootfs": {"diff_ids": [blob.diff_id for _, blob in layers], "type": "layers"},
    }


def _container_config(config: ImageConfig) -> dict[str, Any]:
    """Only what is set: an engine reads an absent key as its default."""
    settings = {
        "User": config.user,
        "ExposedPorts": {port: {} for port in config.ports},
        "Env": [f"{name}={value}" for name, value in config.env],
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.cmd),
        "Volumes": {path: {} for path in config.volumes},
        "WorkingDir": config.workdir,
        "Labels": dict(config.labels),
        "StopSignal": config.stop_signal,
        "Healthcheck": _healthcheck_data(config),
    }
    return {key: value for key, value in settings.items() if value}


def _healthcheck_data(config: ImageConfig) -> dict[str, Any]:
    check = config.healthcheck
    if check is None:
        return {}
    return {
        "Test": ["CMD-SHELL" if config.healthcheck_shell else "CMD", *check.command],
        "Interval": check.interval * _SECOND,
        "Timeout": check.timeout * _SECOND,
        "StartPeriod": check.start_period * _SECOND,
        "Retries": check.retries,
    }


def parse_config(data: Mapping[str, Any]) -> ImageConfig:
    """Of any engine's config; what is absent gets the model's default."""
    run = data.get("config") or {}
    check, shell = _parse_healthcheck(run.get("Healthcheck"))
    return ImageConfig(
        platform=platform_of(data),
        user=run.get("User") or "",
        entrypoint=tuple(run.get("Entrypoint") or ()),
        cmd=tuple(run.get("Cmd") or ()),
        env=tuple(_pair(item) for item in run.get("Env") or ()),
        workdir=run.get("WorkingDir") or "/",
        labels=tuple(sorted((run.get("Labels") or {}).items())),
        ports=tuple(sorted(run.get("ExposedPorts") or (), key=_port_order)),
        volumes=tuple(sorted(run.get("Volumes") or ())),
        stop_signal=run.get("StopSignal") or "",
        healthcheck=check,
        healthcheck_shell=shell,
        created=_seconds(data.get("created")),
    )


def platform_of(data: Mapping[str, Any]) -> str:
    """`linux/arm64`; the variant is left out, since Temper's platforms have one each."""
    return f"{data.get('os', 'linux')}/{data.get('architecture', 'unknown')}"


def parse_history(data: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(step.get("created_by", "") for step in data.get("history") or ())


def layer_names(data: Mapping[str, Any]) -> tuple[str, ...]:
    """What made each layer, lowest first: steps that only changed the config are passed over."""
    steps = [step for step in data.get("history") or () if not step.get("empty_layer")]
    return tuple(step.get("created_by", "").removeprefix("temper: layer ") for step in steps)


def _pair(item: str) -> tuple[str, str]:
    name, _, value = item.partition("=")
    return name, value


def _port_order(port: str) -> tuple[int, str]:
    number = port.partition("/")[0]
    return (int(number) if number.isdigit() else 0, port)


def _seconds(created: str | None) -> int:
    """Whole seconds of an RFC 3339 time; 0 where there is none, as for images without a date."""
    try:
        moment = datetime.datetime.fromisoformat(created or "")
    except ValueError:
        return 0
    return max(0, int(moment.timestamp()))


def _parse_healthcheck(data: Mapping[str, Any] | None) -> tuple[Healthcheck | None, bool]:
    """Docker's defaults (30 s, 30 s, 0 s, 3) where a duration is 0; `NONE` is no check."""
    test = list((data or {}).get("Test") or ())
    if data is None or len(test) < 2:
        return None, False

    def seconds(key: str, default: int) -> int:
        return (data.get(key) or 0) // _SECOND or default

    # Unchecked: a foreign image may hold values that image.yaml would not allow.
    check = Healthcheck.model_construct(
        command=tuple(test[1:]),
        interval=seconds("Interval", 30),
        timeout=seconds("Timeout", 30),
        start_period=seconds("StartPeriod", 0),
        retries=data.get("Retries") or 3,
    )
    return check, test[0] == "CMD-SHELL"
