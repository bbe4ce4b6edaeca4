"""The lesson that the stepper plays: forward, loss, backward, update, and the next iteration."""

from __future__ import annotations

import re
import xml.dom.minidom
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, models, nn, viz
from autograd_mini.viz.stepper.frames import format_array


def titles(page: viz.Page) -> list[str]:
    return [frame["title"] for frame in page.frames]


def lecture_chain() -> Tensor:
    x, w2, w3 = Tensor(1.0), Tensor(2.0, requires_grad=True, name="w2"), Tensor(3.0, requires_grad=True, name="w3")
    return ag.square(ag.square(w3 * ag.square(w2 * ag.square(x))))


def lesson(iterations: int = 1, **options: Any) -> tuple[viz.Page, Tensor, nn.Module]:
    ag.manual_seed(0)
    mlp = models.MLP((3, 4, 2), nn.Tanh)
    x, y = Tensor([[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]], name="x"), Tensor([[1.0, 0.0], [0.0, 1.0]], name="y")
    loss = nn.mse_loss(mlp(x), y)
    if iterations:
        options |= {"update": nn.SGD(mlp.parameters(), lr=0.1), "iterations": iterations}
    return viz.step(loss, params=mlp, notation="lecture", **options), loss, mlp


def test_a_lesson_is_forward_loss_backward_update_and_the_next_iteration():
    page = viz.step(lecture_chain(), notation="lecture")
    assert [frame["phase"] for frame in page.frames] == ["forward"] * 5 + ["loss"] + ["backward"] * 8
    assert titles(page)[1:6] == ["u⁽²⁾ = w⁽²⁾ · h⁽¹⁾", "h⁽²⁾ = (u⁽²⁾)²", "u⁽³⁾ = w⁽³⁾ · h⁽²⁾", "ŷ = (u⁽³⁾)²", "L = ŷ²"]
    page, *_ = lesson(iterations=2)
    found = list(dict.fromkeys((frame["iteration"], frame["phase"]) for frame in page.frames))
    assert found == [(k, phase) for k in (1, 2) for phase in ("forward", "loss", "backward", "update")]
    assert "W⁽²⁾ ← W⁽²⁾ − η ∂L/∂W⁽²⁾" in titles(page)


def test_the_losses_of_a_lesson_are_those_of_training():
    page, loss, mlp = lesson(iterations=3)
    optimizer, losses = nn.SGD(mlp.parameters(), lr=0.1), [loss.item()]
    x, y = [[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]], [[1.0, 0.0], [0.0, 1.0]]
    for _ in range(3):
        optimizer.zero_grad()
        nn.mse_loss(mlp(x), y).backward()
        optimizer.step()
        losses.append(nn.mse_loss(mlp(x), y).item())
    shown = [float(row[0]) for row in page.frames[-1]["lines"][0]["rows"]]
    np.testing.assert_allclose(shown, losses, rtol=1e-3)


@pytest.mark.parametrize("make", [lambda p: nn.Adam(p, lr=0.1), lambda p: nn.SGD(p, lr=0.1, momentum=0.9)])
def test_a_lesson_changes_nothing_of_the_program(make):
    ag.manual_seed(0)
    mlp = models.MLP((3, 4, 2))
    loss = nn.mse_loss(mlp(np.ones((2, 3), np.float32)), np.zeros((2, 2), np.float32))
    optimizer = make(mlp.parameters())
    before = {name: p.data.copy() for name, p in mlp.named_parameters()}
    state = ag.get_rng_state()
    page = viz.step(loss, params=mlp, update=optimizer, iterations=2)
    assert ag.get_rng_state() == state
    assert all(p.grad is None and np.array_equal(p.data, before[name]) for name, p in mlp.named_parameters())
    assert not optimizer.state_dict()["state"] or optimizer.state_dict() == make(mlp.parameters()).state_dict()
    loss.backward()  # the graph is not stale
    updates = [frame for frame in page.frames if frame["kind"] == "update"]
    assert len(updates) == 8
    first = next(frame for frame in updates if "layers.0.weight" in frame["title"])
    optimizer.step()
    assert first["lines"][2]["rows"] == format_array(mlp.layers[0].weight.data)


def test_values_and_gradients_fill_the_nodes_as_they_are_computed():
    page = viz.step(lecture_chain(), notation="lecture")
    names = {f"n{n.number}": n.name for n in viz.draw(lecture_chain(), notation="lecture").graph.nodes}
    values = {names[node].split(" = ")[0]: lines for frame in page.frames for node, lines in frame["values"].items()}
    grads = {names[node].split(" = ")[0]: lines for frame in page.frames for node, lines in frame["grads"].items()}
    assert values["u⁽³⁾"] == ["12"]
    assert values["ŷ"] == ["144"]
    assert grads["u⁽³⁾"] == ["δ⁽³⁾ = 6912"]
    assert grads["w⁽²⁾"] == ["∂L/∂w⁽²⁾ = 82944"]


def test_every_complete_gradient_has_a_numerical_one_beside_it():
    page, loss, mlp = lesson()
    checked = [part for frame in page.frames for part in frame["numeric"]]
    assert len(checked) >= 8
    differences = [float(re.search(r"difference (\S+)", part["detail"])[1]) for part in checked]
    assert max(differences) < 1e-4
    loss.backward()
    last = {part["label"]: part["rows"] for frame in page.frames if frame["kind"] == "end" for part in frame["numeric"]}
    shown = np.array(last["numerical ∂L/∂W⁽³⁾"], float)
    np.testing.assert_allclose(shown, mlp.layers[2].weight.grad.data, rtol=2e-3, atol=1e-5)


def test_the_formulas_of_a_lesson_are_mathml_with_the_numbers_put_in():
    page, *_ = lesson()
    for frame in page.frames:
        if frame["math"]:
            xml.dom.minidom.parseString(frame["math"])
    update = next(frame for frame in page.frames if frame["kind"] == "update")
    assert "<mo>←</mo>" in update["math"]
    assert "<mi>η</mi>" in update["math"]
    end = next(frame for frame in page.frames if frame["kind"] == "end")
    assert end["math"].count('<mtr><mtd style="text-align:right" displaystyle="true"><m') == 6, "two δ, four parameters"


def test_matrices_have_named_rows():
    page, *_ = lesson()
    found = {part["label"]: part["heads"] for frame in page.frames for part in frame["lines"]}
    assert found["u⁽²⁾"] == ["example 1", "example 2"]
    assert found["W⁽²⁾"] == ["unit 1", "unit 2", "unit 3", "unit 4"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"update": 0.1}, TypeError, "update must be an optimizer .* got 0.1"),
        ({"iterations": 2}, ValueError, "iterations=2 needs update="),
        ({"iterations": 0}, ValueError, "positive integer, got 0"),
        ({"iterations": True}, ValueError, "positive integer, got True"),
    ],
)
def test_bad_passes_raise(options, error, message):
    with pytest.raises(error, match=message):
        viz.step(lecture_chain(), **options)
