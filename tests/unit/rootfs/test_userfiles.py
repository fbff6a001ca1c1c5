from pathlib import Path

from builder.model.spec import FileSpec
from builder.rootfs.userfiles import user_entries

TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# made by a tool\n"


def written(folder: Path, *names: str, text: str = "x") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def paths(folder: Path, source: str = "app") -> list[str]:
    return [entry.path for entry in user_entries(folder, (FileSpec(source=source, target="/app"),), 0)]


def test_what_tools_keep_beside_the_code_stays_out(tmp_path: Path) -> None:
    written(tmp_path / "app", "main.py", "__pycache__/main.pyc", "part/.mypy_cache/3.11/part.json", "old.pyc")
    written(tmp_path / "app/part/.mypy_cache", "CACHEDIR.TAG", text=TAG)
    assert paths(tmp_path) == ["app", "app/main.py", "app/part"]


def test_only_the_signature_makes_a_cache(tmp_path: Path) -> None:
    written(tmp_path / "app/part", "CACHEDIR.TAG", "main.py")
    assert paths(tmp_path) == ["app", "app/part", "app/part/CACHEDIR.TAG", "app/part/main.py"]


def test_a_cache_that_is_asked_for_by_name_comes_along(tmp_path: Path) -> None:
    written(tmp_path / "app", "weights")
    written(tmp_path / "app", "CACHEDIR.TAG", text=TAG)
    assert paths(tmp_path) == ["app", "app/CACHEDIR.TAG", "app/weights"]
