"""The structure of the repository: small folders, short files, imports in one direction."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = ("autograd_mini", "nn", "models", "viz", "playground", "cli", "examples", "benchmarks", "docs", "tests")
SHIPPED = ("nn", "models", "viz", "playground", "cli", "examples")
MOST_MODULES, MOST_LINES = 16, 500


def sources() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def module_name(path: Path) -> str:
    """The name by which a file is imported."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[0] in SHIPPED:
        parts.insert(0, "autograd_mini")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_folder_has_more_than_sixteen_modules() -> None:
    folders = {path.parent for path in sources()}
    crowded = {}
    for folder in folders:
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        if len(modules) > MOST_MODULES:
            crowded[str(folder.relative_to(ROOT))] = len(modules)
    assert crowded == {}


def test_no_file_has_more_than_five_hundred_lines() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {name for name, length in lengths.items() if length > MOST_LINES} == set()


def test_every_package_has_a_docstring() -> None:
    packages = [path for path in sources() if path.name == "__init__.py" and path.relative_to(ROOT).parts[0] not in ("tests",)]
    assert [str(path) for path in packages if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))] == []


def imports_at_start(path: Path, modules: set[str]) -> set[str]:
    """Returns the modules that a file imports when it is loaded, without imports for type checkers and inside functions."""
    me = module_name(path)
    package = me if path.name == "__init__.py" else me.rpartition(".")[0]
    imported: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                name = f"{source}.{alias.name}"
                imported |= {name if name in modules and source != "autograd_mini" else source} & modules
    return imported - {me}


def test_there_are_no_circular_imports() -> None:
    """There is an order in which each module comes after those that it imports."""
    files = {module_name(p): p for p in sources() if p.relative_to(ROOT).parts[0] not in ("tests", "benchmarks", "docs")}
    graph = {name: imports_at_start(path, set(files)) for name, path in files.items() if path.name != "__init__.py"}
    done: set[str] = set()
    while ready := {name for name, needed in graph.items() if name not in done and not (needed & graph.keys()) - done}:
        done |= ready
    assert sorted(graph.keys() - done) == []


@pytest.mark.parametrize("upper", ["cli", "viz", "models", "nn"])
def test_the_engine_imports_no_layer_above_it(upper: str) -> None:
    for path in (ROOT / "autograd_mini").rglob("*.py"):
        if path.name not in ("__main__.py", "__init__.py"):
            assert not any(
                name.startswith(f"autograd_mini.{upper}") for name in imports_at_start(path, {f"autograd_mini.{upper}"})
            )
