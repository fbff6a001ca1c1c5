"""What the image tells an engine: how it is started, what it listens on, how it is watched."""

from collections.abc import Iterable, Iterator

from pydantic import Field

from builder.controls import passwd
from builder.controls.frame import Context, Control, NoParameters
from builder.controls.ownership import search_fault
from builder.controls.programs import DEFAULT_PATH, fault
from builder.controls.references import cidg, cis, cwe, dockle, hadolint, nist, oci, srg
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.plan import Plan
from builder.model.report import Finding, Severity
from builder.model.spec import Strings
from builder.model.tree import Kind

SEARCHED = ("PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT", "PYTHONPATH", "PYTHONHOME")
"""Variables that decide which code is run."""


class SafePath(Control[NoParameters]):
    key = "safe-path"
    title = "Programs and libraries are only looked for where the user can't put any"
    why = (
        "An empty or relative element means the working directory; one that the user may write lets him, "
        "or what broke into him, replace every program and library."
    )
    remedy = "keep PATH and the LD_ and PYTHON variables to absolute folders that belong to root"
    severity = Severity.HIGH
    references = (nist("4.1.2"), cwe("426"), cwe("427"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        env = []
        for name, value in image.config.env:
            if name in SEARCHED:
                kept = [part for part in parts(name, value) if search_fault(image, part, context) is None]
                value = ":".join(kept) if len(kept) < len(parts(name, value)) else value  # noqa: PLW2901
            if value or name not in SEARCHED:
                env.append((name, value))
        if not any(name == "PATH" for name, _ in env):
            env = [("PATH", DEFAULT_PATH), *env]
        changed = tuple(env)
        if changed == image.config.env:
            return image
        return image.replace(config=image.config.replace(env=changed))

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        if image.config.env_value("PATH") is None:
            yield Finding(message="PATH is not set, so that each engine takes its own")
        for name, value in image.config.env:
            for part in parts(name, value) if name in SEARCHED else ():
                problem = search_fault(image, part, context)
                if problem is not None:
                    yield Finding(message=f"{name} holds '{part}', which {problem}")


def parts(name: str, value: str) -> list[str]:
    """LD_PRELOAD also takes blanks between its elements (ld.so(8)); an empty variable has no element."""
    if name in ("LD_PRELOAD", "LD_AUDIT"):
        return value.replace(":", " ").split()
    return value.split(":") if value else []


class ExecEntrypoint(Control[NoParameters]):
    key = "exec-entrypoint"
    title = "The entrypoint is an exec-form command that the user can start"
    why = (
        "Shell form needs a shell, swallows signals and splices its arguments; a program that isn't there "
        "or may not be executed fails only when somebody deploys it."
    )
    remedy = "write entrypoint (or cmd) as a list whose first word is a program of the image"
    foreign_remedy = "write ENTRYPOINT (or CMD) as a JSON list whose first word is a program of the image"
    severity = Severity.MEDIUM
    references = (hadolint("DL3025"), oci("config: Entrypoint"), nist("4.1.2"))

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        config = image.config
        command = config.entrypoint or config.cmd
        if not command:
            yield Finding(message="neither entrypoint nor cmd is set")
        else:
            problem = fault(image, command, passwd.account(image))
            if problem is not None:
                yield Finding(message=f"{'entrypoint' if config.entrypoint else 'cmd'} {problem}")
        folder = image.rootfs.resolve(config.workdir)
        if config.workdir.strip("/") and (folder is None or folder.kind is not Kind.DIRECTORY):
            yield Finding(message=f"workdir '{config.workdir}' is not a directory of the image")


class HealthcheckControl(Control[NoParameters]):
    key = "healthcheck"
    title = "A health check in exec form is there and can be started"
    why = (
        "Without one an engine takes a hung service for a healthy one. In shell form it fails in an image "
        "without a shell, and the engine then restarts a service that is fine."
    )
    remedy = "write healthcheck: [program, argument] in image.yaml, or waive this for a batch job"
    foreign_remedy = 'write HEALTHCHECK CMD ["program", "argument"], or waive this for a batch job'
    severity = Severity.LOW
    references = (cis("4.6"), cis("5.27"), dockle("CIS-DI-0006"), hadolint("DL3057"))

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        config = image.config
        if config.healthcheck is None:
            yield Finding(message="no health check is set")
        elif config.healthcheck_shell:
            yield Finding(
                message=f"the health check is in shell form: '{' '.join(config.healthcheck.command)}'"
            )
        else:
            problem = fault(image, config.healthcheck.command, passwd.account(image))
            if problem is not None:
                yield Finding(message=f"the health check {problem}")


class PortParameters(Strict):
    lowest: int = Field(default=1024, ge=1, le=65535, description="lowest port that may be exposed")


class DeclaredPorts(Control[PortParameters]):
    key = "declared-ports"
    title = "Only declared, unprivileged ports are exposed"
    why = (
        "A port nobody declared is a service nobody knows of; one below 1024 asks for a capability that a "
        "hardened container doesn't have."
    )
    remedy = "listen on a port from 1024 up and list it under `ports:`; publish it as any other outside"
    foreign_remedy = "listen on a port from 1024 up and EXPOSE that one; publish it as any other outside"
    severity = Severity.MEDIUM
    references = (
        cis("5.8"),
        cis("5.9"),
        cidg("CCI-001762"),
        srg("SRG-APP-000142-CTR-000330"),
        hadolint("DL3011"),
    )
    parameters = PortParameters

    def enforce(self, image: Image, parameters: PortParameters, context: Context) -> Image:
        if context.plan is None:
            return image
        declared = self._declared(context.plan)
        ports = tuple(port for port in image.config.ports if port in declared)
        ports += tuple(port for port in declared if port not in ports)
        return (
            image if ports == image.config.ports else image.replace(config=image.config.replace(ports=ports))
        )

    def _declared(self, plan: Plan) -> list[str]:
        return [f"{port}/tcp" for port in sorted(plan.spec.ports)]

    def audit(self, image: Image, parameters: PortParameters, context: Context) -> Iterable[Finding]:
        for port in image.config.ports:
            number = passwd.identifier(port.partition("/")[0])
            if number is None or number < parameters.lowest:
                yield Finding(message=f"port {port} is exposed, which is below {parameters.lowest}")
        if context.plan is not None:
            yield from self._undeclared(set(image.config.ports), set(self._declared(context.plan)))

    def _undeclared(self, exposed: set[str], declared: set[str]) -> Iterator[Finding]:
        for port in sorted(exposed - declared):
            yield Finding(message=f"port {port} is exposed but not declared in image.yaml")
        for port in sorted(declared - exposed):
            yield Finding(message=f"port {port} is declared in image.yaml but not exposed")


LABELS = "org.opencontainers.image."


class LabelParameters(Strict):
    required: Strings = Field(
        default=(f"{LABELS}title", f"{LABELS}description", f"{LABELS}created"),
        description="labels that must be there and not be empty",
    )


class OciLabels(Control[LabelParameters]):
    key = "oci-labels"
    title = "Labels say what the image is and of when"
    why = "An image that can't say what it is gets no owner when it has to be updated in a hurry."
    remedy = "add the label under `labels:` in image.yaml"
    foreign_remedy = "add the label by LABEL in the Dockerfile"
    severity = Severity.LOW
    references = (oci("annotations"), hadolint("DL3049"))
    parameters = LabelParameters

    def enforce(self, image: Image, parameters: LabelParameters, context: Context) -> Image:
        """Adds what is known; what image.yaml says wins."""
        labels = dict(image.config.labels)
        known = {f"{LABELS}created": image.config.created_text}
        if context.plan is not None:
            known[f"{LABELS}title"] = context.plan.image
            known[f"{LABELS}description"] = context.plan.spec.description
        missing = {name: value for name, value in known.items() if not labels.get(name)}
        return image.replace(config=image.config.with_labels(missing)) if missing else image

    def audit(self, image: Image, parameters: LabelParameters, context: Context) -> Iterable[Finding]:
        labels = dict(image.config.labels)
        for name in parameters.required:
            if not labels.get(name, "").strip():
                yield Finding(message=f"label '{name}' is missing or empty")
