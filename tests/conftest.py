"""For all tests."""

import signal


def pytest_configure() -> None:
    """A CI that starts us in the background has Ctrl-C ignored, and every child would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
