"""Pictures are readable: the smallest text has 12 pixels on a projector of 1280×720 and in a notebook's cell of 900 pixels."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, models, nn, viz
from autograd_mini.viz.graph.dot import Show
from autograd_mini.viz.graph.layout import fit, fold_casts, join_operations, merge_results
from autograd_mini.viz.graph.nodes import build_graph

X = np.linspace(0, 1, 64, dtype=np.float32).reshape(4, 16)
LABELS = [0, 1, 2, 0]


def images(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).random(shape, np.float32)


def exercise_20() -> dict[str, Any]:
    x, w2, w3 = (Tensor(v, requires_grad=True, name=n) for n, v in (("x", 1.0), ("w2", 2.0), ("w3", 3.0)))
    loss = ag.square(ag.square(w3 * ag.square(w2 * ag.square(x))))
    return {"outputs": {"L": loss}, "notation": "lecture", "show_values": True}


def mlp() -> dict[str, Any]:
    net = models.MLP((16, 8, 3), nn.Tanh)
    return {"outputs": {"L": nn.cross_entropy(net(X), LABELS)}, "params": net, "notation": "lecture"}


def deep_mlp() -> dict[str, Any]:
    net = models.MLP((16, *[8] * 8, 3))
    return {"outputs": {"L": nn.cross_entropy(net(X), LABELS)}, "params": net}


def cnn() -> dict[str, Any]:
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32, 3),
    )  # fmt: skip
    return {"outputs": {"L": nn.cross_entropy(net(images(4, 1, 8, 8)), LABELS)}, "params": net}


class Block(nn.Module):
    def __init__(self) -> None:
        self.conv1, self.bn1 = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return ag.relu(self.bn2(self.conv2(ag.relu(self.bn1(self.conv1(x))))) + x)


def residual_block() -> dict[str, Any]:
    net = Block()
    return {"outputs": {"L": nn.mse_loss(net(ag.Tensor(images(2, 4, 6, 6))), images(2, 4, 6, 6))}, "params": net}


def vae() -> dict[str, Any]:
    net = models.VAE(sizes=(16, 8, 2))
    return {"outputs": {"loss": net.loss(X)["loss"]}, "params": net}


def gan(player: str) -> dict[str, Any]:
    net = models.GAN((8, 1, 8, 8), width=16)
    batch = ag.as_tensor(images(4, 1, 8, 8)), ag.as_tensor(LABELS)
    loss = net.d_losses(batch)["loss"] if player == "D" else net.g_losses(batch)["loss"]
    return {"outputs": {f"L_{player}": loss}, "params": {"G": net.generator, "D": net.discriminator}}


def lstm() -> dict[str, Any]:
    cell, head = nn.LSTMCell(3, 4), nn.Linear(4, 1)
    h = c = np.zeros((2, 4), np.float32)
    for _ in range(8):
        h, c = cell(np.ones((2, 3), np.float32), (h, c))
    return {"outputs": {"L": nn.mse_loss(head(h), np.zeros((2, 1), np.float32))}, "params": {"cell": cell, "head": head}}


def attention_block() -> dict[str, Any]:
    net = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    return {"outputs": {"L": nn.mse_loss(net(images(2, 5, 8)), np.zeros((2, 5, 8), np.float32))}, "params": net}


def second_order() -> dict[str, Any]:
    x = Tensor(2.0, requires_grad=True, name="x")
    y = ag.sin(ag.square(x))
    return {"outputs": {"y": y, "dy/dx": ag.grad(y, x, create_graph=True)}, "show_values": True}


MODELS: dict[str, Callable[[], dict[str, Any]]] = {
    "exercise 20": exercise_20, "MLP": mlp, "deep MLP": deep_mlp, "CNN": cnn, "residual block": residual_block, "VAE": vae,
    "GAN, D step": lambda: gan("D"), "GAN, G step": lambda: gan("G"), "LSTM of 8 steps": lstm, "attention block": attention_block,
    "second-order graph": second_order,
}  # fmt: skip


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz's dot is not on PATH")
@pytest.mark.parametrize("name", MODELS)
def test_the_smallest_text_has_twelve_pixels(name: str):
    ag.manual_seed(0)
    svg = viz.draw(**MODELS[name]()).pipe("svg").decode()
    size = re.search(r'<svg[^>]*? width="([\d.]+)pt" height="([\d.]+)pt"', svg)
    assert size
    width, height = (float(points) * 4 / 3 for points in size.groups())
    smallest = min(float(points) for points in re.findall(r'font-size="([\d.]+)"', svg)) * 4 / 3
    assert smallest * min(1, 1280 / width, 720 / height) >= 12, "on a projector"
    assert smallest * min(1, 900 / width) >= 12, "in a notebook"


def test_results_move_into_operations_and_operations_into_named_results_without_losing_any():
    net = models.MLP((16, 8, 3), nn.Tanh)
    y = ag.tanh(net(X)) * 2
    graph = build_graph({"y": y}, net)
    merged, joined = merge_results(graph), join_operations(graph)
    operations = [node.name for node in graph.nodes if node.kind == "operation"]
    assert [node.name for node in merged.nodes if node.kind == "operation"] == operations
    assert [node.kind for node in merged.nodes].count("tensor") == 1, "only y has a name"
    assert [node.name for node in joined.nodes if node.kind == "operation"] == operations[:-1]
    assert joined.nodes[joined.roots[0]].via == "×"
    paths = lambda g: {
        n.number: {g.nodes[e.source].number for e in g.edges if g.nodes[e.target].number == n.number} for n in g.nodes
    }
    assert len(paths(joined)) == len(joined.nodes) < len(merged.nodes) < len(graph.nodes)


def test_a_cast_is_a_label_of_its_edge_and_its_operand_keeps_its_name():
    x, w = Tensor(np.ones(3, np.float32), name="x"), Tensor(np.ones(3), requires_grad=True, name="w")
    picture = viz.draw(ag.astype(w, np.float32) * x)
    assert "cast" not in {node.name for node in picture.graph.nodes}
    (edge,) = [edge for edge in picture.graph.edges if edge.label]
    assert (picture.graph.nodes[edge.source].name, edge.label) == ("w", "as float32")
    assert fold_casts(picture.graph) == picture.graph


def test_a_long_chain_forms_rows_whose_edges_continue_at_numbered_circles():
    y = Tensor(0.5, requires_grad=True, name="x")
    for _ in range(16):
        y = ag.tanh(y)
    source = viz.draw(y).source
    rows = source.count("subgraph cluster_row")
    assert rows > 1
    assert len(re.findall(r"-> out\d+", source)) == len(re.findall(r"^in\d+_\d+ -> n", source, re.M)) == rows - 1


def test_nothing_is_folded_unless_collapse_allows_it():
    net = models.MLP((16, *[8] * 12, 3))
    loss = nn.cross_entropy(net(X), LABELS)
    assert all(node.kind != "collapsed" for node in viz.draw(loss, params=net, collapse=()).graph.nodes)
    assert any(node.kind == "collapsed" for node in viz.draw(loss, params=net).graph.nodes)
    _, layout = fit(build_graph(ag.square(Tensor(1.0, requires_grad=True))), Show(), None, lambda graph: None)
    assert set(layout.rows) == {0}


def test_parameters_that_all_steps_share_are_one_node_if_the_steps_are_folded():
    graph = viz.draw(**lstm()).graph
    (shared,) = [node for node in graph.nodes if node.name == "cell · 4 parameters"]
    assert shared.hidden == 4
    at = graph.nodes.index(shared)
    assert [graph.nodes[e.target].name for e in graph.edges if e.source == at] == [f"cell #{k} · LSTMCell" for k in range(1, 9)]
