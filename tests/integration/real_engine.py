"""The container engine of this machine, or why there is none."""

import os
from collections.abc import Iterator

import pytest

from builder.errors import EngineError
from builder.image.engine import Engine


def real_engine() -> Iterator[Engine]:
    """Skips where no engine answers; with TEMPER_REQUIRE_ENGINE=1 (as in CI) that is a failure."""
    if os.environ.get("ENGINE") == "none":
        pytest.skip("turned off by ENGINE=none")
    try:
        connected = Engine.connect()
    except EngineError as error:
        if os.environ.get("TEMPER_REQUIRE_ENGINE") == "1":
            pytest.fail(f"TEMPER_REQUIRE_ENGINE=1, but {error}")
        pytest.skip(str(error))
    with connected:
        yield connected
