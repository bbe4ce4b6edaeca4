"""Names of tensors, classes, files and runs are text: no output executes them, and every output shows all their characters."""

from __future__ import annotations

import csv
import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, Browser
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_mini import Tensor, nn, viz
from autograd_mini.cli.tables import markdown
from autograd_mini.nn.training.tables import to_csv
from autograd_mini.tools.plain_text import escape_unprintable
from autograd_mini.viz.plots import texts
from autograd_mini.viz.stepper.page import build_page

pytest.importorskip("matplotlib")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no chromium on PATH")
EVIL = [
    "@DATA@", "@GRAPH@", "{data}", "{graph}", "{{STYLE}}", "$data", "%s", "</script><script>evil=1</script>", "<img src=x onerror=evil=1>",
    '" onload="evil=1', "' onclick='evil=1", "javascript:evil=1", "<!--", "-->", "]]>", "<![CDATA[", "&lt;script&gt;", "&#60;b&#62;",
    "a\\", 'a\\"', "\\N\\G", "$a$", "$\\frac{$", "_x", "__", "重み", "a\tb", "a\nb", "\x1b[31m", "\x00", "\u202eevil", "\udce9", "|", "`", "[a](javascript:evil=1)",
    "a | b", "**b**", "_i_", "~~s~~", "=1+1", "@SUM(1)", "x" * 300,
]  # fmt: skip
TOKENS = st.lists(
    st.sampled_from(
        ["<", ">", '"', "'", "&", "@DATA@", "script", "/", "\\", "$", "|", "`", "*", "_", "\n", "{", "}", "evil=1"]
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    tab = Browser(tmp_path_factory.mktemp("profile"))
    yield tab
    tab.close()


def total(names: list[str]) -> Tensor:
    result = Tensor(1.0, requires_grad=True, name=names[0])
    for name in names[1:]:
        result = result + Tensor(1.0, requires_grad=True, name=name)
    return result


def harmless(tab: Browser) -> bool:
    """Nothing was executed or requested, and no name became an element or an attribute that runs script."""
    attributes = "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes].map(a => a.name))"
    handlers = [name for name in tab.run(attributes) if name.startswith("on")]
    return tab.run("typeof evil") == "undefined" and not handlers and tab.run("document.querySelectorAll('img').length") == 0


@needs_chromium
def test_the_stepper_shows_every_name_and_executes_none(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    for name in EVIL:
        browser.errors.clear()
        viz.step(total([name, "b"])).save(path)
        browser.open(path)
        browser.press("End")
        labels = browser.run("[...document.querySelectorAll('.line h2')].map(e => e.textContent)")
        assert labels == [f"∂L/∂{name.encode('utf-8', 'replace').decode()}", "∂L/∂b"]
        assert browser.run("document.scripts.length") == 2
        assert browser.run("document.querySelectorAll('#graph svg').length") == 1, "the graph is drawn once"
        assert harmless(browser)
        assert browser.errors == []


@needs_chromium
def test_pictures_and_plots_as_svg_execute_no_name(browser: Browser, tmp_path: Path) -> None:
    net = nn.ModuleDict({name.replace(".", ""): nn.Linear(1, 1) for name in EVIL})
    output = sum((layer(np.ones((1, 1), np.float32)) for layer in net.values()), start=Tensor(0.0)).sum()
    pictures = {
        "graph": lambda path: viz.draw(output, params=net, collapse=(), max_nodes=5000, timeout=60).save(path),
        "losses": lambda path: viz.plot_losses({name: [1.0, 2.0] for name in EVIL}, path, title=EVIL[7]),
        "confusion": lambda path: viz.plot_confusion([0], [0], path, classes=EVIL),
        "scatter": lambda path: viz.plot_scatter(np.ones((len(EVIL), 2)), np.array(EVIL, object), path),
    }
    for name, save in pictures.items():
        path = tmp_path / f"{name}.svg"
        save(path)
        browser.errors.clear()
        browser.open(path)
        assert browser.run("document.documentElement.tagName") == "svg"
        assert browser.run("document.querySelectorAll('script, foreignObject').length") == 0
        links = browser.run("[...document.querySelectorAll('a')].map(a => a.getAttribute('xlink:href'))")
        assert set(links) <= {None}
        assert harmless(browser)
        assert browser.errors == []


@given(TOKENS)
def test_parts_of_a_page_are_inserted_once(tokens: list[str]) -> None:
    graph, data = "".join(tokens), "@GRAPH@".join(tokens)
    page = build_page(graph, data)
    assert page.replace(graph, "", 1).count(data) >= 1
    assert len(page) - len(build_page("", "")) == len(graph) + len(data)


@settings(max_examples=25)
@given(TOKENS)
def test_labels_and_tooltips_of_a_graph_are_the_names(tokens: list[str]) -> None:
    """The DOT text is read by Graphviz, which writes XML: both have the same characters as the name."""
    name = "".join(tokens)
    picture = ET.fromstring(viz.draw(Tensor(1.0, requires_grad=True, name=name), theme="light").pipe("svg"))
    shown = "".join(node.text or "" for node in picture.iter("{http://www.w3.org/2000/svg}text"))
    assert "".join(name.split()) in "".join(shown.split())
    tooltips = [link.get("{http://www.w3.org/1999/xlink}title") for link in picture.iter("{http://www.w3.org/2000/svg}a")]
    assert [" ".join(tip.split()) for tip in tooltips if tip.startswith("parameter")] == [" ".join(f"parameter {name}".split())]


@given(st.one_of(st.sampled_from(EVIL), TOKENS.map("".join)))
def test_a_table_cell_is_the_name_in_markdown(name: str) -> None:
    markdown_it = pytest.importorskip("markdown_it")
    page = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown([{"": "a", "head": name}]))
    (cell,) = re.findall(r"<td>(.*)</td>\n</tr>", page)
    assert "<" not in cell, "no markup"
    expected = " ".join(escape_unprintable(name).split(" ")).strip()
    table = ET.fromstring(page)
    assert list(table.iter("td"))[1].text in (expected, expected or None)


@given(st.lists(st.one_of(st.sampled_from(EVIL), TOKENS.map("".join)), min_size=1, unique=True))
def test_names_in_the_csv_of_metrics_are_read_back(names: list[str]) -> None:
    text = to_csv([dict.fromkeys(names, 0.5)])
    assert next(csv.reader(io.StringIO(text, newline=""))) == names


# -- plots -------------------------------------------------------------------------------------------------------------


def legend_of(figure) -> list[str]:
    return [text.get_text().replace(r"\$", "$") for text in figure.axes[0].get_legend().get_texts()]


def test_legends_show_every_name_as_it_is() -> None:
    names = ["_x", "a$b$c_{", "$z_1$", "_", "plain"]
    assert legend_of(viz.plot_losses({name: [1.0, 2.0] for name in names})) == names
    assert legend_of(viz.plot_scatter(np.eye(2), np.array(["_x", "$a$"]))) == ["$a$", "_x"]
    assert [label.split(":")[0] for label in legend_of(viz.plot_histograms({name: [1.0, 2.0] for name in names}))] == names


def test_control_characters_and_undecodable_file_names_are_shown_escaped(tmp_path: Path) -> None:
    names = ["\x1b[31m", "a\nb", "\x00", "caf\udce9", "\u202e"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = viz.plot_losses({name: [1.0] for name in names}, tmp_path / "a.svg")
        viz.plot_confusion([0], [0], tmp_path / "b.svg", classes=names)
    assert legend_of(figure) == [r"\x1b[31m", r"a\nb", r"\x00", r"caf\udce9", r"\u202e"]


def test_titles_may_have_mathematics_and_mistakes_in_it_are_shown_as_text(tmp_path: Path) -> None:
    good = viz.plot_losses({"a": [1.0]}, tmp_path / "good.png", title="$z_1$")
    bad = viz.plot_losses({"a": [1.0]}, tmp_path / "bad.png", title=r"cost in $ of \frac{ for 2 $", xlabel="$x^^$")
    assert good.axes[0].get_title() == "$z_1$"
    assert bad.axes[0].get_title() == r"cost in \$ of \frac{ for 2 \$"
    assert bad.axes[0].get_xlabel() == r"\$x^^\$"


def test_characters_without_a_font_are_escaped_and_an_installed_font_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A font with the single letter 犬 is built for this test, so it does not depend on the machine."""
    from matplotlib import font_manager

    builder = pytest.importorskip("fontTools.fontBuilder").FontBuilder(1000, isTTF=True)
    pen_of = pytest.importorskip("fontTools.pens.ttGlyphPen").TTGlyphPen
    pen = pen_of(None)
    pen.moveTo((0, 0)), pen.lineTo((500, 0)), pen.lineTo((500, 700)), pen.closePath()
    builder.setupGlyphOrder([".notdef", "dog"])
    builder.setupCharacterMap({ord("犬"): "dog"})
    builder.setupGlyf({".notdef": pen_of(None).glyph(), "dog": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (600, 0), "dog": (600, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Test Dog", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    path = tmp_path / "dog.ttf"
    builder.save(path)
    for function in (texts._fonts_for, texts._installed):
        function.cache_clear()
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(path)])
    monkeypatch.setattr(texts, "FONT_PACKAGE", "no_such_package")
    entries = [entry for entry in font_manager.fontManager.ttflist if entry.name.startswith("DejaVu")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", entries)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # matplotlib warns if a glyph is missing
            figure = viz.plot_confusion([0], [0], tmp_path / "a.png", classes=["犬", "猫"], title="犬")
            labels = figure.axes[0].get_xticklabels()
            assert [label.get_text() for label in labels] == ["犬", r"\u732b"]
            assert labels[0].get_fontfamily() == ["DejaVu Sans", "Test Dog"]
    finally:
        for function in (texts._fonts_for, texts._installed):
            function.cache_clear()


@pytest.mark.parametrize("length", [5, 200], ids=["short", "long"])
def test_forty_curves_look_different_and_their_legend_covers_none(length: int, tmp_path: Path) -> None:
    figure = viz.plot_losses({f"class {i}": np.arange(length) for i in range(40)}, tmp_path / "a.png")
    axes = figure.axes[0]
    assert len({(line.get_color(), line.get_linestyle(), line.get_marker()) for line in axes.lines}) == 40
    figure.draw_without_rendering()
    legend, curves = axes.get_legend().get_window_extent(), axes.get_window_extent()
    assert legend.x0 >= curves.x1, "beside the axes"
    assert legend.x1 <= figure.bbox.x1 + 1, "inside the figure"
    assert legend.y0 >= figure.bbox.y0 - 1
    assert curves.width > figure.dpi * 5, "the legend takes nothing from the curves"


def test_forty_classes_of_points_look_different(tmp_path: Path) -> None:
    axes = viz.plot_scatter(np.random.default_rng(0).normal(size=(80, 2)), np.arange(80) % 40, tmp_path / "a.png").axes[0]
    looks = {(tuple(g.get_facecolor()[0]), g.get_paths()[0].vertices.tobytes()) for g in axes.collections}
    assert len(looks) == 40
    assert axes.get_window_extent().width > axes.get_figure().dpi * 3
