"""`--lang ja`: titles, tables and conclusions of the exercises are Japanese; the stored numbers keep their English keys."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from autograd_mini.cli.main import main
from autograd_mini.examples import japanese, words
from autograd_mini.viz.language import in_language

EXERCISES = sorted((Path(japanese.__file__).parent / "exercises").glob("exercise_*.py"))


def texts(path: Path) -> set[str]:
    """Returns the texts in the source of an exercise, with {0}, {1}, … for what is filled in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in joined for part in ast.walk(node) if part is not node and isinstance(part, ast.Constant)}
    plain = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in parts]
    return {node.value for node in plain if isinstance(node.value, str)} | set(map(template, joined))


def template(node: ast.JoinedStr) -> str:
    numbers = iter(range(99))
    return "".join(str(part.value) if isinstance(part, ast.Constant) else f"{{{next(numbers)}}}" for part in node.values)


def test_each_translation_belongs_to_a_text_of_an_exercise() -> None:
    """A sentence that has changed would otherwise appear in English in the middle of a Japanese page."""
    study = texts(EXERCISES[0].parent.parent / "study.py")
    known = study.union(*map(texts, EXERCISES))
    first_lines = {text.splitlines()[0] for text in known if text.startswith("Exercise ")}
    assert set(japanese.JAPANESE) - known - first_lines - set(japanese.JOINED) == set()


def test_each_title_and_each_conclusion_is_translated() -> None:
    for path in EXERCISES:
        title = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()[0]
        assert title in japanese.JAPANESE, path.name
    docstrings = re.compile("Exercise |Returns |Counts |\\s*Parameters")
    sentences = {text for path in EXERCISES for text in texts(path) if len(text) > 200 and not docstrings.match(text)}
    assert len(sentences) > 10
    joined = tuple(japanese.JOINED)
    assert [t for t in sentences if t not in japanese.JAPANESE and not any(whole.startswith(t) for whole in joined)] == []


def test_translations_keep_their_numbers() -> None:
    def numbers(text: str) -> list[str]:
        return sorted(re.findall(r"{\d+}", text))

    assert [key for key, text in japanese.JAPANESE.items() if numbers(key) != numbers(text)] == []


def test_numbers_move_into_the_translated_sentence() -> None:
    sentence = "From 10 to 100 units, memory grows from 1 to 2 MB and the time per epoch from 3 to 4 s; both are"
    template = next(text for text in japanese.JAPANESE if text.startswith("From {0} to {1} units"))
    values = [str(i) for i in range(11)]
    with in_language("ja"):
        assert words.in_words(template.format(*values)) == japanese.JAPANESE[template].format(*values)
        assert words.in_words(sentence) == sentence


def test_an_exercise_prints_japanese_and_stores_english_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exercise", "20", "--quick", "--lang", "ja", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("課題20：")
    page = (tmp_path / "result.md").read_text(encoding="utf-8")
    assert "誤差逆伝播法は、公式を知らなくても" in page
    assert "Backpropagation" not in page
    assert "multiplications" in json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["tables"]
    assert '<html lang="ja">' in (tmp_path / "steps.html").read_text(encoding="utf-8")


def test_an_unknown_language_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exercise", "20", "--lang", "fr"]) == 2
    assert "--lang must be one of en, ja, got 'fr'" in capsys.readouterr().err
