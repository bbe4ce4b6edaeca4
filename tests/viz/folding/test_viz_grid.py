"""Matrices and heat maps inside of nodes: they show the numbers of the arrays, and their text is never smaller than 12 pixels."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as xml

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, nn, viz
from autograd_mini.viz.graph.dot import Show
from autograd_mini.viz.graph.grid import MAX_SQUARES, colour, format_grid, grid_size
from autograd_mini.viz.graph.layout import node_size

needs_dot = pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz's dot is not on PATH")


def loss_of(size: int = 4) -> tuple[Tensor, Tensor]:
    w = Tensor(np.linspace(-1, 1, 3 * size).reshape(3, size), requires_grad=True, name="w")
    x = Tensor(np.arange(6.0).reshape(2, 3), name="x")
    loss = ag.square(x @ w).sum()
    loss.backward()
    return loss, w


def numbers(table: str) -> list[list[str]]:
    return [re.findall(r"<td[^>]*><font[^>]*>([^<]*)", row) for row in table.split("<tr>")[1:]]


def test_a_matrix_shows_its_numbers_and_dots_for_the_others():
    assert numbers(format_grid(np.array([[1.0, -0.25], [30.0, 1e-9]]), "matrix", "black")) == [["1", "-0.25"], ["30", "1e-09"]]
    rows = numbers(format_grid(np.arange(50).reshape(5, 10), "matrix", "black"))
    assert rows == [*([str(10 * i + j) for j in range(4)] + ["…"] for i in range(4)), ["⋮"] * 5]
    assert numbers(format_grid(np.array([True, False]), "matrix", "black")) == [["1", "0"]]


def test_a_heat_map_has_the_colours_of_the_signs_and_sizes():
    table = format_grid(np.array([[2.0, -2.0], [0.0, np.nan]]), "heat", "black")
    assert re.findall(r'fixedsize="true" bgcolor="(#\w+)"', table) == [colour(1), colour(-1), colour(0), "#000000"]
    reds = [int(colour(part)[5:], 16) for part in np.linspace(0, 1, 9)]
    assert reds == sorted(reds, reverse=True), "a larger number is less blue"
    large = format_grid(np.ones((100, 5)), "heat", "black")
    assert (large.count("<tr>"), large.count("<td")) == (MAX_SQUARES, 5 * MAX_SQUARES)


@pytest.mark.parametrize("style", ["matrix", "heat"])
def test_nodes_show_values_and_gradients(style):
    loss, w = loss_of()
    source = viz.draw(loss, show_values=style, collapse=()).source
    for array in (w.data, w.grad.data):
        (table,) = {format_grid(array, style, frame) for frame in ("#9A9A9A", "#0072B2")} & set(
            re.findall(r"<td>(<table border=\"1\".*?</table>)</td>", source)
        )
        assert source.count(table) == 1


@needs_dot
@pytest.mark.parametrize("style", ["matrix", "heat"])
def test_the_smallest_text_has_twelve_pixels(style):
    ag.manual_seed(0)
    net = nn.Sequential(nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3))
    loss = nn.cross_entropy(net(np.linspace(0, 1, 64, dtype=np.float32).reshape(4, 16)), [0, 1, 2, 0])
    loss.backward()
    svg = viz.draw({"L": loss}, params=net, show_values=style).pipe("svg").decode()
    width, height = (float(x) * 4 / 3 for x in re.search(r'<svg[^>]*? width="([\d.]+)pt" height="([\d.]+)pt"', svg).groups())
    smallest = min(float(points) for points in re.findall(r'font-size="([\d.]+)"', svg)) * 4 / 3
    assert smallest * min(1, 1280 / width, 720 / height) >= 12
    assert smallest * min(1, 900 / width) >= 12


@needs_dot
@pytest.mark.parametrize("style", ["matrix", "heat"])
def test_the_estimated_size_of_a_node_is_about_its_real_size(style):
    loss, _ = loss_of(7)
    picture = viz.draw(loss, show_values=style, collapse=())
    node = next(node for node in picture.graph.nodes if node.name == "w")
    show = Show(values=style, grad=True)
    svg = xml.fromstring(picture.pipe("svg"))
    (group,) = [g for g in svg.iter("{http://www.w3.org/2000/svg}g") if g.get("id") == f"n{node.number}"]
    path = next(group.iter("{http://www.w3.org/2000/svg}path")).get("d")
    points = np.array([float(x) for x in re.findall(r"-?[\d.]+", path)]).reshape(-1, 2)
    real = points.max(0) - points.min(0)
    estimate = node_size(picture.graph, node, show)
    assert 0.8 < estimate.width / real[0] < 1.4
    assert 0.8 < estimate.height / real[1] < 1.4
    assert grid_size(format_grid(np.ones((2, 3)), "heat", "black")) == (35, 24)


def test_an_unknown_style_is_refused():
    with pytest.raises(ValueError, match="show_values must be a bool, 'matrix' or 'heat', got 'table'"):
        viz.draw(loss_of()[0], show_values="table")  # type: ignore[arg-type]
