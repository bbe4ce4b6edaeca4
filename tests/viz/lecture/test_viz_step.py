"""The stepper: its frames show the engine's backward pass, and its page works in a browser without network."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from browser import CHROMIUM, Browser
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as ag
from autograd_mini import Tensor, models, nn, viz
from autograd_mini.viz.graph import render as rendering
from autograd_mini.viz.show import embed_json
from autograd_mini.viz.stepper.frames import format_array

X = np.linspace(-1, 1, 20, dtype=np.float32).reshape(4, 5)
T = np.zeros((4, 2), np.float32)
NAMES = ['quote"', "</script><script>alert(1)</script>", "<!--", "重み ŷ", "{|}", "a\\n'b", "&lt;", "\u2028"]


def parameter(value: object, name: str | None = None) -> Tensor:
    return Tensor(value, requires_grad=True, name=name)


def mlp_loss(mlp: nn.Module) -> Tensor:
    return nn.mse_loss(mlp(X), T)


def play(loss: Tensor, **options: Any) -> viz.Page:
    """The page of a backward pass alone."""
    return viz.step(loss, **{"forward": False, **options})


def titles(page: viz.Page) -> list[str]:
    return [frame["title"] for frame in page.frames]


def lecture_chain() -> Tensor:
    x, w2, w3 = Tensor(1.0), parameter(2.0, "w2"), parameter(3.0, "w3")
    return ag.square(ag.square(w3 * ag.square(w2 * ag.square(x))))


# -- frames ------------------------------------------------------------------------------------------------------------


def test_the_lecture_chain_shows_the_numbers_computed_by_hand():
    page = play(lecture_chain(), notation="lecture")
    assert titles(page) == [
        "∂L/∂L = 1", "square → ∂L/∂ŷ", "square → δ⁽³⁾", "multiply → ∂L/∂w⁽³⁾", "multiply → ∂L/∂h⁽²⁾", "square → δ⁽²⁾",
        "multiply → ∂L/∂w⁽²⁾", "the gradients",
    ]  # fmt: skip
    answers = [line["rows"] for frame in page.frames for line in frame["lines"] if line["answer"]]
    assert answers == [[["288"]], [["6912"]], [["27648"]], [["20736"]], [["82944"]], [["82944"]]]
    assert [line["rows"] for line in page.frames[2]["lines"]] == [[["288"]], [["24"]], [["6912"]]], (
        "upstream × local derivative"
    )


def test_the_letters_of_a_local_derivative_are_explained():
    page = play(lecture_chain(), notation="lecture")
    details = [line["detail"] for frame in page.frames for line in frame["lines"] if line["label"] == "× local derivative"]
    assert details == ["2x", "2u", "b   (b = h⁽²⁾)", "a   (a = w⁽³⁾)", "2u", "b   (b = h⁽¹⁾)"]


def test_the_last_frame_shows_the_gradients_of_backward_and_no_grad_changes():
    mlp = models.MLP((5, 4, 2), nn.Tanh)
    loss = mlp_loss(mlp)
    page = play(loss, params=mlp)
    assert all(p.grad is None for p in mlp.parameters())
    loss.backward()
    shown = {line["label"]: line["rows"] for line in page.frames[-1]["lines"]}
    assert shown == {f"∂L/∂{name}": format_array(p.grad.data) for name, p in mlp.named_parameters()}


def test_shapes_of_products_are_shown():
    mlp = models.MLP((5, 5, 2), nn.Tanh)
    page = play(mlp_loss(mlp), params=mlp)
    details = {frame["title"]: frame["lines"][-1]["detail"] for frame in page.frames}
    assert details["linear → ∂L/∂layers.2.weight"] == "(2, 5) ← (2, 4) @ (4, 5)"
    assert "(4, 5) ← (4, 2) @ (2, 5)" in details.values()
    assert details["linear → ∂L/∂layers.2.bias"] == "(2,) ← Σ (4, 2)"


def test_adding_gradients_and_undoing_broadcasting_have_separate_frames():
    w, b = parameter(np.ones((2, 3), np.float32), "w"), parameter(2.0, "b")
    page = play(((w * b) * w).sum())
    kinds = [(frame["kind"], frame["title"]) for frame in page.frames]
    assert ("accumulate", "add up: ∂L/∂w") in kinds
    assert ("unbroadcast", "undo broadcasting: ∂L/∂b") in kinds
    added = next(frame for frame in page.frames if frame["kind"] == "accumulate")
    assert [line["rows"][0] for line in added["lines"]] == [["2"] * 3, ["2"] * 3, ["4"] * 3], "old + new = total"
    undone = next(frame for frame in page.frames if frame["kind"] == "unbroadcast")
    assert undone["lines"][-1]["detail"] == "scalar ← Σ (2, 3)"
    assert undone["lines"][-1]["rows"] == [["6"]]


def test_each_layer_is_one_frame_with_and_without_modules():
    mlp = models.MLP((5, 4, 2), nn.Tanh)
    assert titles(play(mlp_loss(mlp), params=mlp, granularity="layer"))[1:-1] == [
        "mse_loss",
        "layers.2 · Linear",
        "layers.1 · Tanh",
        "layers.0 · Linear",
    ]
    w, v = parameter(np.ones((5, 4), np.float32)), parameter(np.ones((4, 2), np.float32))
    loss = ag.square(ag.tanh(X @ w) @ v - T).mean()
    assert titles(play(loss, granularity="layer"))[1:-1] == ["outside the layers", "layer 3", "layer 2"]


def test_calls_with_several_outputs_and_joint_rules_have_frames():
    ag.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2))
    loss = nn.mse_loss(net(np.ones((2, 1, 6, 6), np.float32) * np.arange(6, dtype=np.float32)), T[:2])
    page = play(ag.concatenate([loss[None], loss[None]]).sum(), params=net)
    played = {title.split(" → ")[0] for title in titles(page)}
    assert {"max_pool2d", "batch_norm", "conv2d", "concatenate"} <= played
    shown = {line["label"]: line["rows"] for line in page.frames[-1]["lines"]}
    (ag.concatenate([loss[None], loss[None]]).sum()).backward()
    assert shown["∂L/∂0.bias"] == format_array(net[0].bias.grad.data)


def test_frames_highlight_nodes_and_edges_of_the_picture():
    vae = models.VAE((4, 3, 2))
    loss = vae.loss(abs(X[:, :4]))["loss"]
    page = play(loss, params=vae)
    numbers = {f"n{node.number}" for node in viz.draw(loss, collapse=()).graph.nodes}
    assert all({*frame["nodes"], *frame["known"]} <= numbers for frame in page.frames)
    edges = {f"n{e.source}->n{e.target}" for e in viz.draw(loss, collapse=()).graph.edges}
    assert all(set(frame["edges"]) <= edges for frame in page.frames)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: play(parameter([1.0, 2.0])), r"scalar loss, got shape \(2,\)"),
        (lambda: play(Tensor(1.0)), "requires no gradient"),
        (lambda: play(parameter(1.0) * 2, granularity="node"), "op, layer, got 'node'"),
        (lambda: play(parameter(1.0) * 2, max_nodes=3), "4 nodes, more than max_nodes=3; pass max_nodes=4"),
        (lambda: play(parameter(1.0) * 2).save("p.htm"), r"ends in \.html"),
    ],
)
def test_bad_input_raises_value_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# -- the page as text ---------------------------------------------------------------------------------------------------


@given(st.text())
def test_embedded_text_cannot_end_its_script_element_and_is_unchanged(text):
    embedded = embed_json({"name": text})
    assert not set("<>&\u2028\u2029") & set(embedded)
    if all(not 0xD800 <= ord(c) < 0xE000 for c in text):
        assert json.loads(embedded) == {"name": text}


def test_the_page_loads_nothing_and_is_sandboxed_in_a_notebook(tmp_path):
    page = play(lecture_chain())
    page.save(tmp_path / "p.html")
    assert (tmp_path / "p.html").read_text(encoding="utf-8") == page.html
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:|#)|@import|url\(""", page.html.replace("xlink:", ""))
    assert "default-src 'none'" in page.html
    frame = page._repr_html_()
    assert 'sandbox="allow-scripts"' in frame
    assert html.unescape(re.search('srcdoc="([^"]*)"', frame)[1]) == page.html


def test_without_a_renderer_the_page_lists_the_nodes(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(rendering, "_pygraphviz", lambda format: [])
    page = play(parameter(2.0, "<w>") * 3.0)
    assert "<svg" not in page.html
    assert '<li id="n0">parameter &lt;w&gt;</li>' in page.html


# -- the page in a browser ----------------------------------------------------------------------------------------------

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no chromium on PATH")


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    tab = Browser(tmp_path_factory.mktemp("profile"))
    yield tab
    tab.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a page in the tab; at the end of the test there are no errors and no other requests."""
    browser.requests.clear()
    browser.errors.clear()
    path = tmp_path / "page.html"

    def show(page: viz.Page, fragment: str = "") -> Browser:
        page.save(path)
        browser.open(path, fragment)
        return browser

    yield show
    assert browser.errors == []
    assert {url.split("#")[0] for url in browser.requests} - {"about:blank"} == {path.as_uri()}


def shown(tab: Browser) -> int:
    return int(tab.run("document.getElementById('count').textContent.split(' ')[0]"))


@needs_chromium
def test_buttons_keys_slider_and_hash_move_between_frames(opened):
    page = play(lecture_chain())
    last = len(page.frames)
    tab = opened(page)
    assert shown(tab) == 1
    seen = []
    for control in ("next", "next", "previous", "last", "first"):
        tab.run(f"document.getElementById('{control}').click()")
        seen.append(shown(tab))
    assert seen == [2, 3, 2, last, 1]
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End", "ArrowRight", "Home", "ArrowLeft"):
        tab.press(key)
        seen.append(shown(tab))
    assert seen == [2, 3, 2, last, last, 1, 1]
    tab.run("const s = document.getElementById('slider'); s.value = 4; s.dispatchEvent(new Event('input'))")
    assert shown(tab) == 5
    assert tab.run("location.hash") == "#frame=5"
    tab.run("location.hash = '#frame=3'; dispatchEvent(new HashChangeEvent('hashchange'))")
    assert shown(tab) == 3
    assert shown(opened(page, "#frame=7")) == 7
    assert shown(opened(page, "#frame=99")) == last
    assert shown(opened(page, "#frame=<b>")) == 1


@needs_chromium
def test_play_advances_automatically_and_stops_at_the_end(opened):
    tab = opened(play(lecture_chain()))
    tab.run("const real = setInterval; window.setInterval = (f, ms) => real(f, 5); document.getElementById('play').click()")
    for _ in range(40):
        tab.send("Runtime.evaluate", expression="new Promise(done => setTimeout(done, 100))", awaitPromise=True)
        if tab.run("document.getElementById('play').textContent") == "Play":
            break
    assert shown(tab) > 3
    assert tab.run("document.getElementById('play').textContent") == "Play", "it stops at the end"


@needs_chromium
def test_the_numbers_in_the_page_are_those_of_grad(opened):
    mlp = models.MLP((5, 4, 2), nn.Tanh)
    loss = mlp_loss(mlp)
    tab = opened(play(loss, params=mlp))
    tab.press("End")
    text = "l => [l.querySelector('h2').textContent, [...l.querySelectorAll('tr')].map(r => [...r.querySelectorAll('td')].map(c => +c.textContent))]"
    numbers = dict(tab.run(f"[...document.querySelectorAll('.line')].map({text})"))
    loss.backward()
    assert numbers.keys() == {f"∂L/∂{name}" for name, _ in mlp.named_parameters()}
    for name, p in mlp.named_parameters():
        np.testing.assert_allclose(numbers[f"∂L/∂{name}"], np.atleast_2d(p.grad.data), rtol=1e-3)


@needs_chromium
def test_a_frame_highlights_its_operation_its_operand_and_their_edge(opened):
    page = play(lecture_chain())
    tab = opened(page, "#frame=3")
    lit = tab.run("[...document.querySelectorAll('.now')].map(e => e.id || e.querySelector('title').textContent)")
    assert {*page.frames[2]["nodes"]} <= {*lit}
    known = tab.run("document.querySelectorAll('.known').length")
    assert known == len({n for frame in page.frames[:3] for n in frame["known"]})
    assert tab.run("document.getElementById('caption').getAttribute('aria-live')") == "polite"


@needs_chromium
def test_an_edge_that_ends_at_a_corner_is_highlighted(opened):
    page = play(parameter(3.0, "a") - parameter(2.0, "b"))
    tab = opened(page, "#frame=2")
    lit = tab.run("[...document.querySelectorAll('.edge.now')].map(e => e.querySelector('title').textContent.split(':')[0])")
    assert {*lit} == {*page.frames[1]["edges"]} != set()


@needs_chromium
def test_a_quiz_hides_the_number_until_it_is_clicked(opened):
    tab = opened(play(lecture_chain(), quiz=True), "#frame=3")
    text = "document.body.innerText"
    assert "6912" not in tab.run(text)
    tab.run("document.querySelector('.reveal').click()")
    assert "6912" in tab.run(text)
    tab.press("ArrowRight")
    tab.press("ArrowLeft")
    assert "6912" in tab.run(text), "a revealed number stays visible"


@needs_chromium
def test_dark_mode_and_reduced_motion_follow_the_reader_s_settings(opened):
    tab = opened(play(lecture_chain()))
    ground = "getComputedStyle(document.body).backgroundColor"
    tab.media(prefers_color_scheme="light", prefers_reduced_motion="no-preference")
    assert tab.run(ground) == "rgb(255, 255, 255)"
    tab.media(prefers_color_scheme="dark", prefers_reduced_motion="reduce")
    assert tab.run(ground) == "rgb(22, 24, 27)"
    edge = "getComputedStyle(document.querySelector('.edge path') || document.body).transitionDuration"
    assert tab.run(edge) in ("0s", "0s, 0s")
    tab.media(prefers_color_scheme="light", prefers_reduced_motion="no-preference")


@needs_chromium
def test_names_are_escaped_and_never_executed(opened):
    total = parameter(1.0, NAMES[0])
    for name in NAMES[1:]:
        total = total + parameter(1.0, name)
    tab = opened(play(total))
    tab.press("End")
    labels = tab.run("[...document.querySelectorAll('.line h2')].map(e => e.textContent)")
    assert labels == [f"∂L/∂{name}" for name in NAMES]
    assert tab.run("document.scripts.length") == 2


@needs_chromium
def test_the_page_works_inside_a_notebook_frame(browser, tmp_path):
    path = tmp_path / "notebook.html"
    path.write_text(f"<!DOCTYPE html><meta charset=utf-8>{play(lecture_chain())._repr_html_()}", encoding="utf-8")
    browser.errors.clear()
    browser.open(path)
    (frame,) = browser.frames
    assert (
        browser.run("document.getElementById('next').click(); document.getElementById('count').textContent", frame) == "2 / 8"
    )
    assert browser.errors == []


# -- the lesson in a browser -------------------------------------------------------------------------------------------


def lesson(iterations: int = 1, **options: Any) -> tuple[viz.Page, Tensor, nn.Module]:
    ag.manual_seed(0)
    mlp = models.MLP((3, 4, 2), nn.Tanh)
    x, y = Tensor([[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]], name="x"), Tensor([[1.0, 0.0], [0.0, 1.0]], name="y")
    loss = nn.mse_loss(mlp(x), y)
    if iterations:
        options |= {"update": nn.SGD(mlp.parameters(), lr=0.1), "iterations": iterations}
    return viz.step(loss, params=mlp, notation="lecture", **options), loss, mlp


SIZES = [(1280, 720), (900, 720), (390, 800)]


@needs_chromium
@pytest.mark.parametrize("size", SIZES)
def test_a_lesson_can_be_clicked_through_at_this_size(opened, size):
    page, *_ = lesson(iterations=2)
    tab = opened(page)
    tab.send("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False)
    try:
        assert tab.run("document.querySelectorAll('#phases button').length") == 8
        tab.run("document.querySelectorAll('#phases button')[3].click()")
        assert page.frames[shown(tab) - 1]["kind"] == "update"
        for _ in page.frames:
            tab.press("ArrowRight")
        assert shown(tab) == len(page.frames)
        tab.run("location.hash = '#frame=9'; dispatchEvent(new HashChangeEvent('hashchange'))")
        visible = "[...document.querySelectorAll('#math > div')].filter(e => !e.hidden).length"
        assert tab.run(visible) >= 1
        formula = "[...document.querySelectorAll('#math > div')].filter(e => !e.hidden).pop().getBoundingClientRect().height"
        assert tab.run(f"document.getElementById('math').getBoundingClientRect().height + 1 >= {formula}"), "nothing is cut off"
        text = "[...document.querySelectorAll('#graph text')].filter(t => t.textContent.trim())"
        heights = f"Math.min(...{text}.map(t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a))"
        assert tab.run(heights) >= 11.99, "the smallest text of the graph"
        assert tab.run("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off at the right"
        if size == SIZES[0]:
            assert tab.run("document.documentElement.scrollHeight <= innerHeight"), "the whole lesson is in the window"
            bottom = tab.run("document.getElementById('step').getBoundingClientRect().bottom")
            assert bottom > 700, "and fills it"
    finally:
        tab.send("Emulation.clearDeviceMetricsOverride")


@needs_chromium
def test_nodes_show_their_values_and_gradients_up_to_this_step(opened):
    page = viz.step(lecture_chain(), notation="lecture", update=None)
    graph = "[...document.querySelectorAll('#graph text')].map(t => t.textContent).filter(t => t.trim())"
    tab = opened(page, "#frame=2")
    assert "144" not in tab.run(graph)
    tab = opened(page, "#frame=9")
    texts = tab.run(graph)
    assert {"144", "12", "δ⁽³⁾ = 6912"} <= set(texts)
    assert not any("82944" in text for text in texts)


@needs_chromium
def test_the_numerical_gradient_appears_with_a_button_and_a_key(opened):
    page = viz.step(lecture_chain(), notation="lecture")
    tab = opened(page, "#frame=9")
    text = "document.getElementById('lines').innerText"
    assert "numerical" not in tab.run(text)
    tab.press("c")
    assert "numerical δ⁽³⁾" in tab.run(text)
    assert "6912" in tab.run("document.querySelector('.numeric td').textContent")
    tab.run("document.getElementById('check').click()")
    assert "numerical" not in tab.run(text)
