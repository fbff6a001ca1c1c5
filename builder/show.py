"""What `temper list`, `plan` and `explain` answer: as plain data, and as text for people. Pure."""

import textwrap
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder import resources
from builder.config.parse import parse_image, parse_profile
from builder.controls.catalogue import CATALOGUE
from builder.controls.frame import AnyControl
from builder.controls.page import enforced
from builder.errors import InputError
from builder.model.plan import Plan
from builder.model.profile import RunSettings, Ulimit
from builder.model.scan import ScanSettings
from builder.model.scheduling import ANY, Mps
from builder.model.spec import GpuSpec
from builder.names import suggestion
from builder.verify.marks import live_tests

if TYPE_CHECKING:
    from builder.config.workspace import Workspace

Rows = Sequence[tuple[str, ...]]


def table(rows: Rows, indent: str = "  ", right: Collection[int] = ()) -> str:
    """Columns as wide as their widest cell; the last one is left ragged. `right` are columns of numbers."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def listing(workspace: "Workspace") -> dict[str, Any]:
    """Raises `InputError` for the first file that is wrong."""
    if clashes := workspace.clashes():
        raise InputError(map(str, clashes))
    images = [
        {
            "name": name,
            "description": parse_image(source.path, source.variant).description,
            "path": str(source.folder),
            "variant-of": source.folder.name if source.variant else None,
        }
        for name, source in workspace.images().items()
    ]
    profiles = []
    for name, path in sorted(workspace.profiles().items()):
        profile = parse_profile(path)
        profiles.append({"name": name, "title": profile.title, "extends": profile.extends, "path": str(path)})
    return {"images": images, "profiles": profiles}


def below(listing: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Without the built-in ones."""
    inside = folder.resolve()
    return {
        kind: [row for row in rows if Path(row["path"]).resolve().is_relative_to(inside)]
        for kind, rows in listing.items()
    }


def listing_text(listing: dict[str, Any]) -> str:
    images = [
        (row["name"], row["description"] + _aside("variant of", row["variant-of"]))
        for row in listing["images"]
    ]
    profiles = [
        (row["name"], row["title"] + _aside("extends", row["extends"])) for row in listing["profiles"]
    ]
    return "\n".join(["images", table(images), "profiles", table(profiles)])


def _aside(what: str, name: str | None) -> str:
    return f" ({what} {name})" if name else ""


def plan_data(plan: Plan) -> dict[str, Any]:
    return {
        "image": plan.image,
        "variant-of": plan.variant_of or None,
        "profile": plan.profile,
        "extends": list(plan.chain[1:]),
        "spec": plan.spec.model_dump(mode="json", by_alias=True, exclude={"variants"}),
        "packages": [{"name": item.name, "asked-by": item.asked_by} for item in plan.packages],
        "controls": [
            {
                "key": item.key,
                "asked-by": item.asked_by,
                "parameters": item.parameters.model_dump(mode="json", by_alias=True),
            }
            for item in plan.controls
        ],
        "switched-off": [
            {"key": item.key, "reason": item.reason, "by": item.by} for item in plan.switched_off
        ],
        "run": plan.run.model_dump(mode="json", by_alias=True),
        "scan": plan.scan.model_dump(mode="json", by_alias=True),
        "waivers": [item.model_dump(mode="json", by_alias=True) for item in plan.waivers],
    }


def plan_text(plan: Plan) -> str:
    spec = plan.spec
    head: Rows = [
        ("image", f"{plan.image}: {spec.description}"),
        *([("variant", f"{plan.variant} of {plan.variant_of}")] if plan.variant else []),
        ("profile", " -> ".join(plan.chain)),
        ("base", spec.base),
        ("platforms", ", ".join(spec.platforms)),
        ("entrypoint", " ".join([*spec.entrypoint, *spec.cmd])),
        ("run", run_text(plan.run)),
        ("scan", scan_text(plan.scan)),
        *([("gpu", gpu_text(spec.gpu))] if spec.gpu is not None else []),
        *([("jit", "compiles while it runs")] if spec.jit else []),
    ]
    packages = [(item.name, f"asked by {item.asked_by}") for item in plan.packages]
    if spec.python is not None:
        packages += [(name, "wheel, asked by image") for name in spec.python.requirements]
    titles = {control.key: control.title for control in CATALOGUE}
    controls: Rows = [
        (
            item.key,
            parameters_text(item.parameters.model_dump(by_alias=True)),
            item.asked_by,
            titles[item.key],
        )
        for item in plan.controls
    ]
    sections = [table(head, ""), "packages", table(packages), f"controls ({len(controls)})", table(controls)]
    off: Rows = [(item.key, item.reason, f"by {item.by}") for item in plan.switched_off]
    waived: Rows = [(item.control, item.reason, f"until {item.expires}") for item in plan.waivers]
    for title, rows in (("switched off", off), ("waived", waived)):
        if rows:
            sections += [title, table(rows)]
    return "\n".join(sections)


def gpu_text(gpu: GpuSpec) -> str:
    """Whose, and what of it: `nvidia cuda=13 capabilities=compute,utility`."""
    said = gpu.model_dump(exclude_none=True, exclude={"vendor"}, by_alias=True)
    said["capabilities"] = ",".join(gpu.capabilities) if gpu.vendor == "nvidia" else ""
    said |= {name: "yes" if said[name] else "" for name in ("rdma", "required")}
    return " ".join([gpu.vendor, *(f"{key}={value}" for key, value in said.items() if value != "")])


def run_text(run: RunSettings) -> str:
    """What is empty, such as devices, goes without saying."""
    said = run.model_dump(exclude_none=True, by_alias=True, exclude={"ulimits", "sysctls", "mps"})
    said |= {f"ulimit-{name}": _limit_text(limit) for name, limit in (run.ulimits or {}).items()}
    said |= {f"sysctl-{name}": value for name, value in (run.sysctls or {}).items()}
    said |= {f"mps-{name}": value for name, value in _mps_words(run.mps or Mps())}
    said["devices"] = [device.path for device in run.devices or ()]
    for key, value in said.items():
        if value == ANY or isinstance(value, list | tuple):
            said[key] = ",".join(map(str, value)) if value != ANY else ""
    return " ".join(f"{key}={value}" for key, value in sorted(said.items()) if value != "")


def scan_text(scan: ScanSettings) -> str:
    said = scan.model_dump(by_alias=True, exclude={"pins"})
    said["scanners"] = ",".join(scan.scanners or ())
    said["fixed-only"] = "yes" if scan.fixed_only else "no"
    said["pins"] = ",".join(scan.pins or {})
    return " ".join(f"{key}={value}" for key, value in sorted(said.items()) if value != "")


def _mps_words(mps: Mps) -> Iterator[tuple[str, str]]:
    if mps.memory:
        yield "memory", ",".join(f"{device}:{size}" for device, size in sorted(mps.memory.items()))
    if mps.threads is not None:
        yield "threads", f"{mps.threads}%"


def _limit_text(limit: Ulimit) -> str:
    return str(limit.soft) if limit.soft == limit.hard else f"{limit.soft}:{limit.hard}"


def parameters_text(parameters: dict[str, Any]) -> str:
    """Only short values: a long list of paths would push the table off the screen."""
    shown = (f"{key}={value}" for key, value in parameters.items() if isinstance(value, str | int | float))
    return " ".join(shown) or "-"


def find_control(key: str) -> AnyControl:
    """Raises `InputError` with the nearest names."""
    for control in CATALOGUE:
        if control.key == key:
            return control
    raise InputError(f"control '{key}' does not exist" + suggestion(key, [item.key for item in CATALOGUE]))


def control_data(key: str) -> dict[str, Any]:
    control = find_control(key)
    schema = control.parameters.model_json_schema(by_alias=True)
    return {
        "key": control.key,
        "title": control.title,
        "why": control.why,
        "remedy": control.remedy,
        "foreign-remedy": control.foreign_remedy,
        "severity": control.severity.value,
        "references": [str(reference) for reference in control.references],
        "parameters": schema.get("properties", {}),
        "enforced": enforced(control),
        "live": list(live_tests(resources.suites_folder()).get(key, ())),
    }


ENFORCED = {
    "image": "changes the image where it has to",
    "run files": "the rendered run files start the image so",
    "-": "looks only, changes nothing",
}


def control_text(data: dict[str, Any]) -> str:
    lines = [f"{data['key']} ({data['severity']}): {data['title']}", ""]
    lines += textwrap.wrap(data["why"], 96)
    lines += ["", "when it fails"]
    lines += textwrap.wrap(data["remedy"], 96, initial_indent="  ", subsequent_indent="  ")
    if data["foreign-remedy"]:
        lines += ["", "on an image that others built"]
        lines += textwrap.wrap(data["foreign-remedy"], 96, initial_indent="  ", subsequent_indent="  ")
    if data["parameters"]:
        rows: Rows = [
            (name, f"default {field.get('default', 'required')}", field.get("description", ""))
            for name, field in data["parameters"].items()
        ]
        lines += ["", "parameters", table(rows)]
    lines += [
        "",
        "checks",
        f"  enforced: {ENFORCED[data['enforced']]}",
        "  audit: the finished image, all layers of it",
    ]
    lines += [f"  live: {name}" for name in data["live"]]
    lines += ["", "references"]
    lines += [f"  {reference}" for reference in data["references"]] or ["  none: Temper's own rule"]
    return "\n".join(lines)
