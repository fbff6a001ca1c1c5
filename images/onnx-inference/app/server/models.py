"""The models in the folder: found, loaded once at the start, and run."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnxruntime as ort

from server.errors import BadRequestError, InferenceError, ModelError, OutOfTimeError, UnknownModelError
from server.providers import check_in_use, usable
from server.settings import Settings, cpu_limit
from server.tensors import ONNX_TYPES, Array

PLATFORM = "onnxruntime_onnx"
"""The protocol's word for this backend (`<project>_<format>`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    name: str
    datatype: str
    shape: tuple[int, ...]
    """-1 where a dimension varies."""

    def metadata(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}

    def fits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == len(self.shape) and all(
            own in (-1, given) for own, given in zip(self.shape, shape, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    name: str
    version: str
    session: Any
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def metadata(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "versions": [self.version],
            "platform": PLATFORM,
            "inputs": [tensor.metadata() for tensor in self.inputs],
            "outputs": [tensor.metadata() for tensor in self.outputs],
        }

    def run(self, values: Mapping[str, Array], wanted: list[str], options: Any) -> list[Array]:
        """Blocks; `options.terminate = True` from another thread stops it with `OutOfTimeError`."""
        try:
            found: list[Array] = self.session.run(wanted, dict(values), options)
        except Exception as error:  # onnxruntime raises classes of its own without a common base
            if options.terminate:
                raise OutOfTimeError(f"model '{self.name}' took too long and was stopped") from None
            said = str(error).strip().splitlines()[0]
            raise InferenceError(f"model '{self.name}' failed: {said}") from None
        return found


@dataclass(frozen=True, slots=True)
class Models:
    by_name: Mapping[str, Model]

    def find(self, name: str, version: str | None = None) -> Model:
        model = self.by_name.get(name)
        if model is None:
            raise UnknownModelError(f"no model '{name}'; there is {', '.join(sorted(self.by_name))}")
        if version not in (None, model.version):
            raise UnknownModelError(f"model '{name}' has no version '{version}', but {model.version}")
        return model


def find_files(folder: Path) -> dict[str, tuple[str, Path]]:
    """Name to (version, file). `<name>.onnx`, `<name>/model.onnx` and `<name>/<number>/model.onnx`
    (the layout of model repositories: the highest number is served). Raises `ModelError` for none.

    Hidden names are passed over: Kubernetes keeps its own links in mounted folders.
    """
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise ModelError(f"{folder}: {(error.strerror or str(error)).lower()}; mount a folder") from None
    found: dict[str, tuple[str, Path]] = {}
    for entry in entries:
        chosen = _file_of(entry)
        if chosen is None:
            continue
        name = entry.name.removesuffix(".onnx") if entry.is_file() else entry.name
        if name in found:
            raise ModelError(f"{entry}: model '{name}' stands there twice, also as {found[name][1]}")
        found[name] = chosen
    if not found:
        raise ModelError(f"{folder}: no model; mount a folder with <name>.onnx or <name>/<number>/model.onnx")
    return found


def _file_of(entry: Path) -> tuple[str, Path] | None:
    if entry.is_file():
        return ("1", entry) if entry.suffix == ".onnx" else None
    if not entry.is_dir():
        return None
    if (entry / "model.onnx").is_file():
        return "1", entry / "model.onnx"
    numbers = [int(path.parent.name) for path in entry.glob("*/model.onnx") if path.parent.name.isdecimal()]
    return (str(max(numbers)), entry / str(max(numbers)) / "model.onnx") if numbers else None


def load_models(settings: Settings) -> Models:
    """Raises `ModelError` with one line for every model that can't be served."""
    ort.disable_telemetry_events()
    settings = replace(settings, providers=usable(settings.providers))
    models, problems = {}, []
    for name, (version, path) in find_files(settings.models).items():
        try:
            models[name] = _load(name, version, path, settings)
        except ModelError as error:
            problems.append(str(error))
    if problems:
        raise ModelError("\n".join(problems))
    return Models(models)


def _load(name: str, version: str, path: Path, settings: Settings) -> Model:
    try:
        session = ort.InferenceSession(path, _session_options(settings), providers=list(settings.providers))
    except Exception as error:  # as in Model.run
        raise ModelError(f"{path}: not a model that can be served: {str(error).strip()}") from None
    check_in_use(session, settings.providers, path)
    return Model(
        name=name,
        version=version,
        session=session,
        inputs=tuple(_tensor(path, "input", node) for node in session.get_inputs()),
        outputs=tuple(_tensor(path, "output", node) for node in session.get_outputs()),
    )


def _session_options(settings: Settings) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = settings.threads or cpu_limit()
    options.inter_op_num_threads = 1
    # Threads that spin while they wait burn the container's CPU quota, and then all of it is throttled.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _tensor(path: Path, role: str, node: Any) -> Tensor:
    datatype = ONNX_TYPES.get(node.type)
    if datatype is None:
        raise ModelError(
            f"{path}: {role} '{node.name}' is {node.type}, which the protocol has no datatype for;"
            " convert the model so that it takes and gives plain tensors (skl2onnx: zipmap=False)"
        )
    shape = tuple(size if isinstance(size, int) and size >= 0 else -1 for size in node.shape)
    return Tensor(name=node.name, datatype=datatype, shape=shape)


def check_inputs(model: Model, given: Mapping[str, tuple[str, tuple[int, ...]]]) -> None:
    """`given`: name to (datatype, shape). Raises `BadRequestError` with every difference from the model."""
    problems = [f"no input '{name}' in model '{model.name}'" for name in given if name not in _names(model)]
    for tensor in model.inputs:
        if tensor.name not in given:
            problems.append(f"input '{tensor.name}' is missing")
            continue
        datatype, shape = given[tensor.name]
        if datatype != tensor.datatype:
            problems.append(f"input '{tensor.name}' is {tensor.datatype}, not {datatype}")
        if not tensor.fits(shape):
            problems.append(f"input '{tensor.name}' has shape {list(tensor.shape)}, not {list(shape)}")
    if problems:
        raise BadRequestError(problems)


def _names(model: Model) -> set[str]:
    return {tensor.name for tensor in model.inputs}
