"""`viz.cells`: the sums that it shows are those of the operation and of its gradient, and the page lights the right cells."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import numpy as np
import pytest
from browser import CHROMIUM, Browser

import autograd_mini as ag
from autograd_mini import Tensor, nn, viz

IMAGE = np.arange(32.0).reshape(1, 2, 4, 4) / 8


def image() -> Tensor:
    return Tensor(IMAGE, requires_grad=True, name="x")


def conv_loss() -> tuple[Tensor, nn.Module, Tensor]:
    ag.manual_seed(0)
    layer, x = nn.Conv2d(2, 3, 3, padding=1), image()
    return ag.square(layer(x)).mean(), layer, x


LOSSES = {
    "conv2d": lambda x: ag.square(ag.conv2d(x, Tensor(np.ones((1, 2, 3, 3)), requires_grad=True, name="w"), padding=1)).mean(),
    "max_pool2d": lambda x: ag.square(ag.max_pool2d(x, 2)).mean(),
    "resample": lambda x: ag.square(ag.avg_pool2d(x, 2)).mean(),
    "softmax": lambda x: ag.square(ag.scaled_dot_product_attention(x[0], x[0], x[0])).mean(),
}


@pytest.mark.parametrize("operation", LOSSES)
def test_the_sums_have_the_values_of_the_arrays(operation):
    """Each text is read back: the products on its left side add up to the number on its right."""
    page = viz.cells(LOSSES[operation](image()), operation)
    sums = [cell["text"] for grid in page.grids for cell in grid["cells"] if " · " in cell["text"]]
    assert len(sums) >= 16
    for text in sums:
        _, terms, value = text.replace("−", "-").split(" = ")
        factors = [term.split(" · ") for term in terms.split(" + ")]
        total = sum(float(a.strip("()")) * float(b.strip("()")) for a, b in factors)
        assert total == pytest.approx(float(value), rel=2e-2, abs=2e-2)


def test_gradients_on_the_page_are_those_of_backward():
    loss, layer, x = conv_loss()
    page = viz.cells(loss, "conv2d", params={"conv": layer})
    loss.backward()
    assert [grid["name"] for grid in page.grids] == ["x", "conv.weight", "conv.bias", "y"]
    for grid, tensor in zip(page.grids, (x, layer.weight, layer.bias), strict=False):
        np.testing.assert_allclose([float(v) for v in grid["grads"]], tensor.grad.data.reshape(-1), rtol=1e-2)


def test_a_convolution_lights_its_window_and_its_kernel():
    loss, layer, _ = conv_loss()
    corner = viz.cells(loss, "conv2d", params=layer).grids[-1]["cells"][0]["lit"]
    assert [i for k, i in corner if k == 0] == [0, 1, 4, 5, 16, 17, 20, 21], "without the padding, in both channels"
    assert len([i for k, i in corner if k == 1]) == 8
    assert [i for k, i in corner if k == 2] == [0]


def test_a_pooling_lights_the_whole_window_and_its_gradient_goes_to_the_maximum():
    page = viz.cells(LOSSES["max_pool2d"](image()), "max_pool2d")
    assert sorted(i for _, i in page.grids[-1]["cells"][0]["lit"]) == [0, 1, 4, 5]
    assert page.grids[0]["cells"][5]["lit"] == [(1, 0)]
    assert page.grids[0]["cells"][0] == {"text": "∂L/∂x[0, 0, 0, 0] = 0 = 0", "lit": []}


def test_attention_is_the_matrix_of_its_weights():
    page = viz.cells(LOSSES["softmax"](image()), "softmax")
    weights = page.grids[-1]
    assert weights["slices"] == [("[0]", 0, 4, 4), ("[1]", 16, 4, 4)]
    rows = np.array([float(v) for v in weights["values"]]).reshape(2, 4, 4)
    np.testing.assert_allclose(rows.sum(-1), 1, atol=5e-3)


def test_the_first_operation_that_mixes_elements_is_the_default():
    loss, *_ = conv_loss()
    assert viz.cells(loss).operation == "conv2d"
    u = ag.max_pool2d(image(), 2)
    assert viz.cells(u.sum(), u).operation == "max_pool2d"


@pytest.mark.parametrize("operation", ["conv2d", "linear"])
def test_an_input_that_requires_no_gradient_is_on_the_page(operation):
    """A picture of a batch shows the batch: with and without requires_grad, the page is the same."""
    ag.manual_seed(0)
    layer = nn.Conv2d(2, 3, 3) if operation == "conv2d" else nn.Linear(4, 3)
    pages = [viz.cells(ag.square(layer(Tensor(IMAGE, requires_grad=r, name="x"))).mean(), operation) for r in (True, False)]
    assert pages[1].grids[0]["name"] == "x"
    assert pages[0].grids == pages[1].grids


def test_operands_that_are_broadcast_have_the_gradient_of_all_copies():
    x = Tensor(np.arange(24.0).reshape(2, 3, 4), requires_grad=True, name="x")
    w = Tensor(np.ones((4, 2)), requires_grad=True, name="w")
    loss = (x @ w).sum()
    page = viz.cells(loss, "matmul")
    loss.backward()
    np.testing.assert_allclose([float(v) for v in page.grids[1]["grads"]], w.grad.data.reshape(-1))
    assert len(page.grids[1]["cells"][0]["lit"]) == 6


def test_large_arrays_are_cut_and_names_are_escaped():
    x = Tensor(np.ones((1, 1, 40, 40)), requires_grad=True, name="</script><b>")
    page = viz.cells(ag.avg_pool2d(x, 2).sum())
    assert len(page.grids[0]["values"]) == 256
    assert "</script><b>" not in page.html
    embedded = json.loads(re.search(r'id="data">(.*?)</script>', page.html, re.DOTALL)[1])
    assert embedded["grids"][0]["name"] == "</script><b>"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: viz.cells(2.0), TypeError, "scalar Tensor as loss, got 2.0"),
        (lambda: viz.cells(image()), ValueError, r"scalar loss, got shape \(1, 2, 4, 4\)"),
        (lambda: viz.cells(Tensor(1.0)), ValueError, "requires no gradient"),
        (lambda: viz.cells(conv_loss()[0], "conv3d"), ValueError, "no operation 'conv3d'; its operations are: .*conv2d"),
    ],
)
def test_bad_arguments_raise(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    tab = Browser(tmp_path_factory.mktemp("profile"))
    yield tab
    tab.close()


@pytest.mark.skipif(not CHROMIUM, reason="no chromium on PATH")
@pytest.mark.parametrize("size", [(1280, 720), (900, 720), (390, 800)])
def test_cells_can_be_clicked_through_at_this_size(browser, tmp_path, size):
    page = viz.cells(LOSSES["max_pool2d"](image()), "max_pool2d")
    path = tmp_path / "cells.html"
    page.save(path)
    browser.errors.clear()
    browser.open(path)
    browser.send("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False)
    text, lit = "document.getElementById('text').textContent", "document.querySelectorAll('td.lit').length"
    assert (browser.run(text), browser.run(lit)) == (page.grids[-1]["cells"][0]["text"], 4)
    browser.press("ArrowRight")
    assert browser.run(text) == page.grids[-1]["cells"][1]["text"]
    browser.run("document.querySelectorAll('td button')[5].click()")
    assert (browser.run(text), browser.run(lit)) == (page.grids[0]["cells"][5]["text"], 1)
    assert browser.run("location.hash") == "#cell=0.5"
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    assert browser.errors == []
