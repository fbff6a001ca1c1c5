"""Images that are signed when they are published, and looked at by who has the public key; by cosign too."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.cosign import is_old, told
from tests.integration.cli.desk import RESULT, Desk
from tests.integration.registry import INDEX, MANIFEST, Front, Registry

REPOSITORY = "team/app"
REPORT = "urn:temper:report:1"
PROVENANCE = "https://slsa.dev/provenance/v1"
BILLS = ("https://cyclonedx.org/bom", "https://spdx.dev/Document")
ALL = [BILLS[0], PROVENANCE, BILLS[1], REPORT]
ENV = {"TEMPER_PASSPHRASE": "correct horse"}
ATTESTED = "".join(f"{'':15}attested: {kind}\n" for kind in ALL)
SIGNATURE = "dev.cosignproject.cosign/signature"
SIGNED = "https://sigstore.dev/cosign/sign/v1"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


@pytest.fixture
def name(registry: Registry) -> str:
    return f"{registry.host}/{REPOSITORY}:1.0"


@pytest.fixture
def signed(used: Desk, name: str) -> Desk:
    assert used.run("key", "team", env=ENV).out == "team.key\nteam.pub\n"
    ran = used.run("publish", "app", name, "--key", "team.key", env=ENV)
    assert ran.code == 0, ran.err
    assert ran.out.endswith("\nsigned    yes\n")
    return used


def verify(desk: Desk, name: str, key: str = "team.pub") -> tuple[int, dict[str, Any]]:
    ran = desk.run("verify-signature", name, "--key", key, "--json")
    return ran.code, json.loads(ran.out)


def row(digest: str, **values: Any) -> dict[str, Any]:
    said = {
        "what": "image",
        "digest": digest,
        "signed": True,
        "other-signatures": 0,
        "attested": ALL,
        "refused": [],
    }
    return {**said, **values}


def test_who_has_the_key_knows(signed: Desk, name: str, digest: str) -> None:
    assert verify(signed, name) == (0, {"reference": name, "signed": True, "manifests": [row(digest)]})
    ran = signed.run("verify-signature", name, "--key", "team.pub")
    assert ran.out == f"{name}\n  image        {digest}  signed\n{ATTESTED}"


def test_the_report_is_what_is_attested(signed: Desk, registry: Registry, digest: str) -> None:
    _, manifest = registry.manifest(REPOSITORY, f"{digest.replace(':', '-')}.att")
    layers = {layer["annotations"]["predicateType"]: layer for layer in manifest["layers"]}
    assert sorted(layers) == ALL
    layer = layers[REPORT]
    envelope = json.loads(registry.blob(REPOSITORY, layer["digest"]))
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"] == [
        {"name": f"{registry.host}/{REPOSITORY}", "digest": {"sha256": digest.removeprefix("sha256:")}}
    ]
    report = signed.work / "build/app-hardened-amd64/report.json"
    assert statement["predicate"] == json.loads(report.read_text())


def test_publishing_again_says_nothing_twice(
    signed: Desk, name: str, registry: Registry, digest: str
) -> None:
    tags = [f"{digest.replace(':', '-')}.{ending}" for ending in ("sig", "att")]
    before = [registry.manifest(REPOSITORY, tag) for tag in tags]
    assert signed.run("publish", "app", name, "--key", "team.key", env=ENV).code == 0
    assert [registry.manifest(REPOSITORY, tag) for tag in tags] == before


def test_several_may_sign(signed: Desk, name: str, digest: str) -> None:
    assert signed.run("key", "auditor", env=ENV).code == 0
    assert verify(signed, name, "auditor.pub") == (
        1,
        {
            "reference": name,
            "signed": False,
            "manifests": [row(digest, signed=False, attested=[], **{"other-signatures": 1})],
        },
    )
    assert signed.run("publish", "app", name, "--key", "auditor.key", env=ENV).code == 0
    for key in ("team.pub", "auditor.pub"):
        assert verify(signed, name, key)[1]["manifests"] == [row(digest, **{"other-signatures": 1})]
    ran = signed.run("verify-signature", name, "--key", "team.pub")
    assert ran.out.splitlines()[1] == f"  image        {digest}  signed; signatures by others: 1"


def put(registry: Registry, tag: str, manifest: dict[str, Any]) -> None:
    answer = registry.client.put(
        f"/v2/{REPOSITORY}/manifests/{tag}",
        content=json.dumps(manifest),
        headers={"Content-Type": manifest["mediaType"]},
    )
    assert answer.status_code == 201, answer.text


def test_a_signature_that_was_changed(signed: Desk, name: str, registry: Registry, digest: str) -> None:
    tag = f"{digest.replace(':', '-')}.sig"
    _, manifest = registry.manifest(REPOSITORY, tag)
    [layer] = manifest["layers"]
    data = bytearray(base64.b64decode(layer["annotations"][SIGNATURE]))
    data[-1] ^= 1
    layer["annotations"][SIGNATURE] = base64.b64encode(data).decode()
    put(registry, tag, manifest)
    code, found = verify(signed, name)
    assert (code, found["manifests"]) == (1, [row(digest, signed=False, **{"other-signatures": 1})])


def test_a_signature_of_another_image(signed: Desk, name: str, registry: Registry, digest: str) -> None:
    """Moved to an image that nobody signed: it verifies, and says nothing of that image."""
    _, manifest = registry.manifest(REPOSITORY, "1.0")
    put(registry, "1.0", {**manifest, "annotations": {"changed": "yes"}})
    changed, _ = registry.manifest(REPOSITORY, "1.0")
    for ending in ("sig", "att"):
        _, theirs = registry.manifest(REPOSITORY, f"{digest.replace(':', '-')}.{ending}")
        put(registry, f"{changed.replace(':', '-')}.{ending}", theirs)
    code, found = verify(signed, name)
    assert (code, found["manifests"]) == (
        1,
        [row(changed, signed=False, attested=[], **{"other-signatures": 1})],
    )


def test_an_index_that_another_image_was_put_into(
    signed: Desk, name: str, registry: Registry, digest: str
) -> None:
    accept = {"Accept": MANIFEST}
    data = registry.client.get(f"/v2/{REPOSITORY}/manifests/{digest}", headers=accept).content
    platform = {"os": "linux", "architecture": "amd64"}
    entry = {"mediaType": MANIFEST, "digest": digest, "size": len(data), "platform": platform}
    put(registry, "1.0", {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})
    code, found = verify(signed, name)
    signed_rows = [(one["what"], one["signed"]) for one in found["manifests"]]
    assert (code, signed_rows) == (1, [("index", False), ("linux/amd64", True)])


def test_a_wrong_passphrase_publishes_nothing(used: Desk, name: str, registry: Registry) -> None:
    assert used.run("key", "team", env=ENV).code == 0
    wrong = {"TEMPER_PASSPHRASE": "wrong"}
    said = used.refused("publish", "app", name, "--key", "team.key", env=wrong)
    assert said == (2, "temper: 'team.key': the passphrase is wrong\n")
    said = used.refused("publish", "app", name, "--key", "team.key")
    assert said == (
        2,
        "temper: 'team.key': is encrypted, and no passphrase was given; set TEMPER_PASSPHRASE\n",
    )
    assert registry.tags(REPOSITORY) == []


def test_a_tag_that_is_not_there(used: Desk, registry: Registry) -> None:
    assert used.run("key", "team", env=ENV).code == 0
    name = f"{registry.host}/{REPOSITORY}:absent"
    said = used.refused("verify-signature", name, "--key", "team.pub")
    assert said == (2, f"temper: '{name}': the registry has no such tag\n")


class TestBundles:
    """What cosign 3 writes, and what every cosign looks for first."""

    @pytest.fixture
    def bundled(self, used: Desk, name: str) -> Desk:
        assert used.run("key", "team", env=ENV).code == 0
        ran = used.run("publish", "app", name, "--key", "team.key", "--bundles", env=ENV)
        assert ran.code == 0, ran.err
        return used

    @pytest.mark.usefixtures("bundled")
    def test_each_refers_to_the_image(self, registry: Registry, digest: str) -> None:
        listed = bundles_of(registry, digest)
        said = {one["annotations"]["dev.sigstore.bundle.predicateType"]: one for one in listed}
        assert sorted(said) == sorted([SIGNED, *ALL])
        for kind, one in said.items():
            _, manifest = registry.manifest(REPOSITORY, one["digest"])
            assert manifest["subject"]["digest"] == digest
            assert manifest["annotations"] == one["annotations"]
            [layer] = manifest["layers"]
            bundle = json.loads(registry.blob(REPOSITORY, layer["digest"]))
            assert bundle["mediaType"] == layer["mediaType"] == BUNDLE
            statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
            assert statement["predicateType"] == kind

    def test_they_are_enough(self, bundled: Desk, name: str, registry: Registry, digest: str) -> None:
        forget(registry, digest)
        assert verify(bundled, name) == (
            0,
            {"reference": name, "signed": True, "manifests": [row(digest)]},
        )

    def test_nothing_is_said_twice(self, bundled: Desk, name: str, registry: Registry, digest: str) -> None:
        before = bundles_of(registry, digest)
        for more in ([], ["--bundles"]):
            assert bundled.run("publish", "app", name, "--key", "team.key", *more, env=ENV).code == 0
            assert bundles_of(registry, digest) == before

    def test_who_signs_where_bundles_are_makes_some(
        self, bundled: Desk, name: str, registry: Registry, digest: str
    ) -> None:
        assert bundled.run("key", "auditor", env=ENV).code == 0
        ran = bundled.run("publish", "app", name, "--key", "auditor.key", env=ENV)
        assert ran.code == 0, ran.err
        assert len(bundles_of(registry, digest)) == 2 * (1 + len(ALL))
        others = {"other-signatures": 2, "refused": ["is signed by another key"]}
        for key in ("team.pub", "auditor.pub"):
            assert verify(bundled, name, key) == (
                0,
                {"reference": name, "signed": True, "manifests": [row(digest, **others)]},
            )

    def test_one_that_was_changed(self, bundled: Desk, name: str, registry: Registry, digest: str) -> None:
        forget(registry, digest)
        change(registry, digest, lambda bundle: flip(bundle["dsseEnvelope"]["signatures"][0]))
        assert verify(bundled, name) == (1, unsigned(name, digest, 1, "is signed by another key"))
        ran = bundled.run("verify-signature", name, "--key", "team.pub")
        assert ran.out == (
            f"{name}\n  image        {digest}  NOT SIGNED by this key; signatures by others: 1\n"
            f"{'':15}refused: is signed by another key\n"
        )

    def test_one_of_another_form(self, bundled: Desk, name: str, registry: Registry, digest: str) -> None:
        forget(registry, digest)
        change(registry, digest, lambda bundle: bundle.update(mediaType="application/other"))
        said = f"is no Sigstore bundle of the form '{BUNDLE}'"
        assert verify(bundled, name) == (1, unsigned(name, digest, 5, said))

    def test_one_of_another_image(self, bundled: Desk, name: str, registry: Registry, digest: str) -> None:
        """Listed for an image that nobody signed: it verifies, and says nothing of that image."""
        _, manifest = registry.manifest(REPOSITORY, "1.0")
        put(registry, "1.0", {**manifest, "annotations": {"changed": "yes"}})
        changed, _ = registry.manifest(REPOSITORY, "1.0")
        _, listed = registry.manifest(REPOSITORY, digest.replace(":", "-"))
        put(registry, changed.replace(":", "-"), listed)
        assert verify(bundled, name) == (1, unsigned(name, changed, 1, "is of another image"))

    def test_a_list_that_names_what_is_gone(
        self, bundled: Desk, front: Front, registry: Registry, digest: str
    ) -> None:
        gone = next(one for one in bundles_of(registry, digest) if SIGNED in one["annotations"].values())
        front.answers = [("GET", gone["digest"], (404, {}, b""))]
        name = f"{front.host}/{REPOSITORY}:1.0"
        assert verify(bundled, name)[1]["manifests"] == [row(digest)]
        assert front.answers == []

    def test_they_are_for_keys(self, used: Desk, name: str, registry: Registry) -> None:
        said = "temper: --bundles: says how to sign; name a key by --key\n"
        assert used.refused("publish", "app", name, "--bundles") == (2, said)
        assert registry.tags(REPOSITORY) == []


def bundles_of(registry: Registry, digest: str) -> list[dict[str, Any]]:
    return [one for one in registry.referrers(REPOSITORY, digest) if one["artifactType"] == BUNDLE]


def forget(registry: Registry, digest: str) -> None:
    """The signature under the tag: another image's, which says nothing of this one."""
    for ending in ("sig", "att"):
        tag = f"{digest.replace(':', '-')}.{ending}"
        _, manifest = registry.manifest(REPOSITORY, tag)
        put(registry, tag, {**manifest, "layers": []})


def change(registry: Registry, digest: str, by: Callable[[dict[str, Any]], None]) -> None:
    """Every bundle of an image."""
    tag = digest.replace(":", "-")
    _, index = registry.manifest(REPOSITORY, tag)
    rows = []
    for one in index["manifests"]:
        if one["artifactType"] == BUNDLE:
            _, manifest = registry.manifest(REPOSITORY, one["digest"])
            [layer] = manifest["layers"]
            bundle = json.loads(registry.blob(REPOSITORY, layer["digest"]))
            by(bundle)
            blob = registry.send(REPOSITORY, json.dumps(bundle).encode())
            layer.update(blob)
            data = json.dumps(manifest).encode()
            sha256 = f"sha256:{hashlib.sha256(data).hexdigest()}"
            put(registry, sha256, manifest)
            rows.append({**one, "digest": sha256, "size": len(data)})
    put(registry, tag, {**index, "manifests": rows})


def flip(signature: dict[str, Any]) -> None:
    data = bytearray(base64.b64decode(signature["sig"]))
    data[-1] ^= 1
    signature["sig"] = base64.b64encode(data).decode()


def unsigned(name: str, digest: str, others: int, refused: str) -> dict[str, Any]:
    said = {"other-signatures": others, "refused": [refused]}
    rows = [row(digest, signed=False, attested=[], **said)]
    return {"reference": name, "signed": False, "manifests": rows}


OFFLINE = ["--insecure-ignore-tlog=true", "--allow-insecure-registry"]


def accepted(cosign: list[str], options: list[str], folder: Path) -> None:
    found = told([*cosign, "verify", *options], folder)
    assert found.returncode == 0, found.stderr
    for kind in (REPORT, "slsaprovenance1", "spdxjson", "cyclonedx"):
        found = told([*cosign, "verify-attestation", "--type", kind, *options], folder)
        assert found.returncode == 0, found.stderr


def test_cosign_accepts_it(signed: Desk, name: str, cosign: list[str]) -> None:
    accepted(cosign, ["--key", "team.pub", *OFFLINE, name], signed.work)


def test_cosign_accepts_bundles(signed: Desk, name: str, cosign: list[str]) -> None:
    assert signed.run("publish", "app", name, "--key", "team.key", "--bundles", env=ENV).code == 0
    root = signed.write(
        "root.json", '{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'
    )
    more = ["--trusted-root", str(root)] if is_old(cosign) else []
    accepted(cosign, ["--key", "team.pub", *more, *OFFLINE, name], signed.work)


def test_cosign_refuses_another_key(signed: Desk, name: str, cosign: list[str]) -> None:
    assert signed.run("key", "auditor", env=ENV).code == 0
    options = ["--key", "auditor.pub", *OFFLINE, name]
    assert told([*cosign, "verify", *options], signed.work).returncode != 0


def test_what_cosign_signs_is_accepted(used: Desk, name: str, cosign: list[str], digest: str) -> None:
    assert used.run("publish", "app", name).code == 0
    assert told([*cosign, "generate-key-pair"], used.work).returncode == 0
    reference = f"{name.rpartition(':')[0]}@{digest}"
    options = ["--key", "cosign.key", "--tlog-upload=false", "--allow-insecure-registry"]
    if not is_old(cosign):
        options.append("--use-signing-config=false")
    report = f"{RESULT}/report.json"
    for words in (["sign", *options], ["attest", "--type", REPORT, "--predicate", report, *options]):
        found = told([*cosign, *words, reference], used.work)
        assert found.returncode == 0, found.stderr
    code, said = verify(used, name, "cosign.pub")
    assert (code, said["manifests"]) == (0, [row(digest, attested=[REPORT])])
