"""The gallery is current: its page is what its program writes, and each picture is there and small."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
LARGEST = 700 * 1024  # bytes of all pictures together


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    if not DOCS.is_dir():
        pytest.skip("needs docs/, which only a checkout has")
    spec = importlib.util.spec_from_file_location("make_gallery", DOCS / "make_gallery.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_its_program_writes(gallery):
    written = (DOCS / "gallery.md").read_text(encoding="utf-8")
    assert written == gallery.page(), "run python docs/make_gallery.py"


def test_every_picture_is_there_and_shown_with_code_that_makes_it(gallery):
    code = "\n".join(gallery.body(e.make) for e in gallery.ENTRIES)
    ast.parse(code)
    assert all(f'"{e.file}"' in code for e in gallery.ENTRIES)
    assert {e.file for e in gallery.ENTRIES} == {path.name for path in gallery.FOLDER.iterdir()}
    assert sum(path.stat().st_size for path in gallery.FOLDER.iterdir()) < LARGEST


def test_a_picture_is_made_by_its_code_alone(gallery, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gallery.stepper()
    assert (tmp_path / "backprop.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
