"""For all tests."""

import signal
from typing import Any

import pytest

IMAGES = "tests/integration/images/"
"""Its tests share the images that they build, and the tags that these have in the engine."""


def pytest_configure() -> None:
    """A CI that starts us in the background has Ctrl-C ignored, and every child would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Several processes share the work by the file."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - most runs of a few tests need none

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            return IMAGES if nodeid.startswith(IMAGES) else nodeid.partition("::")[0]

    return ByFile(config, log)
