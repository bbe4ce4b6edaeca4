"""The page of a graph: modules fold and unfold by a click, nodes show their values, and the path of a gradient lights up."""

from __future__ import annotations

import functools
import json
import re
import shutil
import xml.etree.ElementTree as xml
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import CHROMIUM, Browser

import autograd_mini as ag
from autograd_mini import Tensor, nn, viz
from autograd_mini.viz.folding.details import describe, format_matrix, gradient_nodes
from autograd_mini.viz.folding.views import (
    MAX_COMBINATIONS,
    MAX_VIEWS,
    choose_states,
    clicks,
    fold_modules,
    foldable_modules,
    parents,
)

pytestmark = pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz's dot is not on PATH")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no chromium on PATH")
EVIL = "</script><img src=x onerror=alert(1)>&\"'`\\N\u2028{graph}"


class Residual(nn.Module):
    def __init__(self) -> None:
        self.body = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def draw(**options: Any) -> tuple[viz.Picture, nn.Module, Tensor]:
    ag.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 3), Residual())
    x = Tensor([[0.5, -1.0], [2.0, 0.25]], name="x")
    loss = nn.mse_loss(net(x), np.zeros((2, 3), np.float32))
    return viz.draw({"L": loss}, params=net, interactive=True, **options), net, loss


@functools.cache
def page_of_network() -> str:
    return draw()[0].html


def data_of(page: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    data: dict[str, Any] = json.loads(text)
    return data


# -- views -------------------------------------------------------------------------------------------------------------


def test_every_click_changes_its_module_and_every_view_can_be_reached():
    whole = draw()[0].whole
    assert whole
    modules = foldable_modules(whole.graph)
    assert len(modules) == 6, "a layer, the block, its body, the two layers in it, and the loss, but no activation"
    states = choose_states(modules, frozenset(modules))
    assert len(states) == len(set(states)) == MAX_COMBINATIONS
    assert all(parents(path, modules) <= state for state in states for path in state), "parents of an open module are open"
    moves = clicks(states, modules)
    for state, targets in zip(states, moves, strict=True):
        assert {modules[i] for i in targets} == {path for path in modules if parents(path, modules) <= state}
        assert all((modules[i] in states[target]) != (modules[i] in state) for i, target in targets.items())
    reached, waiting = {0}, [0]
    while waiting:
        new = set(moves[waiting.pop()].values()) - reached
        reached |= new
        waiting += new
    assert len(reached) > len(states) / 2


def test_the_number_of_views_is_limited():
    modules = [(str(i),) for i in range(100)]
    assert len(choose_states(modules, frozenset())) == MAX_VIEWS
    assert set(choose_states(modules[:3], frozenset())) == {
        frozenset(path for bit, path in enumerate(modules[:3]) if mask >> bit & 1) for mask in range(8)
    }


def test_folding_hides_exactly_the_operations_of_the_module():
    whole = draw()[0].whole
    assert whole
    body = next(path for path in foldable_modules(whole.graph) if path[-1] == "body")
    folded = fold_modules(whole.graph, {body})
    (node,) = [node for node in folded.nodes if node.kind == "collapsed"]
    assert node.folds == body
    inside = {n.number for n in whole.graph.nodes if n.primitive is not None and (n.scope or ())[: len(body)] == body}
    assert {n.number for n in whole.graph.nodes if n.primitive} - {n.number for n in folded.nodes if n.primitive} == inside


def test_the_first_view_is_the_picture_itself():
    picture, *_ = draw(collapse=["1.body"])
    data = data_of(picture.html)
    assert list(data["views"][0]["folds"]) == [f"n{n.number}" for n in picture.graph.nodes if n.folds]
    (number,) = data["views"][0]["folds"].values()
    assert data["modules"][str(number)] == "1.body · Sequential"


def test_every_view_is_an_svg_whose_nodes_and_boxes_the_data_knows():
    page = page_of_network()
    data = data_of(page)
    first = page[page.index("<svg") : page.index("</svg>") + 6]
    for view in data["views"]:
        svg = xml.fromstring(view.get("svg", first))
        assert svg.get("role") == "group", "the parts of an image would be hidden from screen readers"
        groups = {e.get("id"): e.get("class") for e in svg.iter("{http://www.w3.org/2000/svg}g")}
        drawn = {id for id, kind in groups.items() if kind == "node" and re.fullmatch(r"n\d+", id)}
        assert drawn == view["nodes"].keys()
        boxes = {id.removeprefix("module") for id in groups if re.fullmatch(r"module\d+", id)}
        assert view["clicks"].keys() == (boxes | {str(n) for n in view["folds"].values()}) & data["modules"].keys()
        assert {end for edge in view["edges"] for end in edge} <= drawn


# -- what the page says --------------------------------------------------------------------------------------------------


def test_values_and_gradients_are_those_of_backward():
    _, net, loss = draw()
    assert all(p.grad is None for p in net.parameters())
    details = {detail["name"]: detail for detail in data_of(page_of_network())["details"]}
    loss.backward()
    for name, p in net.named_parameters():
        shown = {m["title"]: np.array([[float(x) for x in row] for row in m["rows"]]) for m in details[name]["matrices"]}
        np.testing.assert_allclose(shown["value"], np.atleast_2d(p.data), rtol=6e-3)
        assert p.grad is not None
        np.testing.assert_allclose(shown["gradient"], np.atleast_2d(p.grad.data), rtol=6e-3)


def test_a_matrix_is_cut_and_says_so_and_heat_is_relative_to_the_largest_number():
    array = np.arange(-100.0, 100.0).reshape(2, 10, 10)
    matrix = format_matrix("value", array)
    assert matrix["rows"] == [[str(10 * i + j - 100) for j in range(8)] for i in range(8)]
    assert (matrix["heat"][0][0], matrix["heat"][7][7]) == (-1.0, -0.23)
    assert matrix["summary"].endswith("shown: [0, :8, :8]")
    assert format_matrix("v", np.array([np.nan, np.inf, 2.0]))["heat"] == [[0.0, 0.0, 1.0]]
    assert format_matrix("v", np.zeros((0, 3)))["rows"] == []
    assert format_matrix("v", np.array(True))["rows"] == [["1"]]


def test_the_gradient_flows_through_every_operation_but_not_through_a_cut():
    w, x = Tensor(2.0, requires_grad=True, name="w"), Tensor(3.0, name="x")
    h = w * x
    graph = viz.draw({"L": ag.square(h) + h.detach()}, interactive=True, collapse=()).graph
    names = {node.name for node in graph.nodes if f"n{node.number}" in gradient_nodes(graph)}
    assert {"w", "square", "L"} <= names
    assert "x" not in names
    assert not any(node.kind == "detached" for node in graph.nodes if f"n{node.number}" in gradient_nodes(graph))


def test_the_source_line_is_known_inside_of_detect_anomaly():
    w = Tensor(2.0, requires_grad=True, name="w")
    with ag.detect_anomaly():
        y = ag.tanh(w)  # this line
    graph = viz.draw(y).graph
    (node,) = [node for node in graph.nodes if node.primitive is not None]
    facts = dict(describe(graph, node, with_values=True)["facts"])
    assert re.fullmatch(r"test_viz_folding.py:\d+  y = ag.tanh\(w\)  # this line", facts["source line"])


def test_a_plan_has_a_page_without_values():
    step = ag.jit(lambda x: ag.tanh(x * x).sum())
    for _ in range(3):
        step(Tensor(np.ones(3, np.float32)))
    data = data_of(viz.draw(step.plan, interactive=True).html)
    assert len(data["views"]) == 1
    assert not any(detail["matrices"] for detail in data["details"])


def test_a_graph_whose_leaf_was_modified_is_drawn_and_says_why_it_has_no_gradients():
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    loss = ag.square(ag.exp(w)).sum()
    with ag.no_grad():
        w.add_(1.0)
    picture = viz.draw(loss, interactive=True)
    assert "gradients are not shown" in "".join(picture.notes)
    assert "gradients are not shown" in picture.html


def test_names_cannot_become_markup():
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    x = Tensor(np.ones((1, 2), np.float32), name=EVIL)
    page = viz.draw({EVIL + "L": net(x).sum()}, params={EVIL: net}, interactive=True).html
    assert "<img" not in page
    assert len(re.findall("<script", page)) == 2
    assert page.count("</script>") == 2
    assert any(EVIL.split("\u2028")[0] in name for name in data_of(page)["modules"].values())
    assert re.search(r"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'", page)
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?https?:", page)


def test_a_notebook_shows_the_page_only_on_request(tmp_path: Path):
    picture, _, loss = draw()
    bundle = picture._repr_mimebundle_()
    assert bundle.keys() == {"text/html", "image/svg+xml", "text/plain"}
    assert bundle["text/html"].startswith('<iframe sandbox="allow-scripts"')
    assert viz.draw(loss)._repr_mimebundle_().keys() == {"image/svg+xml", "text/plain"}
    viz.draw(loss).save(tmp_path / "g.HTML")
    assert (tmp_path / "g.HTML").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_the_page_is_in_the_language_of_pictures():
    viz.set_language("ja")
    try:
        page = draw()[0].html
    finally:
        viz.set_language(None)
    assert '<html lang="ja">' in page
    assert "すべて折りたたむ" in page
    assert "Fold all" not in page


# -- in a browser --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    tab = Browser(tmp_path_factory.mktemp("profile"))
    yield tab
    tab.close()


EXPANDED = "[...document.querySelectorAll('#graph [aria-expanded]')].map(e => e.getAttribute('aria-label').split(',')[0])"


def by_label(start: str) -> str:
    return (
        f"[...document.querySelectorAll('#graph [role=button]')].find(e => e.getAttribute('aria-label').startsWith('{start}'))"
    )


@needs_chromium
@pytest.mark.parametrize("size", [(1280, 720), (900, 720), (390, 800)])
def test_modules_fold_and_unfold_by_click_and_key_at_this_size(browser: Browser, tmp_path: Path, size: tuple[int, int]):
    path = tmp_path / "graph.html"
    path.write_text(page_of_network(), encoding="utf-8")
    browser.errors.clear()
    browser.requests.clear()
    browser.send("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False)
    browser.open(path)
    browser.run("document.getElementById('fold').click()")
    assert sorted(browser.run(EXPANDED)) == ["unfold 0 · Linear", "unfold 1 · Residual", "unfold mse_loss"]
    browser.run(f"{by_label('unfold 1 · Residual')}.focus()")
    browser.press("Enter")
    assert "unfold 1.body · Sequential" in browser.run(EXPANDED)
    assert browser.run("document.activeElement.getAttribute('aria-label')") == "fold 1 · Residual"
    assert browser.run("document.getElementById('status').textContent") == "1 · Residual is unfolded"
    browser.run(f"{by_label('unfold 1.body ·')}.dispatchEvent(new MouseEvent('click', {{ bubbles: true }}))")
    assert {"fold 1.body · Sequential", "unfold 0 · Linear"} <= set(browser.run(EXPANDED)), "others stay as they were"
    browser.run(f"{by_label('fold 1 · Residual')}.dispatchEvent(new MouseEvent('click', {{ bubbles: true }}))")
    assert browser.run("document.activeElement.getAttribute('aria-label')").startswith("unfold 1 · Residual")
    browser.run("document.getElementById('unfold').click()")
    assert not [label for label in browser.run(EXPANDED) if label.startswith("unfold")]
    assert browser.run("document.getElementById('status').textContent") == ""
    smallest = (
        "[...document.querySelectorAll('#graph text')].map(t => t.getScreenCTM().a * parseFloat(t.getAttribute('font-size')))"
    )
    assert browser.run(f"Math.min(...{smallest})") >= 11.99
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    assert browser.errors == []
    assert {*browser.requests} - {"about:blank"} == {path.as_uri()}


@needs_chromium
def test_a_node_shows_its_gradient_and_the_path_lights_up(browser: Browser, tmp_path: Path):
    path = tmp_path / "graph.html"
    _, net, loss = draw()
    path.write_text(page_of_network(), encoding="utf-8")
    loss.backward()
    browser.errors.clear()
    browser.open(path)
    browser.run("document.getElementById('unfold').click()")
    browser.run(f"{by_label('1.body.2.bias')}.focus()")
    assert browser.run("document.querySelector('#detail h1').textContent") == "1.body.2.bias"
    cells = browser.run("[...document.querySelectorAll('#detail table')].pop().innerText").split()
    np.testing.assert_allclose([float(x) for x in cells], net[1].body[2].bias.grad.data, rtol=6e-3)
    lit = set(
        browser.run("[...document.querySelectorAll('.node.lit')].map(e => (e.getAttribute('aria-label') || '').split(',')[0])")
    )
    assert {"1.body.2.bias", "L"} <= lit
    assert not {"x", "0.weight", "1.body.0.weight", "1.body.2.weight"} & lit
    assert browser.run("document.querySelectorAll('.edge.lit').length") >= 3
    browser.press("ArrowRight")
    assert browser.run("document.querySelector('#detail h1').textContent") == "linear"
    browser.run(f"{by_label('x,')}.focus()")
    assert browser.run("document.querySelectorAll('.lit').length") == 0, "an input has no gradient"
    browser.run(f"{by_label('L,')}.onclick(new MouseEvent('click'))")
    browser.run("document.activeElement.blur()")
    assert browser.run("document.querySelector('#detail h1').textContent") == "L", "a click keeps the node"
    browser.press("Escape")
    assert browser.run("document.querySelector('[aria-pressed]')") is None
    assert browser.errors == []


@needs_chromium
def test_the_page_works_inside_the_frame_of_a_notebook(browser: Browser, tmp_path: Path):
    path = tmp_path / "notebook.html"
    path.write_text(f"<!DOCTYPE html><meta charset=utf-8>{draw()[0]._repr_mimebundle_()['text/html']}", encoding="utf-8")
    browser.errors.clear()
    browser.frames.clear()
    browser.open(path)
    (frame,) = browser.frames
    browser.run("document.getElementById('fold').click()", frame)
    assert browser.run(EXPANDED + ".length", frame) == 3
    assert browser.errors == []


@needs_chromium
@pytest.mark.parametrize("notation", ["code", "lecture"])
def test_after_each_click_the_module_is_still_there(browser: Browser, tmp_path: Path, notation: Any):
    ag.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    path = tmp_path / "graph.html"
    loss = ag.square(net(Tensor([[0.5, -1.0]], name="x"))).mean()
    viz.draw({"L": loss}, params=net, notation=notation, interactive=True).save(path)
    browser.errors.clear()
    browser.open(path)
    lost = browser.run("""JSON.stringify(views.flatMap((view, i) => Object.keys(view.clicks).filter(number => {
        go(i); click(number); return !document.activeElement.hasAttribute("aria-expanded"); })))""")
    assert (browser.run("views.length"), lost, browser.errors) == (4, "[]", [])
