"""The image's program while it runs: how it was started, what it may do, where it listens."""

import shlex
import signal

import pytest

FOREIGN = ["LD_PRELOAD", "LD_AUDIT", "PYTHONSTARTUP", "PYTHONHOME", "BASH_ENV", "ENV"]


@pytest.fixture(scope="module")
def processes(host):
    return host.process.listed()


@pytest.fixture(scope="module")
def environ(host):
    """Of the first process itself: a probe has one of its own."""
    text = host.run("cat /proc/1/environ").stdout
    return dict(item.split("=", 1) for item in text.split("\0") if "=" in item)


@pytest.mark.program
@pytest.mark.control("exec-entrypoint")
def test_the_program_was_started_without_a_shell(processes, contract):
    first = next(item for item in processes if item.pid == 1)
    wanted = [*contract.entrypoint, *contract.cmd]
    found = [*first.args]
    assert found, "the first process has no command line"
    found[0], wanted[0] = found[0].rpartition("/")[2], wanted[0].rpartition("/")[2]
    assert found == wanted, f"it was started as: {shlex.join(first.args)}"


@pytest.mark.control("nonroot-user")
def test_no_process_is_root(processes):
    found = [f"{item.comm} ({item.pid})" for item in processes if 0 in item.status.uids]
    assert not found, f"running as root: {', '.join(found)}"


@pytest.mark.control("no-root-group")
def test_no_process_is_in_group_0(processes):
    found = [f"{item.comm} ({item.pid})" for item in processes if 0 in item.status.gids + item.status.groups]
    assert not found, f"in group 0: {', '.join(found)}"


@pytest.mark.program
@pytest.mark.control("stop-signal")
def test_the_program_heeds_the_stop_signal(pid1, contract):
    """The kernel drops a signal that a first process has no handler for (pid_namespaces(7))."""
    number = getattr(signal, contract.stop_signal, None)
    if number is None:
        pytest.skip(f"this host has no {contract.stop_signal}")
    caught = int(pid1.fields["SigCgt"], 16)
    assert caught >> (number - 1) & 1, f"nothing handles {contract.stop_signal}: every stop ends in a kill"


@pytest.mark.control("drop-capabilities")
def test_no_process_has_a_capability(processes):
    found = [f"{item.comm} ({item.pid})" for item in processes if item.status.capabilities("Eff")]
    assert not found, f"with capabilities: {', '.join(found)}"


@pytest.mark.control("no-new-privileges")
def test_every_process_has_no_new_privileges(processes):
    found = [f"{item.comm} ({item.pid})" for item in processes if not item.status.no_new_privileges]
    assert not found, f"may gain privileges: {', '.join(found)}"


@pytest.mark.control("seccomp")
def test_every_process_is_under_seccomp(processes):
    found = [f"{item.comm} ({item.pid})" for item in processes if item.status.seccomp != 2]
    assert not found, f"without a seccomp filter: {', '.join(found)}"


def test_no_process_is_a_zombie(processes):
    found = [f"{item.comm} ({item.pid})" for item in processes if item.state == "Z"]
    assert not found, f"nobody waits for: {', '.join(found)}"


@pytest.mark.program
@pytest.mark.control("declared-ports")
def test_the_declared_ports_are_open(host, contract):
    listening = {spec.rpartition(":")[2] for spec in host.socket.get_listening_sockets() if "tcp" in spec}
    closed = [port for port in contract.ports if str(port) not in listening]
    assert not closed, f"nothing listens on: {', '.join(map(str, closed))}"


@pytest.mark.program
@pytest.mark.control("declared-ports")
def test_no_other_port_is_open(host, contract):
    """Loopback apart: nobody outside the container reaches it."""
    specs = [spec for spec in host.socket.get_listening_sockets() if not spec.startswith("unix")]
    outside = [spec for spec in specs if "://127." not in spec and "://::1:" not in spec]
    other = [spec for spec in outside if int(spec.rpartition(":")[2]) not in contract.ports]
    assert not other, f"undeclared: {', '.join(other)}"


@pytest.mark.program
@pytest.mark.control("healthcheck")
def test_the_health_check_passes(host, subject):
    if subject.healthcheck is None:
        pytest.skip("the image has no health check")
    done = host.run(shlex.join(subject.healthcheck.command))
    said = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
    assert done.rc == 0, f"it ends with {done.rc}: {said[-1]}"


@pytest.mark.control("safe-path")
@pytest.mark.parametrize("name", FOREIGN)
def test_the_environment_loads_no_foreign_code(environ, name):
    assert name not in environ, f"{name}={environ.get(name)}"


def test_the_environment_is_that_of_the_image(environ, contract):
    missing = [name for name, value in contract.env if environ.get(name) != value]
    assert not missing, f"not as in the image: {', '.join(missing)}"
