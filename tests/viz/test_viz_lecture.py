"""Lecture notation: names u, h, W and b, the position of δ, and the fallback to code notation."""

from __future__ import annotations

import re

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, models, nn, viz
from autograd_mini.viz.graph.lecture import rename_operand
from autograd_mini.viz.graph.nodes import Node

X = np.linspace(-1, 1, 20, dtype=np.float32).reshape(5, 4)
T = np.zeros((5, 2), np.float32)


def parameter(value: object, name: str | None = None) -> Tensor:
    return Tensor(value, requires_grad=True, name=name)


def nodes_by_name(outputs, **options) -> dict[str, Node]:
    return {node.name: node for node in viz.draw(outputs, notation="lecture", **options).graph.nodes}


def chain(x: float, w2: float, w3: float) -> Tensor:
    """Exercise: u⁽¹⁾ = x, h = u², u⁽ˡ⁾ = w⁽ˡ⁾ h⁽ˡ⁻¹⁾, L = ŷ²."""
    h1 = ag.square(parameter(x, "x"))
    return ag.square(ag.square(parameter(w3, "w3") * ag.square(parameter(w2, "w2") * h1)))


def test_the_lecture_chain_has_the_deltas_computed_by_hand():
    nodes = nodes_by_name({"L": chain(1.0, 2.0, 3.0)})
    assert {"x = u⁽¹⁾", "h⁽¹⁾", "w⁽²⁾", "u⁽²⁾", "h⁽²⁾", "w⁽³⁾", "u⁽³⁾", "ŷ = h⁽³⁾", "L"} <= nodes.keys()
    deltas = {"u⁽³⁾": 6912, "u⁽²⁾": 82944, "w⁽³⁾": 27648, "w⁽²⁾": 82944}
    assert {name: float(nodes[name].grad) for name in deltas} == deltas


def test_deltas_are_shown_only_at_pre_activations_and_equal_those_of_backward():
    mlp = models.MLP((4, 3, 2), nn.Tanh)
    u2 = mlp.layers[0](X).retain_grad()
    u3 = mlp.layers[2](ag.tanh(u2)).retain_grad()
    loss = ag.square(u3 - T).mean()
    nodes = nodes_by_name({"L": loss}, params=mlp)
    assert u2.grad is None, "drawing does not change .grad"
    assert all(p.grad is None for p in mlp.parameters())
    loss.backward()
    np.testing.assert_array_equal(nodes["u⁽²⁾"].grad, u2.grad.data)
    np.testing.assert_array_equal(nodes["ŷ = u⁽³⁾"].grad, u3.grad.data)
    for name, p in zip(("W⁽²⁾", "b⁽²⁾", "W⁽³⁾", "b⁽³⁾"), mlp.parameters(), strict=True):
        np.testing.assert_array_equal(nodes[name].grad, p.grad.data)
    assert {n.symbol for n in nodes.values() if n.wants_grad and n.kind == "tensor"} == {"δ⁽²⁾", "δ⁽³⁾"}
    assert nodes["W⁽³⁾"].symbol == "∂L/∂W⁽³⁾"
    assert nodes["h⁽²⁾"].grad is None


def test_edges_are_labelled_with_local_derivatives():
    mlp = models.MLP((4, 3, 2), nn.Tanh)
    picture = viz.draw(nn.mse_loss(mlp(X), T), params=mlp, notation="lecture")
    labels = [edge.label for edge in picture.graph.edges if edge.label]
    assert sorted(labels) == sorted(["· h⁽¹⁾ᵀ", "· W⁽²⁾ᵀ", "f′(u⁽²⁾) = 1 − tanh²(u)", "· h⁽²⁾ᵀ", "· W⁽³⁾ᵀ"])


def test_layers_are_found_without_modules():
    w2, b2, w3 = parameter(np.ones((4, 3), np.float32)), parameter(np.ones(3, np.float32)), parameter(np.ones((3, 2)))
    nodes = nodes_by_name(ag.square(ag.sigmoid(X @ w2 + b2) @ w3 - T).mean())
    assert {"W⁽²⁾", "b⁽²⁾", "u⁽²⁾", "h⁽²⁾", "W⁽³⁾", "ŷ = u⁽³⁾", "L"} <= nodes.keys()


def loss_with_shared_weight() -> Tensor:
    w = parameter(np.eye(4, dtype=np.float32))
    return ag.tanh(ag.tanh(X @ w) @ w).sum()


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (lambda: ag.exp(parameter([1.0, 2.0])).sum(), "no linear layer was found"),
        (lambda: models.VAE((4, 3, 2)).loss(abs(X))["loss"], r"operations #\d+ and #\d+ would both be layer 3"),
        (loss_with_shared_weight, "several layers share one weight"),
    ],
)
def test_without_identifiable_layers_a_note_explains_the_code_notation(loss, reason):
    picture = viz.draw(loss(), notation="lecture")
    assert re.search(f"drawn in code notation: {reason}", picture.notes[0])
    assert "u⁽" not in picture.source


def test_if_backward_fails_gradients_are_dashes_and_a_note_gives_the_reason():
    w = parameter(np.ones((4, 2), np.float32), "w")
    loss = ag.square(X @ w - T).mean()
    w.data = np.zeros((4, 2))
    picture = viz.draw(loss, notation="lecture", show_grad=True)
    assert "gradients are not shown: backward: 'w'" in picture.notes[0]
    assert "δ⁽²⁾ —" in picture.source


def test_an_unknown_notation_raises_value_error():
    with pytest.raises(ValueError, match="code, lecture, got 'physics'"):
        viz.draw(parameter(1.0), notation="physics")  # type: ignore[arg-type]


def test_derivatives_use_u_as_operand():
    assert [rename_operand(text) for text in ("1 − tanh²(x)", "σ(x)(1 − σ(x))", "[x > 0]", "2/√π exp(−x²)")] == [
        "1 − tanh²(u)", "σ(u)(1 − σ(u))", "[u > 0]", "2/√π exp(−u²)",
    ]  # fmt: skip
