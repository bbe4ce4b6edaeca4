"""Every text that a reader sees goes through `translate`, and every text has a Japanese translation."""

from __future__ import annotations

import ast
import html
import json
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text

import autograd_mini as ag
from autograd_mini import Tensor, nn, viz
from autograd_mini.primitive import Primitive
from autograd_mini.viz import language
from autograd_mini.viz.graph import nodes
from autograd_mini.viz.graph import render as rendering
from autograd_mini.viz.japanese import JAPANESE
from autograd_mini.viz.plots import texts as plot_texts

VIZ = Path(viz.__file__).parent
OPEN, CLOSE = "⟦", "⟧"
JAPANESE_TEXT = re.compile("[぀-ヿ一-鿿]")


class Marks(dict[str, str]):
    """A language in which each text stands between ⟦ and ⟧, and which remembers what it was asked for."""

    def get(self, key: str, default: Any = None) -> str:
        self[key] = key
        return f"{OPEN}{key}{CLOSE}" if key else key


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Marks]:
    """Pictures in a language that marks each translated text."""
    table = Marks()
    monkeypatch.setitem(language.CATALOGUES, "marks", table)
    monkeypatch.setitem(viz.graph.dot.FONTS, "marks", "sans")
    monkeypatch.setattr(plot_texts, "label", language.translate)
    with language.in_language("marks"):
        yield table


def unmarked(shown: str, names: set[str]) -> list[str]:
    """Returns the words of a text that stand outside all marks and are not in `names`; a formula has only single letters."""
    while OPEN in shown:  # innermost marks first
        shown, count = re.subn(f"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}", " ", shown)
        assert count, shown
    return [word for word in re.findall(r"[A-Za-z_]{2,}", shown) if word not in names]


def engine_words() -> set[str]:
    """Returns the words in the records of operations: names, formulas and derivatives, which no language changes."""
    found: set[str] = set()
    for name in dir(ag):
        primitive = getattr(getattr(ag, name), "primitive", None)
        if isinstance(primitive, Primitive):
            found |= set(re.findall(r"[A-Za-z_]{2,}", " ".join([primitive.name, primitive.formula, *primitive.derivative])))
    return found


ENGINE = engine_words() | {"linear", "relu", "mean", "sum", "matmul", "multiply"}
NAMES = ENGINE | {"fc", "weight", "bias", "Linear", "Sequential", "mse_loss", "ReLU", "axis", "keepdims", "None", "False"}


def model_and_loss() -> tuple[nn.Module, Tensor]:
    model = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 2))
    for parameter in model.parameters():
        parameter.data[...] = np.linspace(-0.5, 0.4, parameter.size).reshape(parameter.shape)
    return model, nn.mse_loss(
        model(Tensor(np.linspace(0.1, 1, 20, dtype=np.float32).reshape(4, 5))), np.zeros((4, 2), np.float32)
    )


def dot_texts(source: str) -> str:
    """Returns what a DOT text shows: labels without tags, and tooltips."""
    labels = [source[match.end() : closing_bracket(source, match.end())] for match in re.finditer("label=<", source)]
    tooltips = re.findall(r'tooltip="((?:[^"\\]|\\.)*)"', source)
    return html.unescape(" · ".join(re.sub(r"<[^>]*>", " ", label) for label in [*labels, *tooltips]))


def closing_bracket(source: str, start: int) -> int:
    """Returns the place of the > that closes the < before `start`."""
    depth = 1
    for place in range(start, len(source)):
        depth += {"<": 1, ">": -1}.get(source[place], 0)
        if not depth:
            return place
    raise AssertionError("the label has no end")


def words_of_pictures() -> Iterator[tuple[str, str]]:
    """Yields what pictures show, by the name of the picture."""
    model, loss = model_and_loss()
    for notation in ("code", "lecture"):
        drawn = viz.draw(loss, params=model, notation=notation, heat="grad", show_formula=True, show_values=True)
        yield f"draw, {notation}", dot_texts(drawn.source) + drawn.table
    loss.backward(retain_graph=True)
    drawn = viz.draw(loss, params=model, show_grad=True, depth=1)
    yield "draw, collapsed", dot_texts(drawn.source) + viz.graph.svg.title(drawn.graph) + viz.graph.svg.description(drawn.graph)
    yield "draw, in words", str(drawn)
    yield "text", viz.text(loss, params=model, max_lines=5, ascii=False)
    with ag.no_grad():
        next(iter(model.parameters())).add_(1.0)
    yield "draw, changed", dot_texts(viz.draw(loss, params=model, heat="grad").source) + viz.text(loss, ascii=False)
    w = Tensor(3.0, requires_grad=True, name="w")
    yield "no layers", " ".join(viz.draw(w + 1, notation="lecture", heat="grad").notes)
    yield "check", repr(viz.check(lambda: ag.square(w).sum(), {"w": w}))
    yield "check of a kink", repr(viz.check(lambda: ag.floor(w).sum(), {"w": w}))
    step = ag.jit(lambda x: (ag.tanh(x @ np.ones((3, 2), np.float32)) * x.sum()).sum())
    for _ in range(3):
        step(Tensor(np.ones((4, 3), np.float32)))
    yield "plan", dot_texts(viz.draw(step.plan).source)


def test_every_text_of_a_picture_is_translated(marks: Marks) -> None:
    for name, shown in words_of_pictures():
        assert OPEN in shown, name
        assert unmarked(shown, NAMES) == [], (name, shown)


def page_texts(page: viz.Page) -> str:
    """Returns what a reader of the stepper sees: texts and labels of the markup, the frames, and the texts of the script."""
    markup = re.sub(r"<(style|script|svg).*?</\1>", " ", page.html, flags=re.DOTALL)
    labels = re.findall(r'(?:aria-label|title)="([^"]*)"', markup)
    data = json.loads(re.findall(r'id="data">(.*?)</script>', page.html, re.DOTALL)[0])
    frames = [
        text
        for f in data["frames"]
        for text in (f["title"], f["caption"], *(x[k] for x in f["lines"] for k in ("label", "detail")))
    ]
    placeholders = re.compile(r"{\w+}")
    return html.unescape(
        " · ".join(
            [re.sub(r"<[^>]*>", " ", markup), *labels, *frames, *(placeholders.sub("", t) for t in data["texts"].values())]
        )
    )


@pytest.mark.parametrize("granularity", ["op", "layer"])
def test_every_text_of_the_stepper_is_translated(marks: Marks, granularity: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograd_mini.viz.stepper.step.render", lambda *_: (_ for _ in ()).throw(rendering.RendererMissing()))
    model, loss = model_and_loss()
    for page in (
        viz.step(loss, params=model, granularity=granularity),
        viz.step((loss * Tensor(2.0, requires_grad=True)) ** 2 + loss),
    ):
        assert unmarked(page_texts(page), NAMES) == []


def test_the_script_of_the_stepper_contains_no_text_of_its_own() -> None:
    """All words in quotes are names of elements, keys, classes and attributes."""
    names = set(re.findall(r'"([^"\n]*)"', viz.stepper.page.SCRIPT))
    assert [
        name
        for name in names
        if " " in name.strip() and name not in ("use strict", "line answer", "(prefers-reduced-motion: reduce)")
    ] == []


def test_every_text_of_a_plot_is_translated(marks: Marks) -> None:
    for figure in plots():
        shown = [text.get_text() for text in figure.findobj(Text)]
        assert [word for text in shown for word in unmarked(text, {"mine", "abc"})] == [], shown


def plots() -> list[Any]:
    images = np.zeros((4, 3, 3))
    return [
        viz.plot_losses({"mine": [1.0, 2.0]}),
        viz.plot_histograms({"mine": [1.0, 2.0]}),
        viz.plot_scatter([[0.0, 0.0], [1.0, 1.0]], [0, 1]),
        viz.plot_reconstructions(images, images, image_shape=(3, 3)),
        viz.plot_manifold(np.zeros((2, 2, 3, 3))),
        viz.plot_confusion([0, 1], [1, 1], classes=["mine", "abc"]),
        viz.plot_gan([0.9, 0.6], [0.1, 0.4]),
        viz.plot_images(images),
        viz.plot_boundary(lambda x: x[:, 0], [[0.0, 0.0], [1.0, 1.0]], [0, 1]),
    ]


# -- the table ---------------------------------------------------------------------------------------------------------------


def literals() -> set[str]:
    """Returns all texts in the source of viz outside the tables."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in VIZ.rglob("*.py") if path.name != "japanese.py"]
    return {n.value for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def translated_literals() -> set[str]:
    """Returns the texts that are passed to `translate` or one of its relatives as they stand."""
    calls = [
        node.args[0]
        for path in VIZ.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("translate", "label", "_text")
        and node.args
    ]
    return {arg.value for arg in calls if isinstance(arg, ast.Constant) and isinstance(arg.value, str)}


def test_every_text_has_a_japanese_translation(marks: Marks) -> None:
    """A text that is shown without one would be English in the middle of a Japanese picture."""
    list(words_of_pictures())
    plots()
    kinds = set(nodes.Kind.__args__)
    asked = {key for key in marks if re.search(r"[A-Za-z]{2}", key)} | translated_literals() | kinds
    assert asked - JAPANESE.keys() - NAMES == set()


def test_every_translation_is_used() -> None:
    outside = {"training", "test", "discriminator", "generator", "accuracy", "errors", "new", "gradient"}
    assert JAPANESE.keys() - literals() - outside == set()


def test_translations_keep_their_placeholders_and_are_japanese() -> None:
    def fields(text: str) -> set[str | None]:
        return {name for _, name, *_ in string.Formatter().parse(text) if name is not None}

    assert [key for key, text in JAPANESE.items() if fields(key) != fields(text)] == []
    prose = {key: text for key, text in JAPANESE.items() if re.search("[A-Za-z]{3}", re.sub(r"{\w+}", "", key))}
    assert [key for key, text in prose.items() if not JAPANESE_TEXT.search(text)] == []


# -- choosing a language -----------------------------------------------------------------------------------------------------


@pytest.fixture
def japanese() -> Iterator[None]:
    viz.set_language("ja")
    yield
    viz.set_language(None)


def test_a_picture_a_page_and_a_plot_are_japanese(japanese: None) -> None:
    model, loss = model_and_loss()
    assert ">損失<" in viz.draw(loss, params=model).source or "label=<損失>" in viz.draw(loss, params=model).source
    page = viz.step(loss, params=model)
    assert '<html lang="ja">' in page.html
    assert page.frames[-1]["title"] == "求まった勾配"
    assert "パラメータ" in viz.text(loss, params=model, ascii=False)


def test_columns_are_aligned_with_wide_characters(japanese: None) -> None:
    """Each Japanese character takes two columns of a terminal."""
    from autograd_mini.tools.plain_text import display_width

    head, *lines = viz.text(Tensor(3.0, requires_grad=True, name="w") * 2, ascii=False).splitlines()
    column = display_width(head[: head.index("形状")])
    for line in lines:
        before = ""
        while display_width(before) < column:
            before = line[: len(before) + 1]
        assert line[len(before) :].startswith("()"), line


def test_a_tree_in_ascii_is_english(japanese: None) -> None:
    assert viz.text(Tensor(3.0, requires_grad=True) * 2, ascii=True).isascii()
    assert "parameter" in viz.text(Tensor(3.0, requires_grad=True) * 2, ascii=True)


@pytest.mark.parametrize(("variable", "expected"), [("ja", "ja"), ("ja_JP.UTF-8", "ja"), ("en", "en"), ("", "en")])
def test_the_environment_variable_chooses_the_language(variable: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(language.VARIABLE, variable)
    assert viz.get_language() == expected


def test_a_program_prefers_its_own_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(language.VARIABLE, "ja")
    viz.set_language("en")
    assert viz.get_language() == "en"
    viz.set_language(None)
    assert viz.get_language() == "ja"


def test_an_unknown_language_is_an_error_that_names_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"set_language: expected 'en' or 'ja', got 'fr'"):
        viz.set_language("fr")
    monkeypatch.setenv(language.VARIABLE, "de_DE")
    with pytest.raises(ValueError, match=r"AUTOGRAD_MINI_LANG: expected 'en' or 'ja', got 'de_DE'"):
        viz.draw(Tensor(1.0))


def test_the_choice_holds_in_other_threads(japanese: None) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(viz.get_language).result() == "ja"


def test_a_plot_without_a_japanese_font_is_english_and_says_what_to_install(
    japanese: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plot_texts, "_showable", lambda text, keep="": text.encode("ascii", "backslashreplace").decode())
    with pytest.warns(UserWarning, match=r"no font for language 'ja'.*pip install \"autograd-mini\[ja\]\""):
        assert plot_texts.label("epoch") == "epoch"


@pytest.mark.skipif(not find_spec("matplotlib_fontja"), reason="the extra [ja] is not installed")
def test_the_font_of_the_extra_shows_every_japanese_text() -> None:
    """Runs in a new process, which knows no other fonts than the package's and matplotlib's own."""
    code = """
import warnings
from matplotlib import font_manager
font_manager.findSystemFonts = lambda *a, **k: []
font_manager.fontManager.ttflist = [f for f in font_manager.fontManager.ttflist if "DejaVu" in f.name]
warnings.simplefilter("error")
from autograd_mini import viz
from autograd_mini.viz.plots.texts import _showable
from autograd_mini.viz.japanese import JAPANESE
assert [text for text in JAPANESE.values() if _showable(text) != text] == []
viz.set_language("ja")
print(viz.plot_confusion([0, 1], [1, 1]).axes[0].get_xlabel())
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "予測"
