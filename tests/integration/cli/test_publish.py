"""`temper publish` against the distribution's real registry, and before one that has moods."""

import base64
import hashlib
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.image.config import CONFIG, INDEX, LAYER, MANIFEST
from builder.progress import Silent
from builder.registry.name import Reference
from builder.registry.push import Document, Pushed, push
from builder.registry.upload import Blob
from tests.integration.cli.desk import RESULT, Desk
from tests.integration.images.certificates import authority_and_server
from tests.integration.registry import (
    SECRET,
    USER,
    Answer,
    Front,
    Registry,
    serving,
)

REPOSITORY = "team/app"
KINDS = (CONFIG, LAYER)


Mood = tuple[str, str, Answer]


def name(host: str, tag: str = "1.0") -> str:
    return f"{host}/{REPOSITORY}:{tag}"


def temper(host: str, reason: str) -> str:
    """What is said where nothing was published."""
    return f"temper: publishing to '{name(host)}': {reason}; its tag was not moved\n"


def login(desk: Desk, host: str, secret: str = SECRET) -> dict[str, str]:
    folder = desk.root / "docker"
    folder.mkdir()
    auth = base64.b64encode(f"{USER}:{secret}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return {"DOCKER_CONFIG": str(folder)}


def test_the_tag_means_the_image_that_was_built(used: Desk, registry: Registry, digest: str) -> None:
    ran = used.run("publish", "app", name(registry.host))
    assert ran.code == 0, ran.err
    assert ran.out == (
        f"published {name(registry.host)}\n"
        f"digest    {digest}\n"
        "platforms linux/amd64\n"
        f"{ran.out.splitlines()[3]}\n"
        "referrers 4\n"
        "signed    no; name a key by --key, or sign as who you are by --keyless\n"
    )
    found, manifest = registry.manifest(REPOSITORY, "1.0")
    assert found == digest
    local = used.work / RESULT / "oci/blobs/sha256"
    for one in (manifest["config"], *manifest["layers"]):
        data = registry.blob(REPOSITORY, one["digest"])
        assert data == (local / one["digest"].removeprefix("sha256:")).read_bytes()


FILES = {
    "application/vnd.temper.report.v1+json": "report.json",
    "application/vnd.in-toto+json": "provenance.json",
    "application/spdx+json": "sbom/spdx.json",
    "application/vnd.cyclonedx+json": "sbom/cyclonedx.json",
}


def test_what_tells_of_the_image_refers_to_it(used: Desk, registry: Registry, digest: str) -> None:
    assert used.run("publish", "app", name(registry.host)).code == 0
    listed = {one["artifactType"]: one for one in registry.referrers(REPOSITORY, digest)}
    assert listed.keys() == set(FILES)
    for kind, file in FILES.items():
        refers(registry, listed[kind], digest, (used.work / RESULT / file).read_bytes())


def refers(registry: Registry, listed: dict[str, Any], digest: str, data: bytes) -> None:
    _, artifact = registry.manifest(REPOSITORY, listed["digest"])
    assert artifact["subject"]["digest"] == digest
    assert artifact["artifactType"] == listed["artifactType"]
    [layer] = artifact["layers"]
    assert registry.blob(REPOSITORY, layer["digest"]) == data


def test_what_is_there_is_not_sent_again(used: Desk, front: Front, digest: str) -> None:
    first = json.loads(used.run("publish", "app", name(front.host), "--json").out)
    assert (first["there"], first["sent"]["blobs"]) == (0, front.count("PATCH"))
    front.asked.clear()
    ran = used.run("publish", "app", name(front.host, "again"), "--json")
    again = json.loads(ran.out)
    assert again == {
        "reference": name(front.host, "again"),
        "digest": digest,
        "platforms": ["linux/amd64"],
        "sent": {"blobs": 0, "bytes": 0},
        "there": first["sent"]["blobs"],
        "referrers": first["referrers"],
        "signed": False,
        "identity": None,
    }
    assert (front.count("POST"), front.count("PATCH")) == (0, 0)
    assert [path for method, path in front.asked if method == "PUT"] == [
        f"/v2/{REPOSITORY}/manifests/{digest}",
        f"/v2/{REPOSITORY}/manifests/again",
    ]
    assert "sent" not in ran.err


def test_an_artifact_that_others_took_off_the_list_is_listed_again(
    used: Desk, registry: Registry, digest: str
) -> None:
    assert used.run("publish", "app", name(registry.host)).code == 0
    before = registry.referrers(REPOSITORY, digest)
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": before[1:]}
    put = registry.client.put(
        f"/v2/{REPOSITORY}/manifests/{digest.replace(':', '-')}",
        content=json.dumps(index),
        headers={"Content-Type": INDEX},
    )
    assert put.status_code == 201, put.text
    assert used.run("publish", "app", name(registry.host)).code == 0
    assert registry.referrers(REPOSITORY, digest) == before


def test_the_tag_moves_last(used: Desk, front: Front) -> None:
    assert used.run("publish", "app", name(front.host)).code == 0
    assert front.asked[-1] == ("PUT", f"/v2/{REPOSITORY}/manifests/1.0")
    assert front.count("PUT", "/manifests/1.0") == 1


def test_referrers_of_others_stay_in_the_list(used: Desk, registry: Registry, digest: str) -> None:
    assert used.run("publish", "app", name(registry.host)).code == 0
    [ours, *others] = registry.referrers(REPOSITORY, digest)
    theirs = {**ours, "artifactType": "application/vnd.other", "digest": digest}
    index = {"schemaVersion": 2, "manifests": [theirs, *others, {**ours, "annotations": {"older": "entry"}}]}
    media = "application/vnd.oci.image.index.v1+json"
    put = registry.client.put(
        f"/v2/{REPOSITORY}/manifests/{digest.replace(':', '-')}",
        content=json.dumps({**index, "mediaType": media}),
        headers={"Content-Type": media},
    )
    assert put.status_code == 201, put.text
    assert used.run("publish", "app", name(registry.host)).code == 0
    assert sorted(registry.referrers(REPOSITORY, digest), key=str) == sorted([theirs, ours, *others], key=str)


def test_a_registry_with_the_referrers_api_needs_no_list(used: Desk, front: Front, digest: str) -> None:
    front.headers = {"OCI-Subject": digest}
    assert used.run("publish", "app", name(front.host)).code == 0
    assert front.count("GET", "/manifests/sha256-") == 0
    assert front.count("PUT", "/manifests/sha256-") == 0


def test_an_upload_goes_on_where_it_broke_off(
    used: Desk, front: Front, registry: Registry, digest: str
) -> None:
    front.drops = {"PATCH": 20_000}
    ran = used.run("publish", "app", name(front.host))
    assert ran.code == 0, ran.err
    assert registry.manifest(REPOSITORY, "1.0")[0] == digest
    assert front.drops == {}
    assert front.count("GET", "/blobs/uploads/") >= 1  # the first may come while the registry still waits


BUSY = b'{"errors": [{"code": "TOOMANYREQUESTS", "message": "slow down"}]}'


@pytest.mark.parametrize(
    "mood",
    [
        ("GET", "/v2/", (503, {}, b"")),
        ("HEAD", "/blobs/", (429, {"Retry-After": "0"}, b"")),
        ("POST", "/uploads/", (429, {"Retry-After": "0"}, BUSY)),
        ("PATCH", "/uploads/", (500, {}, b"oops")),
        ("PUT", "/uploads/", (400, {}, b'{"errors": [{"code": "DIGEST_INVALID"}]}')),
        ("PUT", "/manifests/", (502, {}, b"<html>")),
        ("PUT", "/manifests/1.0", (500, {}, b"")),
    ],
)
def test_a_registry_that_stumbles_is_asked_again(
    used: Desk, front: Front, registry: Registry, digest: str, mood: Mood
) -> None:
    front.answers = [mood]
    ran = used.run("publish", "app", name(front.host))
    assert ran.code == 0, ran.err
    assert front.answers == []
    assert registry.manifest(REPOSITORY, "1.0")[0] == digest


def asks(challenge: str) -> Answer:
    return 401, {"WWW-Authenticate": challenge}, b""


ASKS = "the registry asks who you are"
DENIED = b'{"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]}'


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        (
            ("POST", "/uploads/", (403, {}, DENIED)),
            "the registry answered 403 forbidden: denied: requested access to the resource is denied",
        ),
        (("PUT", "/manifests/1.0", (405, {}, b"")), "the registry answered 405 method not allowed"),
        (("HEAD", "/blobs/", asks("")), f"{ASKS} in a way that is neither Basic nor Bearer"),
        (
            ("HEAD", "/blobs/", asks('Basic realm="x"')),
            f"{ASKS}, and Docker's configuration doesn't say; run `docker login {{host}}`",
        ),
        (
            ("HEAD", "/blobs/", asks('Bearer realm="http://tokens.example.test/t",service="x"')),
            "the registry sends credentials to 'http://tokens.example.test/t', which is not encrypted",
        ),
    ],
)
def test_a_registry_that_refuses(
    used: Desk, front: Front, registry: Registry, mood: Mood, reason: str
) -> None:
    front.answers = [mood]
    said = temper(front.host, reason.format(host=front.host))
    assert used.refused("publish", "app", name(front.host)) == (3, said)
    assert registry.tags(REPOSITORY) == []


def test_a_registry_that_lies_about_a_digest(
    used: Desk, front: Front, registry: Registry, digest: str
) -> None:
    other = f"sha256:{'0' * 64}"
    front.headers = {"Docker-Content-Digest": other}
    said = temper(front.host, f"the registry calls {digest} by another digest, {other}")
    assert used.refused("publish", "app", name(front.host)) == (3, said)
    assert registry.tags(REPOSITORY) == []


def test_no_registry_is_there(used: Desk) -> None:
    said = used.refused("publish", "app", name("127.0.0.1:9"))
    assert said == (
        3,
        temper(
            "127.0.0.1:9",
            "no connection: connection refused ('https://127.0.0.1:9'); check the network and run again",
        ),
    )


def test_a_token_is_fetched_and_renewed(used: Desk, front: Front, registry: Registry, digest: str) -> None:
    front.tokens = True
    challenge = f'Bearer realm="http://{front.host}/token",service="front"'
    front.answers = [("PUT", "/manifests/1.0", asks(challenge))]
    ran = used.run("publish", "app", name(front.host), env=login(used, front.host))
    assert ran.code == 0, ran.err
    assert front.given == 2
    assert registry.manifest(REPOSITORY, "1.0")[0] == digest


def test_a_token_server_that_knows_nobody(used: Desk, front: Front) -> None:
    front.tokens = True
    code, said = used.refused("publish", "app", name(front.host), env=login(used, front.host, "wrong"))
    assert (code, said) == (
        3,
        temper(front.host, f"the registry doesn't know user '{USER}'; run `docker login {front.host}`"),
    )


class TestEncrypted:
    @pytest.fixture
    def bundle(self, tmp_path: Path) -> Path:
        return tmp_path / "authority.pem"

    @pytest.fixture
    def secure(self, program: Path, tmp_path: Path, bundle: Path) -> Iterator[Registry]:
        authority, server = authority_and_server()
        bundle.write_bytes(authority)
        (tmp_path / "server.pem").write_bytes(server)
        with serving(program, tmp_path / "secure", tls=tmp_path / "server.pem") as running:
            yield running

    def test_with_a_password(self, used: Desk, secure: Registry, bundle: Path, digest: str) -> None:
        env = {**login(used, secure.host), "SSL_CERT_FILE": str(bundle)}
        ran = used.run("publish", "app", name(secure.host), env=env)
        assert ran.code == 0, ran.err
        assert secure.manifest(REPOSITORY, "1.0")[0] == digest

    def test_with_a_wrong_password(self, used: Desk, secure: Registry, bundle: Path) -> None:
        env = {**login(used, secure.host, "wrong"), "SSL_CERT_FILE": str(bundle)}
        code, said = used.refused("publish", "app", name(secure.host), env=env)
        assert (code, said) == (
            3,
            temper(secure.host, f"the registry doesn't know user '{USER}'; run `docker login {secure.host}`"),
        )

    def test_with_a_helper(self, used: Desk, secure: Registry, bundle: Path, digest: str) -> None:
        folder = used.root / "docker"
        folder.mkdir()
        helper = folder / "docker-credential-safe"
        answer = json.dumps({"Username": USER, "Secret": SECRET})
        helper.write_text(
            f"#!/bin/sh\nread host; [ \"$1 $host\" = 'get {secure.host}' ] && echo '{answer}'\n"
        )
        helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
        (folder / "config.json").write_text(json.dumps({"credHelpers": {secure.host: "safe"}}))
        env = {
            "DOCKER_CONFIG": str(folder),
            "PATH": f"{folder}:{used.environment['PATH']}",
            "SSL_CERT_FILE": str(bundle),
        }
        ran = used.run("publish", "app", name(secure.host), env=env)
        assert ran.code == 0, ran.err
        assert secure.manifest(REPOSITORY, "1.0")[0] == digest

    def test_of_an_authority_that_nobody_knows(self, used: Desk, secure: Registry) -> None:
        code, said = used.refused("publish", "app", name(secure.host))
        assert code == 3
        assert said.startswith(
            f"temper: publishing to '{name(secure.host)}': no connection: [ssl: certificate_ver"
        )
        assert said.endswith(
            f"; put its authority under /etc/docker/certs.d/{secure.host}; its tag was not moved\n"
        )


def test_a_damaged_layer_is_named(used: Desk, registry: Registry) -> None:
    [*_, layer] = sorted(
        (used.work / RESULT / "oci/blobs/sha256").iterdir(), key=lambda path: path.stat().st_size
    )
    data = bytearray(layer.read_bytes())
    data[-1] ^= 1
    layer.unlink()  # it is the store's too
    layer.write_bytes(data)
    code, said = used.refused("publish", "app", name(registry.host))
    assert code == 3
    assert said.startswith(f"temper: '{layer.relative_to(used.work)}': is damaged: its bytes are sha256:")
    assert said.endswith("; build the image again\n")
    assert registry.tags(REPOSITORY) == []


def test_an_image_that_fails_its_profile_is_not_published(used: Desk, registry: Registry) -> None:
    report = used.work / RESULT / "report.json"
    data = json.loads(report.read_text())
    data["controls"][0]["audit"] = "failed"
    report.write_text(json.dumps(data))
    said = (
        f"temper: {RESULT}: the image fails profile 'hardened', so it is not published; "
        "mend it, or waive the control in the profile with a reason\n"
    )
    assert used.refused("publish", "app", name(registry.host)) == (2, said)
    assert registry.tags(REPOSITORY) == []


def test_an_image_that_was_not_built(locked: Desk) -> None:
    again = "temper build app --profile hardened --platform linux/amd64"
    said = f"temper: {RESULT}/oci: no such image; run `{again}` first\n"
    assert locked.refused("publish", "app", "127.0.0.1:9/app:1") == (2, said)


@pytest.mark.parametrize("name", ["spdx.json", "cyclonedx.json"])
def test_an_sbom_of_another_image(used: Desk, digest: str, name: str) -> None:
    bill = used.work / RESULT / "sbom" / name
    text = bill.read_text().replace(digest.removeprefix("sha256:"), "0" * 64)
    bill.unlink()  # it is the store's too
    bill.write_text(text)
    said = f"temper: {RESULT}/sbom/{name}: speaks of another image than {digest}; build the image again\n"
    assert used.refused("publish", "app", "127.0.0.1:9/app:1") == (2, said)


def test_an_sbom_that_is_missing(used: Desk) -> None:
    (used.work / RESULT / "sbom/spdx.json").unlink()
    said = f"temper: {RESULT}/sbom/spdx.json: is missing; build the image again\n"
    assert used.refused("publish", "app", "127.0.0.1:9/app:1") == (2, said)


def test_a_report_on_another_image(used: Desk, digest: str) -> None:
    report = used.work / RESULT / "report.json"
    report.write_text(report.read_text().replace(digest, f"sha256:{'0' * 64}"))
    assert used.refused("publish", "app", "127.0.0.1:9/app:1") == (
        2,
        f"temper: {RESULT}/report.json: speaks of another image than {digest}; build the image again\n",
    )


def tiny(folder: Path, platform: str) -> Pushed:
    """Enough of an image for a registry."""
    system, architecture = platform.split("/")
    layer = folder / f"{architecture}.tar"
    layer.write_bytes(architecture.encode() * 1000)
    sha256 = hashlib.sha256(layer.read_bytes()).hexdigest()
    blobs = (
        Blob.of(json.dumps({"os": system, "architecture": architecture}).encode()),
        Blob(digest=f"sha256:{sha256}", size=layer.stat().st_size, path=layer),
    )
    config, tar = (
        {"mediaType": kind, "digest": blob.digest, "size": blob.size}
        for kind, blob in zip(KINDS, blobs, strict=True)
    )
    data = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [tar]}).encode()
    return Pushed(platform=platform, manifest=Document(media_type=MANIFEST, data=data), blobs=blobs)


def test_several_platforms_have_one_name(registry: Registry, tmp_path: Path) -> None:
    images = [tiny(tmp_path, platform) for platform in ("linux/arm64", "linux/amd64")]
    reference = Reference(host=registry.host, repository=REPOSITORY, tag="1.0")
    top, sent = push(images, reference, None, Silent())
    assert (sent.blobs, sent.there) == (4, 0)
    found, index = registry.manifest(REPOSITORY, "1.0")
    assert found == top.digest
    rows = [(one["platform"], one["digest"]) for one in index["manifests"]]
    assert rows == [
        ({"os": "linux", "architecture": "amd64"}, images[1].manifest.digest),
        ({"os": "linux", "architecture": "arm64"}, images[0].manifest.digest),
    ]
    for image in images:
        assert registry.manifest(REPOSITORY, image.manifest.digest)[0] == image.manifest.digest
