"""A team's container-structure-test file on what `docker build` made, with a shell in it and without."""

import gzip
from collections.abc import Iterator
from typing import Any

import pytest

from builder.image.engine import TRIED, Engine
from builder.image.layout import find_in_archive
from tests.integration.foreign.conftest import NAME, Desk

pytestmark = [pytest.mark.docker, pytest.mark.network]

DOCKERFILE = """\
FROM {base}
RUN mkdir /app && echo hello > /app/greeting && chown 1000 /app
ENV MODE=fast
LABEL team=a
WORKDIR /app
USER 1000
CMD ["python3"]
"""
NO_SHELL = """\
FROM {base}
USER 0
RUN ["python3", "-c", "import os; [os.remove('/usr/bin/' + name) for name in ('sh', 'bash', 'dash')]"]
USER 1000
"""
TESTS = """\
schemaVersion: 2.0.0
globalEnvVars: [{key: FULL, value: "$MODE-$FROM_FILE"}]
commandTests:
  - name: its own user, folder, variables and files
    setup: [[python3, -c, "open('/app/new', 'w').write('x')"]]
    command: python3
    args: [-c, "import os; print(os.getuid(), os.getcwd(), os.environ['FULL'], os.listdir('/app'))"]
    expectedOutput: ["1000 /app fast-yes", "new"]
  - {name: none sees what another left, command: python3, args: [-c, "open('/app/new')"], exitCode: 1,
     expectedError: [FileNotFoundError]}
  - {name: mounted, command: python3, args: [-c, "print(open('/data/file').read())"], expectedOutput: [given]}
  - {name: a shell, command: sh, args: [-c, "exit 3"], exitCode: 3}
fileContentTests: [{name: greeting, path: /app/greeting, expectedContents: ["^hello$"]}]
metadataTest: {labels: [{key: team, value: a}], user: "1000", cmd: [python3]}
containerRunOptions: {envFile: env, bindMounts: ["data:/data"], capabilities: [NET_ADMIN]}
"""
NAMES = [
    *("greeting", "metadata", "its own user, folder, variables and files"),
    *("none sees what another left", "mounted", "a shell"),
]


@pytest.fixture(scope="module")
def tests(desk: Desk) -> str:
    (desk.folder / "env").write_text("FROM_FILE=yes\n")
    (desk.folder / "data").mkdir()
    (desk.folder / "data/file").write_text("given")
    (desk.folder / "test.yaml").write_text(TESTS)
    return "test.yaml"


def built(desk: Desk, engine: Engine, name: str, text: str) -> str:
    context = desk.folder / name
    context.mkdir()
    (context / "Dockerfile").write_text(text)
    tag = f"temper-test/{NAME}:{name}"
    engine.build(context, tag)
    return tag


@pytest.fixture(scope="module")
def image(desk: Desk, base: str, engine: Engine) -> Iterator[str]:
    tag = built(desk, engine, "teams", DOCKERFILE.format(base=base))
    yield tag
    engine.remove_image(tag)


def checks(desk: Desk, reference: str, tests: str) -> dict[str, str]:
    _, report = desk.temper("audit", reference, "--structure-test", tests, "--format", "json")
    return {check["name"].removeprefix("structure: "): said(check) for check in report["suites"]}


def said(check: dict[str, Any]) -> str:
    return check["message"] or check["outcome"]


def test_all_of_it_passes_on_the_image_in_the_engine(desk: Desk, image: str, tests: str) -> None:
    assert checks(desk, f"docker:{image}", tests) == dict.fromkeys(NAMES, "passed")


def test_an_archive_without_a_shell_is_lent_to_the_engine(
    desk: Desk, image: str, engine: Engine, tests: str
) -> None:
    tag = built(desk, engine, "shellless", NO_SHELL.format(base=image))
    plain = desk.folder / "image.tar"
    with plain.open("wb") as file:
        engine.save(tag, file)
    engine.remove_image(tag)
    (desk.folder / "image.tar.gz").write_bytes(gzip.compress(plain.read_bytes(), 1))
    gone = "it ends with 127, not 3: sh: not found in the image"
    assert checks(desk, "image.tar.gz", tests) == {**dict.fromkeys(NAMES, "passed"), "a shell": gone}
    assert not engine._has_image(find_in_archive(plain).image_id)
    assert engine._api.images(name=TRIED) == []
