"""Seconds of the audit stage, from inside: `python -m bench.inside IMAGE` where the image was built."""

import json
import os
import sys
import time
from pathlib import Path

from builder.config.workspace import Workspace
from builder.controls.audit import audit
from builder.image.layout import read_layout
from builder.locks import current_lock
from builder.packages.store import Store
from builder.progress import Silent
from builder.results import output_folder
from builder.stages import LAYOUT
from builder.workplace import Workplace, host_platform, plan


def main(image: str) -> None:
    place = Workplace(
        workspace=Workspace.here(Path.cwd()),
        store=Store.default(),
        progress=Silent(),
        offline=True,
        locked=True,
    )
    planned = plan(place, image, "hardened")
    section = current_lock(place, planned).platforms[host_platform()]
    folder = output_folder(planned, host_platform(), None) / LAYOUT
    begin, cpu = time.perf_counter(), _cpu()
    audited = audit(read_layout(folder), planned, section, planned.controls)
    print(json.dumps({"seconds": time.perf_counter() - begin, "cpu": _cpu() - cpu, "controls": len(audited)}))


def _cpu() -> float:
    used = os.times()
    return used.user + used.system


if __name__ == "__main__":
    main(sys.argv[1])
