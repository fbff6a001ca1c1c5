"""containerRunOptions: what of it the containers of command tests are given, and what not."""

from pathlib import Path

import pytest

from builder.errors import InputError
from builder.model.structure import ContainerRunOptions
from builder.model.trial import Mount
from builder.verify.trial import capabilities, environment, mounts, refusals


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    folder = tmp_path / "desk"
    (folder / "data").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "circle").symlink_to("circle")
    return folder


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"privileged": True}, "privileged: not given: it opens this machine to the image"),
        (
            {"allocate_tty": True},
            "allocateTty: not given: standard and error output would be one",
        ),
        (
            {"capabilities": ("NET_ADMIN", "cap_sys_admin")},
            "capabilities: 'cap_sys_admin' is not given: it reaches beyond the container",
        ),
        (
            {"env_file": "../env"},
            "envFile: '../env' is not given: only what is below the working directory is read",
        ),
        (
            {"env_file": "/dev/zero"},
            "envFile: '/dev/zero' is not given: only what is below the working directory is read",
        ),
        ({"capabilities": ("ALL",)}, "capabilities: 'ALL' is not given: it reaches beyond the container"),
    ],
)
def test_what_is_not_given_is_told_with_the_reason(desk: Path, options: dict, reason: str) -> None:
    asked = ContainerRunOptions(**options)
    assert list(refusals(asked, desk)) == [reason]
    assert environment(asked, desk, {}, desk / "test.yaml") == ()


@pytest.mark.parametrize(
    "text",
    [
        *("circle:/x", "nul\0:/x", "data:/x/../.toolbox", "data://.toolbox", "data:/x/.."),
        *("/var/run/docker.sock:/var/run/docker.sock", "../outside:/x", "link:/x", "/:/host", "volume:/x"),
        *(
            "data:/x:rw",
            "data:/x:ro,z",
            "data",
            "data:x",
            "data:/",
            "data:/.toolbox",
            "data:/.toolbox/busybox",
        ),
    ],
)
def test_a_mount_that_is_not_given(desk: Path, text: str) -> None:
    options = ContainerRunOptions(bind_mounts=(text,))
    assert mounts(options, desk) == ()
    assert list(refusals(options, desk)) == [
        (
            f"bindMounts: '{text}' is not given: only what is below the working directory is mounted, "
            "and read-only"
        )
    ]


@pytest.mark.parametrize("text", ["data:/x", "./data:/x:ro", "{desk}/data:/x"])
def test_what_is_below_the_working_directory_is_mounted_read_only(desk: Path, text: str) -> None:
    options = ContainerRunOptions(
        bind_mounts=(text.format(desk=desk),), capabilities=("CAP_NET_ADMIN", "kill")
    )
    assert list(refusals(options, desk)) == []
    assert mounts(options, desk) == (Mount(source=desk / "data", target="/x", read_only=True),)
    assert capabilities(options) == ("KILL", "NET_ADMIN")


def test_variables_come_from_the_file_and_from_whoever_runs_the_tests(desk: Path) -> None:
    (desk / "env").write_text("# a comment\n\nMODE=fast = x\nTOKEN\nUNSET\nBOTH=file\n")
    options = ContainerRunOptions(env_file="env", env_vars=("BOTH", "GONE"))
    there = {"TOKEN": "t", "BOTH": "own", "SECRET": "s"}
    assert environment(options, desk, there, desk / "test.yaml") == (
        ("BOTH", "own"),
        ("MODE", "fast = x"),
        ("TOKEN", "t"),
    )


@pytest.mark.parametrize(
    ("data", "reason"), [(None, "no such file or directory"), (b"A=\xff\n", "is not UTF-8")]
)
def test_a_file_of_variables_that_cannot_be_read(desk: Path, data: bytes | None, reason: str) -> None:
    if data is not None:
        (desk / "env").write_bytes(data)
    with pytest.raises(InputError) as error:
        environment(ContainerRunOptions(env_file="env"), desk, {}, Path("test.yaml"))
    assert str(error.value) == (
        f"test.yaml: containerRunOptions.envFile: 'env' can't be read: {reason}; "
        "name a file of NAME=value lines, from the working directory on"
    )
