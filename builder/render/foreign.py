"""The Dockerfile of a hardened image that others built. Pure."""

from builder.errors import InputError
from builder.model.image import ImageConfig
from builder.render.environment import make_environment, render_template


def dockerfile(name: str, profile: str, config: ImageConfig, layers: tuple[str, ...]) -> str:
    """Raises `InputError` for what our Dockerfiles, which run nothing, have no way to say."""
    if config.healthcheck_shell:
        raise InputError("the health check is in shell form")
    if config.on_build:
        raise InputError("it has ONBUILD steps")
    return render_template(
        make_environment(),
        "Dockerfile.foreign.j2",
        image=name,
        profile=profile,
        config=config,
        layers=layers,
    )
