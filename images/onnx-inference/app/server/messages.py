"""The inference request and response: JSON, with binary tensors behind it where the client uses them."""

import json
from dataclasses import dataclass
from typing import Any

from server.errors import BadRequestError
from server.models import Model, check_inputs
from server.tensors import DTYPES, Array, from_bytes, from_json, to_bytes, to_json

LENGTH_HEADER = "Inference-Header-Content-Length"
"""Bytes of the JSON in front of the binary tensors (binary tensor data extension)."""
MAX_RANK = 32
MAX_DIMENSION = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceRequest:
    id: str | None
    inputs: dict[str, Array]
    outputs: dict[str, bool]
    """Wanted outputs in order, and whether each goes back as binary."""


def read_request(body: bytes, json_length: str | None, model: Model) -> InferenceRequest:
    """Raises `BadRequestError` with every problem of the kind that was met first."""
    length = _json_length(json_length, len(body))
    document = _parse(body[:length])
    identifier = document.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise BadRequestError("'id' must be a string")
    tensors = _list(document, "inputs")
    given = {_text(tensor, "name", "input"): (_datatype(tensor), _shape(tensor)) for tensor in tensors}
    if len(given) != len(tensors):
        raise BadRequestError("an input stands in 'inputs' twice")
    check_inputs(model, given)
    return InferenceRequest(
        id=identifier,
        inputs=_values(tensors, given, memoryview(body)[length:]),
        outputs=_outputs(document, model),
    )


def _json_length(header: str | None, available: int) -> int:
    if header is None:
        return available
    if not header.isascii() or not header.isdigit() or int(header[:20]) > available:
        raise BadRequestError(f"{LENGTH_HEADER} '{header}' is not a number of bytes within the body")
    return int(header)


def _parse(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise BadRequestError("the body is nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError, too many digits
        raise BadRequestError(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadRequestError("the body must be a JSON object")
    return document


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number; send such values as binary data")


def _list(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = document.get(key)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise BadRequestError(f"'{key}' must be an array of objects")
    return found


def _text(tensor: dict[str, Any], key: str, what: str) -> str:
    found = tensor.get(key)
    if not isinstance(found, str):
        raise BadRequestError(f"every {what} needs a '{key}', a string")
    return found


def _parameters(holder: dict[str, Any]) -> dict[str, Any]:
    found = holder.get("parameters", {})
    if not isinstance(found, dict):
        raise BadRequestError("'parameters' must be an object")
    return found


def _flag(holder: dict[str, Any], key: str, default: bool) -> bool:
    found = _parameters(holder).get(key, default)
    if not isinstance(found, bool):
        raise BadRequestError(f"parameter '{key}' must be true or false")
    return found


def _datatype(tensor: dict[str, Any]) -> str:
    found = _text(tensor, "datatype", "input")
    if found not in DTYPES:
        raise BadRequestError(
            f"input '{tensor['name']}': no datatype '{found}'; there is {', '.join(DTYPES)}"
        )
    return found


def _shape(tensor: dict[str, Any]) -> tuple[int, ...]:
    found = tensor.get("shape")
    if (
        not isinstance(found, list)
        or len(found) > MAX_RANK
        or not all(type(size) is int and 0 <= size <= MAX_DIMENSION for size in found)
    ):
        raise BadRequestError(f"input '{tensor['name']}': 'shape' must be an array of whole numbers")
    return tuple(found)


def _values(
    tensors: list[dict[str, Any]], given: dict[str, tuple[str, tuple[int, ...]]], blobs: memoryview
) -> dict[str, Array]:
    values, problems, position = {}, [], 0
    for tensor in tensors:
        name = tensor["name"]
        datatype, shape = given[name]
        size = _binary_size(tensor)
        try:
            if size is None:
                values[name] = from_json(tensor.get("data"), datatype, shape)
            elif position + size > len(blobs):
                raise BadRequestError(
                    f"'binary_data_size' is {size}, but {len(blobs) - position} bytes are left"
                )
            else:
                values[name] = from_bytes(blobs[position : position + size], datatype, shape)
        except BadRequestError as problem:
            problems.append(f"input '{name}': {problem}")
        position += size or 0
    if not problems and position != len(blobs):
        problems.append(f"{len(blobs) - position} bytes of binary data belong to no input")
    if problems:
        raise BadRequestError(problems)
    return values


def _binary_size(tensor: dict[str, Any]) -> int | None:
    size = _parameters(tensor).get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise BadRequestError(f"input '{tensor['name']}': 'binary_data_size' must be a number of bytes")
    if "data" in tensor:
        raise BadRequestError(f"input '{tensor['name']}' has both 'data' and 'binary_data_size'")
    return size


def _outputs(document: dict[str, Any], model: Model) -> dict[str, bool]:
    binary = _flag(document, "binary_data_output", False)
    known = [tensor.name for tensor in model.outputs]
    if not document.get("outputs"):
        return dict.fromkeys(known, binary)
    wanted = _list(document, "outputs")
    chosen = {_text(output, "name", "output"): _flag(output, "binary_data", binary) for output in wanted}
    unknown = [f"no output '{name}' in model '{model.name}'" for name in chosen if name not in known]
    if unknown:
        raise BadRequestError(unknown)
    return chosen


def write_response(
    request: InferenceRequest, model: Model, results: list[Array]
) -> tuple[bytes, dict[str, str]]:
    """The body and its headers. Raises `UnrepresentableError` for a NaN that should go into JSON."""
    datatypes = {tensor.name: tensor.datatype for tensor in model.outputs}
    outputs, blobs = [], []
    for (name, binary), array in zip(request.outputs.items(), results, strict=True):
        output: dict[str, Any] = {"name": name, "datatype": datatypes[name], "shape": list(array.shape)}
        if binary:
            blobs.append(to_bytes(array))
            output["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            output["data"] = to_json(array, name)
        outputs.append(output)
    document = {"model_name": model.name, "model_version": model.version, "outputs": outputs}
    if request.id is not None:
        document["id"] = request.id
    text = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
    if not blobs:
        return text, {"Content-Type": "application/json"}
    headers = {"Content-Type": "application/octet-stream", LENGTH_HEADER: str(len(text))}
    return b"".join([text, *blobs]), headers
