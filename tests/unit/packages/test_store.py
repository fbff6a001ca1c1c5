"""The store under damage, kills, full disks and other processes."""

import errno
import fcntl
import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builder.errors import StoreError
from builder.packages import store as store_module
from builder.packages.store import Store, Writer, plain_errors

DATA = b"hello"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def child(store: Store, script: str) -> subprocess.Popen[str]:
    """A process with `store` open, running the script."""
    opening = (
        "import pathlib, sys\n"
        "from builder.packages.store import Store\n"
        f"store = Store(pathlib.Path({str(store.root)!r}))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", opening + script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# Blobs


def test_what_is_put_lies_under_its_hash(store: Store) -> None:
    assert store.put(DATA) == SHA256
    assert store.has(SHA256)
    assert store.blob(SHA256).read_bytes() == DATA


def test_an_absent_blob_has_a_place_all_the_same(store: Store) -> None:
    assert not store.has(SHA256)
    assert store.blob(SHA256) == store.root / "blobs" / "sha256" / SHA256


def test_putting_twice_keeps_the_first_file(store: Store) -> None:
    store.put(DATA)
    first = store.blob(SHA256).stat().st_ino
    store.put(DATA)
    assert store.blob(SHA256).stat().st_ino == first


def test_blobs_are_read_only(store: Store) -> None:
    store.put(DATA)
    assert stat.S_IMODE(store.blob(SHA256).stat().st_mode) & 0o222 == 0


@pytest.mark.parametrize("sha256", ["", "abc", SHA256.upper(), "../" + SHA256[3:], SHA256 + "\n"])
def test_what_is_no_sha256_is_refused(store: Store, sha256: str) -> None:
    with pytest.raises(ValueError, match="not a sha256 in lower-case hex"):
        store.blob(sha256)


@pytest.mark.parametrize("damaged", [b"hellx", b"hell", b"hello!", b""])
def test_a_damaged_blob_is_removed_and_absent(store: Store, damaged: bytes) -> None:
    store.put(DATA)
    overwrite(store.blob(SHA256), damaged)
    assert not store.has(SHA256)
    assert not store.blob(SHA256).exists()


def test_a_damaged_blob_is_mended_by_the_next_put(store: Store) -> None:
    store.put(DATA)
    overwrite(store.blob(SHA256), b"hellx")
    store.put(DATA)
    assert store.has(SHA256)
    assert store.blob(SHA256).read_bytes() == DATA


def test_a_blob_cut_short_by_a_power_cut_is_absent(store: Store) -> None:
    """The file system kept the time and lost the data."""
    store.put(DATA)
    kept = store.blob(SHA256).stat()
    overwrite(store.blob(SHA256), b"")
    os.utime(store.blob(SHA256), ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert not store.has(SHA256)


def test_a_touched_blob_is_hashed_once_and_believed_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(DATA)
    store.blob(SHA256).touch()
    assert store.has(SHA256)
    monkeypatch.setattr(hashlib, "file_digest", None)
    assert store.has(SHA256)


def test_silent_damage_is_found_once_a_reader_distrusts_the_blob(store: Store) -> None:
    store.put(DATA)
    kept = store.blob(SHA256).stat()
    overwrite(store.blob(SHA256), b"hellx")
    os.utime(store.blob(SHA256), ns=(kept.st_atime_ns, kept.st_mtime_ns))
    store.distrust(SHA256)
    assert not store.has(SHA256)


def test_distrusting_an_absent_blob_is_fine(store: Store) -> None:
    store.distrust(SHA256)
    assert not store.has(SHA256)


def test_a_sound_file_that_came_while_the_damaged_one_was_hashed_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(DATA)
    overwrite(store.blob(SHA256), b"hellx")
    digest = hashlib.file_digest

    def replaced_meanwhile(file: object, name: str) -> object:
        sound = store.root / "temp" / "sound"
        sound.write_bytes(DATA)
        store.adopt(sound, SHA256)
        return digest(file, name)  # type: ignore[arg-type]

    monkeypatch.setattr(hashlib, "file_digest", replaced_meanwhile)
    assert store.has(SHA256)
    assert store.blob(SHA256).read_bytes() == DATA


def test_a_folder_copied_without_times_is_believed_after_hashing(store: Store, tmp_path: Path) -> None:
    store.put(DATA)
    copy = Store(tmp_path / "copy")
    copy.blob(SHA256).write_bytes(DATA)
    assert copy.has(SHA256)


# Writing in pieces


def test_a_writer_knows_size_and_hash(store: Store) -> None:
    with store.writer() as writer:
        assert writer.write(b"he") == 2
        assert writer.size == 2
        writer.write(memoryview(bytearray(b"llo")))
    assert (writer.size, writer.sha256) == (5, SHA256)
    assert store.has(SHA256)
    assert not files_below(store.root / "temp")


@pytest.mark.parametrize("error", [OSError("mine"), KeyboardInterrupt(), SystemExit()])
def test_a_failure_while_writing_leaves_nothing(store: Store, error: BaseException) -> None:
    def write_and_fail() -> None:
        with store.writer() as writer:
            writer.write(DATA)
            raise error

    with pytest.raises(type(error)):
        write_and_fail()
    assert not files_below(store.root)


def test_a_blob_is_not_there_before_it_is_whole(store: Store) -> None:
    with store.writer() as writer:
        writer.write(DATA)
        assert not store.has(SHA256)
    assert store.has(SHA256)


def test_a_finished_file_is_adopted(store: Store, tmp_path: Path) -> None:
    finished = store.root / "parts" / "finished"
    finished.write_bytes(DATA)
    store.adopt(finished, SHA256)
    assert store.has(SHA256)
    assert not finished.exists()


# Records


def test_a_record_comes_back(store: Store) -> None:
    store.write_record("deb-1", SHA256, b'{"entries": []}\n\n')
    assert store.record("deb-1", SHA256) == b'{"entries": []}\n\n'


def test_a_record_is_replaced(store: Store) -> None:
    store.write_record("deb-1", SHA256, b"old")
    store.write_record("deb-1", SHA256, b"new")
    assert store.record("deb-1", SHA256) == b"new"


def test_no_record_is_none(store: Store) -> None:
    assert store.record("deb-1", SHA256) is None


@pytest.mark.parametrize("place", [0, 40, 64, 65, -1])
def test_a_record_with_a_flipped_bit_is_none(store: Store, place: int) -> None:
    store.write_record("deb-1", SHA256, b"content")
    path = store.root / "records" / "deb-1" / SHA256
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert store.record("deb-1", SHA256) is None


@pytest.mark.parametrize("content", [b"", b"\n", b"content"])
def test_a_record_cut_short_is_none(store: Store, content: bytes) -> None:
    store.write_record("deb-1", SHA256, b"content")
    (store.root / "records" / "deb-1" / SHA256).write_bytes(content)
    assert store.record("deb-1", SHA256) is None


def test_a_record_under_another_key_is_none(store: Store) -> None:
    store.write_record("deb-1", "one", b"content")
    (store.root / "records" / "deb-1" / "one").rename(store.root / "records" / "deb-1" / "two")
    assert store.record("deb-1", "two") is None


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "a\0", "-x", "a" * 201])
def test_a_name_that_is_no_plain_file_name_is_refused(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="not a name for a record or lock"):
        store.record("deb-1", name)
    with pytest.raises(ValueError, match="not a name for a record or lock"):
        store.write_record(name, "key", b"")
    with pytest.raises(ValueError, match="not a name for a record or lock"), store.lock(name):
        pass


# Where it lies


def test_temper_store_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPER_STORE", str(tmp_path / "chosen"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert Store.default().root == tmp_path / "chosen"


def test_a_relative_temper_store_stays_put_when_the_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEMPER_STORE", "chosen")
    assert Store.default().root == tmp_path / "chosen"


def test_then_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEMPER_STORE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert Store.default().root == tmp_path / "cache" / "temper"


@pytest.mark.parametrize("cache", ["", "relative"])
def test_then_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str) -> None:
    monkeypatch.setenv("TEMPER_STORE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Store.default().root == tmp_path / ".cache" / "temper"


def test_only_the_user_reads_a_new_store(store: Store) -> None:
    assert stat.S_IMODE(store.root.stat().st_mode) == 0o700


def test_a_store_that_everybody_may_write_to_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "open"
    root.mkdir()
    root.chmod(0o777)
    with pytest.raises(StoreError) as caught:
        Store(root)
    assert str(caught.value) == (
        f"'{root}': everybody may write to this store; "
        f"set TEMPER_STORE to a folder of your own, or run `chmod o-w` on it"
    )


# Errors in plain words


def test_a_file_where_the_store_should_be(tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.write_bytes(b"")
    with pytest.raises(StoreError) as caught:
        Store(root)
    assert (
        str(caught.value)
        == f"'{root}': a file stands where the store needs a folder; remove it or set TEMPER_STORE"
    )


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "no space left on the disk that holds '/s'; free some room and run again"),
        (errno.EDQUOT, "no space left on the disk that holds '/s'; free some room and run again"),
        (errno.EACCES, "'/s/x': permission denied; set TEMPER_STORE to a folder that you may write to"),
        (errno.EPERM, "'/s/x': permission denied; set TEMPER_STORE to a folder that you may write to"),
        (errno.EROFS, "'/s/x': the disk is read-only; set TEMPER_STORE to a folder that you may write to"),
        (
            errno.EIO,
            "'/s/x': input/output error; check the disk, or set TEMPER_STORE to a folder elsewhere",
        ),
    ],
)
def test_errors_of_the_disk_are_told_in_plain_words(number: int, message: str) -> None:
    with pytest.raises(StoreError) as caught, plain_errors(Path("/s"), Path("/s/x")):
        raise OSError(number, os.strerror(number))
    assert str(caught.value) == message


def test_a_writer_tells_of_a_full_disk(store: Store) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(StoreError) as caught:
        Writer(store, Path("/dev/full"), full).write(DATA)
    assert str(caught.value) == (
        f"no space left on the disk that holds '{store.root}'; free some room and run again"
    )


FULL_DISK = """
import sys
from pathlib import Path
from builder.errors import StoreError
from builder.packages.store import Store
store = Store(Path(sys.argv[1]))
sound = store.put(b"hello")
attempts = {
    "writer": lambda: store.put(bytes(1 << 20)),
    "flush": lambda: store.put(bytes(200_000)),
    "record": lambda: store.write_record("deb-1", "key", bytes(1 << 20)),
}
for name, attempt in attempts.items():
    try:
        attempt()
    except StoreError as error:
        print(name, error)
left = [path for path in store.root.rglob("*") if path.is_file() and path.parent.name != "locks"]
print(store.has(sound), left == [store.blob(sound)])
"""


def test_a_full_disk_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    """A file system of 128 KiB, mounted where only the child sees it."""
    as_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    mount = f"mount -t tmpfs -o size=128k,mode=0700 small {tmp_path} 2>/dev/null || exit 77"
    script = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(
        ["unshare", *as_user, "--mount", "sh", "-c", f'{mount}; exec "$@"', "sh", *script],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("this user may not mount a file system")
    full = f"no space left on the disk that holds '{tmp_path}'; free some room and run again"
    assert done.stdout.splitlines() == [f"writer {full}", f"flush {full}", f"record {full}", "True True"]


# What killed processes left


def test_a_killed_writer_leaves_no_blob_and_the_next_run_sweeps(store: Store) -> None:
    killed = child(
        store,
        "with store.writer() as writer:\n"
        "    writer.write(b'x' * 1_000_000)\n"
        "    print('half', flush=True)\n"
        "    sys.stdin.read()\n",
    )
    with killed:
        assert killed.stdout
        assert killed.stdout.readline() == "half\n"
        killed.send_signal(signal.SIGKILL)
    assert len(files_below(store.root)) == 1
    age(store.root / "temp", store_module.STALE_TEMP)
    Store(store.root)
    assert not files_below(store.root)


def age(folder: Path, seconds: float) -> None:
    for path in folder.iterdir():
        os.utime(path, (time.time() - seconds - 1,) * 2)


def test_a_young_temporary_file_is_not_swept(store: Store) -> None:
    (store.root / "temp" / "1-x").write_bytes(b"")
    Store(store.root)
    assert (store.root / "temp" / "1-x").exists()


def test_a_slow_writer_is_not_swept(store: Store) -> None:
    with store.writer() as writer:
        writer.write(DATA)
        age(store.root / "temp", store_module.STALE_TEMP)
        Store(store.root)
    assert store.has(SHA256)


def test_partial_downloads_stay_for_a_week(store: Store) -> None:
    part = store.root / "parts" / f"{SHA256}.part"
    part.write_bytes(b"he")
    age(store.root / "parts", store_module.STALE_PART - 60)
    Store(store.root)
    assert part.exists()
    age(store.root / "parts", store_module.STALE_PART)
    Store(store.root)
    assert not part.exists()


def test_a_partial_download_in_use_is_not_swept(store: Store) -> None:
    part = store.root / "parts" / f"{SHA256}.part"
    part.write_bytes(b"he")
    age(store.root / "parts", store_module.STALE_PART)
    with part.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        Store(store.root)
    assert part.exists()


# Several processes


def test_a_lock_keeps_another_process_out_until_its_holder_is_killed(store: Store) -> None:
    holder = child(store, "with store.lock('layer'):\n    print('held', flush=True)\n    sys.stdin.read()\n")
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with (store.root / "locks" / "layer").open("rb") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        holder.send_signal(signal.SIGKILL)
    with store.lock("layer"):
        pass


LEAVING = """
import threading
def wait():
    with store.writer() as writer:
        writer.write(b"never stored")
threading.Thread(target=wait).start()
while not list((store.root / "temp").iterdir()):
    pass
{end}
"""
"""A thread that waits for a lock which somebody else holds, in a process that wants to end."""


@pytest.mark.parametrize(
    "end", ["", "from builder.packages.store import give_up\ngive_up()\n"], ids=["at the end", "interrupted"]
)
def test_a_thread_that_waits_for_a_lock_does_not_keep_its_process(store: Store, end: str) -> None:
    with store.lock("blobs"), child(store, LEAVING.format(end=end)) as leaving:
        _, said = leaving.communicate(timeout=60)
    assert leaving.returncode == 0
    assert "interrupted while waiting for another process" in said
    assert list((store.root / "temp").iterdir()) == []


def test_a_lock_is_free_after_a_failure(store: Store) -> None:
    with pytest.raises(KeyError), store.lock("layer"):
        raise KeyError
    with store.lock("layer"):
        pass


def test_processes_share_one_store(store: Store) -> None:
    """Each puts, damages, checks and records the same few blobs; what `has` vouches for is right."""
    script = (
        "import os, random\n"
        "def damage(path):\n"
        "    other = path.with_name(f'damaged-{os.getpid()}')\n"
        "    other.write_bytes(b'damaged')\n"
        "    other.replace(path)\n"
        "for turn in range(150):\n"
        "    data = b'%d' % random.randrange(4)\n"
        "    sha256 = store.put(data)\n"
        "    store.write_record('kind', 'key', data * 1000)\n"
        "    record = store.record('kind', 'key')\n"
        "    assert record == record[:1] * 1000, record\n"
        "    if random.random() < 0.1:\n"
        "        damage(store.blob(sha256))\n"
        "    store.has(sha256)\n"
    )
    processes = [child(store, script) for _ in range(4)]
    assert [process.communicate()[1] for process in processes] == [""] * 4
    assert not files_below(store.root / "temp")
    for number in range(4):
        data = b"%d" % number
        assert store.blob(store.put(data)).read_bytes() == data
