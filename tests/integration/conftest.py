"""What the integration tests stand on: a container engine, where one answers."""

import os
from collections.abc import Iterator

import pytest

from builder.errors import EngineError
from builder.image.engine import Engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Skips where no engine answers; with TEMPER_REQUIRE_ENGINE=1 (as in CI) that is a failure."""
    try:
        connected = Engine.connect()
    except EngineError as error:
        if os.environ.get("TEMPER_REQUIRE_ENGINE") == "1":
            pytest.fail(f"TEMPER_REQUIRE_ENGINE=1, but {error}")
        pytest.skip(str(error))
    with connected:
        yield connected
