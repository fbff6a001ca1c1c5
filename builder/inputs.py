"""What went into a build, gathered for its provenance."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import deflate

from builder.config.plan import lock_profile
from builder.config.workspace import Workspace
from builder.controls.passwd import read_text
from builder.model.plan import Plan
from builder.model.tree import Rootfs
from builder.packages.bytecode import CACHE
from builder.stages import Made
from builder.supply.provenance import UNHOSTED, Input, Making
from builder.workplace import EPOCH, Workplace

BUILDER = "TEMPER_BUILDER_ID"
"""A URI for who builds: a hosted platform sets it, as GitHub's name of a workflow."""


def making(place: Workplace, plan: Plan, made: Made) -> Making:
    """Of an image that was assembled."""
    image = made.image
    epoch = os.environ.get(EPOCH, "")
    return Making(
        image=plan.image,
        profile=plan.profile,
        platform=image.config.platform,
        name=made.contract.image,
        digest=image.digest,
        sources=(*described(place.workspace, plan), *own_files(image.rootfs)),
        indexes=made.indexes,
        section=made.section,
        distribution=made.distribution,
        epoch=int(epoch) if epoch else None,
        libraries=(("deflate", deflate.__version__),),
        builder=os.environ.get(BUILDER) or UNHOSTED,
    )


def described(workspace: Workspace, plan: Plan) -> Iterator[Input]:
    """The files that say what is to be built. Of two profiles of one name, one extends the other."""
    yield hashed(f"images/{plan.folder.name}/image.yaml", plan.folder / "image.yaml")
    lock = workspace.lock_path(plan.image, lock_profile(plan))
    yield hashed(f"images/{plan.folder.name}/{lock.name}", lock)
    seen: dict[str, Path] = {}
    for name in plan.chain:
        path = workspace.hidden_profile(seen[name]) if name in seen else workspace.profile(name)
        if path is not None:
            yield hashed(f"profiles/{path.name}" + " (hidden)" * (name in seen), path)
            seen[name] = path


def own_files(rootfs: Rootfs) -> Iterator[Input]:
    """Those of `files:`, by where they stand in the image; byte code follows from them."""
    for entry in rootfs.files():
        if entry.owner.kind == "file" and f"/{CACHE}/" not in entry.path and entry.content is not None:
            yield Input(name=f"/{entry.path}", sha256=entry.content.sha256)


def hashed(name: str, path: Path) -> Input:
    return Input(name=name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def distribution(rootfs: Rootfs) -> str:
    """`debian-13`"""
    text = read_text(rootfs, "etc/os-release") or ""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    vendor, version = (fields.get(name, "").strip('"') for name in ("ID", "VERSION_ID"))
    return f"{vendor}-{version}".strip("-") or "unknown"
