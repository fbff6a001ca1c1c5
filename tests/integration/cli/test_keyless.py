"""Images signed without a key: by a Sigstore of one's own on loopback, beside cosign; and what is refused."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from builder.progress import Silent
from builder.registry.name import Reference
from builder.registry.push import push
from builder.signing.keyless import Keyless
from builder.signing.tokens import find_token
from builder.signing.trust import find_instance
from tests.integration.cli.cosign import is_old, told
from tests.integration.cli.desk import RESULT, Desk
from tests.integration.cli.test_publish import tiny
from tests.integration.cli.test_sign import (
    ALL,
    ENV,
    REPORT,
    REPOSITORY,
    bundles_of,
    row,
    unsigned,
)
from tests.integration.registry import Front, Registry
from tests.integration.sigstore import ADA, Sigstore, own_sigstore
from tests.record_keyless import CASES
from tests.unit.signing.test_identity import ALONE as NO_ISSUER
from tests.unit.signing.test_tokens import token
from tests.unit.signing.test_trust import SERVICES

ALONE = "--trusted-root: 'root.json' alone doesn't say which Sigstore signs"
FORM = "application/vnd.dev.sigstore.signingconfig"
FORMS = f"mediaType: Input should be '{FORM}.v0.1+json' or '{FORM}.v0.2+json'"


@pytest.fixture
def name(registry: Registry) -> str:
    return f"{registry.host}/{REPOSITORY}:1.0"


def keyless(file: str = "token") -> list[str]:
    return [
        "--keyless", "--identity-token", file, "--trusted-root", "root.json",
        "--signing-config", "services.json",
    ]  # fmt: skip


class TestRefused:
    """Before a byte is sent: the registry has nothing afterwards."""

    @pytest.fixture
    def ready(self, used: Desk) -> Desk:
        """Nobody answers at the services' addresses."""
        used.write("root.json", (CASES / "trusted-root.json").read_text())
        used.write("services.json", json.dumps(SERVICES))
        used.write("token", token())
        return used

    def test_no_certificate_authority(self, ready: Desk, front: Front) -> None:
        name = f"{front.host}/{REPOSITORY}:1.0"
        said = (
            f"temper: publishing to '{name}': the certificate authority 'http://127.0.0.1:1' can't be "
            "reached; check the network and its address; its tag was not moved\n"
        )
        assert ready.refused("publish", "app", name, *keyless()) == (3, said)
        assert [front.count(method) for method in ("POST", "PUT", "PATCH")] == [0, 0, 0]

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (
                ["--key", "team.key", "--keyless"],
                "--key: signs with a key, and --keyless without one; give one of them",
            ),
            (["--identity-token", "token"], "--identity-token: is for signing without a key; add --keyless"),
            (["--trusted-root", "root.json"], "--trusted-root: is for signing without a key; add --keyless"),
            (keyless("old"), "'old': has expired; get a fresh one"),
            (keyless("absent"), "'absent': can't be read: no such file or directory"),
            (
                ["--keyless", "--identity-token", "token", "--trusted-root", "root.json"],
                f"{ALONE}; give its --signing-config too, or neither for the public one",
            ),
            (
                [*keyless()[:5], "--signing-config", "root.json"],
                f"'root.json': is no signing config of Sigstore: {FORMS}",
            ),
        ],
    )
    def test_what_is_written_wrong(self, ready: Desk, front: Front, options: list[str], said: str) -> None:
        ready.write("old", token(exp=1))
        name = f"{front.host}/{REPOSITORY}:1.0"
        assert ready.refused("publish", "app", name, *options) == (2, f"temper: {said}\n")
        assert front.asked == []

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ([], "who has to have signed isn't said; give --key, or --identity and --issuer"),
            (
                ["--identity", ADA],
                NO_ISSUER,
            ),
            (
                ["--key", "x", "--identity", ADA],
                "--identity: is for signatures without a key; leave out --key",
            ),
            (
                ["--identity", ADA, "--issuer", "u", "--trusted-root", "token"],
                "'token': is no trusted root of Sigstore: expecting value: line 1 column 1 (char 0)",
            ),
        ],
    )
    def test_what_can_t_be_verified(self, ready: Desk, front: Front, options: list[str], said: str) -> None:
        name = f"{front.host}/{REPOSITORY}:1.0"
        assert ready.refused("verify-signature", name, *options) == (2, f"temper: {said}\n")
        assert front.asked == []


@pytest.fixture(scope="module")
def sigstore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sigstore]:
    with own_sigstore(tmp_path_factory.mktemp("sigstore")) as running:
        yield running


class TestReal:
    """Skips where the programs of a Sigstore aren't on the PATH."""

    @pytest.fixture
    def ready(self, used: Desk, sigstore: Sigstore) -> Desk:
        used.write("root.json", sigstore.root.read_text())
        used.write("services.json", sigstore.services.read_text())
        used.write("token", sigstore.provider.token())
        return used

    @pytest.fixture
    def signed(self, ready: Desk, name: str, sigstore: Sigstore) -> Desk:
        ran = ready.run("publish", "app", name, *keyless())
        assert ran.code == 0, ran.err
        assert ran.out.endswith(f"\nsigned    by '{ADA}' (issuer '{sigstore.provider.url}')\n")
        assert ran.err.count("\n") == 2, ran.err
        return ready

    def verify(self, desk: Desk, name: str, sigstore: Sigstore, who: str = ADA) -> tuple[int, dict[str, Any]]:
        options = ["--identity", who, "--issuer", sigstore.provider.url, "--trusted-root", "root.json"]
        ran = desk.run("verify-signature", name, *options, "--json")
        assert ran.out, ran.err
        return ran.code, json.loads(ran.out)

    def test_who_signed_is_known(self, signed: Desk, name: str, sigstore: Sigstore, digest: str) -> None:
        assert self.verify(signed, name, sigstore) == (
            0,
            {"reference": name, "signed": True, "manifests": [row(digest)]},
        )
        said = f"is signed by '{ADA}' (issuer '{sigstore.provider.url}')"
        found = self.verify(signed, name, sigstore, "eve@example.test")
        assert found == (1, unsigned(name, digest, 1, said))

    def test_nothing_is_said_twice(
        self, signed: Desk, name: str, sigstore: Sigstore, registry: Registry, digest: str
    ) -> None:
        before = bundles_of(registry, digest)
        assert len(before) == 1 + len(ALL)
        assert signed.run("publish", "app", name, *keyless()).code == 0
        assert bundles_of(registry, digest) == before
        signed.write("token", sigstore.provider.token("bob@example.test"))
        assert signed.run("publish", "app", name, *keyless()).code == 0
        assert len(bundles_of(registry, digest)) == 2 * len(before)
        for who in (ADA, "bob@example.test"):
            code, found = self.verify(signed, name, sigstore, who)
            assert (code, found["manifests"][0]["attested"]) == (0, ALL)

    def test_a_key_signs_beside(self, signed: Desk, name: str, sigstore: Sigstore, cosign: list[str]) -> None:
        assert signed.run("key", "team", env=ENV).code == 0
        assert signed.run("publish", "app", name, "--key", "team.key", env=ENV).code == 0
        assert self.verify(signed, name, sigstore)[0] == 0
        assert signed.run("verify-signature", name, "--key", "team.pub").code == 0
        options = ["--key", "team.pub", "--insecure-ignore-tlog=true", "--trusted-root", "root.json"]
        found = told([*cosign, "verify", *options, "--allow-insecure-registry", name], signed.work)
        assert found.returncode == 0, found.stderr

    def test_cosign_accepts_it(self, signed: Desk, name: str, sigstore: Sigstore, cosign: list[str]) -> None:
        options = [
            "--certificate-identity", ADA, "--certificate-oidc-issuer", sigstore.provider.url,
            "--trusted-root", "root.json", "--allow-insecure-registry", name,
        ]  # fmt: skip
        if is_old(cosign):  # it takes the time from a log of the older kind unless it is told
            options.append("--use-signed-timestamps")
        for verb in (["verify"], *(["verify-attestation", "--type", kind] for kind in (REPORT, "spdxjson"))):
            found = told([*cosign, *verb, *options], signed.work)
            assert found.returncode == 0, found.stderr
        found = told([*cosign, "verify", *options, "--certificate-identity", "eve@example.test"], signed.work)
        assert found.returncode != 0

    def test_what_cosign_signs_is_accepted(
        self, ready: Desk, name: str, sigstore: Sigstore, cosign: list[str], digest: str
    ) -> None:
        if is_old(cosign):
            pytest.skip("cosign 2 writes to logs of the older kind only")
        assert ready.run("publish", "app", name).code == 0
        options = [
            "--identity-token", "token", "--signing-config", "services.json", "--trusted-root", "root.json",
            "--allow-insecure-registry",
        ]  # fmt: skip
        reference = f"{name.rpartition(':')[0]}@{digest}"
        attest = ["attest", "--type", REPORT, "--predicate", f"{RESULT}/report.json"]
        for words in (["sign"], attest):
            found = told([*cosign, *words, *options, reference], ready.work)
            assert found.returncode == 0, found.stderr
        code, found = self.verify(ready, name, sigstore)
        assert (code, found["manifests"]) == (0, [row(digest, attested=[REPORT])])

    def test_a_token_that_is_refused(
        self, ready: Desk, name: str, sigstore: Sigstore, registry: Registry
    ) -> None:
        [authority] = json.loads(sigstore.services.read_text())["caUrls"]
        ready.write("token", token(iss=sigstore.provider.url, email=ADA, email_verified=True))
        said = (
            f"temper: publishing to '{name}': the certificate authority '{authority['url']}' answered "
            "400 bad request: there was an error processing the identity token; its tag was not moved\n"
        )
        assert ready.refused("publish", "app", name, *keyless()) == (3, said)
        assert registry.tags(REPOSITORY) == []

    def test_an_index_and_all_its_images(
        self, ready: Desk, registry: Registry, name: str, sigstore: Sigstore
    ) -> None:
        images = [tiny(ready.root, platform) for platform in ("linux/amd64", "linux/arm64")]
        reference = Reference(host=registry.host, repository=REPOSITORY, tag="1.0")
        instance = find_instance(ready.work / "root.json", ready.work / "services.json")
        push(images, reference, None, Silent(), Keyless(find_token(ready.work / "token"), instance))
        code, found = self.verify(ready, name, sigstore)
        rows = [(one["what"], one["signed"]) for one in found["manifests"]]
        assert (code, rows) == (0, [("index", True), ("linux/amd64", True), ("linux/arm64", True)])

    def test_files_of_two(self, ready: Desk, name: str, registry: Registry) -> None:
        ready.write("root.json", (CASES / "trusted-root.json").read_text())
        code, said = ready.refused("publish", "app", name, *keyless())
        assert code == 3
        assert said.endswith("SCT verify failed: keyring: invalid signature; its tag was not moved\n")
        assert registry.tags(REPOSITORY) == []
