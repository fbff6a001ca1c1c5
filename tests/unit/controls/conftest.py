"""The markers of the live suites, which `test_live.py` loads as modules."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    for name in ("control", "program"):
        config.addinivalue_line("markers", f"{name}: as in builder.verify.plugin")
