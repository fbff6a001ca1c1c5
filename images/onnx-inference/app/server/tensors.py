"""Tensors on the wire: the protocol's datatypes as JSON values and as raw little-endian bytes."""

import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from server.errors import BadRequestError, UnrepresentableError

Array = npt.NDArray[Any]

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype("O"),
}
"""All datatypes of the protocol (Tensor Data Types)."""

ONNX_TYPES: dict[str, str] = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
"""onnxruntime's names of element types."""


def from_json(data: Any, datatype: str, shape: tuple[int, ...]) -> Array:
    """`data` nested or flat, row-major. Raises `BadRequestError` for a value of another datatype."""
    if not isinstance(data, list):
        raise BadRequestError("'data' must be an array")
    if datatype == "BYTES":
        return _shaped(_strings(data), shape)
    try:
        raw = np.array(data)
    except ValueError:
        raise BadRequestError("'data' is ragged: its rows have different lengths") from None
    except OverflowError:
        raise _out_of_range(datatype) from None
    return _shaped(_cast(raw, data, datatype), shape)


def _strings(data: list[Any]) -> Array:
    flat = list(_leaves(data))
    wrong = next((value for value in flat if not isinstance(value, str)), None)
    if wrong is not None or None in flat:
        raise BadRequestError(f"'data' of BYTES holds {_word(wrong)}; every value must be a string")
    array = np.empty(len(flat), dtype=object)
    array[:] = flat
    return array


def _leaves(data: list[Any]) -> Iterator[Any]:
    for value in data:
        if isinstance(value, list):
            yield from _leaves(value)
        else:
            yield value


def _cast(raw: Array, data: list[Any], datatype: str) -> Array:
    """numpy would turn 1.5 into 1, "1" into 1 and 300 into 44: nothing is cast that changes a value."""
    dtype = DTYPES[datatype]
    if raw.size == 0:
        return raw.astype(dtype)
    if datatype == "UINT64" and raw.dtype.kind in "fO":
        raw = np.array([value if isinstance(value, int) else None for value in _leaves(data)], dtype=object)
    allowed = {"b": "b", "u": "iuO", "i": "iuO", "f": "fiuO"}[dtype.kind]
    if raw.dtype.kind not in allowed:
        raise BadRequestError(f"'data' of {datatype} holds {_kind(raw)}")
    if raw.dtype.kind == "O" and not all(_is_number(value) for value in raw.flat):
        raise BadRequestError(f"'data' of {datatype} holds a value that is not such a number")
    return _in_range(raw, datatype, dtype)


def _in_range(raw: Array, datatype: str, dtype: np.dtype[Any]) -> Array:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if int(raw.min()) < limits.min or int(raw.max()) > limits.max:
            raise _out_of_range(datatype)
    try:
        with np.errstate(over="ignore"):
            cast = raw.astype(dtype)
    except OverflowError:
        raise _out_of_range(datatype) from None
    if dtype.kind == "f" and not np.isfinite(cast).all():
        raise _out_of_range(datatype)
    return cast


def _out_of_range(datatype: str) -> BadRequestError:
    return BadRequestError(f"'data' holds a number out of the range of {datatype}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _kind(raw: Array) -> str:
    if raw.dtype.kind == "O":
        return "null, an object or mixed values"
    return {"b": "booleans", "f": "fractions", "U": "strings"}.get(raw.dtype.kind, "numbers")


def _word(value: Any) -> str:
    return "null" if value is None else f"a {type(value).__name__}"


def _shaped(array: Array, shape: tuple[int, ...]) -> Array:
    wanted = math.prod(shape)
    if array.size != wanted:
        raise BadRequestError(f"'data' holds {array.size} values, but shape {list(shape)} has {wanted}")
    return array.reshape(shape)


def from_bytes(data: memoryview, datatype: str, shape: tuple[int, ...]) -> Array:
    """The binary tensor data extension: little-endian, row-major, BYTES with 4-byte lengths."""
    if datatype == "BYTES":
        return _shaped(_length_prefixed(data), shape)
    dtype = DTYPES[datatype]
    wanted = math.prod(shape) * dtype.itemsize
    if len(data) != wanted:
        raise BadRequestError(f"binary data has {len(data)} bytes, but {datatype} {list(shape)} has {wanted}")
    if datatype == "BOOL":
        return np.frombuffer(data, dtype=np.uint8).astype(bool).reshape(shape)
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def _length_prefixed(data: memoryview) -> Array:
    found, position = [], 0
    while position < len(data):
        end = position + 4
        if end > len(data):
            raise BadRequestError("binary data of BYTES ends inside a length")
        (length,) = struct.unpack_from("<I", data, position)
        if end + length > len(data):
            raise BadRequestError("binary data of BYTES ends inside a value")
        try:
            found.append(str(data[end : end + length], "utf-8"))
        except UnicodeDecodeError:
            raise BadRequestError("binary data of BYTES is not UTF-8, which ONNX strings are") from None
        position = end + length
    array = np.empty(len(found), dtype=object)
    array[:] = found
    return array


def to_json(array: Array, name: str) -> list[Any]:
    """Flat, row-major. JSON has no NaN and no infinity: `UnrepresentableError` rather than a silent null."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UnrepresentableError(
            f"output '{name}' holds NaN or infinity, which JSON can't carry; ask for it with 'binary_data'"
        )
    flat: list[Any] = array.ravel().tolist()
    return flat


def to_bytes(array: Array) -> bytes:
    if array.dtype.kind == "O":
        encoded = [str(value).encode() for value in array.ravel()]
        return b"".join(struct.pack("<I", len(value)) + value for value in encoded)
    return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
