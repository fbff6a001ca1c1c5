"""The running server, asked from inside its container; tests/state/models/linear.onnx is y = x W + b."""

import json

import pytest

pytestmark = pytest.mark.program

WEIGHTS = [[1.0, -2.0], [0.5, 0.25], [3.0, 4.0]]
BIAS = [0.5, -1.0]
"""As they stand in the model; powers of two, so that the numbers are exact everywhere."""
INFER = "/v2/models/linear/infer"

ASK = """
    import http.client, json, sys
    asked = json.loads(sys.argv[1])
    answers = []
    for method, path, body, headers in asked:
        connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=30)
        connection.request(method, path, body.encode() if body else None, headers)
        answer = connection.getresponse()
        answers.append([answer.status, answer.read().decode("latin-1"), dict(answer.getheaders())])
    print(json.dumps(answers))
"""


def get(path):
    return "GET", path, None, {}


def post(body, headers=None):
    return "POST", INFER, json.dumps(body), headers or {}


def infer(rows, **rest):
    return post(
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [len(rows), 3], "data": rows}], **rest}
    )


def asks(*requests):
    """Their status, text and headers are the test's `answer`; they are sent by the image's own Python."""
    return pytest.mark.python(ASK, json.dumps(requests), stays=True)


def texts(answer):
    return [json.loads(text) for _, text, _ in answer]


def outside(rows):
    """The same numbers without onnxruntime."""
    return [
        sum(x * w for x, w in zip(row, column, strict=True)) + b
        for row in rows
        for column, b in zip(zip(*WEIGHTS, strict=True), BIAS, strict=True)
    ]


@asks(get("/v2/health/live"), get("/v2/health/ready"))
def test_it_is_live_and_ready(answer):
    assert texts(answer) == [{"live": True}, {"ready": True}]


@asks(get("/v2/models/linear"), get("/v2/models/linear/ready"))
def test_it_tells_its_models(answer):
    model, ready = texts(answer)
    assert model == {
        "name": "linear",
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    }
    assert ready == {"name": "linear", "ready": True}


ROWS = [[[1, 2, 3]], [[0.5, -4, 8], [0, 0, 0], [-1, 1024, 0.125]]]


@pytest.mark.parametrize("rows", [pytest.param(rows, marks=asks(infer(rows, id="7"))) for rows in ROWS])
def test_it_gives_the_same_numbers_as_outside(answer, rows):
    [(status, text, _)] = answer
    assert status == 200, text
    said = json.loads(text)
    assert said["id"] == "7"
    assert said["outputs"] == [
        {"name": "y", "datatype": "FP32", "shape": [len(rows), 2], "data": outside(rows)}
    ]


@asks(infer([[1, 2, 3]], parameters={"binary_data_output": True}))
def test_it_sends_binary_tensors(answer):
    [(status, text, headers)] = answer
    assert status == 200, text
    length = int({name.lower(): value for name, value in headers.items()}["inference-header-content-length"])
    assert text[length:].encode("latin-1") == b"\x00\x00\x38\x41\x00\x00\x18\x41"  # 11.5 and 9.5


@asks(post({"inputs": [{"name": "z", "datatype": "INT8", "shape": [1], "data": [1]}]}))
def test_it_refuses_what_does_not_fit_the_model(answer):
    [(status, text, _)] = answer
    assert status == 400
    assert json.loads(text) == {"error": "no input 'z' in model 'linear'; input 'x' is missing"}


@asks(get("/v2/models/other"))
def test_it_knows_no_other_model(answer):
    [(status, text, _)] = answer
    assert (status, json.loads(text)) == (404, {"error": "no model 'other'; there is linear"})


@asks(post({}, {"Content-Length": str(1 << 30)}))
def test_it_reads_no_more_than_it_may(answer):
    [(status, text, _)] = answer
    assert status == 413
    assert "is larger than 16777216 bytes" in json.loads(text)["error"]


@asks(get("/v2/health/live"))
def test_it_does_not_say_what_it_runs_on(answer):
    [(_, _, headers)] = answer
    assert "server" not in {name.lower() for name in headers}


MANY = """
    import http.client, json, sys
    from concurrent.futures import ThreadPoolExecutor
    def one(number):
        connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=30)
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [number, 0, 0]}
        connection.request("POST", "/v2/models/linear/infer", json.dumps({"inputs": [tensor]}))
        return json.loads(connection.getresponse().read())["outputs"][0]["data"]
    with ThreadPoolExecutor(8) as threads:
        print(json.dumps(list(threads.map(one, range(64)))))
"""


@pytest.mark.python(MANY, stays=True)
def test_every_client_gets_its_own_numbers(answer):
    assert answer == [outside([[number, 0, 0]]) for number in range(64)]


def test_its_health_check_agrees(host):
    done = host.run("python3 /app/health.py")
    assert (done.rc, done.stderr) == (0, "")


def test_the_model_can_not_be_changed(host):
    done = host.run("python3 -c %s", "open('/models/linear.onnx', 'ab')")
    assert done.rc != 0
    assert "OSError" in done.stderr or "PermissionError" in done.stderr


def test_it_starts_no_thread_for_each_core_of_the_host(host, contract):
    status = host.check_output("cat /proc/1/status")
    threads = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("Threads:"))
    assert threads <= 16, f"{threads} threads, {contract.pids} are allowed"
