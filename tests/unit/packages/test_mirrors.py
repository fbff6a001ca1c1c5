from pathlib import Path

import pytest

from builder.errors import InputError
from builder.packages.mirrors import find_keyring, find_mirror

DEB822 = """
Types: deb
URIs: https://repo.example.test/linux/debian
Suites: bookworm
Components: stable

# the distribution
Types: deb deb-src
URIs: http://mirror.example.test/debian/
Suites: bookworm bookworm-updates
Components: main
  contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example.test/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example.test/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
ONE_LINE = """\
# deb http://commented.example.test/debian trixie main
deb-src http://sources.example.test/debian trixie main
deb cdrom:[Debian]/ trixie main
deb [arch=amd64 signed-by=/k.gpg] https://vendor.example.test/debian trixie main
deb http://one.example.test/debian/ trixie main contrib # ours
deb http://one.example.test/debian trixie-updates main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://two.example.test/debian trixie main
deb http://sec.example.test/debian-security trixie-security main
"""
TEMPLATE = """\
_ChangelogURI: x

Suite: {series}
RepositoryType: deb
BaseURI: https://template.example.test/debian/
Component: main

Suite: {series}-security
BaseURI: https://template-security.example.test/
"""


def host(tmp_path: Path, **files: str) -> dict[str, Path]:
    (tmp_path / "apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "templates").mkdir()
    places = {
        "one_line": "apt/sources.list.d/a.list",
        "deb822": "apt/sources.list.d/b.sources",
        "template": "templates/Debian.info",
    }
    for name, text in files.items():
        (tmp_path / places[name]).write_text(text)
    return {"apt": tmp_path / "apt", "templates": tmp_path / "templates"}


def config(tmp_path: Path, text: str) -> dict[str, str]:
    (tmp_path / "temper").mkdir()
    (tmp_path / "temper/config.yaml").write_text(text)
    return {"XDG_CONFIG_HOME": str(tmp_path)}


def test_the_environment_comes_first(tmp_path: Path) -> None:
    env = config(tmp_path, "mirrors: {debian: http://config.example.test/debian}")
    env["TEMPER_MIRROR_DEBIAN"] = "http://user:secret@env.example.test/debian/"
    assert find_mirror("debian", env=env) == "http://user:secret@env.example.test/debian"


def test_then_the_users_configuration(tmp_path: Path) -> None:
    env = config(tmp_path, "mirrors: {debian-security: http://config.example.test/sec/}")
    assert find_mirror("debian-security", env=env) == "http://config.example.test/sec"


def test_then_the_hosts_deb822_sources(tmp_path: Path) -> None:
    places = host(tmp_path, deb822=DEB822, template=TEMPLATE)
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert find_mirror("debian", env=env, **places) == "http://mirror.example.test/debian"
    assert find_mirror("debian-security", env=env, **places) == "http://mirror.example.test/debian-security"


def test_or_its_one_line_sources_the_surest_first(tmp_path: Path) -> None:
    places = host(tmp_path, one_line=ONE_LINE)
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert find_mirror("debian", env=env, **places) == "http://two.example.test/debian"
    assert find_mirror("debian-security", env=env, **places) == "http://sec.example.test/debian-security"


def test_then_the_templates_of_a_host_of_another_distribution(tmp_path: Path) -> None:
    other = "deb http://archive.example.test/ubuntu noble main\n"
    places = host(tmp_path, one_line=other, template=TEMPLATE)
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert find_mirror("debian", env=env, **places) == "https://template.example.test/debian"
    assert find_mirror("debian-security", env=env, **places) == "https://template-security.example.test"


def said(tmp_path: Path, env: dict[str, str]) -> str:
    with pytest.raises(InputError) as raised:
        find_mirror("debian", env=env, apt=tmp_path / "none", templates=tmp_path / "none")
    return str(raised.value).replace(str(tmp_path), "~")


def test_no_mirror_at_all_says_what_to_set(tmp_path: Path) -> None:
    assert said(tmp_path, {"XDG_CONFIG_HOME": str(tmp_path)}) == (
        "no mirror is known for the archive 'debian'; set TEMPER_MIRROR_DEBIAN to its URL, "
        "or 'mirrors: {debian: URL}' in '~/temper/config.yaml'"
    )


def test_a_url_that_is_none_is_not_repeated_since_it_may_hold_a_password(tmp_path: Path) -> None:
    assert said(tmp_path, {"TEMPER_MIRROR_DEBIAN": "user:secret@mirror.example.test"}) == (
        "TEMPER_MIRROR_DEBIAN: not an http or https URL; give one such as 'https://mirror.example/debian'"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "mirors: {}\nmirrors: {debain: x, debian: 3}",
            (
                "~/temper/config.yaml: unknown key 'mirors'; did you mean 'mirrors'?\n"
                "~/temper/config.yaml: mirrors: unknown key 'debain'; did you mean 'debian'?\n"
                "~/temper/config.yaml: mirrors: debian: not a string; quote it"
            ),
        ),
        (
            "mirrors: x",
            "~/temper/config.yaml: mirrors: not a mapping; write debian, debian-security and values below it",
        ),
        ("[]", "~/temper/config.yaml: not a mapping; write 'mirrors:' and archives below it"),
        (
            "a:\n  b: [",
            "~/temper/config.yaml:2: not YAML: expected the node content, but found '<stream end>'",
        ),
    ],
)
def test_a_faulty_configuration(tmp_path: Path, text: str, message: str) -> None:
    assert said(tmp_path, config(tmp_path, text)) == message


def test_a_keyring_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "key.asc").write_text("key")
    env = config(tmp_path, f"keyrings: {{debian: {tmp_path}/key.asc}}")
    assert find_keyring("debian", env=env) == tmp_path / "key.asc"
    assert find_keyring("debian-security", env=env) is None


def test_a_keyring_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        find_keyring("debian-security", env={"TEMPER_KEYRING_DEBIAN_SECURITY": "/nowhere/key.asc"})
    assert str(raised.value) == (
        "TEMPER_KEYRING_DEBIAN_SECURITY: no keyring at '/nowhere/key.asc'; "
        "give the path of an OpenPGP public key file"
    )
