"""What `make tools` builds: pinned, of no refused release, with a reason each."""

from pathlib import Path

from builder.model.tools import REFUSED, refusal

TOOLS = Path(__file__).parents[3] / ".ci/tools.txt"


def test_every_tool_is_pinned_and_has_a_reason() -> None:
    text = TOOLS.read_text()
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    assert [row[0] for row in rows] == ["trivy", "grype", "cosign"]
    for name, module, version, command, variable, experiment in rows:
        assert f"# {name}: " in text
        assert version.startswith("v")
        assert refusal(name, version) == ""
        assert (module.count("/") >= 2, command, bool(variable), bool(experiment)) == (
            True, f"./cmd/{name}", True, True,
        )  # fmt: skip


def test_what_is_refused_is_refused_however_it_is_written() -> None:
    for name, releases in REFUSED.items():
        for version, reason in releases.items():
            assert refusal(name, version) == refusal(name, f"v{version}") == reason
