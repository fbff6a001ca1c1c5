"""Images that break the controls of accounts and groups."""

from builder.model.image import Image
from tests.unit.controls.mutant import HIDDEN, both, mutant
from tests.unit.controls.sound import (
    GROUP,
    PASSWD,
    append,
    below,
    change,
    drop,
    file,
    link,
    put,
    set_config,
    with_layers,
    without_env,
)


def unresolved(image: Image) -> Image:
    return with_layers(image.replace(config=image.config.replace(user="ghost")))


HASH = "$y$j9T$abcdefgh$ijklmnop"

ACCOUNTS = (
    mutant("nonroot-user", "uid 0", set_config(user="0:0"), "the image runs as root (user '0:0')"),
    mutant("nonroot-user", "no user", set_config(user=""), "the image runs as root (user '')"),
    mutant(
        "nonroot-user",
        "a name for uid 0",
        set_config(user="root"),
        "the image runs as root (user 'root')",
        also=("numeric-user",),
    ),
    mutant(
        "nonroot-user",
        "another user than the profile's",
        set_config(user="65534:65534"),
        "the image runs as 65534:65534, the profile asks for 65532:65532",
        also=("user-resolves", "declared-writable"),
    ),
    mutant(
        "numeric-user",
        "a name",
        set_config(user="nonroot"),
        "user 'nonroot' is not written as uid:gid in digits",
    ),
    mutant(
        "user-resolves",
        "uid not in passwd",
        put(file("etc/passwd", PASSWD.replace("65532:65532", "65531:65532"))),
        "uid 65532 of the user is not in /etc/passwd",
        also=("owners-resolve", "declared-writable"),
    ),
    mutant(
        "user-resolves",
        "gid not in group",
        put(file("etc/group", "root:x:0:\nshadow:x:42:\nnogroup:x:65534:\n")),
        "gid 65532 of the user is not in /etc/group",
    ),
    mutant(
        "user-resolves",
        "no home",
        drop("home/nonroot"),
        "home '/home/nonroot' of uid 65532 is not a directory",
    ),
    mutant(
        "user-resolves",
        "home of another",
        change("home/nonroot", uid=0),
        "home/nonroot is the home of uid 65532 but owned by 0 with mode 0750",
    ),
    mutant(
        "user-resolves",
        "name without account",
        unresolved,
        "user 'ghost' is in no account file of the image",
        mended=False,
        also=("numeric-user",),
    ),
    mutant(
        "locked-passwords",
        "hash in shadow",
        put(file("etc/shadow", f"root:{HASH}:::::::\n", 0o600)),
        "etc/shadow gives 'root' a password",
    ),
    mutant(
        "locked-passwords",
        "empty in shadow",
        put(file("etc/shadow", "root::::::::\n", 0o600)),
        "etc/shadow gives 'root' an empty password",
    ),
    mutant(
        "locked-passwords",
        "empty in passwd",
        put(file("etc/passwd", PASSWD.replace("nobody:x:", "nobody::"))),
        "etc/passwd gives 'nobody' an empty password",
    ),
    mutant(
        "locked-passwords",
        "hash in a copy",
        put(file("etc/shadow-", f"root:{HASH}:::::::\n", 0o600)),
        "etc/shadow- gives 'root' a password",
    ),
    mutant(
        "locked-passwords",
        "hash in a layer below",
        below(file("etc/shadow", f"root:{HASH}:::::::\n", 0o600)),
        "etc/shadow gives 'root' a password, hidden in layer sha256:lower",
        mended=False,
        also=(HIDDEN,),
    ),
    mutant(
        "locked-passwords",
        "a file that is none",
        put(file("etc/gshadow", b"\0" * ((1 << 20) + 1), 0o600)),
        "etc/gshadow is 1048577 bytes large, which no account file is",
        mended=False,
        also=("max-size",),
    ),
    mutant(
        "unique-ids",
        "second root",
        append("etc/passwd", "toor:x:0:0::/root:/usr/sbin/nologin\n"),
        "etc/passwd: 'toor' has uid 0",
    ),
    mutant(
        "unique-ids",
        "name twice",
        append("etc/passwd", "nobody:x:65500:65534::/nonexistent:/usr/sbin/nologin\n"),
        "etc/passwd: 'nobody' stands in it twice",
    ),
    mutant(
        "unique-ids",
        "gid twice",
        append("etc/group", "staff:x:42:\n"),
        "etc/group: 'staff' shares the id 42 with another",
    ),
    mutant(
        "unique-ids",
        "malformed line",
        append("etc/passwd", "+nis::\n"),
        "etc/passwd: line '+nis:...' is malformed",
        also=("locked-passwords",),
    ),
    mutant(
        "no-login-shells",
        "bash for root",
        put(file("etc/passwd", PASSWD.replace("/root:/usr/sbin/nologin", "/root:/bin/bash"))),
        "etc/passwd: 'root' has the login shell '/bin/bash'",
    ),
    mutant(
        "no-login-shells",
        "empty shell field",
        put(file("etc/passwd", PASSWD.replace("/root:/usr/sbin/nologin", "/root:"))),
        "etc/passwd: 'root' has the login shell '/bin/sh'",
    ),
    mutant(
        "account-files",
        "shadow for all to read",
        change("etc/shadow", mode=0o644),
        "etc/shadow has mode 0644, wider than 0640",
    ),
    mutant(
        "account-files",
        "passwd of another group",
        change("etc/passwd", gid=65534),
        "etc/passwd belongs to 0:65534",
    ),
    mutant(
        "account-files",
        "passwd is a link",
        both(put(file("etc/passwd.real", PASSWD)), put(link("etc/passwd", "passwd.real"))),
        "etc/passwd is a symlink, not a file",
        mended=False,
    ),
)

GROUPS = (
    mutant(
        "no-root-group",
        "group 0",
        set_config(user="65532:0"),
        "the image runs with group 0 (user '65532:0')",
        also=("nonroot-user",),
    ),
    mutant(
        "no-root-group",
        "a member of it",
        put(file("etc/group", GROUP.replace("root:x:0:", "root:x:0:nonroot"))),
        "etc/group: the user is a member of 'root' (0)",
    ),
    mutant(
        "effective-groups",
        "a member that the engine passes by",
        append("etc/group", "video:x:44:nobody,nonroot\n"),
        "etc/group: the user is a member of 'video' (44), which an engine ignores",
    ),
    mutant(
        "effective-groups",
        "a member",
        both(append("etc/group", "video:x:44:nonroot\n"), set_config(user="65532")),
        "etc/group: the user is a member of 'video' (44), which an engine gives the process",
    ),
    mutant(
        "arbitrary-user",
        "writable by its own uid only",
        change("var/lib/app", gid=65532),
        "var/lib/app is declared writable, but not by group 0 (65532:65532, mode 0775)",
    ),
    mutant(
        "arbitrary-user",
        "a home that it can't enter",
        change("home/nonroot", mode=0o700),
        "home/nonroot can't be entered by group 0 (65532:0, mode 0700)",
    ),
    mutant(
        "arbitrary-user",
        "a file for group 0",
        change("app/server.py", mode=0o640),
        "app/server.py gives group 0 more than everybody (0:0, mode 0640)",
    ),
    mutant(
        "arbitrary-user",
        "no HOME",
        without_env("HOME"),
        "variable HOME is not set, so that a uid without an account has '/'",
    ),
    mutant(
        "arbitrary-user",
        "a program of its own uid only",
        both(put(file("app/run", "#!/usr/bin/python3\n", 0o705)), set_config(entrypoint=("/app/run",))),
        "the entrypoint starts '/app/run', which the user may not execute (mode 0705), under another uid",
        mended=False,
    ),
)
