"""Translated pages are as current as their originals."""

from __future__ import annotations

import ast
import importlib.util
import re
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


# -- the catalogues of the site ------------------------------------------------------------------------------------------------

CATALOGUES = sorted((ROOT / "docs" / "locale" / "ja" / "LC_MESSAGES").rglob("*.po"))


def entries(path: Path) -> dict[str, str]:
    """Returns the texts of a catalogue and their translations."""
    found = re.findall(r'^msgid "(.+)"\nmsgstr "(.*)"$', path.read_text(encoding="utf-8"), re.MULTILINE)
    return {ast.literal_eval(f'"{a}"'): ast.literal_eval(f'"{b}"') for a, b in found}


def page_of(path: Path) -> str:
    """Returns the page that a catalogue translates, as one line."""
    page = ROOT / "docs" / path.relative_to(ROOT / "docs" / "locale" / "ja" / "LC_MESSAGES").with_suffix(".md")
    return " ".join(page.read_text(encoding="utf-8").split())


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda p: p.stem)
def test_each_translated_text_is_still_on_its_page(path: Path) -> None:
    """A paragraph that has changed would appear in English on the Japanese site; translate it again."""
    page = page_of(path)
    lists = page.replace("- **", "**")  # the marks of a list are not part of the text
    assert len(entries(path)) > 10
    assert [text for text in entries(path) if text not in page and text not in lists] == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda p: p.stem)
def test_each_paragraph_of_a_translated_page_is_translated(path: Path) -> None:
    page = ROOT / "docs" / path.relative_to(ROOT / "docs" / "locale" / "ja" / "LC_MESSAGES").with_suffix(".md")
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    blocks = re.split(r"\n\s*\n|\n(?=- )", text)
    paragraphs = [" ".join(re.sub(r"^(#+|-) ", "", block.strip()).split()) for block in blocks if block.strip()]
    assert [p for p in paragraphs if p not in entries(path) and not p.startswith(("|", "[Open in Colab]"))] == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda p: p.stem)
def test_translations_keep_links_and_code(path: Path) -> None:
    def kept(text: str) -> list[str]:
        return sorted(re.findall(r"\]\(([^)]*)\)", text))

    assert [text for text, translation in entries(path).items() if kept(text) != kept(translation) or not translation] == []
