"""The first half of the pipeline: what a lock names and the image's own files become a hardened image."""

from dataclasses import replace

from builder.bytecode import compiled
from builder.controls.harden import harden
from builder.image.layers import layer_blob, split, undated
from builder.inputs import distribution
from builder.locks import fetched, python_of
from builder.model.image import Image
from builder.model.lock import Lock
from builder.model.plan import Plan
from builder.packages.store import Store
from builder.packages.unpack import unpack
from builder.render.contract import make_contract
from builder.rootfs.compose import compose
from builder.rootfs.userfiles import user_entries
from builder.settled.frame import frame_of, unwatched_tree, watched
from builder.settled.made import made_again, recalled
from builder.stages import Frame, Made, tag_of
from builder.workplace import Workplace, created


def make(place: Workplace, plan: Plan, platform: str, *, anew: bool = False) -> Made:
    """gather, compose, harden, and the layers' blobs; where only own files changed, what is left of that."""
    lock = fetched(place, plan, platform)
    section, moment = lock.platforms[platform], created(lock.date)
    own = user_entries(plan.folder, plan.spec.files, moment)
    frame = frame_of(plan, section, platform, moment, own)
    known = recalled(place.store, frame) if not anew else None
    again = made_again(place, plan, lock, frame, known) if known is not None else None
    return again or composed(place, plan, lock, platform, frame)


def composed(place: Workplace, plan: Plan, lock: Lock, platform: str, frame: Frame) -> Made:
    from builder.render.rootfs import account_entries, image_user  # noqa: PLC0415 - audits need no templates

    section, moment = lock.platforms[platform], created(lock.date)
    place.progress.stage("unpacking")
    packages = unpack(place.store, section, python_of(plan))
    place.progress.stage("composing and hardening")
    generated = account_entries(plan, moment)
    image = compose(plan, platform, packages, generated, own=frame.own, user=image_user(plan), created=moment)
    hardened = harden(image.replace(rootfs=watched(frame, image.rootfs)), plan, section)
    image = hardened.image.replace(rootfs=unwatched_tree(frame, hardened.image.rootfs))
    image, interpreter = compiled(place, plan, image)
    place.progress.stage("writing layers")
    return Made(
        image=packed(image, place.store),
        changes=dict(hardened.changes),
        pruned=hardened.pruned,
        section=section,
        indexes=lock.indexes,
        contract=make_contract(plan, tag_of(plan), hardened.image.config.user),
        distribution=distribution(image.rootfs),
        frame=frame,
        interpreter=interpreter,
    )


def packed(image: Image, store: Store) -> Image:
    """The image cut into layers whose blobs lie in the store."""
    image = image.replace(rootfs=undated(image.rootfs))
    layers = []
    for layer in split(image.rootfs):
        blob = layer_blob(layer, store, image.config.created)
        layers.append(replace(layer, digest=blob.digest, diff_id=blob.diff_id, size=blob.size))
    return image.replace(layers=tuple(layers))
