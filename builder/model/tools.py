"""Which releases of scanners are never run, and why."""

from collections.abc import Mapping

from builder.model.scan import ProgramName

TAKEN_OVER = "that release was not made by its makers (GHSA-69fq-xp46-6x23)"

REFUSED: Mapping[ProgramName, Mapping[str, str]] = {
    "trivy": dict.fromkeys(("0.69.4", "0.69.5", "0.69.6"), TAKEN_OVER),
    "grype": {},
}
"""Program -> version -> reason. 0.69.4 was published with malicious code on 19 March 2026 (CVE-2026-33634);
0.69.5 and 0.69.6 exist as container images of the same hand."""


def refusal(program: str, version: str) -> str:
    """Why a release is not run; empty where nothing speaks against it."""
    for name, releases in REFUSED.items():
        if name == program and version.removeprefix("v") in releases:
            return releases[version.removeprefix("v")]
    return ""
