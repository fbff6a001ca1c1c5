"""Which of onnxruntime's execution providers run the models, and whether they really do.

onnxruntime lists a provider whose libraries can't be loaded as available, and quietly runs everything on the
CPU in its stead. Here the CPU is taken only where ONNX_PROVIDERS names it.
"""

import logging
from pathlib import Path
from typing import Any

import onnxruntime as ort

from server import driver
from server.errors import ModelError

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
log = logging.getLogger("server")


def usable(wanted: tuple[str, ...]) -> tuple[str, ...]:
    """What of the wanted ones to ask for. Raises `ModelError` where nothing is left, or nobody knows one."""
    available = ort.get_available_providers()
    missing = [name for name in wanted if name not in available]
    if missing:
        raise ModelError(f"ONNX_PROVIDERS: no {', '.join(missing)} here; there is {', '.join(available)}")
    if CUDA not in wanted:
        return wanted
    reason = driver.fault()
    if not reason:
        ort.preload_dlls()  # CUDA's libraries lie in wheels, where the loader doesn't look by itself
        return wanted
    others = tuple(name for name in wanted if name != CUDA)
    if not others:
        raise ModelError(
            f"ONNX_PROVIDERS: {CUDA} can't be used: {reason}; {driver.HOW}, or write '{CUDA},{CPU}' "
            "to run on the CPU where there is none"
        )
    log.warning("%s can't be used: %s; the models run on %s", CUDA, reason, others[0])
    return others


def check_in_use(session: Any, wanted: tuple[str, ...], path: Path) -> None:
    """Raises `ModelError` where the session took a provider that nobody asked for."""
    used = session.get_providers()[0]
    if used not in wanted:
        raise ModelError(
            f"{path}: would run on {used}, since onnxruntime could not use {wanted[0]} (it has logged why); "
            f"add {used} to ONNX_PROVIDERS to allow it"
        )
    if used != wanted[0]:
        log.warning("%s runs on %s, since onnxruntime could not use %s", path, used, wanted[0])
