"""Run in an image by its own Python, whichever version that is: many programs in one interpreter.

`[[program, [argument, ...], stays], ...]` is its argument; for each it prints a line of JSON,
`[exit code, stdout, stderr]`. A program is run in a fork; one that stays is run in the interpreter itself, so
that what it loads is there for those after it.
"""

import contextlib
import io
import json
import os
import sys
import traceback

Said = tuple[int, str, str]


def call(program: str, arguments: list[str]) -> int:
    """Its exit code, as if it had an interpreter of its own."""
    sys.argv = ["-c", *arguments]
    try:
        exec(program, {"__name__": "__main__"})  # noqa: S102 - a suite brings it
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)  # noqa: T201
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def stay(program: str, arguments: list[str]) -> Said:
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = call(program, arguments)
    return code, stdout.getvalue(), stderr.getvalue()


def fork(program: str, arguments: list[str]) -> Said:
    """Into files in memory: a pipe that nobody empties would hold a talkative program up."""
    files = {1: os.memfd_create("stdout"), 2: os.memfd_create("stderr")}
    pid = os.fork()
    if pid == 0:
        for stream, file in files.items():
            os.dup2(file, stream)
        code = call(program, arguments)
        sys.stdout.flush()
        os._exit(code & 0xFF)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    stdout, stderr = (everything(file) for file in files.values())
    return code, stdout, stderr


def everything(number: int) -> str:
    with os.fdopen(number, "rb") as file:
        file.seek(0)
        return file.read().decode(errors="replace")


if __name__ == "__main__":
    for program, arguments, stays in json.loads(sys.argv[1]):
        run = stay if stays else fork
        print(json.dumps(run(program, arguments)), flush=True)  # noqa: T201
