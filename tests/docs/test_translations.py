"""Translated pages are as current as their originals."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def translations(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("translations", ROOT / "docs" / "translations.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "translations", module)
    spec.loader.exec_module(module)
    return module


def test_no_translation_lags_behind_its_original(translations: ModuleType) -> None:
    """If this fails: update the sections it names, then run `python docs/translations.py --accept`."""
    assert translations.faults() == []


def test_a_change_of_an_original_is_noticed(translations: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translations, "ROOT", tmp_path)
    monkeypatch.setattr(translations, "TRANSLATIONS", ("page.ja.md",))
    (tmp_path / "page.md").write_text("# Title\n\n## One\n\nFirst.\n\n## Two\n\nSecond.\n", encoding="utf-8")
    marks = [f"<!-- original: page.md#{name} 00000000 -->\n\n訳\n" for name in ("", "One", "Three")]
    (tmp_path / "page.ja.md").write_text("\n".join(marks), encoding="utf-8")
    translations.accept()
    gone, missing = "page.ja.md: page.md#Three no longer exists", "page.ja.md: page.md#Two is not translated"
    assert translations.faults() == [gone, missing]
    (tmp_path / "page.md").write_text("# Title\n\n## One\n\nFirst,\nchanged.\n\n## Two\n\nSecond.\n", encoding="utf-8")
    assert "page.ja.md: page.md#One has changed since it was translated" in translations.faults()


def test_code_in_a_translation_is_that_of_the_original() -> None:
    """Comments may be translated; commands and results may not change."""

    def code(page: str) -> list[str]:
        blocks = (ROOT / page).read_text(encoding="utf-8").split("```")[1::2]
        return [line.split("#")[0].rstrip() for block in blocks for line in block.splitlines()]

    assert code("README.ja.md") == code("README.md")
