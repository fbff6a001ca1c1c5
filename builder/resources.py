"""Where the data that ships with Temper lies: in the checkout, or inside the installed package."""

from pathlib import Path

from builder.errors import ToolError

PACKAGE = Path(__file__).resolve().parent


def installed_folder() -> Path:
    """Where the wheel puts the data; it is not there in a checkout."""
    return PACKAGE / "_data"


def data_folder() -> Path:
    """Holds `images/` and `profiles/`. Raises `ToolError` where the installation is incomplete."""
    for folder in (installed_folder(), PACKAGE.parent):
        if (folder / "images").is_dir() and (folder / "profiles").is_dir():
            return folder
    raise ToolError(f"{PACKAGE}: the built-in images and profiles are missing; install temper again")


def suites_folder() -> Path:
    """The live tests that hold for every image."""
    installed = installed_folder() / "suites"
    return installed if installed.is_dir() else data_folder() / "tests" / "suites"


def templates_folder() -> Path:
    return data_folder() / "images" / "templates"
