"""What changes from one image to another, and from what is known of one to what is of the other. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from builder import verdicts
from builder.controls.inventory import inventory
from builder.model.image import Image, ImageConfig, Layer
from builder.model.spec import Healthcheck
from builder.model.tree import Entry, Kind
from builder.show import Rows, table
from builder.verdicts import NOTHING, Told
from builder.verify.text import megabytes, plural

SHOWN = 20
"""Files that a person sees of each kind of change; `--json` has them all."""
_SIGNS = {"added": "+", "removed": "-", "changed": "~", "same": "="}


def compare(
    old: Image,
    new: Image,
    names: tuple[str, str],
    told: tuple[Told, Told] = (NOTHING, NOTHING),
) -> dict[str, Any]:
    """As plain data. `pull` are the bytes that a client which has the old image still has to fetch; `told` is
    what stands beside each.
    """
    layers = [*_layers(old.layers, new.layers)]
    return {
        "from": _head(old, names[0]),
        "to": _head(new, names[1]),
        "same": bool(old.digest) and old.digest == new.digest,
        "pull": sum(row["pull"] for row in layers),
        "layers": layers,
        "packages": [*_packages(old, new)],
        "config": [*_config(old.config, new.config)],
        "files": [*_files(old, new)],
        "controls": verdicts.controls(*told, names),
        "vulnerabilities": verdicts.vulnerabilities(*told, names),
    }


def _head(image: Image, name: str) -> dict[str, Any]:
    return {
        "image": name,
        "digest": image.digest,
        "packed": image.size,
        "unpacked": sum(entry.size for entry in image.rootfs.files()),
    }


def _layers(old: Iterable[Layer], new: Iterable[Layer]) -> Iterator[dict[str, Any]]:
    """The new image's layers in their order, then those of the old one that are gone."""
    before = list(old)
    by_name = {layer.name: layer for layer in before}
    left = list(before)
    for layer in new:
        match = next((one for one in left if _is_same(one, layer)), None)
        change = "same"
        if match is None:
            match = by_name.get(layer.name)
            change = "changed" if match in left else "added"
            match = match if match in left else None
        if match is not None:
            left.remove(match)
        yield _layer(layer, change, old_size=match.size if match is not None else 0)
    for layer in left:
        yield _layer(layer, "removed", old_size=layer.size)


def _layer(layer: Layer, change: str, old_size: int) -> dict[str, Any]:
    gone = change == "removed"
    return {
        "name": layer.name,
        "change": change,
        "digest": "" if gone else layer.digest,
        "from": old_size,
        "to": 0 if gone else layer.size,
        "pull": 0 if gone or change == "same" else layer.size,
    }


def _is_same(old: Layer, new: Layer) -> bool:
    """An engine has layers uncompressed only; a layout has their blobs as a registry sends them."""
    plain = old.diff_id == old.digest or new.diff_id == new.digest
    return old.digest == new.digest or (plain and old.diff_id == new.diff_id)


def _packages(old: Image, new: Image) -> Iterator[dict[str, str]]:
    before, after = _versions(old), _versions(new)
    for kind, name in sorted({*before, *after}):
        was, now = before.get((kind, name), ""), after.get((kind, name), "")
        if was != now:
            yield {"kind": kind, "name": name, "from": was, "to": now}


def _versions(image: Image) -> dict[tuple[str, str], str]:
    found = inventory(image)
    debs = {("deb", name): version for name, version in found.debs.items()}
    return debs | {("wheel", wheel.name): wheel.version for wheel in found.wheels}


def _config(old: ImageConfig, new: ImageConfig) -> Iterator[dict[str, Any]]:
    """Variables and labels by name; everything else as a whole."""
    for field in fields(ImageConfig):
        name = "created_text" if field.name == "created" else field.name
        was, now = getattr(old, name), getattr(new, name)
        if field.name in ("env", "labels"):
            what = "variable" if field.name == "env" else "label"
            yield from _pairs(what, dict(was), dict(now))
        elif was != now:
            yield {"what": field.name.replace("_", "-"), "from": _plain(was), "to": _plain(now)}


def _pairs(what: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield {"what": f"{what} {name}", "from": old.get(name), "to": new.get(name)}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, Healthcheck):
        return " ".join(value.command)
    return [str(one) for one in value]


def _files(old: Image, new: Image) -> Iterator[dict[str, Any]]:
    """With folders where both images have them. Times are not looked at: they say nothing of a file."""
    for path in sorted({*old.rootfs, *new.rootfs}):
        was, now = old.rootfs.get(path), new.rootfs.get(path)
        what = _differences(was, now)
        if what and not _is_mere_folder(was or now, was and now):
            change = "added" if was is None else "removed" if now is None else "changed"
            sizes = {"from": was.size if was is not None else 0, "to": now.size if now is not None else 0}
            yield {"path": path, "change": change, "what": what, **sizes}


def _is_mere_folder(entry: Entry | None, both: Entry | None) -> bool:
    return both is None and entry is not None and entry.kind is Kind.DIRECTORY


def _differences(old: Entry | None, new: Entry | None) -> list[str]:
    if old is None or new is None:
        return ["kind"]
    found = [
        name for name in ("kind", "mode", "uid", "gid", "target") if getattr(old, name) != getattr(new, name)
    ]
    if old.content is not None and new.content is not None and not _same_content(old, new):
        found.append("content")
    return found + (["xattrs"] if old.xattrs != new.xattrs else [])


def _same_content(old: Entry, new: Entry) -> bool:
    assert old.content is not None  # noqa: S101 - the caller has looked
    assert new.content is not None  # noqa: S101
    return old.size == new.size and old.content.sha256 == new.content.sha256


def compare_text(data: Mapping[str, Any]) -> str:
    old, new = data["from"], data["to"]
    head: Rows = [
        ("from", old["image"], old["digest"], f"{megabytes(old['unpacked'])} unpacked"),
        ("to", new["image"], new["digest"], f"{megabytes(new['unpacked'])} unpacked"),
    ]
    if data["same"]:
        known = [line for line in _known(data) if "not compared" not in line]
        return "\n".join([table(head, ""), *known, "the same image"])
    fetched = [row for row in data["layers"] if row["pull"]]
    pull = f"to pull: {megabytes(data['pull'])} in {plural(len(fetched), 'layer')} of {len(_present(data))}"
    sections = [table(head, ""), pull]
    for title, rows in (
        ("layers", _layer_rows(data)),
        ("packages", _package_rows(data)),
        ("config", _config_rows(data)),
    ):
        sections += [title, table(rows)] if rows else []
    files = _file_rows(data)
    return "\n".join([*sections, *_known(data), *(["files", table(files)] if files else [])])


def _known(data: Mapping[str, Any]) -> Iterator[str]:
    yield from verdicts.control_lines(data["controls"])
    yield from verdicts.vulnerability_lines(data["vulnerabilities"])


def _present(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row for row in data["layers"] if row["change"] != "removed"]


def _layer_rows(data: Mapping[str, Any]) -> Rows:
    return [
        (_SIGNS[row["change"]], row["name"], megabytes(row["to"] or row["from"]), row["digest"][:19])
        for row in data["layers"]
    ]


def _sign(was: Any, now: Any) -> str:
    return "+" if was in _NOTHING else "-" if now in _NOTHING else "~"


_NOTHING: tuple[Any, ...] = ("", None, [])


def _told(was: Any, now: Any) -> str:
    words = [" ".join(map(str, one)) if isinstance(one, list) else str(one) for one in (was, now)]
    if was in _NOTHING:
        return words[1]
    return words[0] if now in _NOTHING else " -> ".join(words)


def _package_rows(data: Mapping[str, Any]) -> Rows:
    return [
        (_sign(row["from"], row["to"]), f"{row['kind']} {row['name']}", _told(row["from"], row["to"]))
        for row in data["packages"]
    ]


def _config_rows(data: Mapping[str, Any]) -> Rows:
    return [
        (_sign(row["from"], row["to"]), row["what"], _told(row["from"], row["to"])) for row in data["config"]
    ]


def _file_rows(data: Mapping[str, Any]) -> Rows:
    """The first of each kind of change; the rest is counted."""
    rows: list[tuple[str, ...]] = []
    for change, sign in _SIGNS.items():
        files = [row for row in data["files"] if row["change"] == change]
        rows += [(sign, row["path"], _file_text(row)) for row in files[:SHOWN]]
        if len(files) > SHOWN:
            rows.append((sign, f"and {len(files) - SHOWN} more", f"{change}; --json has them all"))
    return rows


def _file_text(row: Mapping[str, Any]) -> str:
    if row["change"] != "changed":
        return megabytes(row["from"] or row["to"])
    return f"{', '.join(row['what'])}, {megabytes(row['from'])} -> {megabytes(row['to'])}"
