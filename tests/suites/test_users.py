"""Who the program runs as, by the kernel's word and not by the account files' alone."""

import pytest

ACCOUNT_FILES = ["/etc/passwd", "/etc/group", "/etc/shadow"]


def numbers(user):
    """`65532:65532` -> (65532, 65532)"""
    uid, _, gid = user.partition(":")
    return int(uid), int(gid or uid)


def rows(host, database):
    return [line.split(":") for line in host.check_output("getent %s", database).splitlines()]


@pytest.mark.control("nonroot-user")
@pytest.mark.parametrize("position", ["real", "effective", "saved", "file system"])
def test_the_user_id_is_as_in_the_contract(pid1, contract, position):
    wanted = numbers(contract.user)[0]
    found = pid1.uids[["real", "effective", "saved", "file system"].index(position)]
    assert found == wanted != 0, f"the {position} user id is {found}, the contract says {wanted}"


@pytest.mark.control("nonroot-user")
@pytest.mark.parametrize("position", ["real", "effective", "saved", "file system"])
def test_the_group_id_is_as_in_the_contract(pid1, contract, position):
    wanted = numbers(contract.user)[1]
    found = pid1.gids[["real", "effective", "saved", "file system"].index(position)]
    assert found == wanted, f"the {position} group id is {found}, the contract says {wanted}"


@pytest.mark.control("effective-groups")
def test_the_groups_are_those_of_the_contract(pid1, contract):
    """From /proc: `id` would answer from /etc/group, which the engine need not have followed."""
    own = {0, numbers(contract.user)[1]}  # group 0 is no-root-group's business
    found, wanted = set(pid1.groups) - own, set(contract.groups) - own
    assert found == wanted, (
        f"the process is in the groups {sorted(found)}, the contract says {sorted(wanted)}"
    )


@pytest.mark.control("user-resolves")
def test_the_user_has_a_name(host, contract):
    uid, gid = numbers(contract.user)
    name = host.user().name
    assert host.user(name).uid == uid, f"'{name}' is user {host.user(name).uid}, not {uid}"
    assert host.user(name).gid == gid, f"'{name}' is in group {host.user(name).gid}, not {gid}"


@pytest.mark.control("user-resolves")
def test_the_group_has_a_name(host, contract):
    gid = numbers(contract.user)[1]
    assert host.run("getent group %s", str(gid)).rc == 0, f"no group has the number {gid}"


@pytest.mark.control("user-resolves")
def test_the_home_is_a_directory(host):
    home = host.user().home
    assert host.file(home).is_directory, f"{home} is not a directory"


@pytest.mark.control("unique-ids")
def test_only_root_has_user_id_0(host):
    found = [row[0] for row in rows(host, "passwd") if row[2] == "0"]
    assert found == ["root"], f"the accounts with user id 0 are: {', '.join(found)}"


@pytest.mark.control("unique-ids")
@pytest.mark.parametrize("database", ["passwd", "group"])
def test_names_and_numbers_are_unique(host, database):
    for column in (0, 2):
        found = [row[column] for row in rows(host, database)]
        twice = sorted({item for item in found if found.count(item) > 1})
        assert not twice, f"/etc/{database} has {', '.join(twice)} more than once"


@pytest.mark.control("no-login-shells")
def test_no_account_has_a_shell_that_runs(host):
    shells = {row[6]: row[0] for row in rows(host, "passwd")}
    found = [f"{name} ({shell})" for shell, name in shells.items() if shell and host.exists(shell)]
    assert not found, f"accounts with a login shell: {', '.join(found)}"


@pytest.mark.control("account-files")
@pytest.mark.parametrize("path", ACCOUNT_FILES)
def test_account_files_belong_to_root(host, path):
    file = host.file(path)
    assert (file.uid, file.gid) == (0, 0), f"{path} belongs to {file.uid}:{file.gid}"
    assert not file.mode & 0o022, f"{path} has mode {file.mode:04o}"


@pytest.mark.control("account-files")
def test_the_process_cannot_read_the_passwords(host):
    assert host.run("cat /etc/shadow").rc != 0, "/etc/shadow can be read"
