import pytest

from builder.model.report import Report
from tests.unit.verify.parts import Parts


@pytest.fixture
def report() -> Report:
    return Parts().report()
