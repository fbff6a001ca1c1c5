"""Images whose Dockerfile, lock, provenance or age is not as it should be."""

import datetime
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from builder.model.beside import Beside, StatedPublication
from tests.unit.controls.mutant import Mutant, RunBreak, mutant
from tests.unit.controls.mutants.run import edit
from tests.unit.controls.sound import CREATED, change, file, put

Around = Callable[[Beside], Beside]
DIGEST = f"@sha256:{'a' * 64}"


def dockerfile(line: str) -> RunBreak:
    """A line more at its end, the twentieth."""
    last = 'ENTRYPOINT ["python3", "/app/server.py"]\n'
    return edit("Dockerfile", last, f"{last}{line}\n")


def before(text: str) -> RunBreak:
    return edit("Dockerfile", "# sample", f"{text}# sample")


def run_file(control: str, name: str, run: RunBreak, message: str, **more: Any) -> Mutant:
    return Mutant(control=control, name=name, run=run, message=message, mended=False, **more)


def stands(control: str, name: str, around: Around, message: str, **more: Any) -> Mutant:
    return Mutant(control=control, name=name, beside=around, message=message, mended=False, **more)


def provenance(**changes: Any) -> Around:
    def broken(beside: Beside) -> Beside:
        assert beside.provenance is not None
        return replace(beside, provenance=replace(beside.provenance, **changes))

    return broken


def index(**changes: Any) -> Around:
    def broken(beside: Beside) -> Beside:
        assert beside.indexes is not None
        return replace(beside, indexes=tuple(one.model_copy(update=changes) for one in beside.indexes))

    return broken


def on(year: int, month: int, day: int) -> Around:
    return lambda beside: replace(beside, today=datetime.date(year, month, day))


CHAIN = (
    run_file(
        "pinned-base",
        "a tag",
        before("FROM debian:13 AS tools\n"),
        "Dockerfile:1: 'debian:13' is named by no digest",
    ),
    run_file(
        "pinned-base",
        "a tool of another image",
        dockerfile("COPY --from=busybox:1.37 /bin/busybox /busybox"),
        "Dockerfile:20: 'busybox:1.37' is named by no digest",
    ),
    run_file(
        "pinned-base",
        "the program that reads it",
        before("# syntax=docker/dockerfile:1\n"),
        "Dockerfile:1: 'docker/dockerfile:1' is named by no digest",
    ),
    run_file(
        "pinned-base",
        "another registry",
        before(f"FROM ghcr.io/firm/base{DIGEST} AS base\n"),
        f"Dockerfile:1: 'ghcr.io/firm/base{DIGEST}' is from 'ghcr.io', which the profile doesn't allow",
        parameters={"registries": ["registry.example"]},
    ),
    run_file(
        "pinned-base",
        "Docker's own registry",
        before(f"FROM debian{DIGEST} AS base\n"),
        f"Dockerfile:1: 'debian{DIGEST}' is from 'docker.io', which the profile doesn't allow",
        parameters={"registries": ["registry.example"]},
    ),
    stands(
        "verified-packages",
        "no index of theirs",
        index(archive="debian-security"),
        "package 'libc6' is from 'debian', of which no index was locked",
    ),
    stands(
        "verified-packages",
        "signed by another",
        lambda beside: beside,
        "debian trixie is signed by ABCD, none of which the profile names",
        parameters={"signers": ["1234 5678"]},
    ),
    stands("provenance", "missing", provenance(problem="is missing"), "provenance.json is missing"),
    stands(
        "provenance",
        "of another image",
        provenance(digest="sha256:old"),
        "provenance.json is about another image, sha256:old",
    ),
    stands(
        "provenance",
        "a package short",
        provenance(inputs=frozenset({"1" * 64})),
        "provenance.json doesn't name libc6.deb, which is locked",
    ),
    stands(
        "provenance",
        "an index short",
        provenance(inputs=frozenset({"0" * 64})),
        "provenance.json doesn't name the index debian trixie, which is locked",
    ),
    mutant(
        "reproducible-dates",
        "a file of today",
        put(file("app/new.py", "x\n").replace(mtime=CREATED + 1)),
        "app/new.py is younger than the image itself",
        mended=False,
    ),
    stands(
        "reproducible-dates",
        "another date than the lock's",
        index(date=CREATED - 1),
        "the image says it was created at 2025-10-09T08:53:20Z, its lock says otherwise",
    ),
    stands(
        "reproducible-dates",
        "another date than was asked for",
        provenance(epoch=1),
        "the image says it was created at 2025-10-09T08:53:20Z, its provenance says otherwise",
    ),
    run_file(
        "clean-dockerfile",
        "runs something",
        dockerfile("RUN apt-get update"),
        "Dockerfile:20: RUN has something run while an image is built",
    ),
    run_file(
        "clean-dockerfile",
        "fetches something",
        dockerfile("ADD https://example.test/app.tar.gz /"),
        "Dockerfile:20: ADD fetches 'https://example.test/app.tar.gz'",
    ),
    run_file(
        "clean-dockerfile",
        "adds what it should copy",
        dockerfile('ADD ["a.py", "/app/"]'),
        "Dockerfile:20: ADD 'a.py' is no archive; COPY says what is meant (DL3020)",
    ),
    run_file(
        "clean-dockerfile",
        "a shell form",
        dockerfile("CMD python3 -m server"),
        "Dockerfile:20: CMD is in shell form (DL3025)",
    ),
    run_file(
        "clean-dockerfile",
        "a health check for a shell",
        edit("Dockerfile", 'CMD ["python3", "-c", "pass"]', "CMD curl -f localhost"),
        "Dockerfile:17: HEALTHCHECK is in shell form (DL3025)",
    ),
    run_file(
        "clean-dockerfile",
        "two entrypoints",
        dockerfile('ENTRYPOINT ["other"]'),
        "Dockerfile: has ENTRYPOINT more than once (DL4004)",
    ),
    run_file(
        "clean-dockerfile",
        "root at last",
        dockerfile("USER 0:0"),
        "Dockerfile: its last USER is root (DL3002)",
    ),
    run_file(
        "clean-dockerfile",
        "a relative folder",
        dockerfile("WORKDIR app"),
        "Dockerfile:20: WORKDIR 'app' is not absolute (DL3000)",
    ),
    run_file(
        "clean-dockerfile",
        "no port",
        dockerfile("EXPOSE 80000/tcp"),
        "Dockerfile:20: EXPOSE 80000/tcp is no port (DL3011)",
    ),
    run_file(
        "clean-dockerfile",
        "a slip of the pen",
        dockerfile('ENTRYPONT ["x"]'),
        "Dockerfile:20: ENTRYPONT is no instruction",
    ),
    run_file(
        "clean-dockerfile",
        "somebody who maintains it",
        dockerfile("MAINTAINER me"),
        "Dockerfile:20: MAINTAINER is deprecated; a label says it (DL4000)",
    ),
    run_file(
        "clean-dockerfile",
        "another sign at the end of lines",
        before("# escape=`\n"),
        "Dockerfile: its escape directive changes what a backslash means",
    ),
    run_file(
        "clean-dockerfile",
        "an instruction before FROM",
        before("USER 1:1\n"),
        "Dockerfile: doesn't begin with FROM (DL3061)",
    ),
    stands(
        "signed-image",
        "published without a signature",
        lambda beside: replace(
            beside,
            published=StatedPublication(
                digest="", references=(("registry.example/a:1", True), ("registry.example/b:1", False))
            ),
        ),
        "was published as registry.example/b:1 without a signature",
    ),
    stands(
        "supported-release",
        "years later",
        on(2030, 7, 1),
        "debian 13 is out of support since 2030-06-30",
        also=("recent-build",),
    ),
    stands(
        "supported-release",
        "in long-term support only",
        on(2028, 8, 10),
        "debian 13 is out of support since 2028-08-09",
        also=("recent-build",),
        parameters={"long_term": False},
    ),
    mutant(
        "supported-release",
        "an old release",
        change("usr/lib/os-release", content=file("x", "ID=debian\nVERSION_ID=11\n").content),
        "debian 11 is out of support since 2024-08-14",
        mended=False,
        parameters={"long_term": False},
    ),
    stands(
        "recent-build",
        "a month later",
        on(2025, 11, 9),
        "the image is of 2025-10-09, 30 days are allowed",
        parameters={"days": 30},
    ),
)
