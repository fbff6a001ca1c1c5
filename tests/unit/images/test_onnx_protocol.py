"""The Open Inference Protocol v2, as a client of the onnx-inference image sees it."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from tests.unit.images.onnx_models import BIAS, WEIGHTS, save_identity, save_linear, save_log

Serve = Callable[..., Any]
INFER = "/v2/models/linear/infer"
LENGTH = "Inference-Header-Content-Length"


def tensor(name: str = "x", datatype: str = "FP32", shape: Any = (1, 3), **rest: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape), **rest}


def request(*inputs: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"inputs": list(inputs), **rest}


@pytest.fixture
def client(models: Path, serve: Serve) -> Any:
    save_linear(models / "linear.onnx")
    return serve()


def test_the_server_tells_what_it_is(client: Any) -> None:
    assert client.get("/v2").json() == {
        "name": "temper-onnx-inference",
        "version": "1.0.0",
        "extensions": ["binary_tensor_data"],
    }
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}


@pytest.mark.parametrize("path", ["/v2/models/linear", "/v2/models/linear/versions/1"])
def test_a_model_tells_its_tensors(client: Any, path: str) -> None:
    assert client.get(path).json() == {
        "name": "linear",
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    }
    assert client.get(path + "/ready").json() == {"name": "linear", "ready": True}


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6.5], [[1, 2, 3], [4, 5, 6.5]]], ids=["flat", "nested"])
@pytest.mark.parametrize("path", [INFER, "/v2/models/linear/versions/1/infer"])
def test_inference_gives_the_numbers_that_numpy_gives(client: Any, path: str, data: Any) -> None:
    answer = client.post(path, json=request(tensor(shape=(2, 3), data=data), id="42"))
    assert answer.status_code == 200, answer.text
    wanted = np.array(data, dtype=np.float32).reshape(2, 3) @ WEIGHTS + BIAS
    assert answer.json() == {
        "id": "42",
        "model_name": "linear",
        "model_version": "1",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [2, 2], "data": wanted.ravel().tolist()}],
    }


def test_an_empty_batch_is_a_batch(client: Any) -> None:
    answer = client.post(INFER, json=request(tensor(shape=(0, 3), data=[])))
    assert answer.json()["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [0, 2], "data": []}]


def test_binary_tensors_in_and_out(client: Any) -> None:
    values = np.array([[1, 2, 3]], dtype="<f4")
    head = json.dumps(
        request(
            tensor(parameters={"binary_data_size": 12}),
            outputs=[{"name": "y", "parameters": {"binary_data": True}}],
        )
    ).encode()
    answer = client.post(INFER, content=head + values.tobytes(), headers={LENGTH: str(len(head))})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers[LENGTH])
    assert json.loads(answer.content[:length])["outputs"] == [
        {"name": "y", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}}
    ]
    assert np.frombuffer(answer.content[length:], "<f4").tolist() == (values @ WEIGHTS + BIAS)[0].tolist()


ELEMENTS = [
    ("BOOL", TensorProto.BOOL, [True, False]),
    ("UINT8", TensorProto.UINT8, [0, 255]),
    ("UINT16", TensorProto.UINT16, [0, 65535]),
    ("UINT32", TensorProto.UINT32, [0, 2**32 - 1]),
    ("UINT64", TensorProto.UINT64, [1, 2**64 - 1]),
    ("INT8", TensorProto.INT8, [-128, 127]),
    ("INT16", TensorProto.INT16, [-(2**15), 2**15 - 1]),
    ("INT32", TensorProto.INT32, [-(2**31), 2**31 - 1]),
    ("INT64", TensorProto.INT64, [-(2**63), 2**63 - 1]),
    ("FP16", TensorProto.FLOAT16, [0.5, -65504.0]),
    ("FP32", TensorProto.FLOAT, [0.1, 3]),
    ("FP64", TensorProto.DOUBLE, [0.1, 1e300]),
    ("BYTES", TensorProto.STRING, ["", "größer\0 ☃"]),
]


@pytest.mark.parametrize(("datatype", "element", "values"), ELEMENTS, ids=[row[0] for row in ELEMENTS])
def test_every_datatype_comes_back_as_it_went_in(
    models: Path, serve: Serve, datatype: str, element: int, values: list[Any]
) -> None:
    save_identity(models / "same.onnx", element)
    client = serve()
    answer = client.post(
        "/v2/models/same/infer", json=request(tensor(datatype=datatype, shape=(2,), data=values))
    )
    assert answer.status_code == 200, answer.text
    (output,) = answer.json()["outputs"]
    assert output["datatype"] == datatype
    if datatype == "FP32":
        values = np.array(values, dtype=np.float32).tolist()
    assert output["data"] == values
    assert [type(value) for value in output["data"]] == [type(value) for value in values]


@pytest.mark.parametrize(("datatype", "element", "values"), ELEMENTS, ids=[row[0] for row in ELEMENTS])
def test_every_datatype_comes_back_as_binary(
    models: Path, serve: Serve, datatype: str, element: int, values: list[Any]
) -> None:
    save_identity(models / "same.onnx", element)
    if datatype == "BYTES":
        coded = [value.encode() for value in values]
        blob = b"".join(struct.pack("<I", len(value)) + value for value in coded)
    else:
        numpy_type = {"BOOL": "?", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}.get(datatype)
        blob = np.array(values, dtype=numpy_type or datatype.lower()).tobytes()
    described = tensor(datatype=datatype, shape=(2,), parameters={"binary_data_size": len(blob)})
    head = json.dumps(request(described, parameters={"binary_data_output": True})).encode()
    answer = serve().post("/v2/models/same/infer", content=head + blob, headers={LENGTH: str(len(head))})
    assert answer.status_code == 200, answer.text
    assert answer.content[int(answer.headers[LENGTH]) :] == blob


def test_nan_goes_as_binary_and_never_as_json(models: Path, serve: Serve) -> None:
    save_log(models / "log.onnx")
    client = serve()
    described = tensor(shape=(2,), data=[1, 0])
    refused = client.post("/v2/models/log/infer", json=request(described))
    assert refused.status_code == 406
    assert refused.json() == {
        "error": "output 'y' holds NaN or infinity, which JSON can't carry; ask for it with 'binary_data'"
    }
    sent = client.post(
        "/v2/models/log/infer", json=request(described, parameters={"binary_data_output": True})
    )
    assert np.frombuffer(sent.content[int(sent.headers[LENGTH]) :], "<f4").tolist() == [0, -np.inf]


REFUSED = {
    "not json": (
        b"{",
        "the body is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
    ),
    "not text": (b'{"id": "\xff"}', None),
    "not an object": (b"[]", "the body must be a JSON object"),
    "nested too deeply": (b"[" * 200_000, "the body is nested too deeply"),
    "NaN": (
        b'{"inputs": NaN}',
        "the body is not JSON: NaN is not a JSON number; send such values as binary data",
    ),
    "no inputs": (b"{}", "'inputs' must be an array of objects"),
    "inputs of numbers": (b'{"inputs": [1]}', "'inputs' must be an array of objects"),
    "no name": (b'{"inputs": [{}]}', "every input needs a 'name', a string"),
    "id": (b'{"id": 7, "inputs": []}', "'id' must be a string"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_body_that_is_no_request(client: Any, case: str) -> None:
    body, message = REFUSED[case]
    answer = client.post(INFER, content=body)
    assert answer.status_code == 400
    if message:
        assert answer.json() == {"error": message}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "every difference at once": (
        request(tensor(name="z", datatype="INT8"), tensor(datatype="FP64", shape=(3,))),
        "no input 'z' in model 'linear'; input 'x' is FP32, not FP64; input 'x' has shape [-1, 3], not [3]",
    ),
    "a fixed dimension": (
        request(tensor(shape=(1, 4), data=[1, 2, 3, 4])),
        "input 'x' has shape [-1, 3], not [1, 4]",
    ),
    "nothing given": (request(), "input 'x' is missing"),
    "twice": (request(tensor(data=[1, 2, 3]), tensor(data=[1, 2, 3])), "an input stands in 'inputs' twice"),
    "an unknown datatype": (
        request(tensor(datatype="FLOAT")),
        (
            "input 'x': no datatype 'FLOAT'; there is BOOL, UINT8, UINT16, UINT32, UINT64,"
            " INT8, INT16, INT32, INT64, FP16, FP32, FP64, BYTES"
        ),
    ),
    "a shape of text": (
        request(tensor(shape="12", data=[])),
        "input 'x': 'shape' must be an array of whole numbers",
    ),
    "a negative shape": (
        request(tensor(shape=(-1, 3), data=[])),
        "input 'x': 'shape' must be an array of whole numbers",
    ),
    "too few values": (
        request(tensor(data=[1, 2])),
        "input 'x': 'data' holds 2 values, but shape [1, 3] has 3",
    ),
    "a huge shape": (
        request(tensor(shape=(2**40, 3), data=[1])),
        f"input 'x': 'data' holds 1 values, but shape [{2**40}, 3] has {3 * 2**40}",
    ),
    "ragged": (
        request(tensor(data=[[1, 2], [3]])),
        "input 'x': 'data' is ragged: its rows have different lengths",
    ),
    "no data": (request(tensor()), "input 'x': 'data' must be an array"),
    "strings for numbers": (request(tensor(data=["1", "2", "3"])), "input 'x': 'data' of FP32 holds strings"),
    "booleans for numbers": (
        request(tensor(data=[True, False, True])),
        "input 'x': 'data' of FP32 holds booleans",
    ),
    "null": (
        request(tensor(data=[1, None, 2])),
        "input 'x': 'data' of FP32 holds a value that is not such a number",
    ),
    "too large a number": (
        request(tensor(data=[1, 2, 1e39])),
        "input 'x': 'data' holds a number out of the range of FP32",
    ),
    "far too large a number": (
        request(tensor(data=[1, 2, 10**400])),
        "input 'x': 'data' holds a number out of the range of FP32",
    ),
    "an unknown output": (
        request(tensor(data=[1, 2, 3]), outputs=[{"name": "why"}]),
        "no output 'why' in model 'linear'",
    ),
    "parameters": (
        request(tensor(data=[1, 2, 3], parameters=[])),
        "'parameters' must be an object",
    ),
    "a flag": (
        request(tensor(data=[1, 2, 3]), parameters={"binary_data_output": 1}),
        "parameter 'binary_data_output' must be true or false",
    ),
    "data and binary": (
        request(tensor(data=[1, 2, 3], parameters={"binary_data_size": 12})),
        "input 'x' has both 'data' and 'binary_data_size'",
    ),
    "binary that is not there": (
        request(tensor(parameters={"binary_data_size": 12})),
        "input 'x': 'binary_data_size' is 12, but 0 bytes are left",
    ),
    "a size that is none": (
        request(tensor(parameters={"binary_data_size": "12"})),
        "input 'x': 'binary_data_size' must be a number of bytes",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_request_that_does_not_fit_the_model(client: Any, case: str) -> None:
    body, message = WRONG[case]
    answer = client.post(INFER, json=body)
    assert (answer.status_code, answer.json()) == (400, {"error": message})


WRONG_VALUES: list[tuple[str, int, list[Any], str]] = [
    ("UINT8", TensorProto.UINT8, [0, 256], "'data' holds a number out of the range of UINT8"),
    ("UINT8", TensorProto.UINT8, [0, -1], "'data' holds a number out of the range of UINT8"),
    ("INT64", TensorProto.INT64, [0, 2**63], "'data' of INT64 holds fractions"),
    ("UINT64", TensorProto.UINT64, [0, 2**64], "'data' holds a number out of the range of UINT64"),
    ("UINT64", TensorProto.UINT64, [0.5, 2**63], "'data' of UINT64 holds a value that is not such a number"),
    ("INT32", TensorProto.INT32, [0, 1.5], "'data' of INT32 holds fractions"),
    ("BOOL", TensorProto.BOOL, [0, 1], "'data' of BOOL holds numbers"),
    ("FP16", TensorProto.FLOAT16, [0, 70000], "'data' holds a number out of the range of FP16"),
    ("BYTES", TensorProto.STRING, ["a", 1], "'data' of BYTES holds a int; every value must be a string"),
    ("BYTES", TensorProto.STRING, ["a", None], "'data' of BYTES holds null; every value must be a string"),
]


@pytest.mark.parametrize(
    ("datatype", "element", "values", "message"),
    WRONG_VALUES,
    ids=[f"{row[0]} {row[2]}" for row in WRONG_VALUES],
)
def test_no_value_is_changed_to_make_it_fit(
    models: Path, serve: Serve, datatype: str, element: int, values: list[Any], message: str
) -> None:
    save_identity(models / "same.onnx", element)
    described = tensor(datatype=datatype, shape=(2,), data=values)
    answer = serve().post("/v2/models/same/infer", json=request(described))
    assert (answer.status_code, answer.json()) == (400, {"error": f"input 'x': {message}"})


@pytest.mark.parametrize(
    ("datatype", "element", "blob", "message"),
    [
        ("FP32", TensorProto.FLOAT, b"1234", "binary data has 4 bytes, but FP32 [2] has 8"),
        ("BYTES", TensorProto.STRING, b"\1\0", "binary data of BYTES ends inside a length"),
        ("BYTES", TensorProto.STRING, b"\2\0\0\0a", "binary data of BYTES ends inside a value"),
        (
            "BYTES",
            TensorProto.STRING,
            b"\1\0\0\0\xff",
            "binary data of BYTES is not UTF-8, which ONNX strings are",
        ),
    ],
)
def test_binary_data_that_is_not_what_it_says(
    models: Path, serve: Serve, datatype: str, element: int, blob: bytes, message: str
) -> None:
    save_identity(models / "same.onnx", element)
    described = tensor(datatype=datatype, shape=(2,), parameters={"binary_data_size": len(blob)})
    head = json.dumps(request(described)).encode()
    answer = serve().post("/v2/models/same/infer", content=head + blob, headers={LENGTH: str(len(head))})
    assert (answer.status_code, answer.json()) == (400, {"error": f"input 'x': {message}"})


@pytest.mark.parametrize("length", ["-1", "x", "99999", "9" * 30, "²"])
def test_a_header_length_outside_the_body(client: Any, length: str) -> None:
    answer = client.post(INFER, content=b"{}", headers={LENGTH: length.encode()})
    assert answer.status_code == 400
    assert "is not a number of bytes within the body" in answer.json()["error"]


def test_binary_data_that_belongs_to_nothing(client: Any) -> None:
    head = json.dumps(request(tensor(data=[1, 2, 3]))).encode()
    answer = client.post(INFER, content=head + b"rest", headers={LENGTH: str(len(head))})
    assert answer.json() == {"error": "4 bytes of binary data belong to no input"}


def test_paths_that_are_not_there(client: Any) -> None:
    unknown = client.post("/v2/models/liner/infer", json={})
    assert (unknown.status_code, unknown.json()) == (404, {"error": "no model 'liner'; there is linear"})
    version = client.get("/v2/models/linear/versions/2")
    assert (version.status_code, version.json()) == (
        404,
        {"error": "model 'linear' has no version '2', but 1"},
    )
    path = client.get("/v1")
    assert (path.status_code, path.json()) == (404, {"error": "no path '/v1'"})
    method = client.get(INFER)
    assert (method.status_code, method.json()) == (405, {"error": f"GET is not for '{INFER}'"})
