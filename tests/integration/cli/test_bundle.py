"""`temper bundle`, and builds from it with no network, no home, no store; and bundles that are not sound."""

import filecmp
import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builder import __version__
from builder.image.bundle_file import END, MANIFEST, manifest_text, member_header, padding
from builder.model.bundle import Bundle
from tests.integration.archive import Deb, Signing, flip
from tests.integration.cli.desk import (
    APP,
    BASE,
    DEBS,
    IMAGE,
    IMAGE_FILE,
    LIB,
    LOCK_FILE,
    NOW,
    PATIENCE,
    RESULT,
    TEMPER,
    Desk,
    Ran,
    newer,
)

BUNDLE = "out/app.tar"
LIB_SHA = hashlib.sha256(LIB.build()).hexdigest()
AGAIN = "copy it again, or bundle anew"


@pytest.fixture
def bundled(desk: Desk) -> Desk:
    """The lock is of this very archive."""
    assert desk.run("build", "app").code == 0
    ran = desk.run("-q", "bundle", "app", "-o", BUNDLE)
    assert (ran.code, ran.err) == (0, "")
    return desk


@pytest.fixture
def far(bundled: Desk, tmp_path: Path) -> "Far":
    """Another machine: nothing but Temper, the bundle, and the key of the test's own archive."""
    there = Far(bundled, tmp_path / "far")
    shutil.rmtree(bundled.store)
    (bundled.work / RESULT).rename(there.folder / "before")
    bundled.mirror.asked.clear()
    return there


class Far:
    def __init__(self, desk: Desk, folder: Path) -> None:
        self.desk, self.folder = desk, folder
        self.bundle = desk.work / BUNDLE
        self.work = folder / "work"
        self.work.mkdir(parents=True)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.desk.root / "tmp"),
            **{name: value for name, value in self.desk.environment.items() if "KEYRING" in name},
        }

    @property
    def store(self) -> Path:
        return self.folder / "home/.cache/temper"

    def temper(self, *arguments: str, **environment: str) -> Ran:
        """Where this machine allows it, without any network."""
        cut = ["unshare", "--map-root-user", "--net"] if can_unshare() else []
        done = subprocess.run(
            [*cut, TEMPER, *arguments],
            cwd=self.work,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def refused(self, *arguments: str, **environment: str) -> tuple[int, str]:
        words = arguments or ("build", "app", "--bundle", str(self.bundle), "--engine", "none")
        ran = self.temper("-q", *words, **environment)
        assert ran.out == ""
        assert not (self.work / "build").exists()
        assert [path for path in (self.desk.root / "tmp").iterdir() if "temper-bundle" in path.name] == []
        return ran.code, ran.err.replace(str(self.bundle), "BUNDLE")

    def rewritten(self, change: Callable[[dict[str, Any], dict[str, bytes]], None]) -> None:
        """By somebody who knows the form, and makes every header and hash of the archive fit."""
        manifest, blobs = read(self.bundle)
        change(manifest, blobs)
        manifest["blobs"] = [
            {**row, "size": len(blobs[row["sha256"]])}
            for row in sorted(manifest["blobs"], key=lambda row: row["sha256"])
            if row["sha256"] in blobs
        ]
        self.bundle.write_bytes(written(manifest, blobs))


def can_unshare() -> bool:
    done = subprocess.run(["unshare", "--map-root-user", "--net", "true"], capture_output=True, check=False)
    return done.returncode == 0


def read(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    data = path.read_bytes()
    size = int(data[124:135], 8)
    manifest, at = json.loads(data[512 : 512 + size]), 512 + size + len(padding(size))
    blobs = {}
    for row in manifest["blobs"]:
        blobs[row["sha256"]] = data[at + 512 : at + 512 + row["size"]]
        at += 512 + row["size"] + len(padding(row["size"]))
    return manifest, blobs


def written(manifest: dict[str, Any], blobs: dict[str, bytes]) -> bytes:
    text = manifest_text(Bundle.model_validate(manifest))
    members = [(MANIFEST, text)]
    members += [(f"blobs/sha256/{row['sha256']}", blobs[row["sha256"]]) for row in manifest["blobs"]]
    parts = [
        part for name, data in members for part in (member_header(name, len(data)), data, padding(len(data)))
    ]
    return b"".join([*parts, END])


def digest_of(folder: Path) -> str:
    return (folder / "oci/index.json").read_text().partition('"digest":"')[2].partition('"')[0]


def test_it_says_what_it_wrote(used: Desk) -> None:
    ran = used.run("-q", "bundle", "app", "-o", BUNDLE)
    assert (ran.code, ran.err) == (0, "")
    size = (used.work / BUNDLE).stat().st_size
    manifest, blobs = read(used.work / BUNDLE)
    digest = hashlib.sha256(manifest_text(Bundle.model_validate(manifest))).hexdigest()
    assert ran.out == (
        f"app, hardened: linux/amd64\n{BUNDLE}: {len(blobs)} files, {size} bytes, sha256:{digest}\n"
    )
    assert {hashlib.sha256(data).hexdigest() for data in blobs.values()} == set(blobs)
    assert used.half_made() == []


def test_what_it_holds(bundled: Desk) -> None:
    manifest, _ = read(bundled.work / BUNDLE)
    assert sorted(row["name"] for row in manifest["blobs"]) == [
        "app_1.0_all.deb",
        "base-files_1.0_all.deb",
        "built-in/profiles/baseline.yaml",
        "built-in/profiles/hardened.yaml",
        "busybox-static_1.0_all.deb",
        "debian-security: dists/trixie-security/InRelease",
        "debian: dists/trixie-updates/InRelease",
        "debian: dists/trixie-updates/main/binary-amd64/Packages.xz",
        "debian: dists/trixie/InRelease",
        "debian: dists/trixie/main/binary-amd64/Packages.xz",
        "here/images/app/image.lock.json",
        "here/images/app/image.yaml",
        "keyring.asc",
        "lib_2.0_all.deb",
        "strace_1.0_all.deb",
    ]
    assert (manifest["temper"], manifest["schema-version"]) == (__version__, 1)


def test_what_a_scan_asks_for_goes_along(desk: Desk, tmp_path: Path) -> None:
    lists = Deb(name="debian-security-support", version="13", architecture="all")
    desk.published([*DEBS, lists])
    assert desk.run("bundle", "app", "-o", BUNDLE).code == 0
    far = Far(desk, tmp_path / "far")
    ran = far.temper("render", "app", "--bundle", str(far.bundle), "-o", "definition")
    assert ran.code == 0, ran.err
    assert (far.store / "blobs/sha256" / hashlib.sha256(lists.build()).hexdigest()).is_file()
    assert {path.name.partition(".")[0] for path in (far.store / "records/release-kept-1").iterdir()} == {
        "debian",
        "debian-security",
    }


def test_the_same_inputs_give_the_same_bytes(bundled: Desk) -> None:
    before = (bundled.work / BUNDLE).read_bytes()
    shutil.rmtree(bundled.store)
    assert bundled.run("bundle", "app", "-o", BUNDLE).code == 0
    assert (bundled.work / BUNDLE).read_bytes() == before


def test_a_build_without_network_home_and_store_gives_the_same_digest(far: Far, digest: str) -> None:
    ran = far.temper("build", "app", "--bundle", str(far.bundle), "--engine", "none")
    assert ran.code == 0, ran.err
    assert digest_of(far.work / RESULT) == digest
    same = filecmp.dircmp(far.work / RESULT, far.folder / "before")
    assert (same.left_only, same.right_only, same.diff_files, same.subdirs["sbom"].diff_files) == (
        [],
        [],
        [],
        [],
    )
    assert far.desk.mirror.asked == []
    assert [path.name for path in far.work.iterdir()] == ["build"]
    ran = far.temper("audit", "app", "--bundle", str(far.bundle))
    assert (ran.code, digest in ran.out) == (0, True), ran.err


def test_render_takes_it_too(far: Far) -> None:
    ran = far.temper("render", "app", "--bundle", str(far.bundle), "-o", "definition")
    assert (ran.code, (far.work / "definition/Dockerfile").is_file()) == (0, True), ran.err


def test_own_files_links_and_modes_come_along(used: Desk, tmp_path: Path) -> None:
    used.write(
        IMAGE_FILE, IMAGE + "files: [{source: app, target: /srv}, {source: ../base/more, target: /more}]\n"
    )
    used.write("images/base/image.yaml", IMAGE)
    used.write("images/base/more/text", "more")
    folder = used.work / "images/app/app"
    used.write("images/app/app/run.yaml", "run").chmod(0o755)
    (folder / "empty").mkdir()
    (folder / "link").symlink_to("run.yaml")
    used.write("images/app/app/__pycache__/run.pyc", "cache")
    used.write("profiles/hardened.yaml", "extends: hardened\ntitle: Ours\n")
    assert used.run("build", "app").code == 0
    expected = digest_of(used.work / RESULT)
    assert used.run("bundle", "app", "-o", BUNDLE).code == 0
    far = Far(used, tmp_path / "far")
    ran = far.temper("build", "app", "--bundle", str(far.bundle), "--engine", "none")
    assert (ran.code, digest_of(far.work / RESULT)) == (0, expected), ran.err
    names = [row["path"] for row in read(far.bundle)[0]["description"]]
    assert [name for name in names if "__pycache__" in name or "images/base/image.yaml" in name] == []


def test_a_link_out_of_the_images_is_refused(used: Desk) -> None:
    (used.work / "images/app/link").symlink_to("../../../../etc/passwd")
    assert used.refused("bundle", "app", "-o", BUNDLE) == (
        2,
        (
            "temper: here/images/app/link: is a link to '../../../../etc/passwd', out of the images; "
            "copy what it points to\n"
        ),
    )
    assert not (used.work / BUNDLE).exists()


def test_several_images_share_what_is_the_same(used: Desk, tmp_path: Path) -> None:
    used.write("images/other/image.yaml", IMAGE.replace("A test's", "Another"))
    ran = used.run("-q", "bundle", "app", "other", "-o", BUNDLE)
    assert ran.code == 0, ran.err
    assert ran.out.startswith("app, hardened: linux/amd64\nother, hardened: linux/amd64\n")
    names = [row["name"] for row in read(used.work / BUNDLE)[0]["blobs"]]
    assert names.count("lib_2.0_all.deb") == 1
    far = Far(used, tmp_path / "far")
    for name in ("app", "other"):
        ran = far.temper("build", name, "--bundle", str(far.bundle), "--engine", "none")
        assert ran.code == 0, ran.err


def test_an_image_that_it_lacks(far: Far) -> None:
    words = ("--bundle", str(far.bundle))
    run = "where there is a network, run `temper bundle"
    has = "but app under hardened for linux/amd64"
    assert far.refused("build", "web", *words) == (
        2,
        (
            f"temper: 'BUNDLE': holds no web under hardened for linux/amd64, {has}; "
            f"{run} web -p hardened --platform linux/amd64`\n"
        ),
    )
    assert far.refused("build", "app", "-p", "dev", "--platform", "linux/arm64", *words) == (
        2,
        (
            f"temper: 'BUNDLE': holds no app under dev for linux/arm64, {has}; "
            f"{run} app -p dev --platform linux/arm64`\n"
        ),
    )


def test_a_bundle_that_is_not_there(far: Far) -> None:
    assert far.refused("build", "app", "--bundle", "none.tar") == (
        2,
        "temper: --bundle: 'none.tar': no such file or directory; name a file that `temper bundle` wrote\n",
    )


def test_a_file_that_is_no_bundle(far: Far) -> None:
    for data in (b"", b"dear", bytes(2048), b"x" * 4096):
        far.bundle.write_bytes(data)
        assert far.refused() == (
            3,
            "temper: 'BUNDLE': is no bundle; name a file that `temper bundle` wrote\n",
        )


def test_a_changed_package(far: Far) -> None:
    flip(far.bundle, far.bundle.read_bytes().index(b"#!/usr/bin/run"))
    assert far.refused() == (3, f"temper: 'BUNDLE': lib_2.0_all.deb: is damaged or was changed; {AGAIN}\n")
    assert not any(hashlib.sha256(path.read_bytes()).hexdigest() != path.name for path in blobs_of(far.store))


def blobs_of(store: Path) -> Iterator[Path]:
    return (store / "blobs/sha256").iterdir()


def test_every_byte_that_changes_is_noticed_or_never_used(far: Far, digest: str) -> None:
    """In headers, padding, the manifest and the files; of one's own store nothing gets worse."""
    whole = far.bundle.read_bytes()
    size = int(whole[124:135], 8)
    places = [0, 100, 130, 156, 300, 600, 512 + size // 2, 512 + size + 2, len(whole) - 1, len(whole) - 900]
    for place in places:
        far.bundle.write_bytes(whole)
        flip(far.bundle, place)
        ran = far.temper("-q", "build", "app", "--bundle", str(far.bundle), "--engine", "none")
        assert ran.code == 3 or digest_of(far.work / RESULT) == digest, place
        assert "Traceback" not in ran.err


def test_a_bundle_that_is_cut_off(far: Far) -> None:
    whole = far.bundle.read_bytes()
    for left in (100, 700):
        far.bundle.write_bytes(whole[:left])
    assert far.refused() == (3, f"temper: 'BUNDLE': is cut off in its manifest; {AGAIN}\n")
    far.bundle.write_bytes(whole[: len(whole) // 2])
    told = f"it has {len(whole) // 2} of {len(whole)} bytes"
    assert far.refused() == (3, f"temper: 'BUNDLE': is cut off: {told}; {AGAIN}\n")


def test_more_than_its_manifest_names(far: Far) -> None:
    far.bundle.write_bytes(far.bundle.read_bytes() + bytes(512))
    assert far.refused() == (
        3,
        f"temper: 'BUNDLE': holds 512 bytes that its manifest doesn't name; {AGAIN}\n",
    )


def test_a_member_in_the_place_of_another(far: Far) -> None:
    """As a link out of the archive, or with a name of its own."""
    whole = far.bundle.read_bytes()
    first = whole.index(b"blobs/sha256/")
    far.bundle.write_bytes(whole[:first] + b"../../evil".ljust(100, b"\0") + whole[first + 100 :])
    name = read(far.bundle)[0]["blobs"][0]["name"]
    assert far.refused() == (
        3,
        f"temper: 'BUNDLE': '../../evil' stands in the place of {name}; {AGAIN}\n",
    )


def test_a_file_that_was_left_out(far: Far) -> None:
    def change(manifest: dict[str, Any], blobs: dict[str, bytes]) -> None:
        del blobs[LIB_SHA]

    far.rewritten(change)
    assert far.refused() == (3, f"temper: 'BUNDLE': lacks the file {LIB_SHA}; bundle anew\n")


def test_a_list_of_packages_that_was_left_out(far: Far) -> None:
    packages = far.desk.archive.root / "debian/dists/trixie/main/binary-amd64/Packages.xz"
    left_out = hashlib.sha256(packages.read_bytes()).hexdigest()

    def change(manifest: dict[str, Any], blobs: dict[str, bytes]) -> None:
        del blobs[left_out]
        for row in manifest["indexes"]:
            row["packages"] = {}

    far.rewritten(change)
    assert far.refused() == (3, f"temper: 'BUNDLE': lacks the file {left_out}; bundle anew\n")


def test_a_manifest_that_promises_what_the_lock_has_not(far: Far) -> None:
    def change(manifest: dict[str, Any], blobs: dict[str, bytes]) -> None:
        manifest["images"][0]["platforms"] = ["linux/amd64", "linux/arm64"]

    far.rewritten(change)
    words = ("build", "app", "--bundle", str(far.bundle), "--platform", "linux/arm64")
    assert far.refused(*words) == (
        3,
        "temper: 'BUNDLE': its lock here/images/app/image.lock.json is for other platforms; bundle anew\n",
    )


def test_a_path_out_of_the_description(far: Far) -> None:
    def change(manifest: dict[str, Any], blobs: dict[str, bytes]) -> None:
        manifest["description"][-1]["path"] = "here/images/../../../evil"

    manifest, blobs = read(far.bundle)
    change(manifest, blobs)
    text = (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()
    rest = far.bundle.read_bytes()[512 + int(far.bundle.read_bytes()[124:135], 8) :]
    far.bundle.write_bytes(
        member_header(MANIFEST, len(text)) + text + padding(len(text)) + rest.lstrip(b"\0")
    )
    code, said = far.refused()
    assert code == 3
    assert said.startswith("temper: 'BUNDLE': its manifest is damaged: description.")


def test_a_bundle_of_another_form(far: Far) -> None:
    text = b'{"schema-version": 2}\n'
    far.bundle.write_bytes(member_header(MANIFEST, len(text)) + text + padding(len(text)) + END)
    assert far.refused() == (
        3,
        (
            "temper: 'BUNDLE': is of form 2, which another version of Temper wrote; "
            "use that one, or bundle anew\n"
        ),
    )


def test_a_bundle_of_another_version_of_temper_is_told(far: Far, digest: str) -> None:
    def change(manifest: dict[str, Any], blobs: dict[str, bytes]) -> None:
        manifest["temper"] = "0.0.1"

    far.rewritten(change)
    ran = far.temper("build", "app", "--bundle", str(far.bundle), "--engine", "none")
    assert (ran.code, digest_of(far.work / RESULT)) == (0, digest)
    told = f"was made by temper 0.0.1, this is {__version__}: the digest may be another one"
    assert f"note: '{far.bundle}' {told}\n" in ran.err


def swapped(index: bytes) -> Callable[[dict[str, Any], dict[str, bytes]], None]:
    """Another InRelease in the place of the first suite's, with hashes that fit."""

    def change(manifest: dict[str, Any], blobs: dict[str, bytes]) -> None:
        row = next(row for row in manifest["indexes"] if row["suite"] == "trixie")
        old, new = row["sha256"], hashlib.sha256(index).hexdigest()
        blobs[new] = index
        del blobs[old]
        text = json.dumps(manifest).replace(old, new)
        manifest.update(json.loads(text))
        manifest["indexes"] = sorted(manifest["indexes"], key=lambda row: row["sha256"])

    return change


def test_an_index_that_was_changed_after_it_was_signed(far: Far) -> None:
    inrelease = (far.desk.archive.root / "debian/dists/trixie/InRelease").read_bytes()
    far.rewritten(swapped(inrelease.replace(b"Origin: Debian", b"Origin: Devian")))
    assert far.refused() == (
        3,
        (
            "temper: 'BUNDLE': debian: dists/trixie/InRelease: its signature is bad: the text was changed "
            "after it was signed, or the key has expired; use another mirror\n"
        ),
    )


def test_an_index_that_a_stranger_signed(far: Far) -> None:
    """Whose key is in the bundle: what it brings itself is not believed."""
    far.desk.published(signing=Signing.STRANGER)
    far.rewritten(swapped((far.desk.archive.root / "debian/dists/trixie/InRelease").read_bytes()))
    code, said = far.refused()
    assert code == 3
    assert "debian: dists/trixie/InRelease: signed by" in said
    assert "which is none of the archive's keys" in said


def test_a_lock_whose_packages_the_index_knows_otherwise(far: Far) -> None:
    """Whoever exchanges a package has to exchange the lock, but can't sign an index for it."""
    far.desk.published([BASE, LIB, APP], date=NOW + 60)
    evil = newer(LIB, "2.0")
    object.__setattr__(evil, "files", {"usr/bin/run": b"evil"})
    far.desk.published([BASE, evil, APP], date=NOW + 120)
    other = far.desk.archive.root / "debian/dists/trixie"
    packages = (other / "main/binary-amd64/Packages.xz").read_bytes()

    def change(manifest: dict[str, Any], blobs: dict[str, bytes]) -> None:
        swapped((other / "InRelease").read_bytes())(manifest, blobs)
        row = next(row for row in manifest["indexes"] if row["suite"] == "trixie")
        new = hashlib.sha256(packages).hexdigest()
        blobs[new] = packages
        manifest["blobs"].append({"sha256": new, "size": 0, "name": "Packages.xz"})
        row["packages"] = {"main/binary-amd64/Packages.xz": new}

    far.rewritten(change)
    theirs = hashlib.sha256(evil.build()).hexdigest()
    assert far.refused() == (
        3,
        (
            f"temper: 'BUNDLE': lib_2.0_all.deb: its sha256 is {LIB_SHA} in the lock and {theirs} in the "
            "signed index; the lock was tampered with, or is another archive's\n"
        ),
    )


def test_packages_that_no_index_lists_any_more_are_told(used: Desk, tmp_path: Path) -> None:
    """The lock's own index is no longer to be had: the store is another one, and the mirror has moved on."""
    shutil.rmtree(used.store)
    used.published([BASE, newer(LIB, "2.1"), APP], date=NOW + 60)
    ran = used.run("-q", "bundle", "app", "--locked", "-o", BUNDLE)
    said = (
        "no signed index lists 1 of the packages any more, only the lock says what they are: lib 2.0; "
        "`temper lock --upgrade` moves to those that are listed\n"
    )
    assert (ran.code, ran.out.endswith(f"\n{said}")) == (0, True), ran.err
    far = Far(used, tmp_path / "far")
    ran = far.temper("build", "app", "--bundle", str(far.bundle), "--engine", "none")
    assert (ran.code, f"note: {said}" in ran.err) == (0, True)


def test_a_description_that_changed_since(far: Far) -> None:
    """What stands in the working directory must be what was bundled: else nobody knew which one was built."""
    shutil.copytree(far.desk.work / "images", far.work / "images")
    ran = far.temper("build", "app", "--bundle", str(far.bundle), "--engine", "none", "-o", "built")
    assert ran.code == 0, ran.err
    lock = far.work / LOCK_FILE
    lock.write_text(lock.read_text().replace('"2.0"', '"2.1"'))
    (far.work / "images/app/more").write_text("new")
    advice = (
        "is not the one in 'BUNDLE'; check out what was bundled, or run `temper bundle app -p hardened` anew"
    )
    assert far.refused() == (2, f"temper: {LOCK_FILE}: {advice}\ntemper: images/app/more: {advice}\n")


def test_offline_without_the_signed_index(bundled: Desk) -> None:
    assert bundled.run("bundle", "app", "--offline", "-o", BUNDLE).code == 0
    lost = next(row for row in read(bundled.work / BUNDLE)[0]["indexes"] if row["suite"] == "trixie")
    (bundled.store / "blobs/sha256" / lost["sha256"]).unlink()
    (bundled.work / BUNDLE).unlink()
    assert bundled.refused("bundle", "app", "--offline", "-o", BUNDLE) == (
        3,
        (
            f"temper: --offline: the store '{bundled.store}' lacks the signed index debian: dists/trixie/"
            "InRelease that the lock was made from; run once without --offline\n"
        ),
    )
    assert not (bundled.work / BUNDLE).exists()


def test_two_that_write_one_bundle(used: Desk) -> None:
    both = [used.start("-q", "bundle", "app", "-o", BUNDLE) for _ in range(2)]
    ran = [running.end() for running in both]
    assert [one.code for one in ran] == [0, 0]
    assert ran[0].out == ran[1].out
    assert used.half_made() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted(bundled: Desk, number: signal.Signals) -> None:
    before = (bundled.work / BUNDLE).read_bytes()
    shutil.rmtree(bundled.store)
    bundled.mirror.hold[".deb"] = 500
    running = bundled.start("bundle", "app", "-o", BUNDLE)
    assert bundled.mirror.held.wait(PATIENCE)
    running.signal(number)
    ran = running.end()
    bundled.mirror.release()
    if number is signal.SIGINT:
        assert ran.err.endswith("\ntemper: interrupted; nothing half-made was left\n")
        assert bundled.half_made() == []
    assert (bundled.work / BUNDLE).read_bytes() == before
    assert bundled.run("bundle", "app", "-o", BUNDLE).code == 0
    assert (bundled.work / BUNDLE).read_bytes() == before


def test_interrupted_while_it_writes(bundled: Desk) -> None:
    """The output's lock is held by the test: the moment is known."""
    name = hashlib.sha256(os.fsencode(bundled.work / BUNDLE)).hexdigest()
    with bundled.locked(f"bundle-{name}"):
        running = bundled.start("bundle", "app", "-o", BUNDLE)
        running.until("writing the bundle")
        running.signal(signal.SIGINT)
        ran = running.end()
    assert ran.code in (130, -signal.SIGINT)
    assert bundled.half_made() == []


def test_the_disk_of_the_bundle_is_full(used: Desk) -> None:
    used.write("out/x.yaml", "")
    options = "size=64k,mode=0700"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", used.work / "out"], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this user may not mount a file system")
    try:
        assert used.refused("bundle", "app", "-o", BUNDLE) == (
            3,
            (
                f"temper: '{BUNDLE}': can't be written: no space left on device; "
                "free room or choose another folder\n"
            ),
        )
        assert used.half_made() == []
        assert list((used.work / "out").iterdir()) == []
    finally:
        subprocess.run(["umount", "--lazy", used.work / "out"], check=True)


def test_the_disk_of_the_store_is_full(far: Far) -> None:
    far.store.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=32k,mode=0700", "none", far.store]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        assert far.refused() == (
            3,
            f"temper: no space left on the disk that holds '{far.store}'; free some room and run again\n",
        )
    finally:
        subprocess.run(["umount", "--lazy", far.store], check=True)
