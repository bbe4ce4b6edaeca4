"""A checkpoint changes no gradient of any order, whatever its function captures, and keeps no intermediate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor

Wrap = Callable[..., Any]


def run(f: Callable[..., Any], *inputs: Any) -> Any:
    """Calls `f` without a checkpoint."""
    return f(*inputs)


def captured_ancestor(wrap: Wrap, x: Any) -> Any:
    return wrap(lambda z: z * x, x * x)


def captured_input(wrap: Wrap, x: Any) -> Any:
    return wrap(lambda z: z * x * z, x)


def captured_chain(wrap: Wrap, x: Any) -> Any:
    middle = ag.sin(x)
    return wrap(lambda z: z * x * middle, ag.exp(middle))


def shared_weight(wrap: Wrap, w: Any) -> Any:
    h = Tensor(0.5, dtype=np.float64)
    for _ in range(3):
        h = wrap(lambda h: ag.tanh(h * w) + w * 0.25, h)
    return h


def nested(wrap: Wrap, x: Any) -> Any:
    return wrap(lambda z: wrap(lambda v: ag.sin(v) * z * x, z * x), ag.exp(x))


def returned_input(wrap: Wrap, x: Any) -> Any:
    return wrap(lambda z: z, x * x) * wrap(lambda z: x, x)


PROGRAMS = [captured_ancestor, captured_input, captured_chain, shared_weight, nested, returned_input]


def orders(program: Callable[..., Any], wrap: Wrap, at: float) -> list[float]:
    """Computes the value and derivatives up to third order, each in several ways."""

    def f(x: Any) -> Any:
        return program(wrap, x)

    x = Tensor(at, requires_grad=True, dtype=np.float64)
    results = [f(x)]
    for _ in range(3):
        results.append(ag.grad(results[-1], x, create_graph=True))
    one = Tensor(1.0, dtype=np.float64)
    results += ag.jvp(f, (x.detach(),), (one,))
    results += ag.hvp(f, (x.detach(),), (one,))
    results.append(ag.hessian(f)(x.detach()))
    y = Tensor(at, requires_grad=True, dtype=np.float64)
    f(y).backward()
    results.append(y.grad)
    y.grad = None
    f(y).backward(create_graph=True)
    results.append(y.grad)
    return [v.item() for v in results]


@pytest.mark.parametrize("program", PROGRAMS)
def test_derivatives_of_every_order_equal_those_of_the_direct_call(program: Callable[..., Any]) -> None:
    for at in (2.0, -0.75, 0.3):
        np.testing.assert_allclose(orders(program, ag.checkpoint, at), orders(program, run, at), rtol=1e-12)


def test_a_captured_ancestor_of_the_input_gets_the_right_gradient() -> None:
    """x³ has the derivatives 12 and 12 at 2; here x is captured and is also an ancestor of the input."""
    x = Tensor(2.0, requires_grad=True)
    first = ag.grad(captured_ancestor(ag.checkpoint, x), x, create_graph=True)
    assert (first.item(), ag.grad(first, x).item()) == (12.0, 12.0)


def test_hooks_of_a_captured_tensor_run_once() -> None:
    w = Tensor(3.0, requires_grad=True)
    scaled = w * 2
    seen: list[float] = []
    scaled.register_hook(lambda g: seen.append(g.item()))
    ag.checkpoint(lambda z: z * scaled, Tensor(5.0, requires_grad=True)).backward()
    assert (seen, w.grad.item()) == ([5.0], 10.0)


def test_a_checkpoint_is_one_node_of_the_graph() -> None:
    w = Tensor(1.0, requires_grad=True)
    y = ag.checkpoint(lambda x: ag.tanh(x * w) * w, 0.5)
    assert {t.is_leaf for t in y._inputs} == {True}


def test_parameters_of_a_module_get_their_gradients() -> None:
    rng = np.random.default_rng(0)
    w = Tensor(rng.normal(size=(4, 4)), requires_grad=True)
    x = Tensor(rng.normal(size=(3, 4)), requires_grad=True)

    def loss(wrap: Wrap) -> Any:
        h = x
        for _ in range(2):
            h = wrap(lambda h: ag.tanh(h @ w), h)
        return (h * h).sum()

    for a, b in zip(ag.grad(loss(ag.checkpoint), [x, w]), ag.grad(loss(run), [x, w]), strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-12)


def test_a_checkpoint_repeats_its_random_numbers() -> None:
    ag.manual_seed(3)
    x = Tensor(np.ones(1000), requires_grad=True)
    y = ag.checkpoint(lambda x: x * ag.randn(1000), x)
    between = ag.randn(1).item()
    y.sum().backward()
    after = ag.randn(1).item()
    np.testing.assert_array_equal(x.grad.data, y.data)
    ag.manual_seed(3)
    ag.randn(1000)
    assert [ag.randn(1).item(), ag.randn(1).item()] == [between, after], "the backward pass restores the random stream"


def test_the_random_stream_is_restored_after_an_error_in_the_second_run() -> None:
    calls: list[int] = []

    def fail_later(x: Any) -> Any:
        calls.append(1)
        noise = ag.randn(3)
        if len(calls) > 1:
            raise ZeroDivisionError
        return x * noise

    y = ag.checkpoint(fail_later, Tensor(np.ones(3), requires_grad=True)).sum()
    state = ag.get_rng_state()
    with pytest.raises(ZeroDivisionError):
        y.backward()
    assert ag.get_rng_state() == state


def test_a_result_that_needs_no_checkpoint_is_returned_itself() -> None:
    """A captured tensor, an input, or a result without a gradient: there is nothing to run again."""
    x, w = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    assert ag.checkpoint(lambda z: w, x) is w
    assert ag.checkpoint(lambda z: z, x) is x
    detached = ag.checkpoint(lambda z: z.detach() * 2, x)
    assert (detached.requires_grad, detached.is_leaf, detached.item()) == (False, True, 4)
    with pytest.raises(TypeError, match=r"must return one tensor, got 1\.0"):
        ag.checkpoint(lambda z: 1.0, x)


def test_only_tensors_with_a_gradient_are_captured_and_each_one_once() -> None:
    x, w = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    constant, middle = Tensor(5.0), w * w
    y = ag.checkpoint(lambda z: z * middle * constant + middle * w, x)
    assert len(y._inputs) == 3
    assert {id(t) for t in y._inputs} == {id(x), id(middle), id(w)}


@pytest.mark.parametrize("create_graph", [False, True])
def test_an_unused_input_gets_no_gradient(create_graph: bool) -> None:
    x, unused = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    y = ag.checkpoint(lambda a, b: a * a, x, unused)
    a, b = ag.grad(y, [x, unused], create_graph=create_graph, allow_unused=True)
    assert a.item() == 4
    assert b is None or b.item() == 0
