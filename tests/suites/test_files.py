"""What is not there, what can't be written, and what must be writable.

Statements about the whole tree are not made here: a search inside a container skips what it may not read,
and then passes. The audit makes them, over the image on disk.
"""

import pytest

SHELLS = ["sh", "bash", "dash", "ash", "busybox", "zsh", "ksh", "csh", "fish"]
DOWNLOADERS = ["curl", "wget", "nc", "ncat", "socat", "ftp", "ssh", "scp", "telnet"]
PRIVILEGE = ["su", "sudo", "doas", "pkexec", "newgrp", "gosu", "setpriv", "chroot"]
CODE = ["/", "/usr", "/usr/bin", "/usr/lib", "/etc"]
FOLDERS = ["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin"]


@pytest.mark.control("no-shell")
@pytest.mark.parametrize("name", SHELLS)
def test_there_is_no_shell(host, name):
    paths = " ".join(f"{folder}/{name}" for folder in FOLDERS)
    found = host.run(f"ls -1d {paths}").stdout.split()
    assert not found, f"{', '.join(found)} is there"


@pytest.mark.control("no-shell")
def test_a_shell_command_fails(host):
    done = host.run("/bin/sh -c true")
    assert done.rc == 127, f"`/bin/sh -c true` ends with {done.rc}"


@pytest.mark.control("no-download-tools")
@pytest.mark.parametrize("name", DOWNLOADERS)
def test_there_is_no_download_tool(host, name):
    assert not host.exists(name), f"{host.find_command(name)} is there"


@pytest.mark.control("no-privilege-tools")
@pytest.mark.parametrize("name", PRIVILEGE)
def test_there_is_no_privilege_tool(host, name):
    assert not host.exists(name), f"{host.find_command(name)} is there"


@pytest.mark.control("code-owned-by-root")
@pytest.mark.parametrize("path", CODE)
def test_code_belongs_to_root(host, path):
    folder = host.file(path)
    assert folder.uid == 0, f"{path} belongs to user {folder.uid}"
    assert not folder.mode & 0o022, f"{path} has mode {folder.mode:04o}"


@pytest.mark.control("declared-writable")
@pytest.mark.parametrize("path", [*CODE, "/var", "/run", "/home", "/dev"])
def test_nothing_else_can_be_written(host, contract, path):
    if path in {item.path for item in (*contract.tmpfs, *contract.state)}:
        return  # it is not one of the others
    done = host.run("touch %s", f"{path.rstrip('/')}/.temper-probe")
    assert done.rc != 0, f"a file can be made in {path}"


@pytest.mark.control("declared-writable")
def test_scratch_space_can_be_written(host, contract):
    for item in contract.tmpfs:
        path = f"{item.path}/.temper-probe"
        done = host.run("echo x > %s && cat %s && rm %s", path, path, path)
        assert done.stdout == "x\n", f"{item.path} can't be written: {done.stderr.strip()}"


@pytest.mark.control("declared-writable")
def test_scratch_space_runs_programs_only_where_declared(host, contract):
    for item in contract.tmpfs:
        path = f"{item.path}/true"  # busybox is what its name says
        done = host.run("/.toolbox/busybox cp /.toolbox/busybox %s && %s", path, path)
        host.run("rm -f %s", path)
        assert (done.rc == 0) is item.exec, f"a program in {item.path} ends with {done.rc}"


@pytest.mark.control("declared-writable")
def test_read_only_state_cannot_be_written(host, contract):
    for item in contract.state:
        done = host.run("touch %s", f"{item.path}/.temper-probe")
        assert (done.rc == 0) == (item.mode == "rw"), f"{item.path} is {item.mode}, but touch ends {done.rc}"
        host.run("rm -f %s", f"{item.path}/.temper-probe")


@pytest.mark.control("safe-path")
def test_path_names_only_folders_of_root(host):
    for folder in host.environment()["PATH"].split(":"):
        assert folder.startswith("/"), f"PATH holds '{folder}', which is not absolute"
        if host.file(folder).exists:
            assert host.file(folder).uid == 0, f"{folder} of the PATH belongs to {host.file(folder).uid}"
            assert not host.file(folder).mode & 0o022, f"{folder} of the PATH can be written by others"
