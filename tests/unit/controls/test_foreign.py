"""Hardening of images that others built: what stays, what follows, what is said."""

from dataclasses import replace

import pytest

from builder.controls.audit import audit
from builder.controls.foreign import harden_foreign
from builder.controls.origin import shown_step, with_origins
from builder.controls.workload import code_folder
from builder.model.image import Image, Layer
from builder.model.report import Outcome
from builder.model.spec import Healthcheck
from builder.model.tree import Rootfs
from builder.rootfs.needs import Command, Needs, links, shell_line
from tests.unit.controls import sound
from tests.unit.controls.sound import LIB, directory, elf, file, link, planned, put, set_config

SHELL = put(
    elf("usr/bin/dash", "libc.so.6", interpreter="/lib64/ld-linux-x86-64.so.2"),
    link("usr/bin/sh", "dash"),
    elf("usr/bin/bash", "libc.so.6"),
    elf("usr/bin/curl", "libc.so.6"),
    elf("usr/bin/apt"),
)
REMOVERS = [planned("no-shell"), planned("no-package-manager"), planned("no-download-tools")]


def hardened(image: Image, *keys: str) -> tuple[Image, dict[str, tuple[str, ...]], tuple[str, ...]]:
    done = harden_foreign(image, [planned(key) for key in keys] if keys else REMOVERS)
    return done.image, dict(done.changes), done.advice


def test_what_nothing_needs_goes() -> None:
    image, changes, advice = hardened(SHELL(sound.image()))
    assert changes["no-shell"] == ("removed usr/bin/bash", "removed usr/bin/dash", "removed usr/bin/sh")
    assert changes["no-package-manager"] == ("removed usr/bin/apt",)
    assert advice == ()
    assert image.layers == ()


def test_the_shell_of_an_entrypoint_script_stays_with_what_the_script_names() -> None:
    script = file(
        "entry.sh", "#!/bin/sh\n# bash is only spoken of\ncurl -f example.test\nexec python3\n", 0o755
    )
    image, changes, advice = hardened(
        set_config(entrypoint=("/entry.sh",))(put(script)(SHELL(sound.image())))
    )
    assert changes["no-shell"] == ("removed usr/bin/bash",)
    assert "no-download-tools" not in changes
    assert advice == (
        "no-shell: usr/bin/dash stays, for the script entry.sh",
        "no-shell: usr/bin/sh stays, for the script entry.sh",
        "no-download-tools: usr/bin/curl stays, for the script entry.sh",
        (
            "the entrypoint entry.sh is a shell script, so that a shell and the programs named in it have to "
            "stay: start the program itself, and do the script's work in the image or in the program"
        ),
    )
    assert {"usr/bin/dash", "usr/bin/curl"} <= set(image.rootfs)


def test_a_health_check_in_shell_form_keeps_its_shell_and_says_so() -> None:
    check = Healthcheck(command=("curl -f localhost || exit 1",))
    broken = set_config(healthcheck=check, healthcheck_shell=True)(SHELL(sound.image()))
    _, changes, advice = hardened(broken)
    assert changes["no-shell"] == ("removed usr/bin/bash",)
    assert advice[-1] == (
        "the health check is in shell form ('curl -f localhost || exit 1'), so that a shell has to stay: "
        "write it as a list whose first word is a program, and harden again"
    )


def test_an_entrypoint_that_passes_on_its_arguments_keeps_their_program() -> None:
    image, _, advice = hardened(set_config(cmd=("bash",))(SHELL(sound.image())))
    assert "usr/bin/bash" in image.rootfs
    assert advice == ("no-shell: usr/bin/bash stays, for the entrypoint's arguments",)


def test_what_holds_already_is_left_alone() -> None:
    broken = set_config(user="4711:4711")(
        put(
            file("etc/passwd", sound.PASSWD + "own:x:4711:4711::/home/own:/usr/sbin/nologin\n"),
            file("etc/group", sound.GROUP + "own:x:4711:\n"),
        )(sound.image())
    )
    image, changes, _ = hardened(broken, "nonroot-user")
    assert (image.config.user, changes) == ("4711:4711", {})


def test_a_new_user_gets_the_volumes_of_the_one_that_gave_way() -> None:
    volumes = ("/data", "/var/lib/db", "/usr/lib")
    broken = put(
        directory("data"), file("data/x"), directory("var/lib/db", 0o700), file("secret", mode=0o600)
    )
    image, _, advice = hardened(set_config(user="", volumes=volumes)(broken(sound.image())), "nonroot-user")
    owners = {path: image.rootfs[path].uid for path in ("data", "data/x", "var/lib/db", "usr/lib")}
    assert owners == {"data": 65532, "data/x": 65532, "var/lib/db": 65532, "usr/lib": 0}
    assert image.config.volumes == volumes
    assert advice == (
        (
            "the program ran as root and is user 65532 now: what it writes has to lie in a volume, a tmpfs "
            "or its home, and a mounted folder has to belong to that user"
        ),
        "secret can't be read by user 65532: chmod it in the image if the program reads it",
    )


def test_code_taken_from_the_user_is_said() -> None:
    image, changes, advice = hardened(
        put(file("app/cache.db", uid=65532))(sound.image()), "code-owned-by-root"
    )
    assert changes["code-owned-by-root"] == ("changed app/cache.db: owner 65532:0 to 0:0",)
    assert advice == (
        (
            "app/cache.db belonged to the image's user and is root's now: if the program writes there, give "
            "it a tmpfs or a volume at that place"
        ),
    )
    assert image.rootfs["app/cache.db"].uid == 0


def test_folders_that_programs_expect_stay_empty_and_modules_without_source_stay() -> None:
    broken = put(
        directory("var/cache/nginx"),
        file("var/cache/nginx/page"),
        file("app/lone.pyc"),
        file("app/server.pyc"),
    )
    image, changes, _ = hardened(broken(sound.image()), "lean-tree")
    assert changes["lean-tree"] == (
        "removed app/server.pyc",
        "removed var/cache/nginx/page",
    )
    assert "var/cache/nginx" in image.rootfs


@pytest.mark.parametrize(
    ("entrypoint", "workdir", "folder"),
    [
        (("python3", "/app/server.py"), "/", "/app"),
        (("python3", "-X", "dev", "-u", "server.py"), "/app", "/app"),
        (("/usr/bin/python3", "-m", "server"), "/srv", "/srv"),
        (("python3", "lost.py"), "/app", ""),
        (("uvicorn", "app:app"), "/app", ""),
        (("/bin/sh", "-c", "python3 server.py"), "/app", "/app"),
        (
            ("sh", "-ec", "export A=1 && exec python3 -W ignore::x -u '/app/server.py' --now | tee x"),
            "/",
            "/app",
        ),
        (("sh", "-c", "echo python3; true && python3"), "/app", ""),
        (("sh", "-c", "python3 'server.py"), "/app", ""),
        (("tini", "--", "python3.13", "server.py"), "/app", "/app"),
        (("/start.sh", "python3", "server.py"), "/app", "/app"),
        (("serve", "python-model"), "/app", ""),
    ],
)
def test_where_python_finds_the_neighbours(entrypoint, workdir: str, folder: str) -> None:
    assert code_folder(set_config(entrypoint=entrypoint, workdir=workdir)(sound.image())) == folder


def test_a_safe_path_keeps_the_programs_own_folder() -> None:
    image, _, _ = hardened(sound.without_env("PYTHONSAFEPATH")(sound.image()), "python-startup")
    assert (image.config.env_value("PYTHONSAFEPATH"), image.config.env_value("PYTHONPATH")) == ("1", "/app")


def test_hardening_twice_changes_nothing_more() -> None:
    once = harden_foreign(SHELL(set_config(user="")(sound.image())), sound.controls())
    twice = harden_foreign(once.image, sound.controls())
    assert twice.changes == {}
    assert twice.image.config == once.image.config


def needed(rootfs: Rootfs, *words: str) -> dict[str, str]:
    needs = Needs(rootfs, ("/usr/bin",))
    needs.add([Command(what="entrypoint", words=words, shell=shell_line(words))])
    return needs.because


def test_needs_follow_interpreters_libraries_and_links() -> None:
    found = needed(put(file("run", "#!/usr/bin/env -S python3 -I\n", 0o755))(sound.image()).rootfs, "/run")
    assert set(found) >= {
        "run",
        "usr/bin/python3",
        "usr/bin/python3.13",
        f"{LIB}/libm.so.6",
        f"{LIB}/libc.so.6",
    }
    assert found["usr/bin/python3.13"] == "the script run"
    assert found[f"{LIB}/libm.so.6"] == "usr/bin/python3.13"


def test_scripts_that_start_each_other_end() -> None:
    tree = Rootfs().with_entries(
        [
            *(file(f"usr/bin/s{n}", f"#!/usr/bin/sh\ns{n + 1}\ns0\n", 0o755) for n in range(3000)),
            elf("usr/bin/sh"),
        ]
    )
    assert len(needed(tree, "s0")) == 3001


def test_links_on_the_way_are_told_and_loops_end() -> None:
    tree = Rootfs().with_entries(
        [link("a", "/b/c"), directory("x"), link("b", "x"), file("x/c"), link("l", "l")]
    )
    assert [entry.path for entry in links(tree, "/a")] == ["a", "b"]
    assert len(links(tree, "l")) == 41


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("/bin/sh", "-c", "a b"), "a b"),
        (("bash", "-e", "-lc", "x", "y"), "x"),
        (("bash", "script", "-c", "x"), ""),
        (("python3", "-c", "x"), ""),
        (("sh",), ""),
    ],
)
def test_the_line_that_a_shell_is_given(words: tuple[str, ...], line: str) -> None:
    assert shell_line(words) == line


@pytest.mark.parametrize(
    ("step", "shown"),
    [
        ("/bin/sh -c #(nop)  ENTRYPOINT [\"a\"]", 'ENTRYPOINT ["a"]'),
        ("/bin/sh -c apt-get  update", "RUN apt-get update"),
        ("RUN /bin/sh -c make # buildkit", "RUN make"),
        ("COPY . /app # buildkit", "COPY . /app"),
        ("|1 HF_TOKEN=abc123def /bin/sh -c pip install x", "RUN ... (it holds a secret)"),
        ("RUN " + "x" * 200, "RUN " + "x" * 92 + " ..."),
    ],
)  # fmt: skip
def test_steps_look_like_a_dockerfile_and_tell_no_secret(step: str, shown: str) -> None:
    assert shown_step(step) == shown


def test_a_secret_that_a_later_layer_deletes_is_found_with_its_step() -> None:
    image = sound.image()
    key = file("app/deploy.pem", "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq\n")
    below = Layer(name="/bin/sh -c fetch-key", digest="sha256:below", rootfs=Rootfs().with_entries([key]))
    (found,) = with_origins(
        replace(image, layers=(below, *image.layers)),
        audit(replace(image, layers=(below, *image.layers)), None, None, [planned("no-secrets")]),
    )
    assert found.outcome is Outcome.FAILED
    assert [one.message for one in found.findings] == [
        (
            "app/deploy.pem holds a private key, hidden in layer sha256:below; "
            "layer 1 of 2, made by 'RUN fetch-key'"
        )
    ]
