from dataclasses import replace

import pytest
from pydantic import Field

from builder.model.base import Strict
from builder.model.plan import Plan, PlannedControl
from builder.model.tree import Entry, Kind
from builder.render.rootfs import account_entries, image_user
from tests.golden import IMAGES, plan_of


class UserParameters(Strict):
    uid: int = Field(default=10001)
    gid: int = Field(default=20002)


@pytest.fixture
def plan() -> Plan:
    return plan_of("python", IMAGES["python"])


def by_path(entries: tuple[Entry, ...]) -> dict[str, Entry]:
    return {entry.path: entry for entry in entries}


def text(entry: Entry) -> str:
    assert entry.content is not None
    return entry.content.open().read().decode()


def test_the_account_files_are_root_owned_and_shadow_is_not_for_all(plan: Plan) -> None:
    entries = by_path(account_entries(plan, 1700000000))
    assert {path: (oct(entry.mode), entry.uid, entry.gid) for path, entry in entries.items()} == {
        "etc/passwd": ("0o644", 0, 0),
        "etc/group": ("0o644", 0, 0),
        "etc/shadow": ("0o640", 0, 0),
        "etc/nsswitch.conf": ("0o644", 0, 0),
        "home/nonroot": ("0o750", 65532, 65532),
    }
    assert {entry.mtime for entry in entries.values()} == {1700000000}
    assert entries["home/nonroot"].kind is Kind.DIRECTORY


def test_the_profile_chooses_the_ids(plan: Plan) -> None:
    control = PlannedControl(key="nonroot-user", parameters=UserParameters(), asked_by="bank")
    planned = replace(plan, controls=(control,))
    assert image_user(planned) == (10001, 20002)
    entries = by_path(account_entries(planned, 0))
    assert "nonroot:x:10001:20002:nonroot:/home/nonroot:/usr/sbin/nologin\n" in text(entries["etc/passwd"])
    assert "nonroot:x:20002:\n" in text(entries["etc/group"])
    assert (entries["home/nonroot"].uid, entries["home/nonroot"].gid) == (10001, 20002)


def test_every_password_is_locked_and_nobody_may_log_in(plan: Plan) -> None:
    entries = by_path(account_entries(plan, 0))
    shadow = [line.split(":") for line in text(entries["etc/shadow"]).splitlines()]
    passwd = [line.split(":") for line in text(entries["etc/passwd"]).splitlines()]
    assert {len(line) for line in shadow} == {9}
    assert {len(line) for line in passwd} == {7}
    assert {line[1] for line in shadow} == {"!*"}
    assert {(line[1], line[6]) for line in passwd} == {("x", "/usr/sbin/nologin")}
    assert [line[0] for line in shadow] == [line[0] for line in passwd]


def test_host_names_come_from_the_hosts_file_first(plan: Plan) -> None:
    entries = by_path(account_entries(plan, 0))
    assert "hosts: files dns\n" in text(entries["etc/nsswitch.conf"])
