"""What is installed, as a scanner would see it, and what can't install more."""

import json

import pytest

PACKAGE_MANAGERS = ["apt", "apt-get", "dpkg", "rpm", "dnf", "apk", "pip", "pip3", "uv", "conda", "npm", "gem"]
PYTHON_INSTALLERS = ["pip", "ensurepip", "uv", "conda"]
COMPILED = ["bz2", "ctypes", "decimal", "hashlib", "lzma", "socket", "sqlite3", "ssl", "uuid", "zlib"]
FLAGS = ["safe_path", "no_user_site", "dont_write_bytecode"]


ASKED = """
import importlib.util, json, sys
installers, compiled, flags = json.loads(sys.argv[1])
found = [name for name in installers if importlib.util.find_spec(name)]
unloadable = {}
for name in compiled:
    try:
        __import__(name)
    except Exception as error:
        unloadable[name] = str(error)
on = {name: bool(getattr(sys.flags, name)) for name in flags}
print(json.dumps({"installers": found, "unloadable": unloadable, "flags": on}))
"""
asks = pytest.mark.python(ASKED, json.dumps([PYTHON_INSTALLERS, COMPILED, FLAGS]), stays=True)


@pytest.mark.control("package-set")
def test_every_package_that_was_asked_for_is_there(host, subject):
    missing = [name for name in subject.packages if not host.package(name).is_installed]
    assert not missing, f"not installed: {', '.join(missing)}"


@pytest.mark.control("package-set")
def test_the_packages_are_those_of_the_lock(host, subject):
    if not subject.locked:
        pytest.skip("the image was not built from a lock here")
    listed = set(host.check_output("dpkg-query -f '${Package} ${Version}\\n' -W").splitlines())
    locked = set(subject.locked)
    assert listed == locked, f"differing: {', '.join(sorted(listed ^ locked))}"


@pytest.mark.control("scanner-metadata")
@pytest.mark.parametrize("field", ["distribution", "release", "codename"])
def test_scanners_can_tell_the_distribution(host, field):
    assert getattr(host.system_info, field), f"/etc/os-release does not tell the {field}"


@pytest.mark.control("scanner-metadata")
def test_every_package_has_a_version(host):
    lines = host.check_output("dpkg-query -f '${Package} ${Version} ${Architecture}\\n' -W").splitlines()
    short = [line for line in lines if len(line.split()) != 3]
    assert lines, "scanners would find no package at all"
    assert not short, f"without version or architecture: {', '.join(short)}"


@pytest.mark.control("no-package-manager")
@pytest.mark.parametrize("name", PACKAGE_MANAGERS)
def test_there_is_no_package_manager(host, name):
    assert not host.exists(name), f"{host.find_command(name)} is there"


@pytest.mark.control("no-package-manager")
@pytest.mark.parametrize("module", PYTHON_INSTALLERS)
@asks
def test_python_can_install_nothing(request, subject, module):
    """Without a Python there is nothing that could."""
    answer = request.getfixturevalue("answer") if subject.python else {"installers": []}
    assert module not in answer["installers"], f"the module {module} can be imported"


@pytest.mark.control("elf-closure")
@pytest.mark.parametrize("module", COMPILED)
@asks
def test_compiled_modules_of_python_load(answer, module):
    assert module not in answer["unloadable"], answer["unloadable"][module]


@pytest.mark.control("python-startup")
@pytest.mark.parametrize("flag", FLAGS)
@asks
def test_python_starts_without_foreign_code(answer, flag):
    assert answer["flags"][flag], f"sys.flags.{flag} is off"
