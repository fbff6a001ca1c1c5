"""compose: what the image holds before any control has seen it."""

from pathlib import Path
from typing import Any

import pytest

from builder.errors import InputError
from builder.model.image import Image
from builder.model.package import Package
from builder.model.plan import Plan
from builder.model.profile import RunSettings
from builder.model.spec import ImageSpec
from builder.model.tree import Bytes, Entry, Kind, Owner
from builder.rootfs.compose import PATH, compose
from builder.rootfs.installed import CA_BUNDLE, read
from builder.rootfs.userfiles import user_entries

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def plan(folder: Path, **spec: Any) -> Plan:
    base: dict[str, Any] = {"description": "x", "base": "debian/trixie", "entrypoint": ["/bin/x"]}
    return Plan(
        image="test",
        profile="hardened",
        chain=("hardened",),
        spec=ImageSpec.model_validate({**base, **spec}),
        folder=folder,
        packages=(),
        controls=(),
        switched_off=(),
        run=RunSettings(),
        waivers=(),
    )


def deb(*entries: Entry) -> Package:
    owner = Owner(kind="deb", name="base", version="1")
    owned = tuple(entry.replace(owner=owner) for entry in entries)
    return Package(owner=owner, entries=owned, control="Package: base\nVersion: 1\n")


def file(path: str, mtime: int = 0) -> Entry:
    return Entry(path=path, kind=Kind.FILE, mode=0o644, mtime=mtime, content=Bytes(path.encode()))


def made(planned: Plan, *packages: Package) -> Image:
    own = user_entries(planned.folder, planned.spec.files, 100)
    debs = packages or (deb(file("usr/bin/x")),)
    return compose(planned, "linux/amd64", debs, (), own=own, user=(7, 8), created=100)


def test_times_after_the_locks_date_are_clamped_and_earlier_ones_kept(tmp_path: Path) -> None:
    image = made(plan(tmp_path), deb(file("old", mtime=5), file("new", mtime=5000)))
    assert (image.rootfs["old"].mtime, image.rootfs["new"].mtime) == (5, 100)


def test_own_files_land_root_owned_with_the_modes_of_their_execute_bit(tmp_path: Path) -> None:
    app = tmp_path / "app"
    (app / "bin").mkdir(parents=True)
    (app / "data").write_text("1")
    (app / "data").chmod(0o600)
    (app / "bin/run").write_text("#!/usr/bin/python3\n")
    (app / "bin/run").chmod(0o700)
    (app / "__pycache__").mkdir()
    (app / "__pycache__/x.pyc").write_text("")
    rootfs = made(plan(tmp_path, files=[{"source": "app/", "target": "/app"}])).rootfs
    below = {entry.path: (entry.mode, entry.uid, entry.gid) for entry in rootfs.below("app")}
    assert below == {
        "app/bin": (0o755, 0, 0),
        "app/bin/run": (0o755, 0, 0),
        "app/data": (0o644, 0, 0),
    }
    content = rootfs["app/bin/run"].content
    assert content is not None
    assert content.facts.shebang == "/usr/bin/python3"


def test_an_own_file_in_the_place_of_a_packages_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(InputError) as caught:
        made(plan(tmp_path, files=[{"source": "x", "target": "/usr/bin/x"}]))
    assert str(caught.value) == "files: /usr/bin/x is already brought by deb base 1; choose another target"


def test_an_own_file_behind_a_packages_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    link = Entry(path="var/run", kind=Kind.SYMLINK, mode=0o777, target="/run")
    with pytest.raises(InputError) as caught:
        made(plan(tmp_path, files=[{"source": "x", "target": "/var/run/x"}]), deb(link))
    assert str(caught.value) == (
        "files: /var/run/x lies below /var/run, a symlink of deb base 1; choose another target"
    )


def test_every_missing_source_is_named_at_once(tmp_path: Path) -> None:
    files = [{"source": "a", "target": "/a"}, {"source": "../b", "target": "/b"}]
    with pytest.raises(InputError) as caught:
        made(plan(tmp_path, files=files))
    assert caught.value.problems == (
        f"{tmp_path}/a: not found; `files` needs it",
        f"{tmp_path}/../b: lies outside of {tmp_path}; copy it into the image's folder",
    )


def test_a_link_out_of_the_source_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/passwd").symlink_to("/etc/passwd")
    with pytest.raises(InputError) as caught:
        made(plan(tmp_path, files=[{"source": "app", "target": "/app"}]))
    assert str(caught.value) == (
        f"{tmp_path}/app/passwd: is a link out of {tmp_path}/app; copy what it points to"
    )


def test_mount_points_are_made_and_only_writable_ones_are_the_users(tmp_path: Path) -> None:
    planned = plan(
        tmp_path,
        writable=[{"path": "/var/cache/x"}],
        state=[{"path": "/models"}, {"path": "/data", "mode": "rw"}],
        workdir="/srv/app",
    )
    image = made(planned)
    owners = {path: image.rootfs[path].uid for path in ("var/cache/x", "models", "data", "srv/app")}
    assert owners == {"var/cache/x": 7, "models": 0, "data": 7, "srv/app": 0}
    assert image.config.volumes == ("/data",)


def test_own_certificates_join_the_bundle(tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_text(CERTIFICATE)
    image = made(plan(tmp_path, certificates=["own.pem"]), deb(file("usr/share/ca-certificates/a.crt")))
    assert read(image.rootfs[CA_BUNDLE]).decode() == "usr/share/ca-certificates/a.crt\n" + CERTIFICATE


def test_a_private_key_among_the_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_text(CERTIFICATE + "-----BEGIN PRIVATE KEY-----\n")
    with pytest.raises(InputError) as caught:
        made(plan(tmp_path, certificates=["own.pem"]))
    assert str(caught.value) == (f"{tmp_path}/own.pem: holds a private key; keep only the certificate in it")


def test_language_is_set_only_where_the_locale_is(tmp_path: Path) -> None:
    assert made(plan(tmp_path)).config.env == (("PATH", PATH),)
    with_locale = made(plan(tmp_path), deb(file("usr/lib/locale/C.utf8/LC_CTYPE")))
    assert with_locale.config.env_value("LANG") == "C.UTF-8"


def test_env_of_image_yaml_wins_over_ours(tmp_path: Path) -> None:
    assert made(plan(tmp_path, env={"PATH": "/usr/bin"})).config.env == (("PATH", "/usr/bin"),)
