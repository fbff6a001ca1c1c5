"""User-defined networks of the engine: a container's is made where nobody made it, and goes with it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from builder.image.leftovers import LABEL, is_dead, session

if TYPE_CHECKING:
    from docker import APIClient

ENGINES_OWN = ("default", "none")


@contextmanager
def present(
    api: "APIClient", name: str, told: Callable[[str], AbstractContextManager[None]]
) -> Iterator[None]:
    """Raises `EngineError` where the network can't be made."""
    if name in ENGINES_OWN or _found(api, name, told):
        yield
        return
    with told(f"making the network '{name}'"):
        made = api.create_network(name, check_duplicate=True, labels={LABEL: session()})
    try:
        yield
    finally:
        with told(f"removing the network '{name}'"):
            remove(api, made["Id"])


def _found(api: Any, name: str, told: Callable[[str], AbstractContextManager[None]]) -> bool:
    with told(f"looking for the network '{name}'"):
        return any(item["Name"] == name for item in api.networks(names=[name]))


def remove_dead(api: Any) -> None:
    """Those of Temper processes that were killed."""
    for item in api.networks(filters={"label": LABEL}):
        if is_dead(item["Labels"][LABEL]):
            remove(api, item["Id"])


def remove(api: Any, identity: str) -> None:
    """One that isn't there, or that another container has joined meanwhile, is left alone."""
    import docker.errors  # noqa: PLC0415 - 0.2 s

    with suppress(docker.errors.APIError):
        api.remove_network(identity)
