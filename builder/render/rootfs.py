"""Generated files of the tree: the accounts, and where glibc looks names up."""

from jinja2.sandbox import ImmutableSandboxedEnvironment

from builder.model.plan import HOME, USER_ID, USER_NAME, Plan
from builder.model.tree import Bytes, Entry, Kind, Owner
from builder.render.environment import make_environment, render_template

MODES = {"passwd": 0o644, "group": 0o644, "shadow": 0o640, "nsswitch.conf": 0o644}


def image_user(plan: Plan) -> tuple[int, int]:
    """Uid and gid that the image runs as: the profile's, else 65532."""
    control = plan.control("nonroot-user")
    parameters = control.parameters if control is not None else None
    return getattr(parameters, "uid", USER_ID), getattr(parameters, "gid", USER_ID)


def account_entries(plan: Plan, mtime: int) -> tuple[Entry, ...]:
    """/etc/passwd, group, shadow and nsswitch.conf, and the user's home.

    `mtime` in seconds since the epoch. Nothing else is writable by the user: the home is a tmpfs where
    image.yaml says so, and on a read-only root it can't be written at all.
    """
    uid, gid = image_user(plan)
    environment = make_environment()
    owner = Owner(kind="temper", name="accounts")
    entries = [
        Entry(
            path=f"etc/{name}",
            kind=Kind.FILE,
            mode=mode,
            mtime=mtime,
            content=Bytes(_file(environment, name, uid, gid)),
            owner=owner,
        )
        for name, mode in MODES.items()
    ]
    home = Entry(
        path=HOME.lstrip("/"), kind=Kind.DIRECTORY, mode=0o750, uid=uid, gid=gid, mtime=mtime, owner=owner
    )
    return (*entries, home)


def _file(environment: ImmutableSandboxedEnvironment, name: str, uid: int, gid: int) -> bytes:
    text = render_template(
        environment,
        f"rootfs/etc/{name}.j2",
        user=USER_NAME,
        uid=uid,
        gid=gid,
        home=HOME,
    )
    return text.encode()
