"""Requirements to locked wheels, by the real uv against an index on loopback."""

import base64
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from builder.errors import GoneError, InputError, NetworkError
from builder.model.lock import LockedWheel
from builder.model.spec import PythonSpec
from builder.packages.pylock import Target, without_secrets
from builder.packages.python import lock_wheels, target_tags, wheel_urls


def wheel(name: str, version: str, requires: tuple[str, ...] = ()) -> bytes:
    out = io.BytesIO()
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(f"{name}-{version}.dist-info/METADATA", metadata)
    return out.getvalue()


@dataclass
class Index:
    """A simple HTML index, which tells no sizes."""

    files: dict[str, bytes] = field(default_factory=dict)
    user: str | None = None
    url: str = ""

    def add(self, name: str, version: str, tag: str = "py3-none-any", requires: tuple[str, ...] = ()) -> str:
        filename = f"{name}-{version}-{tag}.whl"
        self.files[filename] = wheel(name, version, requires)
        return filename

    def answer(self, path: str, auth: str | None) -> tuple[int, bytes]:
        if self.user and auth != "Basic " + base64.b64encode(self.user.encode()).decode():
            return 401, b""
        _, kind, name, *_ = path.split("/")
        if kind == "files":
            return (200, self.files[name]) if name in self.files else (404, b"")
        found = {file: data for file, data in self.files.items() if file.split("-")[0] == name}
        page = "".join(
            f'<a href="/files/{file}#sha256={hashlib.sha256(data).hexdigest()}">{file}</a>'
            for file, data in found.items()
        )
        return (200, page.encode()) if found else (404, b"")


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    served = Index()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = served.answer(self.path, self.headers.get("Authorization"))
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if "simple" in self.path else "application/zip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{served.url}/simple")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def spec(*requirements: str) -> PythonSpec:
    return PythonSpec(version="3.13", requirements=requirements)


def locked(*requirements: str, platform: str = "linux/amd64", glibc: str = "2.41") -> dict[str, LockedWheel]:
    return {found.filename: found for found in lock_wheels(spec(*requirements), platform, glibc)}


def problems(*requirements: str) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        lock_wheels(spec(*requirements), "linux/amd64", "2.41")
    return caught.value.problems


def test_locks_exact_wheels_with_dependencies_sizes_and_hashes(index: Index) -> None:
    foo = index.add("foo", "1.0", requires=("bar>=2",))
    index.add("bar", "1.0")
    bar = index.add("bar", "2.0")
    assert list(locked("foo").values()) == [
        LockedWheel(
            name=name,
            version=version,
            filename=file,
            size=len(index.files[file]),
            sha256=hashlib.sha256(index.files[file]).hexdigest(),
        )
        for name, version, file in [("bar", "2.0", bar), ("foo", "1.0", foo)]
    ]


def test_chooses_the_wheel_that_fits_the_target_best(index: Index) -> None:
    index.add("foo", "1.0")
    index.add("foo", "1.0", "cp313-cp313-manylinux2014_x86_64")
    best = index.add("foo", "1.0", "cp313-cp313-manylinux_2_28_x86_64")
    arm = index.add("foo", "1.0", "cp310-abi3-manylinux_2_17_aarch64")
    index.add("foo", "1.0", "cp312-cp312-manylinux_2_28_x86_64")
    index.add("foo", "1.0", "cp313-cp313-musllinux_1_2_x86_64")
    index.add("foo", "1.0", "cp313-cp313-macosx_11_0_arm64")
    assert list(locked("foo")) == [best]
    assert list(locked("foo", platform="linux/arm64")) == [arm]


def test_a_wheel_for_a_later_c_library_is_not_chosen(index: Index) -> None:
    index.add("foo", "2.0", "cp313-cp313-manylinux_2_38_x86_64")
    old = index.add("foo", "1.0", "cp313-cp313-manylinux_2_28_x86_64")
    assert list(locked("foo", glibc="2.36")) == [old]


def test_markers_are_those_of_the_image(index: Index) -> None:
    arm = index.add("foo", "1.0")
    assert locked("foo; platform_machine == 'aarch64'") == {}
    assert list(locked("foo; platform_machine == 'aarch64'", platform="linux/arm64")) == [arm]


def test_a_dependency_that_is_not_wanted_stays_away_with_all_that_it_asks_for(index: Index) -> None:
    wanted = [
        index.add("server", "1.0", requires=("codec>=2", "tool")),
        index.add("tool", "1.0"),
    ]
    index.add("codec", "2.0", requires=("driver",))
    index.add("driver", "12")
    python = PythonSpec(version="3.13", requirements=("server",), without=("codec",))
    assert [found.filename for found in lock_wheels(python, "linux/amd64", "2.41")] == wanted


def test_nothing_asked_nothing_locked() -> None:
    assert locked() == {}


NO_REQUIREMENT = "is not a requirement; write a name, as 'numpy' or 'numpy>=2,<3'"
PAST_THE_INDEX = "leads past the package index; name a release that the index has"


def test_what_is_no_requirement_is_refused_all_at_once() -> None:
    assert problems("numpy==", "-r other.txt", "foo @ https://example.test/foo.whl", "./foo.whl") == (
        f"python.requirements: 'numpy==': {NO_REQUIREMENT}",
        f"python.requirements: '-r other.txt': {NO_REQUIREMENT}",
        f"python.requirements: 'foo @ https://example.test/foo.whl': {PAST_THE_INDEX}",
        f"python.requirements: './foo.whl': {NO_REQUIREMENT}",
    )


def test_an_unknown_project_is_named(index: Index) -> None:
    assert problems("Foo_Bar>=1") == (
        "python.requirements: 'Foo_Bar>=1': the package index has no project of this name",
    )


def test_a_version_that_is_not_there_is_named(index: Index) -> None:
    index.add("foo", "1.0")
    [problem] = problems("foo==2")
    assert problem == (
        "python.requirements: 'foo==2': no wheel for Python 3.13 on linux/amd64 meets it: "
        "because there is no version of foo==2 and you require foo==2"
    )


def test_a_project_without_wheels_for_the_target_is_named(index: Index) -> None:
    index.add("foo", "1.0", "cp313-cp313-manylinux_2_28_aarch64")
    [problem] = problems("foo")
    assert problem.startswith(
        "python.requirements: 'foo': no wheel for Python 3.13 on linux/amd64 meets it: "
    )


def test_requirements_against_each_other_are_explained(index: Index) -> None:
    index.add("foo", "1.0", requires=("bar<2",))
    index.add("bar", "2.0")
    [problem] = problems("foo", "bar==2.0")
    assert problem.startswith(
        "python.requirements: no set of wheels for Python 3.13 on linux/amd64 meets them all: because "
    )
    assert "foo" in problem
    assert "bar" in problem
    assert "unsatisfiable" not in problem


def test_an_index_that_is_away_is_no_fault_of_the_requirements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://me:secret@127.0.0.1:1/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(NetworkError) as caught:
        locked("foo")
    message = str(caught.value)
    assert message.startswith(
        "the package index can't be read: Failed to fetch: http://127.0.0.1:1/simple/foo/"
    )
    assert "secret" not in message


def test_a_refused_password_is_no_fault_of_the_requirements(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.user = "me:secret"
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url.replace("//", "//me:wrong@") + "/simple")
    with pytest.raises(NetworkError) as caught:
        locked("foo")
    assert str(caught.value) == (
        f"an index URL ({index.url}/simple) could not be queried due to a lack of valid authentication "
        f"credentials (401 Unauthorized); check the credentials of the package index"
    )


def test_the_indexs_password_goes_with_the_files(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index.user = "me:secret"
    foo = index.add("foo", "1.0")
    private = index.url.replace("//", "//me:secret@")
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{private}/simple")
    found = locked("foo")
    assert found[foo].size == len(index.files[foo])
    assert wheel_urls(tuple(found.values()), spec("foo"), "linux/amd64") == {foo: f"{private}/files/{foo}"}


def test_urls_are_those_of_the_locked_files(index: Index) -> None:
    old = index.add("foo", "1.0")
    wheels = tuple(locked("foo").values())
    index.add("foo", "1.0", "cp313-cp313-manylinux_2_28_x86_64")
    index.add("foo", "2.0", requires=("nothing",))
    assert wheel_urls(wheels, spec("foo"), "linux/amd64") == {old: f"{index.url}/files/{old}"}


def test_a_version_that_left_the_index_is_gone(index: Index) -> None:
    index.add("foo", "1.0")
    wheels = tuple(locked("foo").values())
    index.files.clear()
    index.add("foo", "2.0")
    with pytest.raises(GoneError) as caught:
        wheel_urls(wheels, spec("foo"), "linux/amd64")
    assert str(caught.value) == (
        "the package index lacks a locked wheel: because there is no version of foo==1.0 and you require "
        "foo==1.0; lock again"
    )


def test_a_file_that_left_the_index_is_gone(index: Index) -> None:
    best = index.add("foo", "1.0", "cp313-cp313-manylinux_2_28_x86_64")
    wheels = tuple(locked("foo").values())
    index.files.clear()
    index.add("foo", "1.0")
    with pytest.raises(GoneError) as caught:
        wheel_urls(wheels, spec("foo"), "linux/amd64")
    assert str(caught.value) == f"{best}: the package index no longer has it; lock again"


def test_a_local_version_keeps_its_plus_sign(index: Index) -> None:
    foo = index.add("foo", "1.0+cpu")
    assert list(locked("foo")) == [foo]


def test_the_targets_tags_go_from_its_own_to_any() -> None:
    tags = [str(tag) for tag in target_tags(Target(python="3.13", platform="linux/amd64", glibc="2.41"))]
    assert tags[0] == "cp313-cp313-manylinux_2_41_x86_64"
    assert tags[-1] == "py30-none-any"
    assert tags.index("cp313-cp313-manylinux_2_17_x86_64") + 1 == tags.index(
        "cp313-cp313-manylinux2014_x86_64"
    )
    assert "cp312-abi3-manylinux_2_28_x86_64" in tags
    assert not [tag for tag in tags if "aarch64" in tag or "musl" in tag]


@pytest.mark.parametrize(
    ("glibc", "known"), [("2.41", "2_40"), ("2.36", "2_36"), ("2.30", "2_28"), ("2.17", "2_17")]
)
def test_uv_is_asked_for_the_newest_platform_it_knows(glibc: str, known: str) -> None:
    target = Target(python="3.13", platform="linux/arm64", glibc=glibc)
    assert target.uv_platform == f"aarch64-manylinux_{known}"


def test_urls_lose_their_passwords() -> None:
    assert without_secrets("see https://me:pw@example.test/x") == "see https://example.test/x"
