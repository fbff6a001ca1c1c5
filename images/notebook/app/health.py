"""The image's health check: exit 0 when the server answers. Needs no shell, no curl and no token."""

import http.client
import sys

PORT = 8888
TIMEOUT_SECONDS = 4


def check() -> str:
    """Empty when it answers, else what is wrong. `/api` tells the version, and that without a token."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/api")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"no answer from port {PORT}: {error}"
    finally:
        connection.close()
    return "" if status == 200 else f"not ready: HTTP {status}"


if __name__ == "__main__":
    problem = check()
    if problem:
        sys.exit(problem)
