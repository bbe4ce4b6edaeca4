"""Examples in the README and the guides run, and the reference page is current."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

import autograd_mini as ag
from autograd_mini import nn

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [page for pattern in ("*.md", "docs/*.md", "docs/tutorials/*.md", "docs/exercises/*.md") for page in ROOT.glob(pattern)]


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "README.ja.md",
        "CONTRIBUTING.md",
        "autograd_mini/jit/README.md",
        "docs/engine.md",
        "docs/training.md",
        "docs/data.md",
        "docs/images.md",
        "docs/sequences.md",
        "docs/gans.md",
        "docs/from-pytorch.md",
        "docs/grading.md",
        "docs/lecture.md",
        "docs/index.md",
    ],
)
def test_examples_run_as_written(page: str) -> None:
    assert doctest.testfile(str(ROOT / page), module_relative=False).failed == 0


def test_the_reference_page_is_current() -> None:
    """The page is generated from the registry; it must list every operation."""
    result = subprocess.run([sys.executable, "docs/make_reference.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_introductions_on_the_reference_page_are_full_sentences() -> None:
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    introductions = re.findall(r"^## \w+\n\n(.*?)\n\n\|", page, flags=re.MULTILINE | re.DOTALL)
    assert len(introductions) > 20
    assert [text for text in introductions if not text.endswith(".")] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_pictures_and_modules_on_a_page_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("http") or (page.parent / target).exists(), target
    for module in re.findall(r"`([\w/]+\.py)`", text):
        assert any(ROOT.rglob(module)), module


def test_functions_that_the_comparison_calls_missing_do_not_exist() -> None:
    """A function that is added later must leave the page."""
    rows = re.findall(r"^\| ([^|]*`[^|]*) \|", (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    names = [name for row in rows for code in re.findall(r"`([^`]+)`", row) for name in code.split()]
    assert len(names) > 30
    found = [name for name in names if any(hasattr(owner, name) for owner in (ag, nn, nn.functional))]
    assert [*found, *(name for name in names if "." in name and hasattr(ag.Tensor, name.removeprefix("Tensor.")))] == []


def test_the_tour_quotes_a_real_row() -> None:
    """The record that docs/engine.md shows is a row of the library, character for character."""
    (quoted,) = re.findall(
        r"```python\n(\w+ = binary\(.*?)```", (ROOT / "docs/engine.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert quoted in (ROOT / "autograd_mini/ops/elementwise.py").read_text(encoding="utf-8")
