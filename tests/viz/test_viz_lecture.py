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


def labels_of(outputs, **options) -> dict[tuple[str, str], str]:
    graph = viz.draw(outputs, notation="lecture", collapse=(), **options).graph
    return {(graph.nodes[e.source].name, graph.nodes[e.target].name): e.label for e in graph.edges if e.label}


def test_the_chain_carries_the_factors_of_the_hand_written_solution():
    """∂L/∂w⁽²⁾ = 2ŷ · 2u⁽³⁾ · w⁽³⁾ · 2u⁽²⁾ · h⁽¹⁾, and ∂L/∂x has the further factors w⁽²⁾ and 2u⁽¹⁾."""
    assert labels_of({"L": chain(1.0, 2.0, 3.0)}) == {
        ("x = u⁽¹⁾", "square"): "f′(u⁽¹⁾) = 2u", ("h⁽¹⁾", "multiply"): "· w⁽²⁾", ("w⁽²⁾", "multiply"): "· h⁽¹⁾",
        ("u⁽²⁾", "square"): "f′(u⁽²⁾) = 2u", ("h⁽²⁾", "multiply"): "· w⁽³⁾", ("w⁽³⁾", "multiply"): "· h⁽²⁾",
        ("u⁽³⁾", "square"): "f′(u⁽³⁾) = 2u", ("ŷ = h⁽³⁾", "square"): "2ŷ",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("loss", "targets", "predict"),
    [(nn.cross_entropy, [0, 1, 0, 1, 0], ag.softmax), (nn.binary_cross_entropy_with_logits, T, ag.sigmoid)],
)
def test_a_fused_loss_shows_u_then_the_prediction_then_the_loss(loss, targets, predict):
    mlp = models.MLP((4, 3, 2), nn.Tanh)
    graph = viz.draw({"L": loss(mlp(X), targets)}, params=mlp, notation="lecture", collapse=()).graph
    nodes = {node.name: node for node in graph.nodes}
    np.testing.assert_allclose(nodes["ŷ"].array, predict(mlp(X)).data, rtol=1e-5)
    assert nodes["u⁽³⁾"].symbol == "δ⁽³⁾"
    assert [node.name for node in graph.nodes if node.name.startswith("ŷ")] == ["ŷ"]
    arrows = {(graph.nodes[e.source].name, graph.nodes[e.target].name) for e in graph.edges}
    assert {name for name, target in arrows if target == "ŷ"} <= {"softmax", "σ"}
    assert (
        "ŷ",
        loss.__name__.replace("cross_entropy", "softmax_cross_entropy") if loss is nn.cross_entropy else loss.__name__,
    ) in arrows


def test_a_residual_connection_falls_back_to_code_notation():
    first, second = nn.Linear(4, 4), nn.Linear(4, 2)
    x = Tensor(X, name="x")
    loss = nn.mse_loss(second(ag.tanh(first(x)) + x), T)
    (note,) = viz.draw(loss, notation="lecture").notes[:1]
    assert "the input of layer 3 depends on more than the layer before, as in a residual connection" in note


def test_convolutions_are_named_as_convolutions_and_pools_belong_to_the_activation():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2))
    images = Tensor(np.ones((5, 1, 6, 6), np.float32), name="x")
    labels = labels_of({"L": nn.mse_loss(net(images), T)}, params=net)
    assert labels["x = h⁽¹⁾", "conv2d"] == "∗ᵀ W⁽²⁾"
    assert labels["W⁽²⁾", "conv2d"] == "∗ h⁽¹⁾"
    assert labels["h⁽²⁾", "linear"] == "· W⁽³⁾ᵀ"
    nodes = nodes_by_name({"L": nn.mse_loss(net(images), T)}, params=net, collapse=())
    assert nodes["h⁽²⁾"].shape == (5, 8), "what enters the next layer"


def test_a_cast_input_keeps_its_name():
    w, x = parameter(np.ones((4, 2), np.float32)), Tensor(X.astype(np.float64), name="x")
    loss = ag.square(ag.astype(x, np.float32) @ w - T).mean()
    assert "x = h⁽¹⁾" in nodes_by_name(loss)


def test_a_vae_shows_its_quantities():
    names = {node.name for node in viz.draw(models.VAE((4, 3, 2)).loss(abs(X))["loss"], collapse=()).graph.nodes}
    assert {"x", "μ", "log σ²", "σ", "ε", "z", "KL", "reconstruction"} <= names


def players() -> tuple[nn.Module, nn.Module, Tensor, Tensor]:
    g = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4))
    d = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    return g, d, Tensor(np.ones((5, 2), np.float32), name="z"), Tensor(X, name="x")


def test_detach_is_a_visible_cut_and_results_of_networks_are_named():
    g, d, z, x = players()
    loss = nn.non_saturating_loss.discriminator(d(x), d(g(z).detach()))
    picture = viz.draw({"L_D": loss}, params={"G": g, "D": d}, collapse=())
    nodes = {node.name: node for node in picture.graph.nodes}
    assert {"x", "G(z)", "logit D(x)", "logit D(G(z))", "L_D"} <= nodes.keys()
    assert (nodes["G(z)"].kind, nodes["G · Sequential"].kind) == ("detached", "outside")
    (cut,) = [edge for edge in picture.graph.edges if edge.label]
    assert (picture.graph.nodes[cut.source].name, picture.graph.nodes[cut.target].name, cut.label) == (
        "G · Sequential", "G(z)", "✂ detach",
    )  # fmt: skip
    assert not any(name.startswith("G.") for name in nodes), "parameters behind the cut take no part"
    with ag.no_grad():
        fake = g(z)
    labels = {e.label for e in viz.draw(d(fake).sum(), params={"G": g, "D": d}).graph.edges}
    assert "✂ no_grad" in labels
    assert not {e.label for e in viz.draw(d(x.detach()).sum(), params={"D": d}).graph.edges} - {""}, "nothing was cut"


def test_frozen_parameters_are_grey_in_the_step_of_the_other_player():
    gan = models.GAN((8, 1, 8, 8), width=16)
    steps = gan.steps((np.ones((2, 1, 8, 8), np.float32), np.zeros(2)))
    kinds = {}
    for step, losses in steps:
        graph = viz.draw(losses, params=gan.parts(), collapse=()).graph
        kinds[step] = {(node.name[0], node.kind) for node in graph.nodes if node.kind in ("parameter", "frozen")}
    assert kinds == {"d": {("D", "parameter")}, "g": {("G", "parameter"), ("D", "frozen")}}
    assert all(p.requires_grad for p in gan.parameters()), "they train again afterwards"


@pytest.mark.parametrize(
    ("name", "is_loss"), [("y", False), ("accuracy", False), ("L", True), ("L_D", True), ("g_loss", True), ("dy/dx", False)]
)
def test_an_output_that_is_not_a_loss_is_not_drawn_as_one(name, is_loss):
    graph = viz.draw({name: ag.square(parameter(2.0))}).graph
    assert (graph.nodes[graph.roots[0]].kind == "loss") == is_loss


def test_the_result_of_a_loss_is_a_loss_under_any_name():
    graph = viz.draw({"fit": nn.mse_loss(parameter([1.0, 2.0]), [0.0, 0.0])}).graph
    assert graph.nodes[graph.roots[0]].kind == "loss"
