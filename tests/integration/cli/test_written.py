"""What a person wrote is wrong: every message whole, exit code 2, and nothing was touched."""

import pytest

from tests.integration.cli.desk import IMAGE, IMAGE_FILE, PROFILE, PROFILE_FILE, Desk

BROKEN_FILES = {
    "an unknown key": (IMAGE + "entrypont: [app]\n", PROFILE, [
        "images/app/image.yaml:7: entrypont: unknown key; did you mean 'entrypoint'?",
    ]),
    "a duplicate key": (IMAGE + "base: debian/bookworm\n", PROFILE, [
        "images/app/image.yaml:7: base: given twice, first on line 2; keep one of them",
    ]),
    "wrong types": (IMAGE + "ports: ['8000']\nenv: [A]\n", PROFILE, [
        "images/app/image.yaml:7: ports[0]: '8000' is text; write a whole number, without quotes: 8000",
        "images/app/image.yaml:8: env: a list; write a mapping, 'key: value' in each line",
    ]),
    "a surprise of YAML": (IMAGE + "python: {version: 3.10}\n", PROFILE, [
        ("images/app/image.yaml:7: python.version: '3.10' is the number 3.1 to YAML; "
        'write text, in quotes: "3.10"'),
    ]),
    "a misspelt control": (IMAGE, PROFILE + "controls: {no-shel: true}\n", [
        "profiles/bank.yaml:3: controls.no-shel: unknown control; did you mean 'no-shell'?",
    ]),
    "a misspelt profile": (IMAGE, PROFILE.replace("hardened", "hardend"), [
        "profiles/bank.yaml:1: extends: unknown profile 'hardend'; did you mean 'hardened'?",
    ]),
    "profiles in a circle": (IMAGE, PROFILE.replace("hardened", "team"), [
        "profiles/team.yaml:1: extends: goes in a circle: bank -> team -> bank; remove one 'extends'",
    ]),
    "an expired waiver": (
        IMAGE,
        PROFILE + "waivers:\n  - {control: healthcheck, reason: a batch job, expires: 2020-02-29}\n",
        [
            ("profiles/bank.yaml:4: waivers[0].expires: the waiver of 'healthcheck' expired on 2020-02-29; "
            "mend what it waives, or answer for it until a new date"),
        ],
    ),
    "wrong parameters of a control": (IMAGE, PROFILE + "controls: {nonroot-user: {uid: 0, gdi: 7}}\n", [
        "profiles/bank.yaml:3: controls.nonroot-user.uid: 0 is too small; write 1 or more",
        "profiles/bank.yaml:3: controls.nonroot-user.gdi: unknown key; did you mean 'gid'?",
    ]),
    "problems in both files": (IMAGE + "port: [1]\n", PROFILE + "waiver: []\n", [
        "images/app/image.yaml:7: port: unknown key; did you mean 'ports'?",
        "profiles/bank.yaml:3: waiver: unknown key; did you mean 'waivers'?",
    ]),
    "no YAML in it": (IMAGE + "env: {A: [}\n", PROFILE, [
        "images/app/image.yaml:7: not YAML: expected the node content, but found '}'",
    ]),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN_FILES)
def test_a_file_with(desk: Desk, case: str) -> None:
    image, profile, problems = BROKEN_FILES[case]
    desk.write(IMAGE_FILE, image)
    desk.write(PROFILE_FILE, profile)
    desk.write("profiles/team.yaml", "extends: bank\ntitle: A team's\n")
    code, said = desk.refused("plan", "app", "-p", "bank")
    assert said == "".join(f"temper: {problem}\n" for problem in problems)
    assert code == 2
    assert desk.here() == []
    assert desk.mirror.asked == []


NAMES = {
    ("plan", "ap"): "image 'ap': unknown image; did you mean 'app'?",
    ("plan", "app", "-p", "hardend"): "profile 'hardend': unknown profile; did you mean 'hardened'?",
    ("explain", "no-shel"): "control 'no-shel' does not exist; did you mean 'no-shell'?",
    ("build", "app", "--platform", "linux/arm64"): (
        "--platform: image 'app' is not made for 'linux/arm64'; it has: linux/amd64"
    ),
    ("audit", "app"): "build/app-hardened-amd64/oci: no such image; run `temper build app` first",
    ("build", "app", "--locked"): (
        "images/app/image.lock.json: no such lock; run `temper lock app --profile hardened`"
    ),
    ("build", "app", "--offline"): (
        "images/app/image.lock.json: no such lock; run `temper lock app --profile hardened`"
    ),
}


@pytest.mark.parametrize("arguments", NAMES, ids=" ".join)
def test_a_command_with_a_wrong_name(desk: Desk, arguments: tuple[str, ...]) -> None:
    assert desk.refused(*arguments) == (2, f"temper: {NAMES[arguments]}\n")
    assert desk.here() == []


USAGE = {
    ("biuld",): (
        "temper [OPTIONS] COMMAND [ARGS]...",
        "temper",
        "No such command 'biuld'. Did you mean 'build'?",
    ),
    ("plan",): ("temper plan [OPTIONS] IMAGE", "temper plan", "Missing argument 'IMAGE'."),
    ("build", "app", "--engine", "podman"): (
        "temper build [OPTIONS] IMAGE",
        "temper build",
        "Invalid value for '--engine': 'podman' is not one of 'auto', 'docker', 'none'.",
    ),
}


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_a_command_that_does_not_exist(desk: Desk, arguments: tuple[str, ...]) -> None:
    usage, command, problem = USAGE[arguments]
    ran = desk.run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"Usage: {usage}\nTry '{command} --help' for help.\n\nError: {problem}\n"


def test_a_misspelt_package_is_found_in_the_archive(desk: Desk) -> None:
    desk.write(IMAGE_FILE, IMAGE.replace("packages: [app]", "packages: [appp, wholly-unknown]"))
    where = "no such package in debian/trixie for amd64"
    assert desk.refused("build", "app") == (
        2,
        (
            f"temper: image -> appp: {where}; did you mean 'app'?\n"
            f"temper: image -> wholly-unknown: {where}; "
            "look for its name in the distribution's package search\n"
        ),
    )
    assert desk.here() == []
    assert desk.half_made() == []
    desk.write(IMAGE_FILE, IMAGE)
    assert desk.run("build", "app").code == 0


def test_a_date_that_is_none(used: Desk) -> None:
    code, said = used.refused("build", "app", env={"SOURCE_DATE_EPOCH": "yesterday"})
    assert (code, said) == (
        2,
        "temper: SOURCE_DATE_EPOCH: 'yesterday' is not a number of seconds since 1970; correct or unset it\n",
    )


def test_a_mirror_that_is_no_url(desk: Desk) -> None:
    code, said = desk.refused("lock", "app", env={"TEMPER_MIRROR_DEBIAN": "no-url"})
    assert (code, said) == (
        2,
        (
            "temper: TEMPER_MIRROR_DEBIAN: not an http or https URL; "
            "give one such as 'https://mirror.example/debian'\n"
        ),
    )
