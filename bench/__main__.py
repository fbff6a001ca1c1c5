"""`python -m bench`: measures, and writes `bench/results.md`. Takes minutes, wants a machine at rest."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from bench.big import STARTED, BigPlace, section, section_of, with_section
from bench.big import measure as measure_big
from bench.clock import FailedError
from bench.cold import NAMES, Cold
from bench.foreign import Foreign
from bench.peers import BASE_IMAGE, PEER_IMAGE, Peers, mirror
from bench.place import IMAGE, SERVER, TOP, Place
from bench.registry import Registry
from bench.results import Findings, page
from bench.rounds import Measured, interleaved
from bench.sizes import Size, archive_size, layout_size
from bench.subjects import CHANGED, DOCKER, FOREIGN, LOADED_CHANGED, PUBLISH, UNCHANGED, Live, subjects, tag
from bench.table import MEGA
from bench.versions import versions

LEAST = 400
"""MB that hold the base and a few libraries."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def main() -> None:
    asked = arguments()
    root = TOP / "build" / "bench"
    if asked.big is not None:
        write_big(BigPlace(root), asked)
        return
    place = Place(root)
    tell("setting up: a workspace and a store of its own")
    place.set_up()
    if asked.fresh_store:
        shutil.rmtree(place.store, ignore_errors=True)
    with mirror(root / "mirror") as port:
        findings = measure(place, root, port, asked)
    text = with_section(page(findings, versions(place.env)), section_of(written(asked.output)))
    asked.output.write_text(text, encoding="utf-8")
    print(text)


def written(page: Path) -> str:
    return page.read_text(encoding="utf-8") if page.is_file() else ""


def write_big(place: BigPlace, asked: argparse.Namespace) -> None:
    """Measures the images of gigabytes alone, and replaces their section of the page."""
    tell("setting up a workspace of its own; the store is yours")
    place.set_up()
    found, missing = measure_big(place, asked.big or tuple(STARTED), asked.runs, tell)
    text = section(found, missing, {**versions(place.env), "runs": f"{asked.runs} of each; medians"})
    asked.output.write_text(with_section(written(asked.output), text), encoding="utf-8")
    print(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="rounds; default: 5")
    parser.add_argument(
        "--output", type=Path, default=TOP / "bench" / "results.md", help="where the page goes"
    )
    parser.add_argument(
        "--fresh-store", action="store_true", help="download everything anew before measuring"
    )
    parser.add_argument(
        "--large",
        type=int,
        default=1000,
        help="MB of the large foreign image (5000: some minutes); default: 1000",
    )
    parser.add_argument(
        "--big",
        nargs="*",
        choices=STARTED,
        metavar="IMAGE",
        help="only the images of gigabytes (all, or these): 40 GB of disk, half an hour",
    )
    asked = parser.parse_args()
    if asked.runs < 1:
        parser.error("--runs: at least one round")
    if asked.large < LEAST:
        parser.error(f"--large: at least {LEAST} MB")
    return asked


def tell(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def measure(place: Place, root: Path, port: int, asked: argparse.Namespace) -> Findings:
    architecture = ARCHITECTURES.get(os.uname().machine, os.uname().machine)
    packages = place.packages(f"linux/{architecture}")
    peers = Peers(folder=root / "peers", packages=packages, port=port, env=dict(place.env))
    foreign = Foreign(root=root / "foreign", place=place, base=peers.base, size=asked.large * MEGA)
    live = Live(place, architecture)
    cold = Cold(root=root / "cold", place=place, architecture=architecture)
    registry = Registry(root=root / "registry", place=place)
    measured = Measured()
    try:
        prepare(place, peers, measured)
        prepare_foreign(foreign, measured)
        prepare_cold(cold, measured)
        prepare_registry(registry, measured)
        every = (*subjects(place, peers, live, foreign, registry), *cold.subjects())
        interleaved(every, asked.runs, tell, measured)
    finally:
        registry.close()
        peers.remove(PEER_IMAGE, *cold.tags, BASE_IMAGE, tag(IMAGE), tag(SERVER))
    return Findings(
        measured=measured,
        ours=our_size(place, architecture),
        peer=archive_size(peers.rootfs) if peers.rootfs.is_file() else None,
        checks=len(live.checks),
        runs=asked.runs,
        foreign=foreign.sizes(),
        cold=cold.sizes,
    )


def prepare(place: Place, peers: Peers, measured: Measured) -> None:
    """Fills the store and makes the base image; what can't be had is told now rather than in every round."""
    place.fill(IMAGE)
    try:
        place.fill(SERVER)
    except FailedError as error:
        measured.missing |= dict.fromkeys((UNCHANGED, CHANGED, LOADED_CHANGED), str(error))
    peers.set_up()
    peers.rootfs.unlink(missing_ok=True)
    tell("making the base image that the Dockerfile starts from")
    try:
        peers.import_base()
    except FailedError as error:
        measured.missing[DOCKER] = str(error)


def prepare_foreign(foreign: Foreign, measured: Measured) -> None:
    tell("making the images that others could have built")
    try:
        foreign.set_up()
    except FailedError as error:
        measured.missing |= dict.fromkeys(FOREIGN, str(error))


def prepare_registry(registry: Registry, measured: Measured) -> None:
    try:
        registry.set_up()
    except FailedError as error:
        measured.missing[PUBLISH] = str(error)


def prepare_cold(cold: Cold, measured: Measured) -> None:
    tell("making the servers that are started, and stock images of the same wheels")
    try:
        cold.set_up()
    except FailedError as error:
        measured.missing |= dict.fromkeys(NAMES, str(error))


def our_size(place: Place, architecture: str) -> Size | None:
    try:
        report = place.report(IMAGE, architecture)
    except FailedError:
        return None
    return layout_size(place.folder(IMAGE, architecture) / "oci", len(report["packages"]))


if __name__ == "__main__":
    main()
