"""What lies when one looks into a container with busybox; each trap of its own."""

import hashlib
import time
from collections.abc import Callable

import pytest

from builder.errors import EngineError
from builder.image.engine import Engine
from builder.image.layout import read_layout
from builder.image.running import Container
from builder.model.contract import RunContract
from builder.verify.backend import ContainerHost, make_host
from builder.verify.proc import Status
from builder.verify.session import SessionLost, Shell
from tests.integration.verify.conftest import PASSWD, Built, Started

pytestmark = pytest.mark.docker


@pytest.fixture
def host(shell: Shell) -> ContainerHost:
    return make_host("probe", shell)


ABSENT = [
    "wget",
    "sh",
    "ash",
    "vi",
    "tar",
    "dpkg",
    "rpm",
    "su",
    "nc",
    "ping",
    "find",
    "ps",
    "netstat",
    "ip",
    "cp",
]


@pytest.mark.parametrize("name", ABSENT)
def test_an_applet_of_busybox_does_not_count_as_a_program_of_the_image(
    host: ContainerHost, name: str
) -> None:
    assert not host.exists(name)
    assert host.run("which %s", name).rc == 1
    assert host.run("type %s", name).rc == 127
    with pytest.raises(ValueError, match=f'^cannot find "{name}" command$'):
        host.find_command(name)


def test_a_program_of_the_image_is_found_by_the_images_path(host: ContainerHost) -> None:
    assert host.find_command("httpd") == "/usr/bin/httpd"
    assert host.exists("/usr/bin/httpd")
    assert not host.exists("/usr/bin")


@pytest.mark.parametrize(
    "command",
    [
        "wget --help",
        "sh -c true",
        "command wget",
        "command -p wget",
        "dpkg-deb --help",
        "env wget",
        "run-parts /",
    ],
)
def test_an_applet_does_not_stand_in_for_a_missing_program(host: ContainerHost, command: str) -> None:
    name = next(word for word in command.split() if word not in ("command", "-p"))
    done = host.run(command)
    assert (done.rc, done.stderr) == (127, f"{name}: not found in the image\n")


def test_a_program_of_the_image_runs_under_its_own_name(host: ContainerHost) -> None:
    done = host.run("httpd -x")
    assert done.rc == 1
    assert "httpd" in done.stderr


def test_a_search_through_the_tree_is_refused(host: ContainerHost) -> None:
    """It would pass: without capabilities it sees nothing of a private folder, not even as root."""
    done = host.run("find / -perm /6000")
    assert done.rc == 127
    assert done.stderr == (
        "find: not offered in a live test, since it skips what it may not read; ask the fixture 'image'\n"
    )


def test_dropped_capabilities_hide_a_file_from_root_but_not_from_the_layout(
    container: Container, probe: Built
) -> None:
    argv = ["/.toolbox/busybox", "find", "/home", "-perm", "-4000"]
    seen = container.exec(argv, user="0")
    assert seen.stdout == b""
    assert b"Permission denied" in seen.stderr
    entry = read_layout(probe.layout).rootfs["home/nonroot/hidden/su"]
    assert entry.mode == 0o4755


def test_probes_are_in_no_process_list(container: Container, host: ContainerHost) -> None:
    other = Shell(container)
    other.run("sleep 60 >/dev/null 2>&1 &")
    assert [item.comm for item in host.process.listed()] == ["httpd"]
    assert [item.pid for item in host.process.filter(user="nonroot")] == [1]
    other.run("kill $(cat /proc/[0-9]*/stat | grep '(sleep)' | cut -d' ' -f1)")
    other.close()


def test_process_attributes_have_the_names_of_ps(host: ContainerHost) -> None:
    server = host.process.get(comm="httpd")
    assert server.args == "/usr/bin/httpd -f -p 8000 -h /srv"
    assert (server.uid, server.ppid, server.nlwp, server.user) == (65532, 0, 1, "nonroot")
    with pytest.raises(
        ValueError, match=r"^process attribute 'pcpu' is not known in a live test; there are: args, "
    ):
        server.pcpu  # noqa: B018
    with pytest.raises(ValueError, match=r"^process attribute 'wchan' is not known"):
        host.process.filter(wchan="x")


def test_the_toolbox_is_in_no_list_of_mounts_or_folders(host: ContainerHost) -> None:
    assert not [mount for mount in host.mount_point.get_mountpoints() if "toolbox" in mount.path]
    assert not host.mount_point("/.toolbox").exists
    assert host.mount_point("/").options[0] == "ro"
    assert ".toolbox" not in host.file("/").listdir()


def test_the_environment_has_nothing_of_the_probe(host: ContainerHost, container: Container) -> None:
    first = host.run("cat /proc/1/environ").stdout.strip("\0").split("\0")
    found = host.environment()
    assert found == dict(item.split("=", 1) for item in first)
    assert found["PROBE"] == "a b=c"


def test_id_answers_from_the_group_file_and_the_kernel_disagrees(host: ContainerHost) -> None:
    """With `uid:gid` as user the engine skips the groups of /etc/group; `id` lists them all the same."""
    assert host.user("nonroot").gids == [65532, 44]
    assert Status.parse(host.check_output("cat /proc/1/status")).groups in ((), (65532,))


def test_ls_takes_the_flag_that_busybox_has_not(host: ContainerHost) -> None:
    assert host.file("/srv").listdir() == ["index.html", "odd name?with \\ signs"]
    assert host.file("/tmp").listdir() == []


def test_links_are_followed_as_gnu_does(host: ContainerHost) -> None:
    assert host.file("/bin/httpd").linked_to == "/usr/bin/httpd"
    assert host.file("/etc/dangling").linked_to == "/usr/nowhere"
    assert host.file("/etc/dangling").is_symlink
    assert not host.file("/etc/dangling").exists


def test_file_attributes(host: ContainerHost) -> None:
    file = host.file("/etc/passwd")
    assert (file.uid, file.gid, file.user, file.group, file.mode, file.is_file) == (
        0,
        0,
        "root",
        "root",
        0o644,
        True,
    )
    assert file.contains("^nonroot:")
    assert file.sha256sum == hashlib.sha256(PASSWD.encode()).hexdigest()


def test_accounts_come_from_the_images_files(host: ContainerHost) -> None:
    user = host.user("nonroot")
    assert (user.uid, user.gid, user.home, user.shell) == (65532, 65532, "/home/nonroot", "/sbin/nologin")
    assert not host.user("nobody").exists
    assert (host.group("video").gid, host.group("video").members) == (44, ["nonroot"])
    assert not host.group("nothing").exists
    assert host.user().name == "nonroot"


def test_a_look_up_that_no_file_answers_is_refused(host: ContainerHost) -> None:
    with pytest.raises(AssertionError) as error:
        assert host.addr("localhost").is_resolvable
    assert str(error.value) == (
        "`getent ahosts localhost` ended with 127: getent: database 'ahosts' is not offered in a live test"
    )


def test_packages_are_read_as_scanners_do(host: ContainerHost) -> None:
    assert host.package("probe").is_installed
    assert host.package("probe").version == "1.0-1"
    assert not host.package("curl").is_installed
    assert host.check_output("dpkg-query -W") == "probe\t1.0-1"


def test_sockets_are_read_without_a_program(host: ContainerHost) -> None:
    assert host.socket("tcp://8000").is_listening
    assert not host.socket("tcp://8001").is_listening
    assert host.socket.get_listening_sockets() in (["tcp://:::8000"], ["tcp://0.0.0.0:8000"])


def test_a_kernel_setting(host: ContainerHost) -> None:
    assert host.sysctl("kernel.pid_max") > 1000


def test_a_failure_says_what_was_run_and_what_it_said(host: ContainerHost) -> None:
    with pytest.raises(AssertionError) as error:
        host.check_output("cat /nowhere")
    assert (
        str(error.value)
        == "`cat /nowhere` ended with 1: cat: can't open '/nowhere': No such file or directory"
    )


# The session itself ------------------------------------------------------------------------------------


def test_output_is_binary_and_needs_no_newline(shell: Shell, busybox: object) -> None:
    answer = shell.run("printf 'a\\000b\\377'; printf 'err' >&2; exit 7")
    assert (answer.code, answer.stdout, answer.stderr) == (7, b"a\0b\xff", b"err")
    assert len(shell.run("cat /usr/bin/httpd").stdout) > 1_000_000


@pytest.mark.parametrize(
    "command", ["(((", "'", "exit 9", "kill -9 $$; echo never", "exec /nowhere", "return 3"]
)
def test_the_session_outlives_a_bad_command(shell: Shell, command: str) -> None:
    try:
        assert shell.run(command).code != 0
    except SessionLost:
        assert "$$" in command, "only a command that kills the shell itself may end it"
    assert shell.run("echo alive").stdout == b"alive\n"


def test_what_a_background_process_writes_later_is_in_no_answer(shell: Shell) -> None:
    assert shell.run("(sleep 0.2; echo late; echo late >&2) & echo now").stdout == b"now\n"
    time.sleep(0.4)  # the late lines are to be there when the next command begins
    answer = shell.run("echo next")
    assert (answer.stdout, answer.stderr) == (b"next\n", b"")


def test_a_command_without_end_is_given_up(container: Container) -> None:
    shell = Shell(container, patience=0.3)
    with pytest.raises(SessionLost, match=r"^no answer within 0\.3 s: sleep 5$"):
        shell.run("sleep 5")
    assert shell.run("echo alive").stdout == b"alive\n"
    shell.close()


def test_a_command_sees_no_arguments_of_the_harness(shell: Shell) -> None:
    assert shell.run('echo "$#:$*"').stdout == b"0:\n"
    assert shell.run("cat").stdout == b""


def test_another_user_can_look(container: Container) -> None:
    shell = Shell(container, user="0:0")
    assert shell.run("id -u; cat /etc/shadow | wc -l").stdout == b"0\n2\n"
    shell.close()


def test_a_container_that_ends_is_told_apart(start: Callable[[RunContract], Started], probe: Built) -> None:
    with start(probe.contract) as running:
        shell = Shell(running)
        shell.run("true")
        running.api.kill(running.id)
        running.wait(10)
        with pytest.raises(SessionLost, match=r"^the probe shell ended during 'true': "):
            shell.run("true")
        with pytest.raises(EngineError, match="is not running"):
            shell.run("true")


def test_a_toolbox_that_the_engine_can_not_see_is_the_engines_matter(
    engine: Engine, probe: Built, tmp_path: object
) -> None:
    with engine.start(probe.contract) as running, pytest.raises(EngineError) as error:
        Shell(running).run("true")
    assert str(error.value).startswith(
        "the probe shell does not start; can the engine see this machine's files and run programs from them?"
    )
