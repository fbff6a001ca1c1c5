"""Images that break the controls of privileges of files."""

from builder.model.tree import Kind
from tests.unit.controls.mutant import HIDDEN, both, mutant
from tests.unit.controls.sound import (
    below,
    change,
    deb,
    directory,
    drop,
    elf,
    fifo,
    file,
    link,
    put,
)

CAPABLE = (("security.capability", b"\x01\x00\x00\x02\x00\x04"),)

PRIVILEGE = (
    mutant(
        "no-setuid",
        "setuid",
        change("usr/bin/python3.13", mode=0o4755),
        "usr/bin/python3.13 is setuid (mode 4755)",
    ),
    mutant(
        "no-setuid",
        "setgid",
        change("usr/bin/python3.13", mode=0o2755),
        "usr/bin/python3.13 is setgid (mode 2755)",
    ),
    mutant(
        "no-setuid",
        "in a layer below",
        below(elf("usr/bin/old", mode=0o6755)),
        "usr/bin/old is setuid and setgid (mode 6755), hidden in layer sha256:lower",
        mended=False,
        also=(HIDDEN,),
    ),
    mutant(
        "no-file-capabilities",
        "cap_net_raw",
        change("usr/bin/python3.13", xattrs=CAPABLE),
        "usr/bin/python3.13 carries file capabilities",
    ),
    mutant(
        "no-file-capabilities",
        "in a layer below",
        below(elf("usr/bin/ping").replace(xattrs=CAPABLE)),
        "usr/bin/ping carries file capabilities, hidden in layer sha256:lower",
        mended=False,
        also=(HIDDEN,),
    ),
    mutant(
        "no-privilege-tools",
        "su",
        put(*deb("libc6", "2.41-12", elf("usr/bin/su", "libc.so.6"), *())),
        "usr/bin/su changes the user",
        also=("owned-files",),
    ),
    mutant(
        "no-privilege-tools",
        "link",
        put(link("usr/sbin/chroot", "../bin/python3.13")),
        "usr/sbin/chroot changes root or namespace",
    ),
    mutant(
        "no-world-writable",
        "file",
        change("app/server.py", mode=0o646),
        "app/server.py is world-writable (mode 0646)",
    ),
    mutant(
        "no-world-writable",
        "scratch without sticky bit",
        change("var/tmp", mode=0o777),
        "var/tmp is world-writable (mode 0777)",
    ),
    mutant(
        "no-world-writable",
        "sticky elsewhere",
        change("app", mode=0o1757),
        "app is world-writable (mode 1757)",
    ),
    mutant(
        "code-owned-by-root",
        "owned by the user",
        change("usr/bin/python3.13", uid=65532, gid=65532),
        "usr/bin/python3.13 belongs to uid 65532",
    ),
    mutant(
        "code-owned-by-root",
        "group may write",
        change("app", gid=65532, mode=0o775),
        "app may be written by group 65532 (mode 0775)",
    ),
    mutant(
        "owners-resolve",
        "unknown uid",
        put(directory("var/spool", uid=1234)),
        "var/spool belongs to uid 1234, which is not in /etc/passwd",
    ),
    mutant(
        "owners-resolve",
        "unknown gid",
        change("app/server.py", gid=1234),
        "app/server.py belongs to gid 1234, which is not in /etc/group",
    ),
    mutant("no-special-files", "fifo", put(fifo("run/pipe")), "run/pipe is a fifo"),
    mutant("no-special-files", "device", put(fifo("dev/mem", Kind.DEVICE)), "dev/mem is a device"),
    mutant(
        "declared-writable",
        "declared but not there",
        drop("models"),
        "models is declared in image.yaml but not in the image",
    ),
    mutant(
        "declared-writable",
        "declared but not the user's",
        change("var/lib/app", uid=0, gid=0),
        "var/lib/app is declared in image.yaml but can't be written by uid 65532",
    ),
    mutant(
        "declared-writable",
        "can't be read",
        change("models", mode=0o700),
        "models is declared in image.yaml but can't be read by uid 65532",
    ),
    mutant(
        "declared-writable",
        "declared but a file",
        both(drop("models"), put(file("models"))),
        "models is declared in image.yaml as a folder but is a file",
        mended=False,
        also=("owned-files",),
    ),
    mutant(
        "declared-writable",
        "undeclared",
        put(directory("var/spool", uid=65532, gid=65532)),
        "var/spool may be written by uid 65532, though image.yaml doesn't declare it",
    ),
    mutant(
        "declared-writable",
        "undeclared through the group",
        put(directory("var/spool", gid=65532, mode=0o775)),
        "var/spool may be written by uid 65532, though image.yaml doesn't declare it",
    ),
)
