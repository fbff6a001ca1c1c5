"""The images that the bench makes are what it says, and the search beside the audit finds what is in them."""

import os
import shutil
import tarfile
from pathlib import Path

import pytest

from bench import foreign, subjects, synthetic
from bench.clock import FailedError, Ran, run
from bench.foreign import Foreign
from bench.foreign_rows import foreign_rows
from bench.place import Place
from bench.rounds import Measured
from bench.table import MEGA, rows_text
from builder.image.layout import read_archive, read_layout


def base(path: Path) -> Path:
    with tarfile.open(path, "w") as out:
        for name, size in (
            ("./usr/bin/sh", 1 << 17),
            ("./usr/lib/libspare.so", 1 << 20),
            ("./usr/share/doc/x/README", 100),
        ):
            (path.parent / "file").write_bytes(b"\x7fELF" + os.urandom(size))
            info = out.gettarinfo(path.parent / "file", name)
            info.mode = 0o4755 if name.endswith("sh") else 0o644
            with (path.parent / "file").open("rb") as file:
                out.addfile(info, file)
    return path


@pytest.fixture
def made(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(synthetic, "LIBRARY", 1 << 20)
    synthetic.large(base(tmp_path / "tree.tar"), tmp_path / "large", 7 << 20)
    return tmp_path / "large"


def test_a_slim_tree_has_no_documentation_and_no_large_library(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(synthetic, "SLIM", 1 << 19)
    synthetic.slim(base(tmp_path / "base.tar"), tmp_path / "tree.tar")
    with tarfile.open(tmp_path / "tree.tar") as tree:
        assert tree.getnames() == ["./usr/bin/sh"]


def test_both_forms_hold_the_same_image(made: Path) -> None:
    saved, layout = read_archive(made / foreign.SAVED), read_layout(made / foreign.LAYOUT)
    assert list(saved.rootfs) == list(layout.rootfs)
    assert [layer.diff_id for layer in saved.layers] == [layer.diff_id for layer in layout.layers]
    assert sum(entry.size for entry in saved.rootfs.files()) > 6 << 20
    assert sorted(path.name for path in made.iterdir()) == [foreign.LAYOUT, foreign.SAVED]


def test_wheels_record_what_they_hold(made: Path) -> None:
    rootfs = read_layout(made / foreign.LAYOUT).rootfs
    [record] = [entry for entry in rootfs.files() if "package1-" in entry.path]
    with record.content.open() as stream:
        first, *_ = stream.read().decode().splitlines()
    path, digest, size = first.split(",")
    entry = rootfs[f"{synthetic.WHEELS}/{path}"]
    recorded = synthetic.base64.urlsafe_b64decode(digest.removeprefix("sha256=") + "=").hex()
    assert (entry.content.sha256, entry.size) == (recorded, int(size))


@pytest.mark.skipif(shutil.which("find") is None, reason="it takes GNU's tools")
def test_the_search_finds_setuid_files_in_what_it_unpacked(made: Path, tmp_path: Path) -> None:
    words = ("sh", "-c", foreign.SCAN, "scan", made / foreign.SAVED, tmp_path / "out", "0/layer.tar")
    run(words, env=dict(os.environ), cwd=tmp_path)
    assert (tmp_path / "out.setuid").read_text() == f"{tmp_path}/out/0/layer.tar/usr/bin/sh\n"


def test_without_a_base_there_is_nothing_to_audit(tmp_path: Path) -> None:
    asked = Foreign(root=tmp_path, place=Place(tmp_path), base=tmp_path / "none.tar", size=1)
    with pytest.raises(FailedError, match=r"^there is no base image$"):
        asked.set_up()
    assert asked.sizes() == (0, 0)


def test_an_answer_is_no_failure(tmp_path: Path) -> None:
    env = dict(os.environ)
    assert run(("sh", "-c", "exit 1"), env=env, cwd=tmp_path, fine=(0, 1)).seconds > 0
    with pytest.raises(FailedError, match=r"^sh ended with 1: it said nothing$"):
        run(("sh", "-c", "exit 1"), env=env, cwd=tmp_path)


def rows(size: int) -> list[str]:
    ran = Ran(seconds=2.0, cpu=3.0, peak=150 * MEGA)
    return rows_text(foreign_rows(Measured(runs={subjects.SAVED_AUDIT: [ran]}), 0, size)).splitlines()


def test_what_was_only_computed_says_so() -> None:
    remark = "not measured: 1000.0 MB times 5.0"
    found = rows(1000 * MEGA)
    assert f"| the same for 5000 MB, uncompressed | 10.0 s |  | <= 10 s | reached | {remark} |" in found


def test_what_was_measured_needs_no_remark() -> None:
    found = rows(5000 * MEGA)
    assert "| the same for 5000 MB, uncompressed | 2.00 s |  | <= 10 s | reached |  |" in found
    assert (
        "| `temper audit`, 5000.0 MB, uncompressed | 2.00 s |  |  |  | 2500 MB/s, 3.00 s of processor time |"
        in found
    )
    assert "| peak memory: audit of a large foreign image | 150.0 MB |  | <= 300 MB | reached |  |" in found
