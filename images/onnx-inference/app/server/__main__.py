"""Starts the server. Exit codes: 0 stopped by a signal, 1 a model can't be served, 2 a setting is wrong."""

import logging
import logging.config
import os
import sys

import uvicorn

from server.api import make_app
from server.errors import SettingError
from server.settings import Settings, read_settings
from server.work import Service


class WithoutHealthChecks(logging.Filter):
    """They come every few seconds and would hide the rest."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "/v2/health/" not in record.getMessage()


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"requests": {"()": WithoutHealthChecks}},
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["requests"]}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}


def server_config(service: Service) -> uvicorn.Config:
    settings: Settings = service.settings
    host, port = settings.listen
    return uvicorn.Config(
        make_app(service),
        host=host,
        port=port,
        lifespan="on",
        log_config=LOGGING,
        server_header=False,
        proxy_headers=False,  # nobody's X-Forwarded-For is believed
        limit_concurrency=1024,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=round(settings.grace),
        h11_max_incomplete_event_size=64 << 10,
    )


def main() -> int:
    try:
        settings = read_settings()
    except SettingError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    service = Service(settings)
    server = uvicorn.Server(server_config(service))
    service.on_failure = lambda: setattr(server, "should_exit", True)
    try:
        server.run()
    except SystemExit:  # uvicorn's, where it could not listen; it has logged why
        return end(service, 1)
    if service.failure:
        sys.stderr.write(f"{service.failure}\n")
    return end(service, 1 if service.failure or not server.started else 0)


def end(service: Service, code: int) -> int:
    """A model that is still being loaded can't be interrupted, and Python must not tear down around it."""
    if service.loading.is_alive():
        logging.shutdown()
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
