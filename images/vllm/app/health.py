"""The image's health check: exit 0 when the server says that its engine lives. Needs no shell and no curl."""

import http.client
import os
import sys

PORT = 8000
TIMEOUT_SECONDS = 8


def check(port: int = PORT) -> str:
    """Empty when healthy, else what is wrong."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except OSError as error:
        return f"no answer from 127.0.0.1:{port}: {error}"
    finally:
        connection.close()
    return "" if status == 200 else f"not healthy: HTTP {status}"


if __name__ == "__main__":
    problem = check(int(os.environ.get("VLLM_HEALTH_PORT", PORT)))
    if problem:
        sys.exit(problem)
