from tests.integration.archive import archive

__all__ = ["archive"]
