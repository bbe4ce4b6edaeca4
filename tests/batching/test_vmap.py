"""`vmap`: what a function computes for a batch equals what it computes example by example, for every primitive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import samples
from hypothesis import given, settings
from samples import SAMPLES

import autograd_mini as ag

N = 3


def batches(data: st.DataObject, operands: Sequence[np.ndarray]) -> tuple[list[np.ndarray], tuple[int | None, ...]]:
    """Draws which operands have examples, and along which axis; examples are the operand times 1, 0.9 and 0.8."""
    chosen = data.draw(st.lists(st.booleans(), min_size=len(operands), max_size=len(operands)).filter(any))
    axes = tuple(data.draw(st.integers(-x.ndim - 1, x.ndim)) if use else None for x, use in zip(operands, chosen, strict=True))
    arrays = [
        x if axis is None else np.stack([x * (1 - 0.1 * k) for k in range(N)], axis)
        for x, axis in zip(operands, axes, strict=True)
    ]
    return arrays, axes


def by_loop(f: Callable[..., Any], arrays: Sequence[Any], axes: Sequence[int | None]) -> list[Any]:
    """Returns f of each example."""
    pick = lambda x, axis, k: x if axis is None else ag.moveaxis(x, axis, 0)[k]
    return [f(*[pick(x, axis, k) for x, axis in zip(arrays, axes, strict=True)]) for k in range(N)]


def as_list(outputs: Any) -> list[ag.Tensor]:
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


def weigh(outputs: Sequence[ag.Tensor]) -> Any:
    """Returns a sum of the floating outputs with different weights."""
    terms = [(y * np.cos(np.arange(y.size)).reshape(y.shape)).sum() for y in outputs if y.dtype.kind == "f"]
    return sum(terms[1:], terms[0])


def equal(a: ag.Tensor, b: ag.Tensor) -> None:
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_primitive_in_a_batch_equals_a_loop_over_examples(name: str) -> None:
    """Values, gradients through `vmap`, and the pullback inside of `vmap`, for any choice of batched operands and axes."""

    @given(call=SAMPLES[name], data=st.data())
    @settings(max_examples=6)
    def check(call: samples.call.Call, data: st.DataObject) -> None:
        f = call.function
        arrays, axes = batches(data, call.operands)
        with np.errstate(all="ignore"):
            try:
                expected = [as_list(y) for y in by_loop(f, [ag.Tensor(x) for x in arrays], axes)]
            except np.linalg.LinAlgError:
                return
            actual = as_list(ag.vmap(f, axes)(*arrays))
            for y, rows in zip(actual, zip(*expected, strict=True), strict=True):
                equal(y, ag.stack(list(rows)))

            through = [ag.Tensor(x, requires_grad=True) for x in arrays]
            one_by_one = [ag.Tensor(x, requires_grad=True) for x in arrays]
            batch = as_list(ag.vmap(f, axes)(*through))
            if not any(y.requires_grad for y in batch):
                return
            looped = [ag.stack(list(rows)) for rows in zip(*map(as_list, by_loop(f, one_by_one, axes)), strict=True)]
            for a, b in zip(
                ag.grad(weigh(batch), through, allow_unused=True),
                ag.grad(weigh(looped), one_by_one, allow_unused=True),
                strict=True,
            ):
                assert (a is None) == (b is None)
                if a is not None:
                    equal(a, b)

            gradient = ag.grad(lambda *xs: weigh(as_list(f(*xs))), argnums=tuple(range(len(arrays))))
            inside = ag.vmap(gradient, axes)(*arrays)
            for g, rows in zip(inside, zip(*by_loop(gradient, [ag.Tensor(x) for x in arrays], axes), strict=True), strict=True):
                equal(g, ag.stack(list(rows)))

    check()


def test_detach_and_no_grad_inside_of_vmap_end_the_gradient() -> None:
    """The gradient equals that of a loop: x · detach(x) has the derivative x, and so has x · x without a graph."""
    rows = np.arange(6.0).reshape(3, 2)

    def without_graph(x: ag.Tensor) -> ag.Tensor:
        with ag.no_grad():
            y = ag.sin(x)
        return (x * y).sum()

    inner = lambda x: ag.grad(lambda z: (z**3).sum())(x.detach()).sum() * x.sum()
    for f, expected in (
        (lambda x: (x * x.detach()).sum(), rows),
        (without_graph, np.sin(rows)),
        (inner, np.broadcast_to((3 * rows**2).sum(axis=1, keepdims=True), rows.shape)),
    ):
        x = ag.Tensor(rows, requires_grad=True)
        ag.vmap(f)(x).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), expected)


def test_vmap_combines_with_itself_and_with_other_transforms() -> None:
    a, b = np.arange(12.0).reshape(3, 4) / 7, np.arange(20.0).reshape(5, 4) / 9
    np.testing.assert_allclose(ag.vmap(ag.vmap(ag.dot, (None, 0)), (0, None))(a, b).numpy(), a @ b.T)
    np.testing.assert_allclose(ag.vmap(lambda x: ag.vmap(lambda y: x @ y)(ag.Tensor(b)))(a).numpy(), a @ b.T)
    f = lambda x: ag.exp(ag.sin(x) * x).sum()
    for inside in (ag.grad(f), ag.hessian(f), lambda x: ag.jvp(f, (x,), (ag.cos(x),))[1]):
        expected = np.stack([inside(ag.Tensor(row)).numpy() for row in a])
        np.testing.assert_allclose(ag.vmap(inside)(a).numpy(), expected, rtol=1e-12)
        step = ag.jit(ag.vmap(inside))
        for k in (3.0, 2.0, 1.0):
            result = step(ag.Tensor(a * k))
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-12)
    outside = ag.hessian(lambda x: ag.vmap(f)(x).sum())(ag.Tensor(a)).numpy()
    np.testing.assert_allclose(outside[1, :, 1], ag.hessian(f)(ag.Tensor(a[1])).numpy(), rtol=1e-12)
    assert not outside[1, :, 2].any(), "examples do not depend on each other"


def test_axes_and_chunks() -> None:
    """Trees of axes, axes of results, and chunks of any size give the same as a loop."""
    x, y = ag.Tensor(np.arange(10.0).reshape(2, 5)), ag.Tensor(np.arange(3.0))
    f = lambda tree, y: {"sum": tree["x"].sum() + y.sum(), "outer": ag.outer(tree["x"], y)}
    expected = np.stack([np.outer(column, y.numpy()) for column in x.numpy().T])
    for chunk in (None, 1, 2, 5, 9):
        result = ag.vmap(f, ({"x": 1}, None), {"sum": 0, "outer": -1}, chunk_size=chunk)({"x": x}, y)
        np.testing.assert_array_equal(result["outer"].numpy(), np.moveaxis(expected, 0, -1))
        np.testing.assert_array_equal(result["sum"].numpy(), x.numpy().sum(axis=0) + 3)


def test_a_network_gives_one_gradient_for_each_example() -> None:
    from autograd_mini import nn

    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    parameters = dict(net.named_parameters())
    images, labels = ag.randn(5, 1, 4, 4), ag.Tensor([0, 1, 2, 1, 0])
    loss = lambda weights, x, t: nn.cross_entropy(nn.functional_call(net, weights, x[None]), t[None])
    gradients = ag.vmap(ag.grad(loss), (None, 0, 0))(parameters, images, labels)
    for i in range(5):
        net.zero_grad()
        nn.cross_entropy(net(images[i : i + 1]), labels[i : i + 1]).backward()
        for name, p in parameters.items():
            np.testing.assert_allclose(gradients[name][i].detach().numpy(), p.grad.numpy(), rtol=1e-5, atol=1e-6)
    assert all(p is q for p, q in zip(net.parameters(), parameters.values(), strict=True)), "the module is as before"


def test_functional_call_names_what_does_not_fit() -> None:
    from autograd_mini import nn

    net = nn.Sequential(nn.Linear(2, 1))
    with pytest.raises(KeyError, match=r"Sequential has no parameter 'weight', but \['0.weight', '0.bias'\]"):
        nn.functional_call(net, {"weight": ag.ones((1, 2))}, ag.ones((1, 2)))
    with pytest.raises(ValueError, match=r"0.weight has shape \(1, 2\), got a tensor of shape \(2,\)"):
        nn.functional_call(net, {"0.weight": ag.ones(2)}, ag.ones((1, 2)))


@pytest.mark.parametrize(
    ("f", "options", "message"),
    [
        (lambda x: float(x.sum()), {}, "needs one concrete value"),
        (lambda x: x if x.sum() > 0 else -x, {}, "choose with ag.where"),
        (lambda x: x + ag.randn(2), {}, "draws random numbers"),
        (lambda x: x[x > 0], {}, "the shape of the result of getitem depends on values"),
        (lambda x: x.data * 2, {}, ".data needs one concrete value"),
        (lambda x: None, {}, "is a `return` missing"),
        (lambda x: x.sum().backward(), {}, "use ag.grad inside"),
        (lambda x: x, {"in_axes": 2}, r"in_axes=2 is out of range for an argument of shape \(3, 2\)"),
        (lambda x: x, {"in_axes": None}, "at least one argument with a batch axis"),
        (lambda x: x, {"in_axes": "a"}, "must be ints or None, got 'a'"),
        (lambda x: x, {"in_axes": (0, 0)}, "write one axis for each entry"),
        (lambda x: x, {"out_axes": None}, "out_axes must be ints"),
        (lambda x: x, {"chunk_size": 0}, "chunk_size must be at least 1, got 0"),
    ],
)
def test_vmap_says_what_it_cannot_do(f: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises((RuntimeError, TypeError, ValueError), match=message):
        ag.vmap(f, **options)(ag.Tensor(np.ones((3, 2)), requires_grad=True))


def test_batch_normalization_in_training_mode_is_refused_with_a_way_out() -> None:
    """In evaluation mode the same call is that of the module on the batch."""
    from autograd_mini import nn

    norm, x = nn.BatchNorm1d(2), ag.Tensor(np.arange(12.0).reshape(3, 2, 2))
    with pytest.raises(RuntimeError, match=r"call \.eval\(\) on modules that keep running statistics"):
        ag.vmap(norm)(x)
    norm.eval()
    with ag.no_grad():
        np.testing.assert_allclose(ag.vmap(norm)(x).numpy(), ag.stack([norm(each) for each in x]).numpy())


@pytest.mark.parametrize("n", [1, 2, 3])
def test_third_derivatives_of_one_determinant_for_several_directions(n: int) -> None:
    """Only the directions are a batch, so one matrix meets a stack of them; the third derivative is that of a loop."""
    x = ag.Tensor(np.random.default_rng(n).normal(size=(n, n)) + 2 * np.eye(n))
    directions = ag.Tensor(np.random.default_rng(9).normal(size=(4, n, n)))

    def second(x: ag.Tensor, v: ag.Tensor) -> ag.Tensor:
        return (ag.grad(lambda x: (ag.grad(ag.det)(x) * v).sum())(x) * v).sum()

    third = ag.grad(second)
    want = np.stack([third(x, v).numpy() for v in directions])
    np.testing.assert_allclose(ag.vmap(third, (None, 0))(x, directions).numpy(), want, atol=1e-12)
    total = ag.grad(lambda x: ag.vmap(lambda v: second(x, v))(directions).sum())(x)
    np.testing.assert_allclose(total.numpy(), want.sum(0), atol=1e-12)
