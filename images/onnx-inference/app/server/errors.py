"""What a client is told when a request is refused; its `str()` becomes `{"error": ...}`."""

from collections.abc import Iterable


class RequestError(Exception):
    """Base: each kind has its HTTP status."""

    status = 400


class BadRequestError(RequestError):
    """The request itself is wrong. Holds every problem found, so that a client mends them in one go."""

    def __init__(self, problems: str | Iterable[str]) -> None:
        super().__init__(problems if isinstance(problems, str) else "; ".join(problems))


class UnknownModelError(RequestError):
    status = 404


class TooLargeError(RequestError):
    status = 413


class EncodingError(RequestError):
    status = 415


class SlowClientError(RequestError):
    """The client did not send its request in time."""

    status = 408


class InferenceError(RequestError):
    """The model refused the values, or failed."""

    status = 500


class UnrepresentableError(RequestError):
    """The result is sound, but JSON has no way to write it."""

    status = 406


class BusyError(RequestError):
    """The queue is full, or the models are still loading."""

    status = 503


class OutOfTimeError(RequestError):
    """The model took longer than allowed and was stopped."""

    status = 504


class ModelError(Exception):
    """A model can't be served: told once, at the start, and the process ends with 1."""


class SettingError(Exception):
    """An environment variable holds something that is not a setting; the process ends with 2."""
