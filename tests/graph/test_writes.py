"""Writes into leaves: in place where PyTorch writes in place, and noticed by every graph that used the memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor


def train(update: Callable[[Tensor], Any]) -> list[float]:
    w = Tensor(1.0, requires_grad=True)
    for _ in range(3):
        w.grad = None
        ((w * 2 - 6) ** 2).backward()
        update(w)
    return [w.item()]


def in_no_grad(w: Tensor) -> None:
    with ag.no_grad():
        w -= 0.1 * w.grad


def in_data(w: Tensor) -> None:
    w.data -= 0.1 * w.grad


def in_data_slice(w: Tensor) -> None:
    w.data[...] = (w - 0.1 * w.grad).detach()


def in_assignment(w: Tensor) -> None:
    w.data = w - 0.1 * w.grad


@ag.no_grad
def in_decorated(w: Tensor) -> None:
    w += -0.1 * w.grad


@pytest.mark.parametrize("update", [in_no_grad, in_data, in_data_slice, in_assignment, in_decorated])
def test_the_idioms_of_an_update_train(update: Callable[[Tensor], Any]) -> None:
    expected = 1.0
    for _ in range(3):
        expected -= 0.1 * 4 * (2 * expected - 6)
    assert train(update) == pytest.approx([expected], rel=1e-6)


def test_a_compiled_step_updates_in_place_too() -> None:
    w = Tensor(1.0, requires_grad=True)

    @ag.jit
    def step() -> None:
        w.grad = None
        ((w * 2 - 6) ** 2).backward()
        in_no_grad(w)

    for _ in range(3):
        step()
    assert w.item() == pytest.approx(train(in_no_grad)[0], rel=1e-6)


OPERATORS = ["+=", "-=", "*=", "/=", "//=", "%=", "**=", "@="]


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_augmented_assignment_writes_in_place_under_no_grad(operator: str) -> None:
    w = Tensor([[2.0, 3.0], [5.0, 7.0]], requires_grad=True)
    array, values = w.data, {"w": w, "v": w.numpy.__self__.data.copy()}
    right = "[[1.0, 2.0], [3.0, 4.0]]"
    with ag.no_grad():
        exec(f"w {operator} ag.Tensor({right})", {"ag": ag}, values)
    exec(f"v {operator} np.array({right}, dtype='f4')", {"np": np}, values)
    assert values["w"] is w
    assert w.data is array
    np.testing.assert_array_equal(array, values["v"])


def test_a_leaf_that_requires_a_gradient_refuses_an_update_that_would_be_recorded() -> None:
    w = Tensor([1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"with ag\.no_grad\(\):"):
        w -= 0.1


def test_names_inside_a_transform_can_be_bound_again() -> None:
    def f(x: Any) -> Any:
        x *= 3
        with ag.no_grad():
            y = x
            y += 1
        return x.sum()

    x = Tensor([1.0, 2.0])
    assert ag.grad(f)(x).tolist() == [3, 3]
    assert x.tolist() == [1, 2]


def test_a_write_that_does_not_fit_is_refused() -> None:
    w, n = Tensor([1.0], requires_grad=True), Tensor([1])
    with ag.no_grad(), pytest.raises(ValueError, match=r"shape \(2,\)"):
        w += Tensor([1.0, 2.0])
    with ag.no_grad(), pytest.raises(TypeError, match="int64"):
        n += 0.5


def through_detach(w: Tensor) -> Any:
    return w.detach()


def through_a_view(w: Tensor) -> Any:
    with ag.no_grad():
        return w[0:1]


def through_a_view_of_a_view(w: Tensor) -> Any:
    with ag.no_grad():
        return w.reshape(1, 2)[0].detach()


def through_a_detached_view(w: Tensor) -> Any:
    return w.reshape(2, 1).T.detach()


ALIASES = [through_detach, through_a_view, through_a_view_of_a_view, through_a_detached_view]


@pytest.mark.parametrize("alias", ALIASES)
@pytest.mark.parametrize("before", [True, False])
def test_a_write_through_an_alias_makes_earlier_graphs_stale(alias: Callable[[Tensor], Any], before: bool) -> None:
    w = Tensor([2.0, 3.0], requires_grad=True)
    other = alias(w) if before else None
    loss = (w * w).sum()
    other = alias(w) if other is None else other
    with ag.no_grad():
        other += 1
    with pytest.raises(RuntimeError, match="modified in place"):
        loss.backward()
    (w * w).sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == (2 * w.data).tolist()


@pytest.mark.parametrize("alias", ALIASES)
def test_a_write_through_the_tensor_makes_graphs_of_its_aliases_stale(alias: Callable[[Tensor], Any]) -> None:
    w, p = Tensor([2.0, 3.0]), Tensor(1.0, requires_grad=True)
    loss = (alias(w) * p * p).sum()
    w.data = [5.0, 7.0]
    with pytest.raises(RuntimeError, match="modified in place"):
        loss.backward()


def test_a_view_outside_every_graph_is_an_alias() -> None:
    x, p = Tensor([2.0, 3.0]), Tensor(1.0, requires_grad=True)
    loss = (x[0:1] * p).sum()
    x.data = [5.0, 7.0]
    with pytest.raises(RuntimeError, match="modified in place"):
        loss.backward()


def test_a_result_that_was_modified_through_an_alias_has_no_gradient() -> None:
    w = Tensor([1.0], requires_grad=True)
    y = ag.exp(w)
    with ag.no_grad():
        d = y.detach()
        d += 1
    with pytest.raises(RuntimeError, match=r"result of exp was modified in place"):
        y.sum().backward()


def test_a_write_into_an_input_of_vjp_makes_the_pullback_stale() -> None:
    x = Tensor([2.0, 3.0])
    _, pull = ag.vjp(lambda x: (x * x).sum(), x)
    x.data = [5.0, 7.0]
    with pytest.raises(RuntimeError, match="modified in place"):
        pull(1.0)


def test_neighbours_in_one_block_of_memory_are_no_aliases() -> None:
    a, b = Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)
    loss = (a * a).sum()
    with ag.no_grad():
        b += 1
    loss.backward()
    assert a.grad is not None
    assert a.grad.tolist() == [2.0]


def test_aliases_are_forgotten_with_their_tensors() -> None:
    from autograd_mini.aliases import _groups

    w = Tensor([1.0], requires_grad=True)
    before = len(_groups)
    for _ in range(100):
        w.detach()
    assert len(_groups) <= before + 1
    del w
    assert len(_groups) <= before


@pytest.mark.parametrize("value", [0.0, np.zeros(2), [0.0, 0.0]])
def test_a_gradient_is_a_tensor_of_the_right_shape(value: Any) -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"grad: expected None or a Tensor of shape \(2,\) and dtype float32, got"):
        w.grad = value
    with pytest.raises(ValueError, match=r"got shape \(3,\)"):
        w.grad = Tensor([1.0, 2.0, 3.0])


@pytest.mark.parametrize("copy", [lambda x: x[[0, 1]], lambda x: x[:, [0, 1]], lambda x: x.T.reshape(-1), lambda x: x[x > 0]])
def test_a_result_on_memory_of_its_own_is_no_alias(copy: Callable[[Tensor], Any]) -> None:
    x, p = Tensor([[2.0, 3.0, 4.0], [5.0, 6.0, 7.0]]), Tensor(1.0, requires_grad=True)
    loss = (copy(x) * p).sum()
    x.data = x.data * 0
    loss.backward()
    assert p.grad is not None
    assert p.grad.item() > 0
