"""The gallery is up to date: its page and graphs match the code, and all pictures exist and are small."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
LARGEST = 1000 * 1024  # bytes of all pictures together
needs_dot = pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz's dot is not on PATH")


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    if not DOCS.is_dir():
        pytest.skip("needs docs/, which only a checkout has")
    spec = importlib.util.spec_from_file_location("make_gallery", DOCS / "make_gallery.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_matches_its_script(gallery):
    written = (DOCS / "gallery.md").read_text(encoding="utf-8")
    assert written == gallery.page(), "run python docs/make_gallery.py"


def test_every_picture_exists_and_is_shown_with_its_code(gallery):
    code = "\n".join(gallery.body(e.make) for e in gallery.ENTRIES)
    ast.parse(code)
    assert all(f'"{e.file}"' in code for e in gallery.ENTRIES)
    assert {e.file for e in gallery.ENTRIES} == {path.name for path in gallery.FOLDER.iterdir()}
    assert sum(path.stat().st_size for path in gallery.FOLDER.iterdir()) < LARGEST


def test_the_code_of_a_picture_is_self_contained(gallery, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gallery.stepper()
    assert (tmp_path / "backprop.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@needs_dot
@pytest.mark.parametrize("name", ["chain", "vae", "repeats", "second_order", "plan"])
def test_a_committed_graph_matches_its_code(gallery, name, tmp_path, monkeypatch):
    """Compares only words: their positions depend on the version of Graphviz."""
    monkeypatch.chdir(tmp_path)
    getattr(gallery, name)()
    assert words(tmp_path / f"{name}.svg") == words(gallery.FOLDER / f"{name}.svg"), f"run python docs/make_gallery.py {name}"


@needs_dot
def test_the_picture_in_the_readme_matches_its_example(tmp_path):
    if not DOCS.is_dir():
        pytest.skip("needs docs/, which only a checkout has")
    program = DOCS.parent / "examples" / "draw_graph.py"
    subprocess.run([sys.executable, str(program), str(tmp_path / "graph.svg")], check=True, capture_output=True)
    assert words(tmp_path / "graph.svg") == words(DOCS / "graph.svg"), "run python examples/draw_graph.py docs/graph.svg"


def words(svg: Path) -> list[str]:
    """Returns the words of a picture without gradients, whose last digits differ between machines."""
    return sorted(text for text in re.findall(r"<text[^>]*>([^<]*)<", svg.read_text(encoding="utf-8")) if "∇" not in text)
