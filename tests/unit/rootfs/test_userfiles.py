from pathlib import Path

import pytest

from builder.errors import InputError
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


def test_what_several_images_bring_stands_in_one_of_them(tmp_path: Path) -> None:
    written(tmp_path / "server/app", "main.py", "part/more.py")
    (tmp_path / "other").mkdir()
    found = paths(tmp_path / "other", "../server/app/")
    assert found == ["app", "app/main.py", "app/part", "app/part/more.py"]


@pytest.mark.parametrize(
    "source", ["../server", "..", "../../server/app", "../server/../../x", "/etc/passwd"]
)
def test_nothing_beyond_the_images_folders_is_taken(tmp_path: Path, source: str) -> None:
    written(tmp_path / "images/server/app", "main.py")
    folder = tmp_path / "images/other"
    folder.mkdir()
    with pytest.raises(InputError) as raised:
        user_entries(folder, (FileSpec(source=source, target="/app"),), 0)
    assert (
        str(raised.value) == f"{folder / source}: lies outside of {folder}; copy it into the image's folder"
    )


def test_a_link_of_another_image_may_not_lead_out_of_it(tmp_path: Path) -> None:
    written(tmp_path / "secret", "key")
    (tmp_path / "server").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "server/app").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError) as raised:
        user_entries(tmp_path / "other", (FileSpec(source="../server/app", target="/app"),), 0)
    place = tmp_path / "other/../server/app"
    assert (
        str(raised.value)
        == f"{place}: lies outside of {tmp_path / 'server'}; copy it into the image's folder"
    )
