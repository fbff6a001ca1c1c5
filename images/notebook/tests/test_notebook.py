"""The running server and a real kernel, asked from inside their container as a browser asks them."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.program

HERE = Path(__file__).parent
TOKEN = (HERE / "state/run/secrets/jupyter/token").read_text().strip()
WRITABLE = ["/home/jupyter", "/tmp", "/workspace"]
DISABLED = json.loads((HERE.parent / "labconfig/page_config.json").read_text())["disabledExtensions"]

ASK = """
    import http.client, json, sys
    asked, token = json.loads(sys.argv[1]), open("/run/secrets/jupyter/token").read().strip()
    answers = []
    for method, path, body, with_token in asked:
        connection = http.client.HTTPConnection("127.0.0.1", 8888, timeout=30)
        headers = {"Authorization": f"token {token}"} if with_token else {}
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        answers.append([answer.status, answer.read().decode()])
    print(json.dumps(answers))
"""

RUN = """
    import http.client, json, sys, uuid
    import websocket
    code, token = sys.argv[1], open("/run/secrets/jupyter/token").read().strip()
    headers = {"Authorization": f"token {token}"}
    def ask(method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", 8888, timeout=60)
        connection.request(method, path, json.dumps(body) if body else None, headers)
        return json.loads(connection.getresponse().read())
    running = ask("GET", "/api/kernels") or [ask("POST", "/api/kernels", {"name": "python3", "path": ""})]
    address = f"ws://127.0.0.1:8888/api/kernels/{running[0]['id']}/channels"
    channels = websocket.create_connection(address, header=headers, timeout=60)
    number, seen = uuid.uuid4().hex, []
    channels.send(json.dumps({
        "header": {"msg_id": number, "msg_type": "execute_request", "username": "", "session": number,
                   "version": "5.3"},
        "parent_header": {}, "metadata": {}, "channel": "shell", "buffers": [],
        "content": {"code": code, "silent": False, "store_history": False, "user_expressions": {},
                    "allow_stdin": False, "stop_on_error": True},
    }))
    while True:
        message = json.loads(channels.recv())
        kind, content = message["msg_type"], message["content"]
        if message["parent_header"].get("msg_id") != number:
            continue
        if kind == "stream":
            seen.append(content["text"])
        elif kind == "execute_result":
            seen.append(content["data"]["text/plain"])
        elif kind == "error":
            seen.append(content["ename"] + ": " + content["evalue"])
        elif kind == "status" and content["execution_state"] == "idle":
            break
    channels.close()
    print(json.dumps("".join(seen)))
"""


def asks(*requests, token=True):
    """Their status and text are the test's `answer`."""
    told = [(method, path, body, token) for method, path, body in requests]
    return pytest.mark.python(ASK, json.dumps(told), stays=True)


def get(path):
    return "GET", path, None


def runs(code):
    """In the kernel, over its websocket; what the cell shows is the test's `answer`. All tests share one
    kernel, as each takes seconds to start."""
    return pytest.mark.python(RUN, code, stays=True)


def test_its_health_check_answers(host):
    done = host.run("python3 /app/health.py")
    assert (done.rc, done.stderr) == (0, "")


@asks(get("/api/kernels"), get("/api/contents"), get("/api/kernelspecs"), token=False)
def test_without_the_token_nothing_is_told(answer):
    assert [status for status, _ in answer] == [403, 403, 403]


@asks(get("/api/kernelspecs"), get("/api/kernels"))
def test_with_the_token_it_tells_its_kernels(answer):
    (status, specs), (listed, _) = answer
    assert (status, listed) == (200, 200)
    assert [spec["spec"]["language"] for spec in json.loads(specs)["kernelspecs"].values()] == ["python"]


@asks(("POST", "/api/terminals", {}), get("/lsp/status"))
def test_there_are_neither_terminals_nor_language_servers(answer):
    assert [status for status, _ in answer] == [404, 404]


@asks(get("/lab"), get("/lab/api/news"))
def test_the_browser_leaves_away_what_the_image_lacks(answer):
    (status, page), (_, news) = answer
    assert status == 200
    start = page.index("{", page.index("jupyter-config-data"))
    config, _ = json.JSONDecoder().raw_decode(page[start:])
    assert set(config["disabledExtensions"]) >= set(DISABLED)
    assert config["extensionManager"]["can_install"] is False
    assert json.loads(news) == {"news": []}


@runs("sum(number * number for number in range(1001))")
def test_a_kernel_computes(answer):
    assert answer == "333833500"


SHELL = """
import sys, subprocess
print(sys.executable)
try:
    subprocess.run('true', shell=True)
except OSError as error:
    print(type(error).__name__)
"""


@runs(SHELL)
def test_a_kernel_is_the_image_s_python_and_has_no_shell(answer):
    assert answer.splitlines() == ["/usr/bin/python3", "FileNotFoundError"]


WRITES = """
import json, os
found = []
for folder, names, _ in os.walk('/'):
    if folder == '/':
        names[:] = sorted(set(names) - {'proc', 'sys', 'dev'})
    if os.access(folder, os.W_OK):
        found.append(folder)
        names.clear()
print(json.dumps(sorted(found)))
"""


@runs(WRITES)
def test_a_kernel_can_write_to_declared_paths_only(answer, contract):
    declared = {mount.path for mount in contract.tmpfs} | {
        state.path for state in contract.state if state.mode == "rw"
    }
    assert sorted(declared) == WRITABLE
    assert json.loads(answer) == WRITABLE


OWN_MODULE = """
import pathlib
pathlib.Path('own_module.py').write_text('ANSWER = 6 * 7')
import own_module
print(pathlib.Path.cwd(), own_module.ANSWER)
pathlib.Path('own_module.py').unlink()
"""


@runs(OWN_MODULE)
def test_a_notebook_imports_what_lies_beside_it(answer):
    assert answer.split() == ["/workspace", "42"]


SAVED = {"type": "file", "format": "text", "content": "kept"}


@asks(("PUT", "/api/contents/saved.txt", SAVED))
def test_what_is_saved_lies_in_the_volume(answer, host):
    assert [status for status, _ in answer] == [201]
    assert host.check_output("cat /workspace/saved.txt") == "kept"
    assert host.mount_point("/workspace").exists


def test_the_token_is_on_no_command_line_and_in_no_environment(host):
    shown = host.check_output("cat /proc/1/cmdline /proc/1/environ")
    assert "JUPYTER_CONFIG_DIR" in shown
    assert TOKEN not in shown


SURROUNDINGS = "print(open('/proc/self/environ').read(), open('/proc/self/cmdline').read())"


@runs(SURROUNDINGS)
def test_nor_is_it_told_to_kernels(answer):
    assert "ipykernel_launcher" in answer
    assert TOKEN not in answer


def test_the_token_can_not_be_changed(host):
    done = host.run("python3 -c %s", "open('/run/secrets/jupyter/token', 'ab')")
    assert done.rc != 0
    assert "OSError" in done.stderr or "PermissionError" in done.stderr
