"""testinfra in a container that has no shell: its commands go to one open probe shell."""

from typing import Any

import testinfra.host
from testinfra.backend.base import BaseBackend, CommandResult

from builder.verify.modules import MODULES
from builder.verify.session import Shell


class TemperBackend(BaseBackend):
    NAME = "temper"

    def __init__(self, name: str, shell: Shell) -> None:
        super().__init__(name)
        self.shell = shell

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:  # noqa: ARG002 - testinfra's
        words = self.get_command(command, *args)
        answer = self.shell.run(words)
        return self.result(answer.code, words.encode(), answer.stdout, answer.stderr)

    def get_encoding(self) -> str:
        """testinfra would ask the image's Python for it, which need not be there."""
        return "utf-8"


class ContainerHost(testinfra.host.Host):
    """testinfra's host, with the modules that need no programs of the image."""

    def __getattr__(self, name: str) -> Any:
        if name in MODULES:
            module = MODULES[name].get_module(self)
            setattr(self, name, module)
            return module
        return super().__getattr__(name)

    def run_expect(self, expected: list[int], command: str, *args: str, **kwargs: Any) -> CommandResult:
        """Like check_output: says what was run and what it said, where testinfra prints its own objects."""
        __tracebackhide__ = True
        done = self.run(command, *args, **kwargs)
        assert done.rc in expected, said(done)  # noqa: S101 - testinfra's own form of failing
        return done

    def check_output(self, command: str, *args: str, **kwargs: Any) -> str:
        __tracebackhide__ = True
        return str(self.run_expect([0], command, *args, **kwargs).stdout.rstrip("\r\n"))


def said(done: CommandResult) -> str:
    words = (done.stderr or done.stdout).strip() or "it said nothing"
    return f"`{done.command.decode()}` ended with {done.rc}: {words}"


def make_host(name: str, shell: Shell) -> ContainerHost:
    """A host of its own for every shell: testinfra's `get_host` would keep and share them for good."""
    host = ContainerHost(TemperBackend(name, shell))
    host.backend.set_host(host)
    return host
