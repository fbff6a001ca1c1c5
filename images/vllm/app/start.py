"""Starts vLLM's server where there is a GPU, and says why not where there is none.

vLLM itself tells so after half a minute of imports, at the end of a traceback, also where it is asked for
help. Whoever says VLLM_TARGET_DEVICE=cpu has brought vLLM's kernels for the CPU, and needs no GPU.
"""

import os
import sys

from driver import HOW, fault

SERVER = "/usr/local/bin/vllm"


def main(arguments: list[str]) -> int:
    """The arguments are those of `vllm serve`. 1 without a GPU; else this process becomes the server."""
    reason = "" if os.environ.get("VLLM_TARGET_DEVICE") == "cpu" else fault()
    if not reason:
        os.execv(SERVER, [SERVER, "serve", *arguments])  # noqa: S606 - nothing is read by a shell
    sys.stderr.write(f"vllm: {reason}; {HOW}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
