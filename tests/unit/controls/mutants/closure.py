"""Images that break the controls of what programs need."""

from tests.unit.controls.mutant import mutant
from tests.unit.controls.sound import (
    LIB,
    change,
    drop,
    elf,
    file,
    put,
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
