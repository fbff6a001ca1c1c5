"""A real browser, driven by the DevTools protocol over two pipes: JSON messages that end with a zero byte.

Debian's `chromium` alone is needed. See https://chromedevtools.github.io/devtools-protocol/ for the commands.
"""

import fcntl
import itertools
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

PROGRAM = shutil.which("chromium")
FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-proxy-server", "--window-size=1280,900",
    "--no-sandbox",  # root has none, and it sees our own page only
)  # fmt: skip
READS, WRITES = 3, 4
"""The file descriptors that chromium takes commands from and answers to."""
PATIENCE = 60.0
"""Seconds until a page that shows nothing new has failed."""

WHERE = """
(() => {
  const it = document.querySelector(%s);
  if (!it || document.readyState !== "complete") return null;
  const box = it.getBoundingClientRect();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  return box.width && it.contains(document.elementFromPoint(x, y)) ? [x, y] : null;
})()
"""
"""The middle of an element that can be clicked on."""


@dataclass(kw_only=True)
class Page:
    commands: int
    """File descriptors."""
    answers: int
    session: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    """All that the browser told unasked."""
    _rest: bytes = b""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            self.events.append(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self.answers], [], [], PATIENCE)
            data = os.read(self.answers, 1 << 16) if ready else b""
            assert data, "the browser does not answer"
            self._rest += data
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def value(self, expression: str) -> Any:
        """Of JavaScript in the page."""
        done = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, expression: str) -> Any:
        """Its value, once that is true. A page that is being left has no answer yet."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with suppress(AssertionError):
                if found := self.value(expression):
                    return found
            time.sleep(0.05)
        raise AssertionError(
            f"never true: {expression}; the page shows {self.value('document.body.innerText')!r}"
        )

    def click(self, selector: str) -> None:
        """By the mouse, as a person would, once it is there and nothing covers it."""
        x, y = self.until(WHERE % json.dumps(selector))
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = "none" if kind == "mouseMoved" else "left"
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1)

    def type(self, text: str) -> None:
        self.ask("Input.insertText", text=text)

    def enter(self, *, shift: bool = False) -> None:
        for kind in ("keyDown", "keyUp"):
            self.ask(
                "Input.dispatchKeyEvent",
                type=kind, key="Enter", code="Enter", text="\r", windowsVirtualKeyCode=13,
                modifiers=8 if shift else 0,
            )  # fmt: skip

    def hosts(self) -> set[str]:
        """`scheme://host:port` of all that the page asked for."""
        asked = (
            one["params"].get("request", one["params"])["url"]
            for one in self.events
            if one.get("method") in ("Network.requestWillBeSent", "Network.webSocketCreated")
        )
        return {"/".join(url.split("/")[:3]) for url in asked if not url.startswith(("data:", "blob:"))}


@contextmanager
def browser() -> Iterator[Page]:
    """With an empty page. It ends with the block, and what it wrote is gone."""
    with TemporaryDirectory(
        prefix="temper-", ignore_cleanup_errors=True
    ) as name:  # short: it makes sockets there
        theirs_in, ours_out = above_standard(*os.pipe())
        ours_in, theirs_out = above_standard(*os.pipe())
        process = started(Path(name), theirs_in, theirs_out)
        try:
            yield opened(Page(commands=ours_out, answers=ours_in))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            for number in (ours_in, ours_out):
                os.close(number)


def started(folder: Path, commands: int, answers: int) -> int:
    """The number of its process, which leads a group of its own. The two pipes are its alone from now on."""
    assert PROGRAM is not None
    process = os.posix_spawn(
        PROGRAM,
        [PROGRAM, *FLAGS, f"--user-data-dir={folder}/profile", "about:blank"],
        {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            (os.POSIX_SPAWN_DUP2, commands, READS),
            (os.POSIX_SPAWN_DUP2, answers, WRITES),
        ],
        setpgroup=0,
    )
    os.close(commands)
    os.close(answers)
    return process


def above_standard(*numbers: int) -> list[int]:
    """The same files under other numbers than those that chromium wants to have."""
    moved = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 10) for number in numbers]
    for number in numbers:
        os.close(number)
    return moved


def opened(page: Page) -> Page:
    target = page.ask("Target.createTarget", url="about:blank")["targetId"]
    page.session = page.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Network"):
        page.ask(f"{domain}.enable")
    page.ask(
        "Emulation.setFocusEmulationEnabled", enabled=True
    )  # what is typed goes to the page in front only
    return page
