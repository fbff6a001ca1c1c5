"""container-structure-test's command tests, in containers started by the run contract."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from builder.image.running import Mount
from builder.model.contract import RunContract
from builder.model.report import CheckResult
from builder.model.structure import CommandTest, StructureTest, Variable
from builder.verify.runner import HOLD, Starter, probe_contract
from builder.verify.session import MOUNT, SessionLost, Shell
from builder.verify.structure import check, expanded, mismatches


def command_checks(
    tests: StructureTest, engine: Starter, contract: RunContract, toolbox: Path
) -> tuple[CheckResult, ...]:
    """A container for each test, as the original does: none sees what another one left.

    Only the image's own programs are run, through the probe shell; the image needs none. Raises
    `EngineError` where the engine is gone.
    """
    return tuple(
        one_check(test, tests.global_env_vars, engine, contract, toolbox) for test in tests.command_tests
    )


def one_check(
    test: CommandTest, common: tuple[Variable, ...], engine: Starter, contract: RunContract, toolbox: Path
) -> CheckResult:
    mounts = (Mount(source=toolbox, target=MOUNT),)
    variables = exports((*common, *test.env_vars), contract)
    with (
        engine.start(probe_contract(contract), mounts=mounts, program=HOLD) as container,
        closing(Shell(container)) as shell,
    ):
        return check(test.name, faults(test, shell, variables))


def exports(variables: Sequence[Variable], contract: RunContract) -> str:
    """Later ones may use earlier ones."""
    env, words = dict(contract.env), []
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
