"""Which live tests prove which control, read out of the suites without running them. Pure but for reading."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path


def live_tests(suites: Path) -> Mapping[str, tuple[str, ...]]:
    """Control key -> the tests that prove it, in the words of a report: `contract: the root is read only`."""
    found: dict[str, list[str]] = {}
    for path in sorted(suites.glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                for key in _keys(node):
                    found.setdefault(key, []).append(_readable(path, node.name))
    return {key: tuple(names) for key, names in found.items()}


def _keys(function: ast.FunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.control":
            yield from (str(item.value) for item in decorator.args if isinstance(item, ast.Constant))


def _readable(path: Path, name: str) -> str:
    words = name.removeprefix("test_").replace("_", " ")
    return f"{path.stem.removeprefix('test_')}: {words}"
