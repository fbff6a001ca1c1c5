"""`python -m tests.record_keyless` asks real programs, on loopback, for what tests/cases/keyless holds.

The tests read these answers instead of asking for new ones: certificates of minutes, at the time that the
signed time stamp tells. Needs what `tests/integration/sigstore.py` names on the PATH.
"""

import asyncio
import base64
import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import CertificateSigningRequestBuilder, Name

from builder.image.config import compact
from builder.signing import bundles, cosign
from builder.signing.keyless import Keyless
from builder.signing.tokens import find_token
from builder.signing.trust import find_instance
from tests.integration.sigstore import Sigstore, cosign_3, own_sigstore

CASES = Path(__file__).parent / "cases/keyless"
SUBJECT, DIGEST = "registry.example/app", f"sha256:{'ab' * 32}"
STATEMENT = bundles.signed_statement(SUBJECT, DIGEST)
REPORT = cosign.statement(SUBJECT, DIGEST, "urn:temper:report:1", {"passed": True})


def main() -> None:
    CASES.mkdir(exist_ok=True)
    with TemporaryDirectory() as name, own_sigstore(Path(name) / "other") as other:
        write("other-root.json", other.root.read_bytes())
    with TemporaryDirectory() as name, own_sigstore(Path(name) / "one") as one:
        folder = Path(name)
        write("trusted-root.json", one.root.read_bytes())
        write("signed.json", made(folder, one, "ada@example.test", STATEMENT))
        write("report.json", made(folder, one, "ada@example.test", REPORT))
        write("mallory.json", made(folder, one, "mallory@example.test", STATEMENT))
        write("cosign.json", by_cosign(folder, one))
        write("certified.json", certified(one))


def write(name: str, data: bytes) -> None:
    (CASES / name).write_text(json.dumps(json.loads(data), indent=2, sort_keys=True) + "\n")


def made(folder: Path, sigstore: Sigstore, who: str, statement: bytes) -> bytes:
    token = folder / "token"
    token.write_text(sigstore.provider.token(who))
    signing = Keyless(find_token(token), find_instance(sigstore.root, sigstore.services))

    async def sign() -> bytes:
        signer = await signing.certified()
        return (await signing.signed(signer, statement)).bundle

    return asyncio.run(sign())


def by_cosign(folder: Path, sigstore: Sigstore) -> bytes:
    """About the same image: cosign takes a statement that is ready."""
    (folder / "statement").write_bytes(STATEMENT)
    (folder / "token").write_text(sigstore.provider.token())
    command = [
        cosign_3(), "attest-blob", "--yes", "--statement=statement", "--bundle=bundle",
        "--identity-token=token",
        f"--signing-config={sigstore.services}", f"--trusted-root={sigstore.root}",
    ]  # fmt: skip
    env = {"HOME": str(folder), "PATH": os.environ["PATH"]}
    subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True)
    return (folder / "bundle").read_bytes()


def certified(sigstore: Sigstore) -> bytes:
    """What Fulcio answers to who asks for a certificate. The key of this one is thrown away."""
    [authority] = json.loads(sigstore.services.read_text())["caUrls"]
    request = CertificateSigningRequestBuilder().subject_name(Name([]))
    signed = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    pem = base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()
    answer = httpx.post(
        f"{authority['url']}/api/v2/signingCert",
        headers={"Authorization": f"Bearer {sigstore.provider.token()}"},
        content=compact({"certificateSigningRequest": pem}),
    )
    answer.raise_for_status()
    return answer.content


if __name__ == "__main__":
    main()
