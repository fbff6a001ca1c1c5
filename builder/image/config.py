"""The image config and the manifest as JSON: written compact and sorted, read from whoever wrote them.

Source: OCI image-spec 1.1 (config.md, manifest.md); Healthcheck as in Docker's image specification 1.2,
durations in nanoseconds.
"""

import datetime
import json
from collections.abc import Sequence
from typing import Any

from builder.image.compress import Blob
from builder.image.documents import Check, Config, Running
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
        "OnBuild": list(config.on_build),
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


def parse_config(data: Config) -> ImageConfig:
    """Of any engine's config; what is absent gets the model's default."""
    run = data.config or Running()
    check, shell = _parse_healthcheck(run.healthcheck)
    return ImageConfig(
        platform=str(data),
        user=run.user or "",
        entrypoint=run.entrypoint,
        cmd=run.cmd,
        env=tuple(_pair(item) for item in run.env),
        workdir=run.workdir or "/",
        labels=tuple(sorted(run.labels.items())),
        ports=tuple(sorted(run.ports, key=_port_order)),
        volumes=tuple(sorted(run.volumes)),
        stop_signal=run.stop_signal or "",
        healthcheck=check,
        healthcheck_shell=shell,
        on_build=run.on_build,
        created=_seconds(data.created),
    )


def parse_history(data: Config) -> tuple[str, ...]:
    return tuple(step.created_by or "" for step in data.history)


def layer_names(data: Config) -> tuple[str, ...]:
    """What made each layer, lowest first: steps that only changed the config are passed over."""
    steps = [step for step in data.history if not step.empty_layer]
    return tuple((step.created_by or "").removeprefix("temper: layer ") for step in steps)


def _pair(item: str) -> tuple[str, str]:
    name, _, value = item.partition("=")
    return name, value


def _port_order(port: str) -> tuple[int, str]:
    number = port.partition("/")[0]
    return (int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0, port)


def _seconds(created: str | None) -> int:
    """Whole seconds of an RFC 3339 time; 0 where there is none, as for images without a date."""
    try:
        moment = datetime.datetime.fromisoformat(created or "")
        return max(0, int(moment.timestamp()))
    except (ValueError, OverflowError):
        return 0


def _parse_healthcheck(data: Check | None) -> tuple[Healthcheck | None, bool]:
    """Docker's defaults (30 s, 30 s, 0 s, 3) where a duration is 0; `NONE` is no check."""
    if data is None or len(data.test) < 2:
        return None, False

    def seconds(duration: int, default: int) -> int:
        """A part of a second is one: no field has a smaller unit."""
        return max(1, duration // _SECOND) if duration > 0 else default

    # Unchecked: a foreign image may hold values that image.yaml would not allow.
    check = Healthcheck.model_construct(
        command=data.test[1:],
        interval=seconds(data.interval, 30),
        timeout=seconds(data.timeout, 30),
        start_period=seconds(data.start_period, 0),
        retries=data.retries or 3,
    )
    return check, data.test[0] == "CMD-SHELL"
