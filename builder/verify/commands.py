"""container-structure-test's command tests, in a container each."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing

from builder.model.report import CheckResult
from builder.model.structure import CommandTest, StructureTest, Variable
from builder.verify.session import Opener, SessionLost, Shell
from builder.verify.structure import check, expanded, mismatches

Start = Callable[[], AbstractContextManager[Opener]]
"""A fresh container of the image, with the toolbox in it and nothing of the image's running."""
Env = Sequence[tuple[str, str]]


def command_checks(tests: StructureTest, start: Start, env: Env) -> tuple[CheckResult, ...]:
    """A container for each test, as the original does: none sees what another one left.

    Only the image's own programs are run, through the probe shell; the image needs none. `env` is what they
    find. Raises `EngineError` where the engine is gone, or can't start the image.
    """
    return tuple(one_check(test, tests.global_env_vars, start, env) for test in tests.command_tests)


def one_check(test: CommandTest, common: tuple[Variable, ...], start: Start, env: Env) -> CheckResult:
    variables = exports((*common, *test.env_vars), env)
    with start() as container, closing(Shell(container)) as shell:
        return check(test.name, faults(test, shell, variables))


def exports(variables: Sequence[Variable], there: Env) -> str:
    """Later ones may use earlier ones."""
    env, words = dict(there), []
    for variable in variables:
        env[variable.key] = expanded(variable.value, env)
        words.append(f"export {shlex.quote(variable.key)}={shlex.quote(env[variable.key])}; ")
    return "".join(words)


def faults(test: CommandTest, shell: Shell, variables: str) -> Iterator[str]:
    try:
        for command in test.setup:
            answer = shell.run(variables + own(command))
            if answer.code != 0:
                yield f"its setup `{shlex.join(command)}` ends with {answer.code}"
                return
        answer = shell.run(variables + own((test.command, *test.args)))
    except SessionLost as error:
        yield str(error)
        return
    stdout, stderr = answer.stdout.decode(errors="replace"), answer.stderr.decode(errors="replace")
    if answer.code != test.exit_code:
        said = (stderr or stdout).strip().rpartition("\n")[2] or "it says nothing"
        yield f"it ends with {answer.code}, not {test.exit_code}: {said}"
    yield from mismatches("its output", stdout, test.expected_output, test.excluded_output)
    yield from mismatches("its error output", stderr, test.expected_error, test.excluded_error)
    yield from torn_down(test, shell, variables)


def torn_down(test: CommandTest, shell: Shell, variables: str) -> Iterator[str]:
    for command in test.teardown:
        answer = shell.run(variables + own(command))
        if answer.code != 0:
            yield f"its teardown `{shlex.join(command)}` ends with {answer.code}"


def own(words: Sequence[str]) -> str:
    """The image's program and never the probe shell's of the same name."""
    return f"_t_image {shlex.join(words)}"
