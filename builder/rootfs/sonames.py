"""Which Debian package brings a library: by the archive's naming rule, and the few that don't keep to it."""

import re

EXCEPTIONS = {
    "libc.so.6": "libc6",
    "libcrypto.so.3": "libssl3t64",
    "libdl.so.2": "libc6",
    "libgcc_s.so.1": "libgcc-s1",
    "libglib-2.0.so.0": "libglib2.0-0t64",
    "libgobject-2.0.so.0": "libglib2.0-0t64",
    "libgthread-2.0.so.0": "libglib2.0-0t64",
    "libm.so.6": "libc6",
    "libpthread.so.0": "libc6",
    "librt.so.1": "libc6",
    "libssl.so.3": "libssl3t64",
    "libz.so.1": "zlib1g",
}


def packages_of(soname: str) -> tuple[str, ...]:
    """Likely packages, best first: `libgomp.so.1` -> `libgomp1`, `libgomp1t64`; none for an odd name.

    Guesses that a person or the resolver must confirm. Source: Debian policy 8.1: the library's name and the
    soname's version, with a hyphen between them if the name ends in a digit, all lower case. `t64` marks the
    libraries that were rebuilt for 64-bit times.
    """
    if soname in EXCEPTIONS:
        return (EXCEPTIONS[soname],)
    match = re.fullmatch(r"(lib[A-Za-z0-9+._-]+?)\.so\.([0-9.]+)", soname)
    if match is None:
        undivided = re.fullmatch(r"(lib[A-Za-z0-9+._]+)-([0-9.]+)\.so", soname)
        return (_joined(*undivided.groups()),) if undivided else ()
    name, version = match.groups()
    plain = _joined(name, version)
    return (plain, f"{plain}t64")


def _joined(name: str, version: str) -> str:
    hyphen = "-" if name[-1].isdigit() else ""
    return f"{name}{hyphen}{version}".lower().replace("_", "-")
