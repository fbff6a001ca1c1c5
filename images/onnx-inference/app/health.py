"""The image's health check: exit 0 when the server says that it is ready. Needs no shell and no curl."""

import http.client
import os
import sys

TIMEOUT_SECONDS = 4


def check() -> str:
    """Empty when ready, else what is wrong. Asks loopback: the server listens there unless told otherwise."""
    host, _, port = os.environ.get("ONNX_LISTEN", "0.0.0.0:8000").rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.strip("[]"), host.strip("[]"))  # noqa: S104
    connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/v2/health/ready")
        status = connection.getresponse().status
    except OSError as error:
        return f"no answer from {host}:{port}: {error}"
    finally:
        connection.close()
    return "" if status == 200 else f"not ready: HTTP {status}"


if __name__ == "__main__":
    problem = check()
    if problem:
        sys.exit(problem)
