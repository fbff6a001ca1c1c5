"""To whom credentials are said."""

import pytest

from builder.registry.client import is_same_origin


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://registry.example/v2/app/blobs/uploads/1", True),
        ("https://registry.example:443/v2/", True),
        ("http://registry.example/v2/", False),
        ("https://registry.example:5000/v2/", False),
        ("https://storage.example/v2/", False),
        ("https://registry.example.evil/v2/", False),
    ],
)
def test_credentials_are_for_the_registry_alone_and_encrypted(url: str, same: bool) -> None:
    assert is_same_origin(url, "https://registry.example") is same
