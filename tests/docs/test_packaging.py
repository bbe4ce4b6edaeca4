"""The package: one import name that contains the layers, a fast import, and a checkout that works without installation."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LAYERS = ("nn", "models", "viz", "playground", "cli")
SHIPPED = (*LAYERS, "examples")


def run(code: str, cwd: Path, *flags: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    result = subprocess.run(
        [sys.executable, *flags, "-c", code], cwd=cwd, capture_output=True, text=True, timeout=120, env=environment
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds the source distribution, and the wheel from it. Uses a copy, so that the checkout stays clean."""
    place = tmp_path_factory.mktemp("dist")
    ignored = shutil.ignore_patterns(
        ".git", "__pycache__", "runs", "build", "dist", "node_modules", "*.egg-info", ".*cache", ".hypothesis"
    )
    shutil.copytree(ROOT, place / "source", ignore=ignored)
    command = [sys.executable, "-m", "build", "--outdir", str(place), str(place / "source")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return place


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def source(built: Path) -> list[str]:
    """Returns the names of the files in the source distribution."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        return [name.partition("/")[2] for name in archive.getnames()]


def test_the_source_distribution_carries_its_tests(source: list[str]) -> None:
    """A distributor runs the tests from it, so it needs every file that they read."""
    folders = ("tests", "docs", "examples", "benchmarks", "autograd_mini")
    files = {str(path.relative_to(ROOT)) for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()}
    kept = {
        name
        for name in files
        if "__pycache__" not in name and not name.startswith(("docs/_build", "docs/api/", "docs/inside/"))
    }
    top = {"README.md", "README.ja.md", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff", "pyproject.toml", ".ci/run"}
    assert (kept | top) - set(source) == set()


def test_the_description_for_a_package_index_is_valid_and_has_no_relative_link(built: Path) -> None:
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, [*built.glob("*.whl"), *built.glob("*.gz")])]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
    targets = re.findall(r"\]\(([^)]+)\)", metadata)
    assert len(targets) > 10
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []


def test_pictures_of_the_readme_are_absolute_and_exist() -> None:
    """Pages that show the README elsewhere have no folder `docs`."""
    prefix = "https://raw.githubusercontent.com/autograd-mini/autograd-mini/main/"
    for page in ("README.md", "README.ja.md"):
        pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", (ROOT / page).read_text(encoding="utf-8"))
        assert pictures, page
        for picture in pictures:
            assert picture.startswith(prefix)
            assert (ROOT / picture.removeprefix(prefix)).exists(), picture


def test_the_wheel_puts_one_name_into_site_packages(wheel: Path) -> None:
    """A top-level `nn` or `models` would hide a user's own folder."""
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"autograd_mini"}
    assert "autograd_mini/py.typed" in names
    for folder in SHIPPED:
        assert f"autograd_mini/{folder}/__init__.py" in names


def test_every_module_of_the_checkout_is_in_the_wheel(wheel: Path) -> None:
    """A folder that is missing in pyproject.toml would otherwise be noticed only by users."""
    shipped = set(zipfile.ZipFile(wheel).namelist())
    expected = {f"autograd_mini/{p.relative_to(ROOT / 'autograd_mini')}" for p in (ROOT / "autograd_mini").rglob("*.py")}
    expected |= {f"autograd_mini/{p.relative_to(ROOT)}" for folder in SHIPPED for p in (ROOT / folder).rglob("*.py")}
    assert expected <= shipped


def test_the_installed_package_works_from_anywhere(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("mine = True\n")
    code = f"""
import sys; sys.path.insert(1, {str(site)!r})
import autograd_mini as ag
from autograd_mini import Tensor, nn, models as ours, viz
import models
assert models.mine and ours.__name__ == "autograd_mini.models" and nn.__name__ == "autograd_mini.nn"
assert ag.__file__.startswith({str(site)!r}) and nn.__file__.startswith({str(site)!r}), ag.__path__
"""
    run(code, tmp_path)


def test_the_installed_package_runs_its_exercises(wheel: Path, tmp_path: Path) -> None:
    """A module of the user with the same name as a module of an exercise is not imported instead."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    (tmp_path / "study.py").write_text("mine = True\n")
    code = f"""
import sys; sys.path.insert(1, {str(site)!r})
from autograd_mini.__main__ import main
assert sys.modules["autograd_mini"].__file__.startswith({str(site)!r})
assert main(["exercise", "20", "--quick", "--out", "results"]) == 0
"""
    assert run(code, tmp_path).startswith("Exercise 20: ")
    assert (tmp_path / "results" / "result.md").exists()


ONLY_NUMPY = """
import sys
class OnlyNumPy:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top not in sys.stdlib_module_names and top not in ("numpy", "autograd_mini"):
            raise ModuleNotFoundError(f"not installed here: {name}", name=name)
sys.meta_path.insert(0, OnlyNumPy())
"""


def test_a_checkout_works_with_numpy_alone() -> None:
    code = (
        ONLY_NUMPY
        + """
from autograd_mini import Tensor, nn
layer = nn.Linear(3, 2)
loss = nn.mse_loss(layer(Tensor([[1.0, 2.0, 3.0]])), Tensor([[0.0, 1.0]]))
loss.backward()
assert layer.weight.grad.shape == (2, 3)
"""
    )
    run(code, ROOT)


def test_import_loads_no_heavy_package_and_no_layer() -> None:
    code = """
import sys
import autograd_mini as ag
heavy = {"matplotlib", "graphviz", "sklearn", "typer", "tqdm", "safetensors", "hypothesis", "pytest"} & set(sys.modules)
layers = [m for m in sys.modules if m.startswith(("autograd_mini.nn", "autograd_mini.models", "autograd_mini.viz", "autograd_mini.cli"))]
assert not heavy and not layers, (heavy, layers)
assert ag.nn.Linear and "nn" in dir(ag)
assert not {"matplotlib", "graphviz"} & set(sys.modules)
"""
    run(code, ROOT)


def test_layers_import_only_downwards() -> None:
    """Reads the imports autograd_mini <- nn <- models, and viz above the engine, from the source of every file."""
    import ast

    allowed = {
        "autograd_mini": set(),
        "nn": {"autograd_mini"},
        "viz": {"autograd_mini", "nn"},
        "models": {"autograd_mini", "nn"},
        "playground": {"autograd_mini", "nn", "viz"},
        "cli": {"autograd_mini", "nn", "models", "viz"},
    }
    for layer, below in allowed.items():
        for path in (ROOT / layer).rglob("*.py"):
            if path.name == "__main__.py" and layer == "autograd_mini":
                continue  # starts the command line
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.ImportFrom)
                    and node.level == 0
                    and (node.module or "").split(".")[0] == "autograd_mini"
                ):
                    parts = (node.module or "").split(".")[1:]
                    targets = {parts[0]} if parts else {alias.name for alias in node.names}
                    for target in targets & set(LAYERS):
                        assert target in below or target == layer, f"{path.relative_to(ROOT)} imports {target}"


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    import autograd_mini as ag

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ag.nothing  # noqa: B018


def test_the_citation_names_the_version_of_the_package() -> None:
    import autograd_mini as ag

    assert f"\nversion: {ag.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
