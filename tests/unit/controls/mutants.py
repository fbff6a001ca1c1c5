"""For each control: images that break it and nothing else. A control that lets one through proves nothing."""

import hashlib
from typing import Any

from builder.model.image import Image, Layer
from builder.model.spec import Healthcheck
from builder.model.tree import Kind, Rootfs
from tests.unit.controls.gpu_mutants import GPU
from tests.unit.controls.mutant import Mutant
from tests.unit.controls.run_mutants import RUN
from tests.unit.controls.sound import (
    GROUP,
    LIB,
    PASSWD,
    SITE,
    Break,
    append,
    below,
    change,
    deb,
    directory,
    drop,
    elf,
    fifo,
    file,
    link,
    pem,
    put,
    set_config,
    set_env,
    wheel,
    with_layers,
    without_env,
)

HIDDEN = "no-shadowed-content"


def mutant(control: str, name: str, break_: Break, message: str, **more: Any) -> Mutant:
    return Mutant(control=control, name=name, break_=break_, message=message, **more)


def both(*breaks: Break) -> Break:
    def broken(image: Image) -> Image:
        for break_ in breaks:
            image = break_(image)
        return image

    return broken


def with_problem(image: Image) -> Image:
    top = image.layers[-1]
    problem = "'../etc/cron.d/x' leads out of the tree"
    return image.replace(
        layers=(Layer(name=top.name, digest=top.digest, rootfs=top.rootfs, problems=(problem,)),)
    )


def bare(path: str, kind: Kind = Kind.DIRECTORY) -> Break:
    """An entry that nothing holds: `with_entries` would bring its parents."""

    def broken(image: Image) -> Image:
        entry = directory(path).replace(kind=kind)
        return with_layers(image.replace(rootfs=Rootfs.of([*image.rootfs.values(), entry])))

    return broken


def unresolved(image: Image) -> Image:
    return with_layers(image.replace(config=image.config.replace(user="ghost")))


HASH = "$y$j9T$abcdefgh$ijklmnop"
TOKEN = "hf_" + "aB3" * 11 + "x"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n"
CAPABLE = (("security.capability", b"\x01\x00\x00\x02\x00\x04"),)

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

SURFACE = (
    mutant("no-shell", "link", put(link("usr/bin/sh", "python3.13")), "usr/bin/sh is a shell"),
    mutant(
        "no-shell",
        "in a layer below",
        below(elf("usr/bin/bash")),
        "usr/bin/bash is a shell, hidden in layer sha256:lower",
        mended=False,
        also=(HIDDEN,),
    ),
    mutant(
        "no-shell",
        "busybox elsewhere",
        put(elf("app/busybox")),
        "app/busybox holds a shell",
    ),
    mutant(
        "no-package-manager",
        "apt",
        put(link("usr/bin/apt-get", "python3")),
        "usr/bin/apt-get installs Debian packages",
    ),
    mutant(
        "no-package-manager",
        "ensurepip",
        both(
            put(file("usr/lib/python3.13/ensurepip/__init__.py")),
            append(
                "var/lib/dpkg/status.d/libc6.md5sums",
                f"{'0' * 32}  usr/lib/python3.13/ensurepip/__init__.py\n",
            ),
        ),
        "usr/lib/python3.13/ensurepip belongs to 'ensurepip', which installs Python packages",
    ),
    mutant(
        "no-package-manager",
        "pip",
        put(*wheel("pip", "25.3", {"pip/__init__.py": ""})),
        f"{SITE}/pip belongs to 'pip', which installs Python packages",
        also=("package-set",),
    ),
    mutant("no-download-tools", "curl", put(elf("app/curl")), "app/curl downloads files"),
    mutant("no-download-tools", "ssh", put(elf("app/ssh")), "app/ssh logs in elsewhere"),
    mutant("no-remote-access", "sshd", put(elf("app/sshd")), "app/sshd lets others log in"),
    mutant(
        "no-remote-access",
        "in a layer below",
        below(elf("usr/sbin/xrdp")),
        "usr/sbin/xrdp shows a desktop to others, hidden in layer sha256:lower",
        mended=False,
        also=(HIDDEN,),
    ),
    mutant(
        "no-remote-access",
        "a package, whatever it calls its program",
        put(*deb("openssh-server", "1:10.0p1-7")),
        "package 'openssh-server' lets others log in",
        mended=False,
        also=("package-set",),
    ),
    mutant(
        "no-remote-access",
        "a port",
        set_config(ports=("8000/tcp", "5900/tcp")),
        "port 5900/tcp is exposed, which is for VNC",
        mended=False,
        also=("declared-ports",),
    ),
    mutant("no-compilers", "gcc", put(elf("app/gcc")), "app/gcc compiles programs"),
    mutant(
        "no-compilers",
        "by its whole name",
        put(elf("app/x86_64-linux-gnu-ld.bfd")),
        "app/x86_64-linux-gnu-ld.bfd assembles or links programs",
    ),
    mutant("no-compilers", "with its version", put(elf("app/clang-19")), "app/clang-19 compiles programs"),
    mutant(
        "no-compilers",
        "in a layer below",
        below(elf("usr/bin/aarch64-linux-gnu-g++-14")),
        "usr/bin/aarch64-linux-gnu-g++-14 compiles programs, hidden in layer sha256:lower",
        mended=False,
        also=(HIDDEN,),
    ),
    mutant(
        "no-compilers",
        "headers",
        both(
            put(file("usr/include/stdio.h")),
            append("var/lib/dpkg/status.d/libc6.md5sums", f"{'0' * 32}  usr/include/stdio.h\n"),
        ),
        "usr/include holds headers for compilers (1 files)",
    ),
    mutant(
        "no-compilers",
        "half a tool chain",
        lambda image: image.replace(),
        "none of cc, gcc, clang is on the PATH, though `jit` needs one",
        parameters={"jit": True},
        mended=False,
    ),
    mutant(
        "no-compilers",
        "a compiler that is not root's",
        both(
            put(elf("app/cc").replace(uid=65532), file("usr/include/stdio.h")),
            set_env("PATH", "/app:/usr/bin"),
        ),
        "app/cc compiles at run time but is not root's alone",
        parameters={"jit": True},
        mended=False,
        also=("code-owned-by-root", "owned-files"),
    ),
    mutant(
        "no-compilers",
        "Triton without ptxas",
        both(
            put(elf("app/cc"), *wheel("triton", "3.5.0", {"triton/__init__.py": ""})),
            set_env("PATH", "/app:/usr/bin"),
            put(file("usr/include/stdio.h")),
        ),
        "no ptxas is in the image, though `jit` needs it for Triton",
        parameters={"jit": True},
        mended=False,
        also=("package-set", "owned-files"),
    ),
    mutant("no-debuggers", "gdb", put(elf("app/gdb")), "app/gdb reads other processes"),
    mutant(
        "no-debuggers",
        "in a layer below",
        below(elf("usr/bin/strace")),
        "usr/bin/strace traces system calls, hidden in layer sha256:lower",
        mended=False,
        also=(HIDDEN,),
    ),
    mutant(
        "lean-tree",
        "manual page",
        both(
            put(file("usr/share/man/man1/x.1")),
            append("var/lib/dpkg/status.d/libc6.md5sums", f"{'0' * 32}  usr/share/man/man1/x.1\n"),
        ),
        "usr/share/man is documentation (1 files)",
    ),
    mutant(
        "lean-tree",
        "version control",
        put(file("app/.git/HEAD")),
        "app/.git is version control's, with its history (1 files)",
    ),
    mutant(
        "lean-tree",
        "a cache",
        put(link("var/cache/last", "other")),
        "var/cache/last is a cache",
    ),
    mutant("clean-logs", "a log", put(link("var/log/last", "other")), "var/log/last is a log of a build"),
    mutant(
        "clean-logs",
        "a folder of another",
        change("var/log", gid=42),
        "var/log belongs to 0:42, not to root",
    ),
    mutant(
        "clean-logs",
        "a folder that hands on its group",
        change("var/log", mode=0o2755),
        "var/log has mode 2755, wider than 0755",
    ),
    mutant("lean-tree", "backup", put(file("app/server.py~")), "app/server.py~ is what an editor left"),
    mutant(
        "lean-tree",
        "changelog",
        both(
            put(file("usr/share/doc/libc6/changelog.gz")),
            append("var/lib/dpkg/status.d/libc6.md5sums", f"{'0' * 32}  usr/share/doc/libc6/changelog.gz\n"),
        ),
        "usr/share/doc/libc6/changelog.gz is documentation",
    ),
    mutant(
        "lean-tree",
        "character set",
        both(
            put(file(f"{LIB}/gconv/BIG5.so")),
            append("var/lib/dpkg/status.d/libc6.md5sums", f"{'0' * 32}  {LIB}/gconv/BIG5.so\n"),
        ),
        f"{LIB}/gconv/BIG5.so is a character set that no locale of the image uses",
    ),
    mutant(
        "lean-tree",
        "a wheel's tests",
        both(
            put(file(f"{SITE}/demo/tests/test_demo.py")),
            append(f"{SITE}/demo-1.0.dist-info/RECORD", "demo/tests/test_demo.py,,\n"),
        ),
        f"{SITE}/demo/tests is a package's tests of itself (1 files)",
    ),
    mutant(
        "lean-tree",
        "a wheel's static library",
        both(
            put(file(f"{SITE}/demo/libdemo.a")),
            append(f"{SITE}/demo-1.0.dist-info/RECORD", "demo/libdemo.a,,\n"),
        ),
        f"{SITE}/demo/libdemo.a is a static library, for linkers",
    ),
    mutant(
        "lean-tree",
        "the interpreter's tests",
        both(
            put(file("usr/lib/python3.13/lib-dynload/_testcapi.so")),
            append(
                "var/lib/dpkg/status.d/libc6.md5sums",
                f"{'0' * 32}  usr/lib/python3.13/lib-dynload/_testcapi.so\n",
            ),
        ),
        "usr/lib/python3.13/lib-dynload/_testcapi.so is for the interpreter's tests of itself",
    ),
    mutant(
        "lean-tree",
        "byte code with a time",
        put(file(f"{SITE}/demo/__pycache__/__init__.cpython-313.pyc", "\0\0\0\0\0\0\0\0time")),
        f"{SITE}/demo/__pycache__ is byte code, which embeds times and which a read-only root can't renew"
        " (1 files)",
    ),
    mutant(
        "lean-tree",
        "byte code without its module",
        both(
            put(file("app/__pycache__/server.cpython-313.pyc", "\0\0\0\0\1\0\0\0hash")),
            put(file("app/__pycache__/gone.cpython-313.pyc", "\0\0\0\0\1\0\0\0hash")),
        ),
        "app/__pycache__/gone.cpython-313.pyc is byte code of a module that isn't there",
    ),
    mutant(
        "lean-tree",
        "on the profile's list",
        put(file("app/notes.txt")),
        "app/notes.txt is on the profile's list",
        parameters={"prune": ("/app/notes.txt",)},
    ),
)

CLOSURE = (
    mutant(
        "elf-closure",
        "library left out",
        drop(f"{LIB}/libm.so.6"),
        "usr/bin/python3.13 needs 'libm.so.6', which the loader doesn't find in the image; "
        "the package is likely 'libc6'",
        mended=False,
    ),
    mutant(
        "elf-closure",
        "loader left out",
        put(elf("app/tool", interpreter="/lib/ld-musl-x86_64.so.1")),
        "app/tool needs '/lib/ld-musl-x86_64.so.1', which the loader doesn't find in the image",
        mended=False,
    ),
    mutant(
        "elf-hardening",
        "executable stack",
        put(elf("app/tool", executable_stack=True)),
        "app/tool asks for an executable stack",
        mended=False,
    ),
    mutant(
        "elf-hardening",
        "relative search path",
        put(elf("app/tool", rpath=("lib",))),
        "app/tool searches libraries in 'lib', which is not absolute",
        mended=False,
    ),
    mutant(
        "elf-hardening",
        "the user's own",
        put(elf("app/tool", runpath=("$ORIGIN/../var/lib/app",))),
        "app/tool searches libraries in '$ORIGIN/../var/lib/app', which is the user's own",
        mended=False,
    ),
    mutant(
        "elf-hardening",
        "writable by all",
        put(elf("app/tool", rpath=("/var/tmp/build/lib",))),
        "app/tool searches libraries in '/var/tmp/build/lib', which may be written by the user",
        mended=False,
    ),
    mutant(
        "interpreter-closure",
        "script of a shell",
        put(file("app/start", "#!/bin/sh\n", 0o755)),
        "app/start is a script for '/bin/sh', which is not in the image",
    ),
    mutant(
        "interpreter-closure",
        "script by env, which is not there",
        change("app/server.py", mode=0o755),
        "app/server.py is a script for '/usr/bin/env', which is not in the image",
    ),
)

SUPPLY = (
    mutant(
        "safe-archive",
        "escaping name",
        with_problem,
        "'../etc/cron.d/x' leads out of the tree, in layer sha256:top",
    ),
    mutant(
        "safe-archive",
        "behind a link",
        put(link("app/evil", "/etc"), directory("app/evil/x")),
        "app/evil/x lies below a symlink",
    ),
    mutant(
        "safe-archive",
        "a name that climbs",
        bare(".."),
        ".. has a name that leads elsewhere",
    ),
    mutant(
        "safe-archive",
        "an absolute name",
        bare("/etc/x"),
        "/etc/x has a name that leads elsewhere",
    ),
    mutant(
        "safe-archive",
        "nothing above it",
        bare("opt/tool"),
        "opt/tool lies in a directory that isn't in the image",
    ),
    mutant(
        "no-shadowed-content",
        "deleted later",
        below(file("app/old.txt")),
        "app/old.txt is hidden by layer sha256:top",
    ),
    mutant(
        "no-shadowed-content",
        "replaced later",
        lambda image: with_layers(
            image,
            Layer(
                name="lower",
                digest="sha256:lower",
                rootfs=image.rootfs.with_entries([file("app/server.py", "old")]),
            ),
        ),
        "app/server.py is not what the image shows there, hidden in layer sha256:lower",
    ),
    mutant(
        "scanner-metadata",
        "no os-release",
        drop("etc/os-release"),
        "etc/os-release is missing",
        mended=False,
    ),
    mutant(
        "scanner-metadata",
        "nameless os-release",
        put(file("usr/lib/os-release", "NAME=Debian\nVERSION_ID=13\n")),
        "etc/os-release doesn't say ID",
        mended=False,
    ),
    mutant(
        "scanner-metadata",
        "no package database",
        drop("var/lib/dpkg"),
        "neither var/lib/dpkg/status.d nor var/lib/dpkg/status lists a package",
        mended=False,
        also=("package-set", "owned-files"),
    ),
    mutant(
        "scanner-metadata",
        "broken stanza",
        put(file("var/lib/dpkg/status.d/odd", "Package: odd\n")),
        "var/lib/dpkg/status.d/odd lacks Package, Version or Architecture",
        mended=False,
    ),
    mutant(
        "scanner-metadata",
        "stale RECORD",
        append(f"{SITE}/demo-1.0.dist-info/RECORD", "demo/gone.py,sha256=AAA,1\n../../../bin/gone,,\n"),
        f"{SITE}/demo-1.0.dist-info/RECORD lists 2 files that the image doesn't have",
    ),
    mutant(
        "scanner-metadata",
        "wheel without METADATA",
        drop(f"{SITE}/demo-1.0.dist-info/METADATA"),
        f"{SITE}/demo-1.0.dist-info has no METADATA",
        mended=False,
    ),
    mutant(
        "owned-files",
        "a file more",
        put(file("usr/lib/extra.bin")),
        "usr/lib/extra.bin belongs to no package and isn't declared",
        mended=False,
    ),
    mutant(
        "owned-files",
        "a folder more",
        put(file("opt/tool/a"), file("opt/tool/b")),
        "opt (2 files) belongs to no package and isn't declared",
        mended=False,
    ),
    mutant(
        "owned-files",
        "a program among the configuration",
        put(elf("etc/tool")),
        "etc/tool belongs to no package and isn't declared",
        mended=False,
    ),
    mutant(
        "owned-files",
        "a changed module",
        put(file(f"{SITE}/demo/more.py", "y = 3\n")),
        f"{SITE}/demo/more.py is not what its wheel recorded",
        mended=False,
    ),
    mutant(
        "package-set",
        "a package more",
        put(*deb("extra", "1.0")),
        "package 'extra' 1.0 is not in the lock",
        mended=False,
    ),
    mutant(
        "package-set",
        "another version",
        put(*deb("base-files", "13.9", file("usr/lib/os-release", "ID=debian\nVERSION_ID=13\n"))),
        "package 'base-files' is 13.9, but 13.8 is locked",
        mended=False,
    ),
    mutant(
        "package-set",
        "a wheel less",
        drop(f"{SITE}/demo", f"{SITE}/demo-1.0.dist-info"),
        "wheel 'demo' 1.0 is locked but not in the image",
        mended=False,
    ),
    mutant(
        "max-size",
        "a large file",
        put(file("app/weights.bin", b"\0" * 2_000_000)),
        "the image is 2.0 MB unpacked, 1 MB are allowed",
        mended=False,
    ),
)

PICKLE = b"\x80\x04\x95" + bytes(16)

MODELS = (
    mutant(
        "data-only-models",
        "a pickle by its name",
        put(file("app/model.pkl")),
        "app/model.pkl is a pickle, which runs code when it is loaded",
        mended=False,
    ),
    mutant(
        "data-only-models",
        "a pickle by its first bytes",
        put(file("app/weights.bin", PICKLE)),
        "app/weights.bin holds a pickle, which runs code when it is loaded",
        mended=False,
    ),
    mutant(
        "data-only-models",
        "what torch.save writes",
        put(file("app/model.pt", b"PK\x03\x04" + bytes(30))),
        "app/model.pt holds a pickle, which runs code when it is loaded",
        mended=False,
    ),
    mutant(
        "data-only-models",
        "Keras",
        put(file("app/model.keras")),
        "app/model.keras is a Keras archive, which may hold code",
        mended=False,
    ),
    mutant(
        "data-only-models",
        "in a layer below",
        below(file("app/model.ckpt")),
        "app/model.ckpt is a pickle, which runs code when it is loaded, hidden in layer sha256:lower",
        mended=False,
        also=(HIDDEN,),
    ),
)

BUNDLE = "etc/ssl/certs/ca-certificates.crt"

TRUST = (
    mutant(
        "approved-ca-bundle",
        "an authority more",
        append(BUNDLE, pem("proxy")),
        f"{BUNDLE} holds 1 certificates that no package brings and nobody declared",
    ),
    mutant(
        "approved-ca-bundle",
        "an authority less",
        put(file(BUNDLE, pem("A"))),
        f"{BUNDLE} lacks 1 certificates that are approved",
    ),
    mutant(
        "approved-ca-bundle",
        "another than the approved",
        lambda image: image.replace(),
        f"{BUNDLE} is not approved (sha256 {hashlib.sha256((pem('A') + pem('B')).encode()).hexdigest()})",
        parameters={"sha256": ("0" * 64,)},
        mended=False,
    ),
    mutant(
        "fips-claim",
        "no word",
        lambda image: image.replace(config=image.config.replace(labels=image.config.labels[:3])),
        "label 'temper.fips' is missing; it says 'not-claimed' where that is so",
    ),
    mutant(
        "fips-claim",
        "a claim",
        lambda image: image.replace(config=image.config.with_labels({"temper.fips": "yes"})),
        "label 'temper.fips' says 'yes', the profile says 'not-claimed'",
    ),
    mutant(
        "fips-claim",
        "a claim with nothing behind it",
        lambda image: image.replace(
            config=image.config.with_labels({"temper.fips": "140-3 certificate 4985"})
        ),
        "no ossl-modules/fips.so is in the image, which the claim stands on",
        parameters={"certificate": "4985"},
        mended=False,
    ),
)

SETTINGS = (
    mutant(
        "no-system-volumes",
        "over programs",
        set_config(volumes=("/usr/share/app",)),
        "volume '/usr/share/app' lies over a system folder",
        also=("read-only-root",),
    ),
    mutant(
        "no-system-volumes",
        "over all data",
        set_config(volumes=("/var",)),
        "volume '/var' lies over a system folder",
        also=("read-only-root",),
    ),
    mutant(
        "gpu-request",
        "all GPUs",
        set_env("NVIDIA_VISIBLE_DEVICES", "all"),
        "variable NVIDIA_VISIBLE_DEVICES is 'all', which opens GPUs that nobody asked for at the start",
    ),
    mutant(
        "gpu-request",
        "more of the driver",
        set_env("NVIDIA_DRIVER_CAPABILITIES", "compute,graphics"),
        "variable NVIDIA_DRIVER_CAPABILITIES asks for 'graphics', which nobody declared",
        parameters={"capabilities": ("compute",)},
    ),
    mutant(
        "gpu-request",
        "an image of old",
        set_env("CUDA_VERSION", "13.0"),
        "variable CUDA_VERSION stands alone, which NVIDIA's runtime takes for a request of all GPUs",
    ),
    mutant(
        "gpu-request",
        "a mode",
        set_env("NVIDIA_DISABLE_REQUIRE", "1"),
        "variable NVIDIA_DISABLE_REQUIRE is '1', which asks the driver for more than computing",
    ),
    mutant(
        "stop-signal",
        "none",
        set_config(stop_signal=""),
        "no stop signal is set, so that each engine takes its own",
    ),
    mutant(
        "stop-signal",
        "one that nobody can handle",
        set_config(stop_signal="9"),
        "the stop signal is '9', which no program can handle",
    ),
    mutant(
        "stop-signal",
        "one that does not exist",
        set_config(stop_signal="SIGSTOPPED"),
        "the stop signal 'SIGSTOPPED' does not exist",
    ),
    mutant(
        "stop-signal",
        "another than declared",
        set_config(stop_signal="SIGQUIT"),
        "the stop signal is 'SIGQUIT', image.yaml says 'SIGTERM'",
    ),
)

SECRETS = (
    mutant(
        "no-secrets",
        "variable by its name",
        set_env("DB_PASSWORD", "hunter2!"),
        "variable 'DB_PASSWORD' is named like a secret and has a value",
        mended=False,
    ),
    mutant(
        "no-secrets",
        "variable by its look",
        set_env("UPSTREAM", "https://me:hunter2@host.example.test/"),
        "variable 'UPSTREAM' holds a password in a URL",
        mended=False,
    ),
    mutant(
        "no-secrets",
        "label",
        lambda image: image.replace(config=image.config.with_labels({"hub": TOKEN})),
        "label 'hub' holds a Hugging Face token",
        mended=False,
    ),
    mutant(
        "no-secrets",
        "history",
        lambda image: image.replace(history=("RUN |1 NPM_TOKEN=s3cr3tvalue npm ci",)),
        "step 1 of the history sets 'NPM_TOKEN'",
        mended=False,
    ),
    mutant("no-secrets", "key", put(file("app/key", KEY)), "app/key holds a private key", mended=False),
    mutant(
        "no-secrets",
        "file by its name",
        put(file("app/.netrc", "machine x\n")),
        "app/.netrc holds passwords for hosts",
        mended=False,
    ),
    mutant(
        "no-secrets",
        "file by its place",
        put(file("home/nonroot/.aws/credentials", "[default]\n")),
        "home/nonroot/.aws/credentials holds keys of a cloud",
        mended=False,
        also=("owned-files",),
    ),
    mutant(
        "no-secrets",
        "in a layer below",
        below(file("app/.env", f"HF_TOKEN={TOKEN}\n")),
        "app/.env holds settings that are secrets as a rule, hidden in layer sha256:lower",
        mended=False,
        also=(HIDDEN,),
    ),
)

CONFIGURATION = (
    mutant(
        "safe-path",
        "relative",
        set_env("PATH", "/usr/bin:bin"),
        "PATH holds 'bin', which is not absolute",
    ),
    mutant("safe-path", "empty", set_env("PATH", "/usr/bin:"), "PATH holds '', which is not absolute"),
    mutant("safe-path", "unset", without_env("PATH"), "PATH is not set, so that each engine takes its own"),
    mutant(
        "safe-path",
        "anybody's",
        set_env("LD_LIBRARY_PATH", "/tmp/lib"),
        "LD_LIBRARY_PATH holds '/tmp/lib', which is the user's own",
    ),
    mutant(
        "safe-path",
        "may be written",
        set_env("LD_PRELOAD", "/usr/lib/x.so /var/tmp/y.so"),
        "LD_PRELOAD holds '/var/tmp/y.so', which may be written by the user",
        also=("loader-environment",),
    ),
    mutant(
        "safe-path",
        "home",
        set_env("PYTHONPATH", "/home/nonroot/lib"),
        "PYTHONPATH holds '/home/nonroot/lib', which is the user's own",
    ),
    mutant(
        "exec-entrypoint",
        "not there",
        set_config(entrypoint=("serve",)),
        "entrypoint starts 'serve', which is not in the image",
        mended=False,
    ),
    mutant(
        "exec-entrypoint",
        "shell form",
        set_config(entrypoint=("/bin/sh", "-c", "serve")),
        "entrypoint is in shell form: '/bin/sh -c serve'",
        mended=False,
    ),
    mutant(
        "exec-entrypoint",
        "not executable",
        set_config(entrypoint=("/app/server.py",)),
        "entrypoint starts '/app/server.py', which the user may not execute (mode 0644)",
        mended=False,
    ),
    mutant(
        "exec-entrypoint",
        "a folder",
        set_config(entrypoint=("/app",)),
        "entrypoint starts '/app', which is a directory",
        mended=False,
    ),
    mutant(
        "exec-entrypoint",
        "cmd that is not there",
        set_config(entrypoint=(), cmd=("bin/serve",)),
        "cmd starts 'bin/serve', which is not in the image",
        mended=False,
    ),
    mutant(
        "exec-entrypoint",
        "none",
        set_config(entrypoint=()),
        "neither entrypoint nor cmd is set",
        mended=False,
    ),
    mutant(
        "exec-entrypoint",
        "workdir not there",
        set_config(workdir="/srv"),
        "workdir '/srv' is not a directory of the image",
        mended=False,
    ),
    mutant("healthcheck", "none", set_config(healthcheck=None), "no health check is set", mended=False),
    mutant(
        "healthcheck",
        "shell form",
        set_config(healthcheck=Healthcheck(command=("true",)), healthcheck_shell=True),
        "the health check is in shell form: 'true'",
        mended=False,
    ),
    mutant(
        "healthcheck",
        "not there",
        set_config(healthcheck=Healthcheck(command=("/app/health",))),
        "the health check starts '/app/health', which is not in the image",
        mended=False,
    ),
    mutant(
        "declared-ports",
        "privileged",
        set_config(ports=("80/tcp", "8000/tcp")),
        "port 80/tcp is exposed, which is below 1024",
    ),
    mutant(
        "declared-ports",
        "undeclared",
        set_config(ports=("8000/tcp", "9000/tcp")),
        "port 9000/tcp is exposed but not declared in image.yaml",
    ),
    mutant(
        "declared-ports",
        "not exposed",
        set_config(ports=()),
        "port 8000/tcp is declared in image.yaml but not exposed",
    ),
    mutant(
        "oci-labels",
        "no title",
        lambda image: image.replace(
            config=image.config.replace(labels=(*image.config.labels[:2], *image.config.labels[3:]))
        ),
        "label 'org.opencontainers.image.title' is missing or empty",
    ),
    mutant(
        "python-startup",
        "working directory first",
        without_env("PYTHONSAFEPATH"),
        "variable PYTHONSAFEPATH is not set",
    ),
    mutant(
        "python-startup",
        "code in a .pth",
        put(
            *wheel(
                "demo",
                "1.0",
                {"demo.pth": "import demo\n", "demo/__init__.py": "x = 1\n", "demo/more.py": "y = 2\n"},
            )
        ),
        f"{SITE}/demo.pth holds code that runs at every start of Python",
        mended=False,
    ),
    mutant(
        "python-startup",
        "sitecustomize",
        put(
            *wheel(
                "demo",
                "1.0",
                {"sitecustomize.py": "", "demo/__init__.py": "x = 1\n", "demo/more.py": "y = 2\n"},
            )
        ),
        f"{SITE}/sitecustomize.py runs at every start of Python",
        mended=False,
    ),
)

MUTANTS = (
    *ACCOUNTS,
    *GROUPS,
    *PRIVILEGE,
    *SURFACE,
    *CLOSURE,
    *SUPPLY,
    *MODELS,
    *TRUST,
    *SETTINGS,
    *SECRETS,
    *CONFIGURATION,
    *GPU,
    *RUN,
)
