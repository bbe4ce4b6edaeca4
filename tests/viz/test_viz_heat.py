"""Heat: edges show the size of their gradient, and a table marks vanishing and exploding gradients."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, models, nn, viz
from autograd_mini.viz.graph.dot import HEAT, heat_style
from autograd_mini.viz.graph.heat import log_rms

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 16)).astype(np.float32)
LABELS = RNG.integers(0, 4, 64)


def deep_mlp_and_loss(activation) -> tuple[nn.Module, Tensor]:
    """Ten hidden layers with He initialisation."""
    ag.manual_seed(0)
    mlp = models.MLP((16, *[16] * 10, 4), activation)
    for name, p in mlp.named_parameters():
        (nn.init.kaiming_normal_ if name.endswith("weight") else nn.init.zeros_)(p)
    return mlp, nn.cross_entropy(mlp(X), LABELS)


def test_gradients_vanish_in_ten_sigmoid_layers_and_not_in_ten_relu_layers():
    _, loss = deep_mlp_and_loss(nn.Sigmoid)
    sigmoid = viz.draw(loss, heat="grad")
    assert [row.layer for row in sigmoid.layers] == list(range(12, 1, -1))
    assert all(row.verdict == "vanishing" for row in sigmoid.layers[1:])
    assert sigmoid.layers[-1].rms < 1e-5 * sigmoid.layers[0].rms
    assert sigmoid.table.splitlines()[-1].endswith("vanishing")
    assert "vanishing" in sigmoid.source
    _, loss = deep_mlp_and_loss(nn.ReLU)
    relu = viz.draw(loss, heat="grad")
    assert relu.layers[-1].rms > 0.01 * relu.layers[0].rms
    assert relu.table.splitlines()[-1].endswith("stable")


def test_gradients_explode_with_large_weights():
    mlp, _ = deep_mlp_and_loss(nn.ReLU)
    for p in mlp.parameters():
        p.data = p.data * 4
    assert {row.verdict for row in viz.draw(nn.cross_entropy(mlp(X), LABELS), heat="grad").layers[1:]} == {"exploding"}


def test_the_table_has_the_deltas_that_backward_computes():
    w2, w3 = (Tensor(RNG.normal(size=s), requires_grad=True) for s in ((4, 3), (3, 2)))
    u2 = (Tensor(X[:, :4], dtype=np.float64) @ w2).retain_grad()
    u3 = (ag.tanh(u2) @ w3).retain_grad()
    loss = ag.square(u3).mean()
    rows = viz.draw(loss, heat="grad").layers
    assert u2.grad is None
    loss.backward()
    sizes = {3: np.sqrt((u3.grad.data**2).mean()), 2: np.sqrt((u2.grad.data**2).mean())}
    assert {row.layer: row.rms for row in rows} == pytest.approx(sizes)
    assert rows[1].ratio == pytest.approx(sizes[2] / sizes[3])


def test_exactly_the_edges_with_a_gradient_show_its_size():
    w, x = Tensor([0.001, 0.001], requires_grad=True, name="w"), Tensor([1.0, 1.0], name="x")
    picture = viz.draw((w * x).sum(), heat="grad", legend=False)
    heats = {(picture.graph.nodes[e.source].name or e.source, e.target): e.heat for e in picture.graph.edges}
    assert heats["w", 2] == 0.0
    assert heats["x", 2] is None
    assert len(re.findall(r"penwidth=5 label", picture.source)) >= 3


def test_heat_is_clamped_to_the_legend_and_a_zero_gradient_is_minus_infinity():
    assert [heat_style(h).split('"')[1] for h in (-math.inf, -8.0, -4.0, 0.0, 99.0)] == [HEAT[i] for i in (0, 0, 2, 4, 4)]
    assert len({heat_style(h) for h in (-8, -6, -4, -2, 0)}) == 5, "each level has its own colour and width"
    assert log_rms(np.zeros(3)) == -math.inf
    w = Tensor([1.0, 2.0], requires_grad=True)
    assert "−∞" in viz.draw((w * 0.0).sum(), heat="grad").source


def test_the_legend_shows_the_scale_of_heat():
    w = Tensor([1.0, 2.0], requires_grad=True)
    assert "log₁₀ RMS" in viz.draw(w.sum(), heat="grad").source
    assert "log₁₀ RMS" not in viz.draw(w.sum()).source


def test_without_layers_edges_have_heat_and_a_note_explains_the_missing_table():
    w = Tensor([1.0, 2.0], requires_grad=True)
    picture = viz.draw(ag.exp(w).sum(), heat="grad")
    assert picture.layers == ()
    assert picture.table == ""
    assert "without a table of layers" in picture.notes[0]
    with pytest.raises(ValueError, match="'grad' or None, got 'data'"):
        viz.draw(w.sum(), heat="data")  # type: ignore[arg-type]
