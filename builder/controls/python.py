"""What Python does before the first line of the program."""

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from pydantic import Field

from builder.controls.frame import Context, Control
from builder.controls.passwd import text_of
from builder.controls.references import cwe, python_docs
from builder.controls.survey import Placed, survey
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.spec import Strings
from builder.model.tree import Kind

START_UP = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1"}
"""No byte code beside modules, nothing of ~/.local, neither the working directory nor the script's folder.

With PYTHONSAFEPATH a program that imports its neighbours needs PYTHONPATH or to be installed.
"""

INTERPRETER = re.compile(r"python3(\.[0-9]+)?")
HOOKS = ("sitecustomize.py", "usercustomize.py")
SITE = ("/dist-packages", "/site-packages")
CODE_LINE = re.compile(r"^import[ \t]", re.MULTILINE)
"""A line of a .pth file that site.py executes."""


class StartupParameters(Strict):
    allow: Strings = Field(
        default=("distutils-precedence.pth", "*-nspkg.pth", "nvidia_cutlass_dsl_packages.pth"),
        description="names of .pth files whose code may run at every start: by default those of setuptools, "
        "and NVIDIA's that adds a folder of its own to the search path",
    )


class PythonStartup(Control[StartupParameters]):
    key = "python-startup"
    title = "Python starts with the image's own code and nothing else"
    why = (
        "Python imports from the working directory, the user's home and any .pth file before the program "
        "starts: a file dropped there runs in every process, and a wheel can bring one unasked."
    )
    remedy = "set PYTHONSAFEPATH, PYTHONNOUSERSITE and PYTHONDONTWRITEBYTECODE to 1; drop or allow the hook"
    severity = Severity.MEDIUM
    references = (
        python_docs("PYTHONSAFEPATH"),
        python_docs("PYTHONNOUSERSITE"),
        python_docs("site: path configuration files"),
        cwe("427"),
    )
    parameters = StartupParameters

    def enforce(self, image: Image, parameters: StartupParameters, context: Context) -> Image:
        if not self._has_python(image) or not any(True for _ in self._unset(image)):
            return image
        return image.replace(config=image.config.with_env(**START_UP))

    def _has_python(self, image: Image) -> bool:
        return any(
            path.startswith(("usr/bin/python3", "usr/local/bin/python3"))
            and INTERPRETER.fullmatch(path.rpartition("/")[2])
            for path in image.rootfs
        )

    def _unset(self, image: Image) -> Iterator[str]:
        return (name for name in START_UP if not image.config.env_value(name))

    def audit(self, image: Image, parameters: StartupParameters, context: Context) -> Iterable[Finding]:
        if self._has_python(image):
            for name in self._unset(image):
                yield Finding(message=f"variable {name} is not set")
        found = survey(image)
        for name in found.names():
            if name.endswith(".pth") or name in HOOKS:
                for placed in found.named(name):
                    yield from self._hook(name, placed, parameters)

    def _hook(self, name: str, placed: Placed, parameters: StartupParameters) -> Iterator[Finding]:
        entry = placed.entry
        if entry.kind is not Kind.FILE or not entry.path.rpartition("/")[0].endswith(SITE):
            return
        if any(fnmatchcase(name, pattern) for pattern in parameters.allow):
            return
        if name in HOOKS:
            yield placed.finding("runs at every start of Python")
        elif entry.size > 1 << 20 or CODE_LINE.search(text_of(entry)):
            yield placed.finding("holds code that runs at every start of Python")
