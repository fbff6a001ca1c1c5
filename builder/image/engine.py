"""The container engine (Docker, or Podman by its compatible socket): the only importer of the docker SDK."""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from builder.errors import EngineError
from builder.image.docker_archive import Sizes, docker_archive, unknown
from builder.image.engine_answers import built, keeps_layers, loaded
from builder.image.engine_errors import address, broken_off, knock, refused, unreachable
from builder.image.layout import Stored, find_image, read_archive
from builder.image.leftovers import LABEL, is_dead, session
from builder.image.networks import present, remove_dead
from builder.image.running import Container, Mount, engine_arguments, trial_arguments
from builder.model.contract import RunContract
from builder.model.image import Image
from builder.model.injection import NOTHING, Injection
from builder.model.trial import Trial

if TYPE_CHECKING:
    from docker import DockerClient

PATIENCE = 600
"""Seconds that the engine may be silent: registering a layer of some gigabytes takes minutes."""
TRIED = "temper-audit"
"""Repository of images that are in the engine for as long as they are tried; the tag tells whose they are."""


def import_sdk() -> None:
    """It takes 0.2 s: for those who will need it, while they have to wait for something else anyway."""
    import docker  # noqa: F401, PLC0415


class Engine:
    """A connection. A context manager; every method raises `EngineError`."""

    def __init__(self, client: "DockerClient", where: str) -> None:
        self._client = client
        self._where = where
        self._api: Any = client.api

    @classmethod
    def connect(cls) -> "Engine":
        """By `DOCKER_HOST` (and `DOCKER_TLS_VERIFY`, `DOCKER_CERT_PATH`), else the default socket.

        Raises `EngineError`, telling apart an absent engine, a missing permission and one that's broken.
        """
        try:
            knock(address())
        except OSError as error:
            raise unreachable(address(), error) from None
        import docker  # noqa: PLC0415 - 0.2 s, for those who need an engine only
        import docker.errors  # noqa: PLC0415
        import requests  # noqa: PLC0415

        try:
            return cls(docker.from_env(timeout=PATIENCE), address())
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise unreachable(address(), error) from None

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    @property
    def _is_near(self) -> bool:
        return self._where.startswith("unix:")

    def version(self) -> str:
        """`20.10.24`"""
        with self._told("asking for its version"):
            return str(self._api.version()["Version"])

    def info(self) -> dict[str, Any]:
        """What it says of itself, by its own names (`Runtimes`, `CDISpecDirs`, ...)."""
        with self._told("asking what it knows"):
            answer: dict[str, Any] = self._api.info()
        return answer

    def runtime(self) -> str:
        """`runc 1.1.5+ds1`: what starts the programs. Docker and Podman tell it in their own words."""
        with self._told("asking for its version"):
            parts = {str(part["Name"]): part for part in self._api.version().get("Components") or ()}
        if "runc" in parts:
            return f"runc {parts['runc']['Version']}"
        found: dict[str, Any] = next(
            (part for name, part in parts.items() if name.startswith("OCI Runtime")), {}
        )
        words = str(found.get("Version", "")).split()
        return f"{words[0]} {words[2]}" if words[1:2] == ["version"] else " ".join(words) or "unknown"

    def load(self, layout: Path, tag: str, platform: str | None = None, sizes: Sizes = unknown) -> str:
        """Loads a layout's image and tags it, once it is whole; returns its id.

        Raises `ArchiveError` for a damaged layout. Whatever fails, the tag stays where it was.
        """
        return self._load(find_image(layout, platform), tag, sizes)

    def bring(self, layout: Path, name: str, sizes: Sizes = unknown) -> str:
        """Loads a layout's image without a tag; `name` is what messages call it. Returns its id."""
        return self._bring(find_image(layout), name, sizes)

    def tag(self, image: str, tag: str) -> None:
        """Has the tag mean this image, whatever it meant before."""
        with self._told(f"tagging '{tag}'"):
            self._tag(image, tag)

    def _load(self, stored: Stored, tag: str, sizes: Sizes = unknown) -> str:
        identity = self._bring(stored, tag, sizes)
        self.tag(identity, tag)
        return identity

    def _bring(self, stored: Stored, name: str, sizes: Sizes) -> str:
        with self._told(f"loading '{name}'"):
            if not self._has_image(stored.image_id) and not self._brought_the_rest(stored, name, sizes):
                self._send(stored, name, sizes)
        return stored.image_id

    def _brought_the_rest(self, stored: Stored, name: str, sizes: Sizes) -> bool:
        """Whether those layers were enough that the image called `name` today lacks: kilobytes of gigabytes.

        The engine compares each layer with what the config says. Where one has gone in the meantime, or an
        engine can't do without the rest, it refuses, and gets everything.
        """
        import docker.errors  # noqa: PLC0415

        there = self._in_common(stored, name)
        if not there:
            return False
        with suppress(EngineError, docker.errors.APIError):
            self._send(stored, name, sizes, there)
            return True
        return False

    def _in_common(self, stored: Stored, name: str) -> int:
        """How many of the lowest layers the image has too that is called so today."""
        import docker.errors  # noqa: PLC0415

        try:
            layers = (self._api.inspect_image(name).get("RootFS") or {}).get("Layers") or ()
        except docker.errors.APIError:
            return 0
        same = (one == other for one, other in zip(layers, stored.diff_ids, strict=False))
        count = sum(takewhile(bool, same))
        return count if count and keeps_layers(self._api.info()) else 0

    def _send(self, stored: Stored, name: str, sizes: Sizes, there: int = 0) -> None:
        packed = not self._is_near
        with closing(docker_archive(stored, packed=packed, sizes=sizes, there=there)) as archive:
            found = loaded(self._api.load_image(archive), name)
        self._check_loaded(name, stored.image_id, found)

    @contextmanager
    def lent(self, stored: Stored, identity: str = "") -> Iterator[str]:
        """The image's id in the engine, for the time of the block; one that was there before stays there.

        `identity` is how the engine itself named it: some name images otherwise than by their config.
        """
        identity = identity or stored.image_id
        with self._told(f"looking for the image '{identity}'"):
            there = self._has_image(identity)
        if there:
            yield identity
            return
        tag = f"{TRIED}:{session()}"
        try:
            yield self._load(stored, tag)
        finally:
            self.remove_image(tag)

    def build(self, context: Path, tag: str, *, tagged: bool = True) -> str:
        """Has the engine build a definition, with no network and nothing pulled; returns the image's id.

        What a failed build left is removed. Unless it is to be `tagged`, only messages call it by its tag.
        """
        made: list[str] = []
        with self._told(f"building '{tag}'"):
            try:
                stream = self._api.build(
                    path=str(context), tag=tag if tagged else None, decode=True, nocache=True, rm=True,
                    forcerm=True, pull=False, network_mode="none",
                )  # fmt: skip
                return built(stream, tag, made)
            except BaseException:
                with suppress(EngineError):
                    for image in reversed(made):
                        self.remove_image(image)
                raise

    def export(self, tag: str, folder: Path) -> Image:
        """The image as the engine has it, read back from `folder/image.tar`, which must outlive it."""
        path = folder / "image.tar"
        with path.open("wb") as file:
            self.save(tag, file)
        return read_archive(path)

    def save(self, image: str, out: BinaryIO) -> None:
        """Writes what `docker save` does."""
        with self._told(f"saving '{image}'"):
            for chunk in self._api.get_image(image, chunk_size=1 << 20):
                out.write(chunk)

    def image_id(self, name: str) -> str | None:
        """Of the image that the engine knows by a tag, a digest or the beginning of its id; or `None`."""
        import docker.errors  # noqa: PLC0415

        with self._told(f"looking for the image '{name}'"):
            try:
                return str(self._api.inspect_image(name)["Id"])
            except docker.errors.NotFound:
                return None
            except docker.errors.APIError as error:
                if error.status_code == 400:  # it is no name that an image could have
                    return None
                raise

    def container_image(self, name: str) -> str | None:
        """The id of the image that a container was made of; `None` where there is no such container."""
        import docker.errors  # noqa: PLC0415

        with self._told(f"looking for the container '{name}'"):
            try:
                return str(self._api.inspect_container(name)["Image"])
            except docker.errors.NotFound:
                return None

    def remove_image(self, tag: str) -> None:
        """And its untagged parents. One that isn't there, or that others use, is left alone."""
        import docker.errors  # noqa: PLC0415

        with self._told(f"removing '{tag}'"), suppress(docker.errors.APIError):
            self._api.remove_image(tag)

    @contextmanager
    def start(
        self,
        contract: RunContract,
        *,
        mounts: Sequence[Mount] = (),
        labels: Mapping[str, str] | None = None,
        interactive: bool = False,
        program: Sequence[str] = (),
        injection: Injection = NOTHING,
    ) -> Iterator[Container]:
        """A container started by exactly the contract, removed with its volumes however the block ends.

        `interactive` keeps stdin open, so that an interpreter waits there instead of ending at once;
        `program` is run in the place of the image's own, for looking into an image whose own one ends;
        `injection` is the GPU, which the contract leaves to each host.
        """
        self.remove_leftovers()
        name = f"temper-{contract.name}-{secrets.token_hex(6)}"
        arguments = {
            **engine_arguments(contract, mounts, injection),
            "name": name,
            "labels": {**(labels or {}), LABEL: session()},
            "stdin_open": interactive,
            **({"entrypoint": list(program)} if program else {}),
        }
        with present(self._api, contract.network, self._told):
            yield from self._started(contract.image, arguments)

    @contextmanager
    def start_trial(
        self, trial: Trial, *, mounts: Sequence[Mount] = (), program: Sequence[str]
    ) -> Iterator[Container]:
        """A container of an image that has no contract, running `program`; removed as the others are."""
        self.remove_leftovers()
        arguments = {
            **trial_arguments(trial, mounts),
            "name": f"temper-trial-{secrets.token_hex(6)}",
            "labels": {LABEL: session()},
            "entrypoint": list(program),
        }
        yield from self._started(trial.image, arguments)

    def _started(self, image: str, arguments: Mapping[str, Any]) -> Iterator[Container]:
        name, created = arguments["name"], False
        try:
            with self._told(f"starting '{image}'"):
                identity = self._client.containers.create(**arguments).id
                created = True
                self._api.start(identity)
            yield Container(id=identity or "", name=name, api=self._api, told=self._told)
        except BaseException as error:
            with suppress(EngineError):
                interrupted = not created and not isinstance(error, EngineError)
                self._remove_container(name, patience=2.0 if interrupted else 0.0)
            raise
        self._remove_container(name)

    def container(self, identity: str) -> Container:
        """A container that runs already, by its id or name; it stays when this process ends."""
        with self._told(f"looking for the container '{identity}'"):
            found = self._api.inspect_container(identity)
        return Container(id=found["Id"], name=found["Name"].lstrip("/"), api=self._api, told=self._told)

    def remove_leftovers(self) -> tuple[str, ...]:
        """Removes the containers of Temper processes that were killed; returns their names."""
        with self._told("looking for leftover containers"):
            found = self._api.containers(all=True, filters={"label": LABEL})
        dead = [item for item in found if is_dead(item["Labels"][LABEL])]
        for item in dead:
            self._remove_container(item["Id"])
        with self._told("looking for leftover networks"):
            remove_dead(self._api)
        self._remove_tried()
        return tuple(item["Names"][0].lstrip("/") for item in dead)

    def _remove_tried(self) -> None:
        with self._told("looking for leftover images"):
            found = self._api.images(name=TRIED)
        for tag in (tag for item in found for tag in item.get("RepoTags") or ()):
            if is_dead(tag.partition(":")[2]):
                self.remove_image(tag)

    def _remove_container(self, name: str, patience: float = 0.0) -> None:
        """`patience` in seconds: an engine that was interrupted while it created one may yet do so."""
        import docker.errors  # noqa: PLC0415

        deadline = time.monotonic() + patience
        while True:
            try:
                with self._told(f"removing the container '{name}'"), suppress(docker.errors.NotFound):
                    self._api.remove_container(name, v=True, force=True)
                    return
            except EngineError as error:
                if "already in progress" not in str(error):
                    raise
                return
            if time.monotonic() >= deadline:
                return
            time.sleep(0.1)

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """Turns the SDK's errors into `EngineError`; `doing` is what was asked: `loading 'temper/x:y'`."""
        import docker.errors  # noqa: PLC0415
        import requests  # noqa: PLC0415
        import urllib3.exceptions  # noqa: PLC0415

        try:
            yield
        except docker.errors.DockerException as error:
            raise refused(doing, str(getattr(error, "explanation", None) or error)) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError):
            raise broken_off(self._where, doing, self._answers()) from None

    def _answers(self) -> bool:
        try:
            return bool(self._api.ping())
        except Exception:
            return False

    def _has_image(self, image: str) -> bool:
        import docker.errors  # noqa: PLC0415

        try:
            self._api.inspect_image(image)
        except docker.errors.ImageNotFound:
            return False
        return True

    def _tag(self, image: str, tag: str) -> None:
        repository, colon, name = tag.rpartition(":")
        if not colon or "/" in name:
            repository, name = tag, "latest"
        self._api.tag(image, repository, name)

    def _check_loaded(self, tag: str, wanted: str, loaded: str) -> None:
        if loaded != wanted:
            self.remove_image(loaded)
            raise EngineError(
                f"loading '{tag}' failed: the container engine made the image '{loaded}' out of '{wanted}'; "
                "use one that keeps an image's config as it is"
            )
