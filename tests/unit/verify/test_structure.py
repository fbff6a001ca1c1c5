"""container-structure-test files: read, and run on an image without an engine."""

from pathlib import Path

import pytest

from builder.config.structure import parse_structure_test
from builder.errors import InputError
from builder.model.image import Image, ImageConfig
from builder.model.report import CheckResult, Outcome
from builder.model.structure import CommandTest, StructureTest, Variable
from builder.model.tree import Bytes, Entry, Kind, Rootfs
from builder.verify.commands import exports, faults
from builder.verify.formats import FORMATS
from builder.verify.session import Shell
from builder.verify.structure import static_checks
from tests.unit.verify.parts import Parts
from tests.unit.verify.test_session import FakeContainer, framed

IMAGE = Image(
    rootfs=Rootfs().with_entries(
        [
            Entry(path="usr/bin/su", kind=Kind.FILE, mode=0o4755, content=Bytes(b"x")),
            Entry(
                path="usr/bin/run",
                kind=Kind.FILE,
                mode=0o750,
                uid=5,
                gid=6,
                content=Bytes(b"#!/bin/sh\nok\n"),
            ),
            Entry(path="bin", kind=Kind.SYMLINK, mode=0o777, target="usr/bin"),
            Entry(path="usr/bin/lost", kind=Kind.SYMLINK, mode=0o777, target="/nowhere"),
            Entry(path="tmp", kind=Kind.DIRECTORY, mode=0o1777),
        ]
    ),
    config=ImageConfig(
        platform="linux/amd64",
        user="65532:65532",
        entrypoint=("run",),
        env=(("PATH", "/usr/bin"), ("HOME", "/home/x")),
        workdir="/app",
        labels=(("a", "b c"),),
        ports=("8000/tcp", "53/udp"),
        volumes=("/data",),
    ),
)


def parsed(tmp_path: Path, text: str) -> StructureTest:
    path = tmp_path / "test.yaml"
    path.write_text(f"schemaVersion: 2.0.0\n{text}")
    return parse_structure_test(path)


def results(tmp_path: Path, text: str) -> list[tuple[Outcome, str]]:
    return [(item.outcome, item.message) for item in static_checks(parsed(tmp_path, text), IMAGE)]


PASSED = (Outcome.PASSED, "")


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("path: /usr/bin/su", ""),
        ("path: /bin/su", ""),
        ("path: /usr/bin/lost", ""),
        ("path: /", ""),
        ("path: /tmp/", ""),
        ("path: /usr/bin/apt, shouldExist: false", ""),
        ("path: /usr/bin/apt", "/usr/bin/apt is not there"),
        ("path: /bin/su, shouldExist: false", "/bin/su is there"),
        ("path: /usr/bin/su, permissions: -rwsr-xr-x", ""),
        ("path: /usr/bin/su, permissions: urwxr-xr-x", ""),
        ("path: /tmp, permissions: dtrwxrwxrwx", ""),
        ("path: /tmp, permissions: drwxrwxrwt", ""),
        ("path: /bin, permissions: Lrwxrwxrwx", ""),
        (
            "path: /usr/bin/run, permissions: -rwxr-xr-x",
            "/usr/bin/run has the permissions -rwxr-x---, not -rwxr-xr-x",
        ),
        ("path: /usr/bin/run, uid: 5, gid: 6, isExecutableBy: group", ""),
        (
            "path: /usr/bin/run, uid: 0, gid: 0",
            "/usr/bin/run belongs to user 5, not 0; /usr/bin/run belongs to group 6, not 0",
        ),
        (
            "path: /usr/bin/run, isExecutableBy: other",
            "/usr/bin/run can't be executed by other (-rwxr-x---)",
        ),
    ],
)
def test_files_that_exist(tmp_path: Path, test: str, message: str) -> None:
    [(outcome, said)] = results(tmp_path, f"fileExistenceTests: [{{name: x, {test}}}]\n")
    assert said == message
    assert outcome is (Outcome.FAILED if message else Outcome.PASSED)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("path: /bin/run, expectedContents: ['^#!', 'ok\\n\\z']", ""),
        ("path: /bin/run, expectedContents: [dash], excludedContents: ['/bin/(ba)?sh']",
         "/bin/run does not hold 'dash'; /bin/run holds '/bin/(ba)?sh'"),
        ("path: /etc/motd, excludedContents: [x]", "/etc/motd is not there"),
        ("path: /tmp, excludedContents: [x]", "/tmp is no file"),
    ],
)  # fmt: skip
def test_what_files_hold(tmp_path: Path, test: str, message: str) -> None:
    [(_, said)] = results(tmp_path, f"fileContentTests: [{{name: x, {test}}}]\n")
    assert said == message


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("envVars: [{key: PATH, value: /usr/bin}, {key: HOME, value: ^/home, isRegex: true}]", ""),
        ("envVars: [{key: PATH, value: '$PATH'}], labels: [{key: a, value: b c}]", ""),
        ("envVars: [{key: PATH, value: '/opt:${PATH}'}]",
         "the variable PATH is '/usr/bin', not '/opt:/usr/bin'"),
        ("envVars: [{key: NAME, value: x}]", "the variable NAME is not set"),
        ("labels: [{key: a, value: '^c', isRegex: true}]", "the label a is 'b c', which does not match '^c'"),
        ("unboundEnvVars: [{key: HOME}, {key: DEBUG}]", "the variable HOME is set"),
        ("exposedPorts: [8000, 53/udp], unexposedPorts: ['22'], volumes: [/data]", ""),
        ("unmountedVolumes: [/x]", ""),
        ("exposedPorts: ['53'], volumes: [/x]",
         "the port 53/tcp is not declared; the volume /x is not declared"),
        ("unexposedPorts: ['8000'], unmountedVolumes: [/data]",
         "the port 8000/tcp is declared; the volume /data is declared"),
        ("entrypoint: [run], cmd: [], workdir: /app, user: '65532:65532'", ""),
        ("entrypoint: [], user: root",
         "the entrypoint is ['run'], not []; the user is '65532:65532', not 'root'"),
    ],
)  # fmt: skip
def test_metadata(tmp_path: Path, test: str, message: str) -> None:
    [(_, said)] = results(tmp_path, f"metadataTest: {{{test}}}\n")
    assert said == message


def test_nothing_asked_is_nothing_passed(tmp_path: Path) -> None:
    assert results(tmp_path, "metadataTest: {}\n") == []


def documented(**texts: str) -> Image:
    entries = [Entry(path="usr/share/doc", kind=Kind.DIRECTORY, mode=0o755)]
    entries += [Entry(path="usr/share/doc/empty", kind=Kind.DIRECTORY, mode=0o755)]
    entries += [Entry(path="usr/share/doc/link", kind=Kind.SYMLINK, mode=0o777, target="empty")]
    for name, text in texts.items():
        folder = f"usr/share/doc/{name}"
        entries += [Entry(path=folder, kind=Kind.DIRECTORY, mode=0o755)]
        content = Bytes(text.encode())
        entries += [Entry(path=f"{folder}/copyright", kind=Kind.FILE, mode=0o644, content=content)]
    return Image(rootfs=Rootfs().with_entries(entries), config=IMAGE.config)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("files: [/usr/share/doc/one/copyright]", ""),
        ("files: [/usr/share/doc/two/copyright]", "/usr/share/doc/two/copyright names the license WTFPL"),
        ("files: [/LICENSE]", "/LICENSE is not there"),
        ("debian: false", ""),
        (
            "debian: true",
            (
                "/usr/share/doc/empty/copyright is not there; "
                "/usr/share/doc/two/copyright names the license WTFPL"
            ),
        ),
    ],
)
def test_licenses(tmp_path: Path, test: str, message: str) -> None:
    tests = parsed(tmp_path, f"licenseTests: [{{{test}}}]\n")
    image = documented(one="MIT\n", two="the wtfpl, Version 2\n", libgnutls30="AGPL")
    [result] = static_checks(tests, image)
    assert (result.name, result.message) == ("structure: licenses", message)


def test_packages_without_documentation_have_no_license(tmp_path: Path) -> None:
    assert results(tmp_path, "licenseTests: [{debian: true}]\n") == [
        (Outcome.FAILED, "/usr/share/doc is not there, which holds the packages' copyright files")
    ]


def test_every_problem_of_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "test.yaml"
    path.write_text(
        "schemaVersion: 1.0.0\n"
        "fileExistenceTest: []\n"
        "commandTests:\n"
        "  - {name: x, command: [ls], exitcode: 0}\n"
        "fileContentTests:\n"
        "  - {name: y, path: etc, expectedContents: ['(']}\n"
    )
    with pytest.raises(InputError) as caught:
        parse_structure_test(path)
    assert str(caught.value).replace(str(path), "F").splitlines() == [
        "F:1: schemaVersion: '1.0.0' is not known here; did you mean '2.0.0'?",
        "F:2: fileExistenceTest: unknown key; did you mean 'fileExistenceTests'?",
        "F:4: commandTests[0].command: a list; write text",
        "F:4: commandTests[0].exitcode: unknown key; did you mean 'exitCode'?",
        (
            "F:6: fileContentTests[0].path: 'etc' is not an absolute path; write one such as '/app', "
            "with no '/' at its end"
        ),
        (
            "F:6: fileContentTests[0].expectedContents[0]: '(' is no regular expression to Python "
            "(missing ), unterminated subpattern at position 0); write one that both know"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "F:1: empty; write at least: schemaVersion"), ("a: 1\n", "F:1: schemaVersion: missing; add it")],
)
def test_a_file_of_something_else(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "test.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        parse_structure_test(path)
    assert message in str(caught.value).replace(str(path), "F").splitlines()


def shell(stdout: bytes = b"", stderr: bytes = b"", code: int = 0) -> tuple[Shell, FakeContainer]:
    container = FakeContainer(lambda _, token: framed(token, stdout, stderr, code))
    return Shell(container), container


def test_a_command_test_wants_its_output_and_its_end() -> None:
    test = CommandTest(
        name="x",
        command="run",
        args=("a b",),
        exit_code=3,
        expected_output=("^ok$",),
        excluded_error=("warn",),
    )
    assert list(faults(test, shell(b"ok", b"", 3)[0], "")) == []
    assert list(faults(test, shell(b"no", b"warning\n", 0)[0], "")) == [
        "it ends with 0, not 3: warning",
        "its output does not hold '^ok$'",
        "its error output holds 'warn'",
    ]


def test_a_setup_that_fails_is_told_and_ends_the_test() -> None:
    test = CommandTest(name="x", command="run", setup=(("make", "it"),))
    assert list(faults(test, shell(code=1)[0], "")) == ["its setup `make it` ends with 1"]


def test_variables_may_use_the_images_and_each_other() -> None:
    variables = (Variable(key="A", value="$A:x"), Variable(key="B", value="${A} y"))
    assert exports(variables, (("A", "b"),)) == "export A=b:x; export B='b:x y'; "


@pytest.mark.parametrize("form", FORMATS)
def test_a_failure_stands_in_every_report(form: str) -> None:
    failed = CheckResult(name="structure: no apt", outcome=Outcome.FAILED, message="/usr/bin/apt is there")
    report = Parts().report()
    text = FORMATS[form](report.model_copy(update={"suites": (*report.suites, failed)}))
    assert "structure: no apt" in text
    assert "/usr/bin/apt is there" in text
