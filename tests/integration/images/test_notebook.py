"""JupyterLab by its run contract: a browser opens it and runs a cell, and the work outlives the container."""

import json
import secrets
import time
import urllib.error
import urllib.request
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builder.image.engine import Engine
from builder.image.running import Container, Mount
from tests.integration.images.browser import PROGRAM, browser
from tests.integration.images.desk import Build, Built, Desk

pytestmark = [pytest.mark.network, pytest.mark.docker]

SOMEBODY, ANOTHER = "1234567:0", "7654321:0"
"""As OpenShift chooses them: uids that the image has never heard of, in group 0."""
TOKENS = "/run/secrets/jupyter"


@dataclass(frozen=True, kw_only=True)
class Volumes:
    """What a person mounts."""

    work: Path
    token_file: Path

    def mounts(self) -> list[Mount]:
        return [
            Mount(source=self.work, target="/workspace", read_only=False),
            Mount(source=self.token_file.parent, target=TOKENS),
        ]


@pytest.fixture
def volumes(tmp_path: Path) -> Volumes:
    work, token_file = tmp_path / "work", tmp_path / "secrets/token"
    work.mkdir()
    work.chmod(0o777)
    token_file.parent.mkdir()
    token_file.write_text(f"{secrets.token_hex(16)}\n")
    for path, mode in ((token_file, 0o644), (token_file.parent, 0o755)):
        path.chmod(mode)  # the image's user is nobody here, whatever the umask
    return Volumes(work=work, token_file=token_file)


@pytest.fixture
def built(build: Build) -> Built:
    return build("notebook")


def start(
    engine: Engine, desk: Desk, volumes: Volumes, user: str = "65532:65532"
) -> AbstractContextManager[Container]:
    return engine.start(desk.contract("notebook", user=user), mounts=volumes.mounts())


def address(container: Container) -> str:
    """Of the server, once it answers."""
    found = f"http://127.0.0.1:{container.port(8888)}"
    for _ in range(1200):
        try:
            with urllib.request.urlopen(f"{found}/api", timeout=10):  # noqa: S310
                return found
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.fail(f"{found} does not answer: {container.logs().decode()}")


def ask(url: str, volumes: Volumes, body: dict[str, Any] | None = None) -> Any:
    """GET, or PUT where there is a body."""
    request = urllib.request.Request(  # noqa: S310 - our own address
        url,
        json.dumps(body).encode() if body else None,
        {"Authorization": f"token {volumes.token_file.read_text().strip()}"},
        method="PUT" if body else "GET",
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return json.loads(answer.read())


EXECUTE = """
import nbclient, nbformat
[cell] = cells = [nbformat.v4.new_code_cell("2 ** 100")]
nbclient.NotebookClient(nbformat.v4.new_notebook(cells=cells)).execute()
print(cell.outputs[0].data["text/plain"])
"""


def test_any_user_of_group_0_works_in_it_and_the_work_survives(
    engine: Engine, desk: Desk, built: Built, volumes: Volumes
) -> None:
    with start(engine, desk, volumes, SOMEBODY) as container:
        text = {"type": "file", "format": "text", "content": "kept"}
        ask(f"{address(container)}/api/contents/kept.txt", volumes, text)
        done = container.exec(["python3", "-c", EXECUTE])
        assert (done.code, done.stdout) == (0, b"1267650600228229401496703205376\n"), done.stderr
        assert volumes.token_file.read_text().strip() not in container.logs().decode()
    with start(engine, desk, volumes, ANOTHER) as container:
        url = f"{address(container)}/api/contents/kept.txt"
        assert ask(url, volumes)["content"] == "kept"
        assert ask(url, volumes, {**text, "content": "changed"})["writable"] is True


def test_without_a_token_nothing_starts(engine: Engine, desk: Desk, built: Built, volumes: Volumes) -> None:
    volumes.token_file.unlink()
    with start(engine, desk, volumes) as container:
        assert container.wait(60) == 2
        assert container.logs().decode() == (
            "/run/secrets/jupyter/token: No such file or directory; "
            "mount a folder on '/run/secrets/jupyter' that holds the file 'token'\n"
        )


@pytest.mark.skipif(PROGRAM is None, reason="no chromium is installed: no browser opens the notebook")
def test_a_browser_opens_the_notebook_and_runs_a_cell(
    engine: Engine, desk: Desk, built: Built, volumes: Volumes
) -> None:
    with start(engine, desk, volumes) as container, browser() as page:
        server = address(container)
        page.ask("Page.navigate", url=f"{server}/lab")
        page.click("#password_input")
        page.type(volumes.token_file.read_text().strip())
        page.enter()
        page.click(".jp-LauncherCard[data-category='Notebook']")
        page.click(".jp-Notebook .jp-Cell .cm-content")
        page.until("document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'")
        page.until("document.body.innerText.includes('| Idle')")  # the status bar: only now a kernel listens
        page.type("print('the sum is', sum(range(1, 101)))")
        page.enter(shift=True)
        shown = page.until("document.querySelector('.jp-OutputArea-output')?.innerText")
        assert shown.strip() == "the sum is 5050"
        page.click("[data-jp-item-name='save'] button, [data-jp-item-name='save'] jp-button")
        page.click(".jp-Dialog .jp-mod-accept")  # it asks for the notebook's name
        assert outputs(volumes.work / "Untitled.ipynb") == ["the sum is 5050\n"]
        assert page.hosts() == {server, server.replace("http:", "ws:")}, "nothing is asked elsewhere"
        container.exec(["python3", "-c", FORGET])


FORGET = "import shutil; shutil.rmtree('/workspace/.ipynb_checkpoints')"
"""A folder of the image's user: whoever runs the tests may not be able to remove what is in it."""


def outputs(notebook: Path) -> list[str]:
    """Of its first cell, once it has been saved."""
    for _ in range(600):
        with suppress(ValueError, LookupError, FileNotFoundError):
            cell = json.loads(notebook.read_text())["cells"][0]
            if cell["outputs"]:
                return ["".join(one["text"]) for one in cell["outputs"]]
        time.sleep(0.05)
    pytest.fail(f"'{notebook.name}' was not saved")
