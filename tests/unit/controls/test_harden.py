"""What hardening and auditing say about themselves."""

from dataclasses import replace

import pytest

from builder.controls.audit import audit
from builder.controls.harden import harden
from builder.model.image import Image
from builder.model.plan import Plan
from builder.model.report import Outcome
from builder.model.tree import Entry
from tests.unit.controls.sound import (
    Break,
    change,
    directory,
    elf,
    file,
    image,
    link,
    lock,
    plan,
    planned,
    put,
    set_config,
    set_env,
)

SOUND = image().replace(layers=(), history=())


def plan_with(*keys: str) -> Plan:
    return replace(plan(), controls=tuple(planned(key) for key in keys))


def changes(image: Image, *keys: str) -> dict[str, tuple[str, ...]]:
    return dict(harden(image, plan_with(*keys), lock()).changes)


@pytest.mark.parametrize(
    ("break_", "key", "lines"),
    [
        (set_config(user=""), "nonroot-user", ("set user '65532:65532' (was '')",)),
        (set_config(ports=("80/tcp",)), "declared-ports", ("set ports '8000/tcp' (was '80/tcp')",)),
        (set_env("PATH", "/usr/bin:."), "safe-path", ("set variable 'PATH' to '/usr/bin'",)),
        (set_env("LD_PRELOAD", "x.so"), "safe-path", ("removed variable 'LD_PRELOAD'",)),
        (change("app", mode=0o777), "no-world-writable", ("changed app: mode 0777 to 0775",)),
        (
            change("app", uid=65532, gid=65532),
            "code-owned-by-root",
            ("changed app: owner 65532:65532 to 0:0",),
        ),
        (
            change("etc/passwd", xattrs=(("security.capability", b""),)),
            "no-file-capabilities",
            ("changed etc/passwd: without security.capability",),
        ),
        (put(link("usr/bin/sh", "dash")), "no-shell", ("removed usr/bin/sh",)),
        (
            put(file("usr/share/man/man1/a"), file("usr/share/man/man1/b")),
            "lean-tree",
            ("removed usr/share/man (3 entries)",),
        ),
        (
            put(file("etc/shadow", "root:x:::::::\n", 0o640)),
            "locked-passwords",
            ("changed etc/shadow: rewritten",),
        ),
    ],
)
def test_changes_are_told_in_one_line_each(break_: Break, key: str, lines: tuple[str, ...]) -> None:
    broken = break_(SOUND).replace(layers=())
    assert changes(broken, key) == {key: lines}


def test_many_changes_are_counted() -> None:
    pipes = [elf(f"usr/bin/p{number}", mode=0o4755) for number in range(60)]
    lines = changes(put(*pipes)(SOUND).replace(layers=()), "no-setuid")["no-setuid"]
    assert len(lines) == 51
    assert lines[-1] == "and 10 more"


def test_an_image_read_back_loses_layers_that_are_no_longer_true() -> None:
    broken = change("usr/bin/python3.13", mode=0o4755)(image())
    hardened = harden(broken, plan_with("no-setuid"), lock())
    assert hardened.image.layers == ()
    assert hardened.changes == {
        "no-setuid": ("flattened 1 layer", "changed usr/bin/python3.13: mode 4755 to 0755")
    }


def test_controls_build_on_each_other() -> None:
    """A shell goes, then the scripts that need it."""
    shell = [elf("usr/bin/dash"), link("usr/bin/sh", "dash"), file("usr/bin/tool", "#!/bin/sh\n", 0o755)]
    hardened = harden(put(*shell)(SOUND), plan_with("no-shell", "interpreter-closure"), lock())
    assert hardened.changes["interpreter-closure"] == ("removed usr/bin/tool",)


def test_another_user_gets_account_and_home() -> None:
    controls = ("user-resolves", "locked-passwords", "unique-ids", "declared-writable")
    own = (planned("nonroot-user", uid=10001, gid=10001), *(planned(key) for key in controls))
    asked = replace(plan(), controls=own)
    hardened = harden(image(), asked, lock()).image
    assert {one.outcome for one in audit(hardened, asked, lock(), asked.controls)} == {Outcome.PASSED}
    home = hardened.rootfs["home/nonroot1"]
    assert (home.uid, home.gid, home.mode) == (10001, 10001, 0o755)


def test_what_cant_be_known_is_not_assessed() -> None:
    keys = ("package-set", "declared-writable", "no-setuid")
    results = audit(image(), None, None, [planned(key) for key in keys])
    assert [(one.outcome, one.reason) for one in results] == [
        (Outcome.NOT_ASSESSED, "no lock: the image was not built from an image.lock.json here"),
        (Outcome.NOT_ASSESSED, "no plan: the image was not built from an image.yaml here"),
        (Outcome.PASSED, ""),
    ]


def test_a_user_without_account_is_not_called_nonroot() -> None:
    ghost = set_config(user="ghost")(image())
    (result,) = audit(ghost, plan(), lock(), [planned("nonroot-user")])
    assert (result.outcome, result.reason) == (
        Outcome.NOT_ASSESSED,
        "user 'ghost' is in no account file of the image",
    )


def test_an_uid_alone_runs_with_the_group_of_its_account() -> None:
    (result,) = audit(set_config(user="1000")(image()), None, None, [planned("no-root-group")])
    assert result.findings[0].message == "the image runs with group 0 (user '1000')"


@pytest.mark.parametrize("entry", [directory("var/tmp", 0o1777), directory("tmp", 0o1777)], ids=str)
def test_scratch_directories_stay_as_they_are(entry: Entry) -> None:
    assert harden(SOUND, plan(), lock()).image.rootfs[entry.path].mode == entry.mode
