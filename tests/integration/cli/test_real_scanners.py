"""The real trivy and grype, where `make tools` has built them: without a database they assess nothing."""

from pathlib import Path

import pytest

from tests.integration.cli.desk import Desk

TOOLS = Path(__file__).parents[3] / ".tools/bin"


@pytest.mark.parametrize("name", ["trivy", "grype"])
def test_without_a_database_it_says_so(used: Desk, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if not (TOOLS / name).is_file():
        pytest.skip(f"{name} is not in .tools/bin; run `make tools`")
    monkeypatch.setenv("PATH", f"{TOOLS}:/usr/bin:/bin")
    ran = used.run("-q", "scan", "app", "--scanner", name)
    how = {
        "trivy": f"copy one into '{used.store}/scanners/trivy/db'",
        "grype": f"`grype db import` with GRYPE_DB_CACHE_DIR='{used.store}/scanners/grype'",
    }
    assert ran.code == 1, ran.err
    assert (
        f"  - {name} did not assess the image: no database; run `temper scan --update`, or {how[name]}\n"
    ) in ran.out
