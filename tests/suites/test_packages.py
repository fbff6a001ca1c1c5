"""What is installed, as a scanner would see it, and what can't install more."""

import pytest

PACKAGE_MANAGERS = ["apt", "apt-get", "dpkg", "rpm", "dnf", "apk", "pip", "pip3", "uv", "conda", "npm", "gem"]
PYTHON_INSTALLERS = ["pip", "ensurepip", "setuptools"]
STATUS = "var/lib/dpkg/status.d/"


def python(host, subject, code):
    if subject.python is None:
        pytest.skip("the image has no Python")
    return host.run("python%s -c %s", subject.python, code)


@pytest.mark.control("package-set")
def test_every_package_that_was_asked_for_is_there(host, subject):
    missing = [name for name in subject.packages if not host.package(name).is_installed]
    assert not missing, f"not installed: {', '.join(missing)}"


@pytest.mark.control("package-set")
def test_the_container_holds_the_packages_of_the_image(host, image):
    listed = set(host.check_output("dpkg-query -f '${Package}\\n' -W").splitlines())
    stored = {path.removeprefix(STATUS) for path in image.rootfs if path.startswith(STATUS)}
    stored = {name for name in stored if not name.endswith(".md5sums")}
    assert listed == stored, f"differing: {', '.join(sorted(listed ^ stored))}"


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
def test_python_can_install_nothing(host, subject, module):
    assert python(host, subject, f"import {module}").rc != 0, f"the module {module} can be imported"


@pytest.mark.control("elf-closure")
def test_compiled_modules_of_python_load(host, subject):
    code = "import bz2, ctypes, decimal, hashlib, lzma, multiprocessing, socket, sqlite3, ssl, uuid, zlib"
    done = python(host, subject, code)
    assert done.rc == 0, done.stderr.strip().rpartition("\n")[2]


@pytest.mark.control("python-startup")
@pytest.mark.parametrize("flag", ["safe_path", "no_user_site", "dont_write_bytecode"])
def test_python_starts_without_foreign_code(host, subject, flag):
    done = python(host, subject, f"import sys; print(int(sys.flags.{flag}))")
    assert done.stdout.strip() == "1", f"sys.flags.{flag} is {done.stdout.strip() or done.stderr.strip()}"
