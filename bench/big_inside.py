"""What is found out with Temper's own means: `python -m bench.big_inside IMAGE PROGRAM RUNS`."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from builder.config.workspace import Workspace
from builder.errors import EngineError
from builder.image.engine import Engine
from builder.image.layout import read_layout
from builder.image.memory import LARGE, Memory
from builder.model.contract import RunContract
from builder.model.image import Layer
from builder.packages.store import Store
from builder.progress import Silent
from builder.render.contract import make_contract
from builder.results import output_folder
from builder.stages import LAYOUT, tag_of
from builder.verify.refused import started
from builder.workplace import Workplace, plan

PLATFORM = "linux/amd64"


def main(image: str, program: str, runs: int) -> None:
    store = Store.default()
    place = Workplace(
        workspace=Workspace.here(Path.cwd()), store=store, progress=Silent(), offline=True, locked=True
    )
    planned = plan(place, image, "hardened")
    layout = output_folder(planned, PLATFORM, None) / LAYOUT
    found = read_layout(layout, memory=Memory(store=store, believe=LARGE))
    contract = make_contract(planned, tag_of(planned), found.config.user)
    told = {
        "executables": sum(bool(entry.mode & 0o111) for entry in found.rootfs.files()),
        "copied": copied(layout, found.layers),
        "cold": cold(replace(contract, entrypoint=(), cmd=()), program, runs),
    }
    print(json.dumps(told))


def copied(layout: Path, layers: Iterable[Layer]) -> dict[str, float]:
    """Bytes and seconds of `cp -a`. Layer by layer, since the disk need not have room for two more trees."""
    size, took = 0, 0.0
    for layer in layers:
        blob = layout / "blobs/sha256" / layer.digest.removeprefix("sha256:")
        with tempfile.TemporaryDirectory(prefix="temper-bench-") as name:
            there = Path(name, "from")
            there.mkdir()
            subprocess.run(["tar", "-x", "-z", "-f", blob, "--no-same-owner", "-C", there], check=True)
            begin = time.perf_counter()
            subprocess.run(["cp", "-a", there, Path(name, "to")], check=True)
            took += time.perf_counter() - begin
        size += sum(entry.size for entry in layer.rootfs.files())
    return {"bytes": size, "seconds": took}


def cold(contract: RunContract, program: str, runs: int) -> list[float]:
    """Seconds from the engine's order to the end of an interpreter that has imported the framework; none
    where no engine answers. The image is in the engine before, and not afterwards."""
    try:
        engine = Engine.connect()
    except EngineError:
        return []
    took = []
    with engine:
        try:
            start = partial(engine.start, program=["/usr/bin/python3", "-c", program])
            with started(start, contract) as first:  # without what this engine refuses
                contract = first.contract
            for _ in range(runs):
                begin = time.perf_counter()
                with start(contract) as container:
                    if container.wait(600) != 0:
                        raise SystemExit(container.logs().decode(errors="replace"))
                    took.append(time.perf_counter() - begin)
        finally:
            engine.remove_image(contract.image)
    return took


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
