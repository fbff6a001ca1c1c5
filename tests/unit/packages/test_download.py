"""Downloads from a loopback server that misbehaves as told."""

import base64
import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.errors import GoneError, NetworkError, StoreError
from builder.packages import session, transfer
from builder.packages.download import Download, fetch, get, shown
from builder.packages.store import Store
from builder.progress import Silent
from tests.unit.packages.mirror import (
    DATA,
    SHA256,
    Answer,
    Mirror,
    begin_and_drop,
    drop_after,
    hold_after,
    ignore_range,
    send_another_range,
    send_without_length,
    serve,
    status,
)


class Counted(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.expected: list[tuple[int, int]] = []
        self.arrived = 0
        self.notes: list[str] = []

    def expect(self, files: int, size: int, _done: str = "") -> None:
        self.expected.append((files, size))

    def advance(self, size: int) -> None:
        self.arrived += size

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    mirror = Mirror()
    thread = threading.Thread(target=mirror.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield mirror
    mirror.shutdown()
    thread.join()
    mirror.server_close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(session, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(transfer, "POLL", 0.01)
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept, though nobody sleeps."""
    monkeypatch.setattr(session, "PAUSES", (1.0, 2.0))
    monkeypatch.setattr(session.random, "uniform", max)
    slept: list[float] = []

    async def note(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(session.asyncio, "sleep", note)
    return slept


def parts(store: Store) -> list[str]:
    return sorted(path.name for path in (store.root / "parts").iterdir())


def failure(kind: type[Exception], store: Store, *files: Download) -> str:
    with pytest.raises(kind) as caught:
        fetch(store, files, Silent())
    assert type(caught.value) is kind
    return str(caught.value)


# What works


def test_several_files_arrive(mirror: Mirror, store: Store) -> None:
    contents = [b"", b"x", DATA, DATA * 3]
    files = [mirror.offer(serve(data), data=data, name=f"{n}.deb") for n, data in enumerate(contents)]
    fetch(store, files, Silent())
    assert [store.blob(file.sha256).read_bytes() for file in files] == contents
    assert parts(store) == []


def test_what_is_there_is_not_asked_for(mirror: Mirror, store: Store) -> None:
    store.put(DATA)
    progress = Counted()
    fetch(store, [mirror.offer(serve())], progress)
    assert (mirror.asked, progress.expected) == ([], [])


def test_a_warm_fetch_imports_no_http_client(store: Store) -> None:
    script = (
        "import sys\n"
        "from builder.packages.download import fetch\n"
        "fetch(None, [], None)\n"
        "print({'httpx', 'asyncio'} & set(sys.modules))\n"
    )
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"set()\n"
    )


def test_the_same_file_twice_is_fetched_once(mirror: Mirror, store: Store) -> None:
    progress = Counted()
    file = mirror.offer(serve())
    fetch(store, [file, file], progress)
    assert mirror.asked == [("/a.deb", "")]
    assert (progress.expected, progress.arrived) == ([(1, len(DATA))], len(DATA))


def test_a_damaged_blob_is_fetched_again(mirror: Mirror, store: Store) -> None:
    store.put(DATA)
    store.blob(SHA256).chmod(0o644)
    store.blob(SHA256).write_bytes(DATA[:-1] + b"x")
    fetch(store, [mirror.offer(serve())], Silent())
    assert store.blob(SHA256).read_bytes() == DATA


def test_a_redirect_is_followed(mirror: Mirror, store: Store) -> None:
    mirror.offer(serve(), name="b.deb")
    fetch(store, [mirror.offer(status(302, Location="/b.deb"))], Silent())
    assert store.has(SHA256)


# Transfers that break


def test_a_drop_is_resumed(mirror: Mirror, store: Store) -> None:
    progress = Counted()
    fetch(store, [mirror.offer(drop_after(300_000), drop_after(300_000), serve())], progress)
    assert store.blob(SHA256).read_bytes() == DATA
    assert mirror.asked == [("/a.deb", ""), ("/a.deb", "bytes=300000-"), ("/a.deb", "bytes=600000-")]
    assert progress.arrived == len(DATA)


@pytest.mark.parametrize("answer", [ignore_range, send_another_range, status(416)])
def test_a_server_that_can_not_resume_sends_all(mirror: Mirror, store: Store, answer: Answer) -> None:
    progress = Counted()
    fetch(store, [mirror.offer(drop_after(300_000), answer, serve())], progress)
    assert store.blob(SHA256).read_bytes() == DATA
    assert progress.arrived == len(DATA)


def test_a_drop_after_each_few_bytes_is_no_failure_as_long_as_some_come(mirror: Mirror, store: Store) -> None:
    fetch(store, [mirror.offer(*[drop_after(100_000)] * 10, serve())], Silent())
    assert store.blob(SHA256).read_bytes() == DATA


def test_a_drop_that_goes_on_is_told(mirror: Mirror, store: Store) -> None:
    file = mirror.offer(drop_after(300_000), drop_after(0))
    assert failure(NetworkError, store, file) == (
        f"a.deb: the connection broke after 300000 of 1048576 bytes ('{file.url}'); "
        f"check the network and run again"
    )
    assert parts(store) == [f"{SHA256}.part"]


def test_the_next_run_goes_on_where_this_one_failed(mirror: Mirror, store: Store) -> None:
    failure(NetworkError, store, mirror.offer(drop_after(300_000), drop_after(0)))
    mirror.asked.clear()
    fetch(store, [mirror.offer(serve())], Silent())
    assert mirror.asked == [("/a.deb", "bytes=300000-")]
    assert store.blob(SHA256).read_bytes() == DATA
    assert parts(store) == []


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_of_the_server_is_retried(mirror: Mirror, store: Store, code: int) -> None:
    fetch(store, [mirror.offer(status(code), status(code), serve())], Silent())
    assert store.has(SHA256)


def test_pauses_grow_and_retry_after_is_honoured(mirror: Mirror, store: Store, pauses: list[float]) -> None:
    fetch(store, [mirror.offer(status(503), status(429, Retry_After="7"), serve())], Silent())
    assert pauses == [1.0, 7.0]


@pytest.mark.parametrize(("asked", "slept"), [("86400", 30.0), ("soon", 1.0), ("-1", 1.0)])
def test_retry_after_has_a_limit(
    mirror: Mirror, store: Store, pauses: list[float], asked: str, slept: float
) -> None:
    fetch(store, [mirror.offer(status(503, Retry_After=asked), serve())], Silent())
    assert pauses == [slept]


def test_a_lasting_failure_of_the_server_is_told(mirror: Mirror, store: Store) -> None:
    file = mirror.offer(status(503))
    assert failure(NetworkError, store, file) == (
        f"a.deb: the server answered 503 service unavailable ('{file.url}'); check the network and run again"
    )
    assert len(mirror.asked) == 3
    assert parts(store) == []


def test_once_a_server_is_given_up_the_other_files_do_not_wait_for_it(
    store: Store, pauses: list[float]
) -> None:
    files = [
        Download("http://127.0.0.1:9/", hashlib.sha256(b"%d" % n).hexdigest(), 1, str(n)) for n in range(5)
    ]
    with pytest.raises(NetworkError) as caught:
        fetch(store, files, Silent(), workers=1)
    assert pauses == [1.0, 2.0]
    assert len(str(caught.value).splitlines()) == 5


def test_one_bad_file_does_not_make_the_others_impatient(
    mirror: Mirror, store: Store, pauses: list[float]
) -> None:
    bad = mirror.offer(status(500), data=bytes(len(DATA) + 1), name="bad.deb")
    good = mirror.offer(drop_after(0), serve())
    assert "bad.deb: the server answered 500" in failure(NetworkError, store, bad, good)
    assert store.has(SHA256)


def test_a_server_that_starts_again_and_again_is_given_up(mirror: Mirror, store: Store) -> None:
    mirror.answers["/a.deb"] = answers = [begin_and_drop(n) for _ in range(10) for n in (300_000, 200_000)]
    file = Download(mirror.url("/a.deb"), SHA256, len(DATA), "a.deb")
    assert failure(NetworkError, store, file).startswith("a.deb: the connection broke after ")
    assert len(answers) == 20 - 3


def test_no_server_at_all(store: Store) -> None:
    file = Download("http://127.0.0.1:9/a.deb", SHA256, len(DATA), "a.deb")
    assert failure(NetworkError, store, file) == (
        f"a.deb: no connection: connection refused ('{file.url}'); check the network and run again"
    )


def test_a_silent_server(mirror: Mirror, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "TIMEOUT", 0.05)
    gate = threading.Event()
    file = mirror.offer(hold_after(0, gate))
    message = failure(NetworkError, store, file)
    gate.set()
    assert message == f"a.deb: the server is silent ('{file.url}'); check the network and run again"


# Files that are gone, refused or not the right ones


def test_every_file_that_is_gone_is_named_and_the_others_come(mirror: Mirror, store: Store) -> None:
    a = mirror.offer(status(404), name="a.deb", data=b"a")
    b = mirror.offer(serve(), name="b.deb")
    c = mirror.offer(status(410), name="c.deb", data=b"c")
    assert failure(GoneError, store, a, b, c) == (
        f"a.deb: not found at '{a.url}' (status 404); lock again to take what the mirror has now\n"
        f"c.deb: not found at '{c.url}' (status 410); lock again to take what the mirror has now"
    )
    assert store.has(SHA256)
    assert parts(store) == []


def test_failures_of_several_kinds_are_told_together(mirror: Mirror, store: Store) -> None:
    a = mirror.offer(status(404), name="a.deb", data=b"a")
    b = mirror.offer(status(403), name="b.deb", data=b"b")
    assert failure(NetworkError, store, a, b) == (
        f"a.deb: not found at '{a.url}' (status 404); lock again to take what the mirror has now\n"
        f"b.deb: the server answered 403 forbidden ('{b.url}'); check the credentials for this server"
    )
    assert len(mirror.asked) == 2


def test_a_file_with_another_hash_is_refused(mirror: Mirror, store: Store) -> None:
    other = bytes(len(DATA))
    file = mirror.offer(serve(other))
    assert failure(NetworkError, store, file) == (
        f"a.deb: its sha256 is {hashlib.sha256(other).hexdigest()}, not {SHA256} ('{file.url}'); "
        f"the copy there is damaged or another file: use another mirror"
    )
    assert not store.has(SHA256)
    assert parts(store) == []


@pytest.mark.parametrize("left", [b"damaged", bytes(len(DATA)), bytes(len(DATA) + 1)])
def test_a_damaged_part_is_fetched_from_the_start(mirror: Mirror, store: Store, left: bytes) -> None:
    (store.root / "parts" / f"{SHA256}.part").write_bytes(left)
    progress = Counted()
    fetch(store, [mirror.offer(serve())], progress)
    assert store.blob(SHA256).read_bytes() == DATA
    assert progress.arrived == len(DATA)


def test_a_whole_part_needs_no_request(mirror: Mirror, store: Store) -> None:
    (store.root / "parts" / f"{SHA256}.part").write_bytes(DATA)
    fetch(store, [mirror.offer(serve())], Silent())
    assert store.has(SHA256)
    assert mirror.asked == []


def test_a_part_that_is_a_link_is_not_written_through(mirror: Mirror, store: Store, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    link = store.root / "parts" / f"{SHA256}.part"
    link.symlink_to(tmp_path / "mine")
    assert failure(StoreError, store, mirror.offer(serve())) == (
        f"'{link}': too many levels of symbolic links; "
        f"check the disk, or set TEMPER_STORE to a folder elsewhere"
    )
    assert (tmp_path / "mine").read_bytes() == b"mine"


def test_a_file_of_another_size_is_refused_before_it_is_read(mirror: Mirror, store: Store) -> None:
    file = mirror.offer(serve(b"a login page"))
    assert failure(NetworkError, store, file) == (
        f"a.deb: it has 12 bytes at '{file.url}', not 1048576; "
        f"a proxy's page or another version stands there: use another mirror"
    )


def test_a_file_without_end_is_cut_off(mirror: Mirror, store: Store) -> None:
    file = mirror.offer(send_without_length(DATA * 8))
    assert failure(NetworkError, store, file) == (
        f"a.deb: more than the 1048576 bytes it should have came from '{file.url}'; "
        f"another version stands there: use another mirror"
    )
    assert parts(store) == []


def test_an_answer_without_length_that_ends_early_is_resumed(mirror: Mirror, store: Store) -> None:
    fetch(store, [mirror.offer(send_without_length(DATA[:5000]), serve())], Silent())
    assert mirror.asked == [("/a.deb", ""), ("/a.deb", "bytes=5000-")]


def test_redirects_in_a_circle(mirror: Mirror, store: Store) -> None:
    file = mirror.offer(status(302, Location="/a.deb"))
    assert failure(NetworkError, store, file) == f"a.deb: the server redirects in a circle ('{file.url}')"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.test/etc/passwd"])
def test_another_scheme_is_refused(store: Store, url: str) -> None:
    file = Download(url, SHA256, 1, "a.deb")
    assert failure(NetworkError, store, file) == f"a.deb: not an http or https URL ('{url}')"


# Credentials and the environment


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_credentials_of_a_url_are_sent_and_never_shown(mirror: Mirror, store: Store) -> None:
    file = mirror.offer(status(403))
    secret = file.url.replace("http://", "http://me:s3cret@") + "?token=s3cret"
    mirror.answers["/a.deb?token=s3cret"] = [status(403)]
    message = failure(NetworkError, store, Download(secret, SHA256, len(DATA), "a.deb"))
    assert mirror.headers[0]["Authorization"] == basic("me:s3cret")
    assert message == (
        f"a.deb: the server answered 403 forbidden ('{file.url}'); check the credentials for this server"
    )


def test_credentials_of_netrc_are_sent(mirror: Mirror, store: Store, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password s3cret\n")
    fetch(store, [mirror.offer(serve())], Silent())
    assert mirror.headers[0]["Authorization"] == basic("me:s3cret")


def test_credentials_of_a_url_go_before_netrc(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    mirror.offer(serve(b"text"), name="InRelease")
    get(mirror.url("/InRelease").replace("http://", "http://me:s3cret@"), limit=10)
    assert mirror.headers[0]["Authorization"] == basic("me:s3cret")


def test_the_proxy_of_the_environment_is_used(
    mirror: Mirror, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", mirror.url(""))
    mirror.answers["http://example.test/a.deb"] = [serve()]
    fetch(store, [Download("http://example.test/a.deb", SHA256, len(DATA), "a.deb")], Silent())
    assert store.has(SHA256)


def test_a_proxy_that_can_not_be_used_is_told(
    mirror: Mirror, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://example.test")
    assert failure(NetworkError, store, mirror.offer(serve())) == (
        "the environment's proxy or certificate settings can't be used: "
        "Unknown scheme for proxy URL URL('gopher://example.test'); "
        "correct HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE or SSL_CERT_DIR"
    )


# Offline


def test_offline_names_what_is_missing(mirror: Mirror, store: Store) -> None:
    store.put(DATA)
    here = mirror.offer(serve())
    b, c = (Download("http://example.test", hashlib.sha256(x).hexdigest(), 1, f"{x!r}") for x in (b"b", b"c"))
    with pytest.raises(NetworkError) as caught:
        fetch(store, [here, b, c], Silent(), offline=True)
    assert str(caught.value) == (
        f"offline, and the store '{store.root}' lacks 2 of 3 files: b'b', b'c'; run once without --offline"
    )
    assert mirror.asked == []


def test_offline_is_fine_with_a_warm_store(store: Store) -> None:
    store.put(DATA)
    fetch(store, [Download("http://example.test", SHA256, len(DATA), "a")], Silent(), offline=True)


# Small files


def test_a_small_file_is_got(mirror: Mirror) -> None:
    mirror.offer(status(503), drop_after(3), serve(b"text"), name="InRelease")
    assert get(mirror.url("/InRelease"), limit=4) == b"text"


def test_a_small_file_that_is_gone(mirror: Mirror) -> None:
    url = mirror.url("/dists/InRelease")
    with pytest.raises(GoneError) as caught:
        get(url, limit=10)
    assert str(caught.value) == f"InRelease: not found at '{url}' (status 404)"


def test_a_small_file_that_is_large(mirror: Mirror) -> None:
    mirror.offer(serve(), name="InRelease")
    url = mirror.url("/InRelease")
    with pytest.raises(NetworkError) as caught:
        get(url, limit=10)
    assert str(caught.value) == (
        f"InRelease: more than 10 bytes came from '{url}'; it can't be the right file: use another mirror"
    )


def test_a_url_that_is_none() -> None:
    with pytest.raises(NetworkError) as caught:
        get("pool/InRelease", limit=10)
    assert str(caught.value) == "InRelease: not an http or https URL ('pool/InRelease')"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (
            "https://me:s3cret@example.test:8000/a%20b?token=s3cret#s3cret",
            "'https://example.test:8000/a%20b'",
        ),
        ("http://me:s3@cret@[::1]:80/a", "'http://[::1]:80/a'"),
        ("http://[", "a malformed URL"),
    ],
)
def test_what_is_shown_of_a_url_holds_no_secret(url: str, text: str) -> None:
    assert shown(url) == text


# Other processes, kills and full disks

FETCH = """
import sys, threading
from pathlib import Path
from builder.errors import TemperError
from builder.packages.download import Download, fetch
from builder.packages.store import Store
from builder.progress import Silent

class Told(Silent):
    def advance(self, size):
        print("advance", size, flush=True)
    def note(self, text):
        print("note", text, flush=True)

root, *urls, sha256, size = sys.argv[1:]
try:
    fetch(Store(Path(root)), [Download(url, sha256, int(size), "a.deb") for url in urls], Told())
except TemperError as error:
    print("error", error)
except KeyboardInterrupt:
    print("interrupted", [thread.name for thread in threading.enumerate()])
"""


def words(store: Store, file: Download) -> list[str]:
    return [sys.executable, "-c", FETCH, str(store.root), file.url, file.sha256, str(file.size)]


def child(store: Store, file: Download) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words(store, file), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )


def read_until(process: subprocess.Popen[str], arrived: int) -> None:
    assert process.stdout
    while arrived > 0:
        word, size = process.stdout.readline().split()
        assert word == "advance"
        arrived -= int(size)


def test_two_processes_share_the_work(mirror: Mirror, store: Store) -> None:
    gate = threading.Event()
    file = mirror.offer(hold_after(300_000, gate))
    with child(store, file) as first:
        read_until(first, 300_000)
        with child(store, file) as second:
            assert second.stdout
            assert second.stdout.readline() == (
                "note another temper is fetching the same files; waiting for it\n"
            )
            gate.set()
            assert second.communicate() == (f"advance {len(DATA)}\n", "")
        assert first.communicate()[1] == ""
    assert mirror.asked == [("/a.deb", "")]
    assert store.has(SHA256)
    assert parts(store) == []


def test_a_killed_download_is_taken_over_by_the_process_that_waits(mirror: Mirror, store: Store) -> None:
    gate = threading.Event()
    file = mirror.offer(hold_after(600_000, gate), serve())
    with child(store, file) as first:
        read_until(first, 600_000)
        with child(store, file) as second:
            assert second.stdout
            assert second.stdout.readline().startswith("note ")
            first.send_signal(signal.SIGKILL)
            assert second.communicate()[1] == ""
    gate.set()
    assert store.blob(SHA256).read_bytes() == DATA
    assert mirror.asked[1][1].startswith("bytes=")


def test_ctrl_c_ends_at_once_and_keeps_what_arrived(mirror: Mirror, store: Store) -> None:
    gate = threading.Event()
    file = mirror.offer(hold_after(300_000, gate), serve())
    with child(store, file) as process:
        read_until(process, 300_000)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()
    gate.set()
    assert (output, errors) == ("interrupted ['MainThread']\n", "")
    fetch(store, [file], Silent())
    assert mirror.asked == [("/a.deb", ""), ("/a.deb", "bytes=300000-")]
    assert store.blob(SHA256).read_bytes() == DATA


def test_a_full_disk_is_told_at_once(mirror: Mirror, tmp_path: Path) -> None:
    """A file system of 512 KiB, mounted where only the child sees it."""
    file = mirror.offer(serve())
    as_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    mount = f"mount -t tmpfs -o size=512k,mode=0700 small {tmp_path} 2>/dev/null || exit 77"
    command = ["unshare", *as_user, "--mount", "sh", "-c", f'{mount}; exec "$@"', "sh"]
    script = [sys.executable, "-c", FETCH, str(tmp_path), file.url, SHA256, str(file.size)]
    done = subprocess.run([*command, *script], capture_output=True, text=True, check=False)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("this user may not mount a file system")
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == (
        f"error no space left on the disk that holds '{tmp_path}'; free some room and run again"
    )


def test_a_failing_store_stops_all_downloads(
    mirror: Mirror, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second file would never end."""
    gate = threading.Event()
    small = mirror.offer(serve(b"x"), data=b"x", name="x.deb")
    endless = mirror.offer(hold_after(10, gate))

    def fail(*_: object) -> None:
        raise StoreError("the store says no")

    monkeypatch.setattr(Store, "adopt", fail)
    message = failure(StoreError, store, endless, small)
    gate.set()
    assert message == "the store says no"
