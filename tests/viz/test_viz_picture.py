"""Pictures as files and in notebooks, on machines with Graphviz, with only pygraphviz, or with neither."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import stat
import sys
import time
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

import autograd_mini as ag
from autograd_mini import Tensor, viz
from autograd_mini.viz.graph import render as rendering
from autograd_mini.viz.graph.dot import Direction

HEADS = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF", "dot": b"digraph"}
NAMES = ['quote"', "back\\slash \\N", "<b>tag</b>", "{a|b}", "two\nlines", "</script>", "重み ŷ δ⁽²⁾", "&amp;", "-->"]


def installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


needs_dot = pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz's dot is not on PATH")
needs_pygraphviz = pytest.mark.skipif(not installed("pygraphviz"), reason="pygraphviz is not installed")
needs_any = pytest.mark.skipif(not (shutil.which("dot") or installed("pygraphviz")), reason="no Graphviz of any kind")


@pytest.fixture
def picture() -> viz.Picture:
    x = Tensor(3.0, requires_grad=True, name="x")
    return viz.draw({"loss": ag.square(x * 2)}, show_values=True)


@pytest.fixture
def no_dot(monkeypatch, tmp_path) -> Path:
    """A PATH without dot, to which a test may add its own."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.fixture
def no_renderer(monkeypatch, no_dot) -> Path:
    monkeypatch.setattr(rendering, "_pygraphviz", lambda format: [])
    return no_dot


def install_fake_dot(folder: Path, body: str) -> None:
    path = folder / "dot"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


# -- with a renderer ---------------------------------------------------------------------------------------------------


@needs_any
@pytest.mark.parametrize("format", HEADS)
def test_a_picture_is_saved_in_the_format_of_its_suffix(picture, tmp_path, format):
    path = tmp_path / f"g.{format.upper()}"
    picture.save(path)
    assert path.read_bytes().startswith(HEADS[format])
    assert list(tmp_path.iterdir()) == [path], "no temporary file remains"


@needs_dot
def test_system_graphviz_is_preferred(picture, monkeypatch):
    monkeypatch.setattr(rendering, "_pygraphviz", lambda format: pytest.fail("dot is available"))
    assert b"<svg" in picture.pipe()


@needs_pygraphviz
@pytest.mark.parametrize("format", HEADS)
def test_pygraphviz_draws_if_dot_is_missing(picture, no_dot, format):
    assert picture.pipe(format).startswith(HEADS[format])


@needs_any
def test_the_svg_shows_every_name_unchanged():
    tensors = [Tensor(1.0, requires_grad=True, name=name) for name in NAMES]
    total = tensors[0]
    for t in tensors[1:]:
        total = total + t
    svg = xml.fromstring(viz.draw(total).pipe("svg"))
    shown = {"".join(e.itertext()).replace("\xa0", " ") for e in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert {line for name in NAMES for line in name.split("\n")} <= shown


@needs_any
def test_ids_of_svg_elements_contain_the_node_number(picture):
    ids = {e.get("id") for e in xml.fromstring(picture.pipe("svg")).iter()}
    assert {f"n{i}" for i in range(len(picture.graph.nodes))} <= ids


@needs_any
def test_layout_is_fast_if_one_leaf_is_used_along_a_whole_chain():
    y = x = Tensor(0.5, requires_grad=True, name="x")
    for _ in range(60):
        y = ag.tanh(y) + x
    assert b"<svg" in viz.draw(y).pipe("svg")


@needs_any
def test_a_notebook_shows_the_svg(picture):
    assert "<svg" in picture._repr_mimebundle_()["image/svg+xml"]


@needs_any
def test_an_svg_has_a_title_a_description_and_styles_for_itself_only(picture):
    svg = xml.fromstring(picture.pipe("svg"))
    assert svg.get("role") == "img"
    texts = {part.tag.split("}")[1]: part.text for part in list(svg)[:2]}
    assert texts["title"] == "The graph of loss"
    assert texts["desc"].endswith("Operations: multiply, square.")
    style = svg.find("{http://www.w3.org/2000/svg}style").text
    assert style.startswith("@media (prefers-color-scheme: dark)")
    selectors = [s.strip() for rule in re.findall(r"([^{}]+)\{[^{}]*\}", style) for s in rule.split(",")]
    assert len(selectors) > 5
    assert all(s.startswith(".autograd-mini ") for s in selectors)


@needs_any
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_light_and_dark_themes_ignore_the_reader_s_setting(theme):
    svg = viz.draw(Tensor(1.0, name="x"), theme=theme).pipe("svg").decode()
    assert "prefers-color-scheme" not in svg
    assert ("<style>" in svg) == (theme == "dark")
    with pytest.raises(ValueError, match="auto, light, dark, got 'blue'"):
        viz.draw(Tensor(1.0), theme="blue")  # type: ignore[arg-type]


# -- without a renderer, or with a broken one --------------------------------------------------------------------------


def test_without_a_renderer_the_error_lists_three_fixes(picture, no_renderer):
    with pytest.raises(viz.RendererMissing) as error:
        picture.pipe("svg")
    assert isinstance(error.value, RuntimeError)
    assert all(fix in str(error.value) for fix in ("apt install graphviz", 'pip install "autograd-mini[viz]"', "viz.text"))
    assert picture.source.startswith("digraph")
    assert picture.pipe("dot") == picture.source.encode()
    picture.save(no_renderer / "g.dot")
    assert (no_renderer / "g.dot").read_text() == picture.source


def test_a_notebook_without_a_renderer_shows_the_tree_and_the_reason(picture, no_renderer):
    bundle = picture._repr_mimebundle_()
    assert bundle.keys() == {"text/plain"}
    assert "square" in bundle["text/plain"]
    assert "no Graphviz" in bundle["text/plain"]


def test_an_old_pygraphviz_is_not_used(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.14")
    assert rendering._pygraphviz("svg") == []
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.0.4")
    assert rendering._pygraphviz("svg")[0] == sys.executable


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("echo 'syntax error in line 1' >&2; exit 1", RuntimeError, "syntax error in line 1"),
        ("kill -SEGV $$", RuntimeError, "exit status"),
        ("exec /bin/sleep 30", TimeoutError, "more than 0.3 s"),
    ],
)
def test_a_renderer_that_fails_crashes_or_hangs_raises_and_keeps_the_old_file(no_dot, body, error, message, monkeypatch):
    monkeypatch.setattr(rendering, "_pygraphviz", lambda format: [])
    install_fake_dot(no_dot, body)
    picture = viz.draw(Tensor(1.0, name="x"), timeout=0.3 if error is TimeoutError else 10)
    target = no_dot / "g.svg"
    target.write_text("earlier")
    start = time.monotonic()
    with pytest.raises(error, match=message):
        picture.save(target)
    assert time.monotonic() - start < 10
    assert target.read_text() == "earlier"
    assert {p.name for p in no_dot.iterdir()} == {"dot", "g.svg"}
    assert "not drawn" in picture._repr_mimebundle_()["text/plain"]


@pytest.mark.parametrize("path", ["g.gif", "g", ".svg"])
def test_an_unknown_suffix_raises_an_error_that_lists_the_four_formats(picture, tmp_path, path):
    with pytest.raises(ValueError, match=r"\.svg, \.png, \.pdf, \.dot"):
        picture.save(tmp_path / path)
    with pytest.raises(ValueError, match="svg, png, pdf, dot, got 'gif'"):
        picture.pipe("gif")


@needs_any
@pytest.mark.parametrize(("rankdir", "along"), [("LR", 1), ("RL", 1), ("TB", 0), ("BT", 0)])
@pytest.mark.parametrize("show_formula", [False, True])
def test_the_first_operand_enters_at_the_first_corner(rankdir: Direction, along: int, show_formula: bool):
    """Even if the layout puts it on the other side: a − b must not look like b − a.

    In a picture of several rows an edge between rows ends in a numbered circle, and another circle of this number begins it.
    """
    x = Tensor(2.0, requires_grad=True)
    y = x * x
    loss = (y * y + y / x) - x**y
    picture = viz.draw(loss, rankdir=rankdir, show_formula=show_formula)
    ends: dict[str, float] = {}
    circles: dict[str, str] = {}
    for edge in xml.fromstring(picture.pipe("svg")).findall(".//{*}g"):
        if edge.get("class") == "edge":
            numbers = re.findall(r"-?[\d.]+", edge.find("{*}path").get("d"))
            source, target = edge.find("{*}title").text.split(":")[0].split("->")
            if target.startswith("out"):
                circles[target.removeprefix("out")] = source
            else:
                ends[f"{source}->{target}"] = float(numbers[-2:][along])
    for key in [key for key in ends if key.startswith("in")]:
        circle, target = key.split("->")
        ends[f"{circles[circle[2:].split('_')[0]]}->{target}"] = ends[key]
    operands = picture.graph.operands()
    for i, node in enumerate(picture.graph.nodes):
        if node.name in ("subtract", "divide", "power"):
            first, second = (ends[f"n{j}->n{i}"] for j in operands[i])
            assert first < second, node.name
