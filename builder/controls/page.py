"""docs/controls.md: the whole catalogue for people, written by `make golden`. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from builder.controls.catalogue import CATALOGUE
from builder.controls.frame import AnyControl, Control
from builder.model.report import Severity

FAMILIES = {
    "Accounts and groups": ("accounts", "identity", "groups"),
    "Privilege and file integrity": ("privilege", "ownership", "loader"),
    "What is in the image": (
        "surface",
        "tools",
        "supply",
        "sbom",
        "licences",
        "closure",
        "secrets",
        "weights",
    ),
    "Supply chain": ("scanned", "updates", "chain", "signed", "dockerfile", "age"),
    "What the image tells an engine": ("configuration", "settings", "python", "trust"),
    "GPUs": ("driver", "cuda", "accelerator"),
    "How it is run": ("runtime", "bounds", "kernel"),
}
"""Title -> modules of `builder/controls` whose controls belong to it."""

HEAD = """\
# Controls

<!-- Written by `make golden` out of builder/controls: change it there. -->

{count} controls. Each changes the image or the files that start it where that can be done (*enforced*), looks
at the finished layout, all layers of it (*audit*), and where only a running container can tell, has tests in
the live suites (*live*). `temper explain KEY` prints the same; profiles switch controls on, with parameters.
For each there are mutants in `tests/unit/controls`: images, run files or answers of an engine that break
exactly this control. A mutant that survives, or that sets off another control, fails the tests.

A reference says which published rule a control answers to, in that version of the standard. It says that the
rule is met as far as files and a running container show it. It is no certification.
"""

LIMITS = """\
## Where a rule asks for more than a control decides

- *Capabilities and pids in Kubernetes*: a pod can't limit its processes nor set `noexec`; the kubelet's
  `podPidsLimit` and the read-only root hold there, and the rendered files say so.
- *A network of one's own* (CIS Docker 5.30): the run files use the engine's network unless the profile names
  one under `run: network:`, since a network that nobody made keeps a container from starting.
- *Executable stacks* are found and not cleared: that would change a file whose hash its package recorded.
- *FIPS 140-3*: the audit sees that a claimed provider is there and switched on. That it is the validated
  build, and refuses what it must, is for whoever holds the certificate's policy.
- *A GPU's driver* comes from the host at run time: what of it is mounted is the run contract's devices, and
  isn't in the image for an audit to see. That none of it is baked in, the audit does see.
- *The same digest again* is proven by `temper reproduce`, which builds the image once more and compares; the
  audit sees that no date in it is a clock's.
- *Linters of Dockerfiles*: the audit looks for what can go wrong in a Dockerfile without RUN; hadolint itself
  finds nothing in those that are rendered, which the tests hold to.
- *AppArmor and SELinux* are proven where the host has them; elsewhere the live test says `not run`.
- *Root in operation* (CIS Docker 5.23, 5.24): nothing here needs it. Whether somebody types
  `docker exec -u 0` is for the engine's own log.
- *A user id above 10000* (trivy KSV-0020): 65532 by default; a profile may choose otherwise.
"""


def catalogue_page(live: Mapping[str, Sequence[str]], profiles: Mapping[str, Sequence[str]]) -> str:
    """`live`: key -> tests that prove it; `profiles`: key -> profiles that ask for it, by name."""
    lines = [HEAD.format(count=len(CATALOGUE)), *_overview(live, profiles)]
    for title, modules in FAMILIES.items():
        lines += [f"## {title}", ""]
        for control in CATALOGUE:
            if type(control).__module__.rpartition(".")[2] in modules:
                lines += _section(control, live.get(control.key, ()), profiles.get(control.key, ()))
    return "\n".join([*lines, LIMITS])


def _overview(live: Mapping[str, Sequence[str]], profiles: Mapping[str, Sequence[str]]) -> Iterator[str]:
    counts = {severity: sum(1 for one in CATALOGUE if one.severity is severity) for severity in Severity}
    yield ", ".join(f"{count} {severity.value}" for severity, count in reversed(counts.items())) + "."
    yield from ("", "| control | severity | enforced | live | profiles |", "|---|---|---|---|---|")
    for control in CATALOGUE:
        cells = (
            f"[{control.key}](#{control.key})",
            control.severity.value,
            enforced(control),
            f"{len(live[control.key])} tests" if control.key in live else "-",
            ", ".join(profiles.get(control.key, ())) or "-",
        )
        yield f"| {' | '.join(cells)} |"
    yield ""


def enforced(control: AnyControl) -> str:
    """In the image, or by the run files: those are rendered so from the start."""
    if type(control).__module__.rpartition(".")[2] in FAMILIES["How it is run"]:
        return "run files"
    return "image" if enforces(control) else "-"


def enforces(control: AnyControl) -> bool:
    return type(control).enforce is not Control.enforce


def _section(control: AnyControl, live: Sequence[str], profiles: Sequence[str]) -> Iterator[str]:
    asked = f"asked for by {', '.join(profiles)}" if profiles else "asked for by no built-in profile"
    yield from (f"### {control.key}", "", f"**{control.title}** ({control.severity.value}; {asked}).", "")
    yield from (control.why, "", f"When it fails: {control.remedy}.", "")
    if control.foreign_remedy:
        yield from (f"On an image that others built: {control.foreign_remedy}.", "")
    yield from _parameters(control)
    if live:
        yield from ("Proven live by:", "", *(f"- {name}" for name in live), "")
    yield from ("Answers to:", "", *(f"- {reference}" for reference in control.references), "")


def _parameters(control: AnyControl) -> Iterator[str]:
    fields: dict[str, dict[str, Any]] = control.parameters.model_json_schema(by_alias=True).get(
        "properties", {}
    )
    if not fields:
        return
    yield from ("| parameter | default | what it says |", "|---|---|---|")
    for name, field in fields.items():
        default = f"`{plain(field['default'])}`" if "default" in field else "required"
        yield f"| `{name}` | {default} | {field.get('description', '')} |"
    yield ""


def plain(value: Any) -> str:
    """As one writes it in YAML."""
    if isinstance(value, list):
        return f"[{', '.join(map(plain, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return '""' if value == "" else str(value)
