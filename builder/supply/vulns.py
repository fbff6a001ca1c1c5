"""What a scanner found, as something that is attested of an image: cosign's predicate for scans. Pure.

Of the two forms in use, this one is known to `cosign verify-attestation --type vuln` and to the admission
controllers that ask for a recent scan; in-toto's `vulns` is read by hardly anything yet. It has one scanner
each, and leaves the form of the result to that scanner.
"""

from typing import Any

from builder.model.scan import Scan, ScanRun

PREDICATE = "https://cosign.sigstore.dev/attestation/vuln/v1"
SCANNERS = {
    "built-in": "urn:temper:scanner:built-in",
    "grype": "pkg:github/anchore/grype",
    "trivy": "pkg:github/aquasecurity/trivy",
}
"""Who each is, by a URI."""


def predicates(scan: Scan) -> list[dict[str, Any]]:
    """One for each scanner that assessed the image: what another one could not tell is no result."""
    return [predicate(scan, run) for run in scan.runs if run.assessed]


def predicate(scan: Scan, run: ScanRun) -> dict[str, Any]:
    return {
        "invocation": {"builder.id": "", "event_id": "", "parameters": [], "uri": ""},
        "metadata": {"scanFinishedOn": scan.time, "scanStartedOn": scan.time},
        "scanner": {
            "db": {"uri": "", "version": run.database},
            "result": run.model_dump(mode="json", by_alias=True),
            "uri": SCANNERS[run.scanner],
            "version": run.version,
        },
    }
