"""The protocol's paths as an ASGI application."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server import NAME, VERSION
from server.errors import BusyError, EncodingError, RequestError, SlowClientError, TooLargeError
from server.messages import LENGTH_HEADER, read_request, write_response
from server.models import Model
from server.work import Service

RETRY_AFTER_SECONDS = "1"


def make_app(service: Service) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        service.start()
        yield
        service.stop()

    app = Starlette(
        lifespan=lifespan,
        routes=_routes(),
        exception_handlers={
            RequestError: _refused,
            HTTPException: _http_error,
            ClientDisconnect: _gone,
            Exception: _bug,
        },
    )
    app.state.service = service
    return app


def _routes() -> list[Route]:
    model = "/v2/models/{name}"
    routes = [Route("/v2", metadata), Route("/v2/health/live", live), Route("/v2/health/ready", ready)]
    for path in (model, model + "/versions/{version}"):
        routes += [
            Route(path, model_metadata),
            Route(path + "/ready", model_ready),
            Route(path + "/infer", infer, methods=["POST"]),
        ]
    return routes


async def metadata(_: Request) -> Response:
    return JSONResponse({"name": NAME, "version": VERSION, "extensions": ["binary_tensor_data"]})


async def live(_: Request) -> Response:
    return JSONResponse({"live": True})


async def ready(request: Request) -> Response:
    """True once every model is loaded."""
    loaded = _service(request).models is not None
    return JSONResponse({"ready": loaded}, status_code=200 if loaded else 503)


async def model_metadata(request: Request) -> Response:
    return JSONResponse(_model(request).metadata())


async def model_ready(request: Request) -> Response:
    return JSONResponse({"name": _model(request).name, "ready": True})


async def infer(request: Request) -> Response:
    service, model = _service(request), _model(request)
    with service.buffer.share() as take:
        body = await _body(request, take)
        work = functools.partial(_answer, model, body, request.headers.get(LENGTH_HEADER))
        content, headers = await service.queue.run(work)
    return Response(content, headers=headers)


def _answer(model: Model, body: bytes, json_length: str | None, options: Any) -> tuple[bytes, dict[str, str]]:
    """All that takes time, in one go: the event loop stays free for the health checks."""
    wanted = read_request(body, json_length, model)
    results = model.run(wanted.inputs, list(wanted.outputs), options)
    return write_response(wanted, model, results)


def _service(request: Request) -> Service:
    found: Service = request.app.state.service
    return found


def _model(request: Request) -> Model:
    models = _service(request).ready_models()
    return models.find(request.path_params["name"], request.path_params.get("version"))


async def _body(request: Request, take: Callable[[int], None]) -> bytes:
    settings = _service(request).settings
    if request.headers.get("content-encoding", "identity") != "identity":
        raise EncodingError("send the body without Content-Encoding")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > settings.max_request:
        raise _too_large(settings.max_request)
    try:
        async with asyncio.timeout(settings.read_timeout):
            return await _read(request, settings.max_request, take)
    except TimeoutError:
        raise SlowClientError(f"the request was not there after {settings.read_timeout:g} seconds") from None


async def _read(request: Request, limit: int, take: Callable[[int], None]) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > limit:
            raise _too_large(limit)
        take(len(chunk))
        body += chunk
    return bytes(body)


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {limit} bytes, the limit here (ONNX_MAX_REQUEST)")


async def _refused(_: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RequestError) else 500
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if isinstance(error, BusyError) else None
    return JSONResponse({"error": str(error)}, status_code=status, headers=headers)


async def _http_error(request: Request, error: Exception) -> Response:
    """Starlette's own: a path that is not the protocol's, a method that the path doesn't know."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    said = {404: f"no path '{request.url.path}'", 405: f"{request.method} is not for '{request.url.path}'"}
    return JSONResponse({"error": said.get(status, str(error))}, status_code=status, headers=headers)


async def _gone(_: Request, __: Exception) -> Response:
    """Nobody reads this any more."""
    return Response(status_code=400)


async def _bug(_: Request, __: Exception) -> Response:
    """The traceback is in the log; a client is told nothing of the inside."""
    return JSONResponse({"error": "internal error"}, status_code=500)
