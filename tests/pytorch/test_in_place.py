"""Methods that end in `_` write into a leaf and return it, or raise; a graph never reads a changed value silently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor
from autograd_mini.pytorch.in_place import IN_PLACE

A = np.array([[0.5, 0.25], [0.75, 1.0]])
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "add_": (2.0,), "sub_": (2.0,), "mul_": (2.0,), "div_": (2.0,), "pow_": (2.0,), "addcmul_": (A, A), "addcdiv_": (A, A),
    "lerp_": (A, 0.5), "clamp_": (0.3,), "clip_": (0.3, 0.8), "masked_fill_": (A > 0.5, 0.0), "scatter_": (1, [[0], [1]], 9.0),
    "copy_": (A.T,), "fill_": (3.0,),
}  # fmt: skip
RANDOM = {"normal_", "uniform_", "bernoulli_"}
NAMES = sorted(IN_PLACE.keys() - {"detach_"})


def leaf(**options: Any) -> Tensor:
    return Tensor(A, **options)


@pytest.mark.parametrize("name", NAMES)
def test_a_method_writes_the_value_of_the_function_of_its_name(name: str) -> None:
    x = leaf()
    array = x.data
    assert getattr(x, name)(*ARGUMENTS.get(name, ())) is x
    assert x.data is array
    if name not in RANDOM | {"copy_", "fill_", "zero_"}:
        np.testing.assert_array_equal(array, getattr(leaf(), name[:-1])(*ARGUMENTS.get(name, ())).data)
    expected = {"copy_": A.T, "fill_": np.full((2, 2), 3.0), "zero_": np.zeros((2, 2))}
    if name in expected:
        np.testing.assert_array_equal(array, expected[name])


def test_random_methods_draw_from_their_distribution() -> None:
    with ag.fork_rng(0):
        x = ag.empty(2000).normal_(1.0, 0.5)
        assert abs(x.data.mean() - 1) < 0.05
        assert abs(x.data.std() - 0.5) < 0.05
        assert (x.uniform_(-2, -1).data.min() >= -2, x.data.max() <= -1) == (True, True)
        assert set(x.bernoulli_(0.5).tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("name", NAMES)
def test_a_leaf_that_requires_a_gradient_refuses_a_write_unless_under_no_grad(name: str) -> None:
    w = leaf(requires_grad=True)
    with pytest.raises(RuntimeError, match=rf"{name}: .* requires a gradient.*with ag\.no_grad\(\):"):
        getattr(w, name)(*ARGUMENTS.get(name, ()))
    np.testing.assert_array_equal(w.data, A)
    with ag.no_grad():
        assert getattr(w, name)(*ARGUMENTS.get(name, ())) is w
    assert w.requires_grad


@pytest.mark.parametrize("name", NAMES)
def test_a_result_of_a_graph_refuses_a_write(name: str) -> None:
    y = leaf(requires_grad=True) * 1
    for context in (ag.enable_grad, ag.no_grad):
        with context(), pytest.raises(RuntimeError, match=rf"{name}: the result of multiply.* is part of a graph"):
            getattr(y, name)(*ARGUMENTS.get(name, ()))
    np.testing.assert_array_equal(y.data, A)


@pytest.mark.parametrize("name", NAMES)
def test_a_write_is_noticed_by_the_graph_that_used_the_value(name: str) -> None:
    w, x = leaf(requires_grad=True), leaf()
    loss = (w * x).sum()
    getattr(x, name)(*ARGUMENTS.get(name, ()))
    with pytest.raises(RuntimeError, match="modified in place"):
        loss.backward()


def test_a_write_through_an_alias_is_noticed() -> None:
    w = leaf(requires_grad=True)
    loss = (w * w).sum()
    w.detach().zero_()
    with pytest.raises(RuntimeError, match="modified in place"):
        loss.backward()


@pytest.mark.parametrize(
    ("use", "error", "match"),
    [
        (lambda: leaf().add_(leaf(requires_grad=True)), RuntimeError, "the new value requires a gradient"),
        (lambda: leaf().add_(np.ones((2, 2, 2))), ValueError, r"shape \(2, 2, 2\) does not fit"),
        (lambda: Tensor([1, 2]).add_(0.5), TypeError, "cannot be stored in a tensor of int64"),
        (lambda: leaf().copy_(np.ones(3)), ValueError, "does not broadcast"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(use: Callable[[], Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        use()


def test_gradients_are_reset_in_place() -> None:
    w = leaf(requires_grad=True)
    (w * 3).sum().backward()
    grad = w.grad
    assert grad is not None
    assert grad.zero_() is w.grad
    (w * 2).sum().backward()
    np.testing.assert_array_equal(w.grad.data, np.full((2, 2), 2.0))


def test_detach_in_place_ends_the_graph_and_an_earlier_use_raises() -> None:
    w = leaf(requires_grad=True)
    h = w * 2
    earlier = (h * h).sum()
    assert h.detach_() is h
    assert (h.is_leaf, h.requires_grad) == (True, False)
    later = (h * w).sum()
    later.backward()
    np.testing.assert_array_equal(w.grad.data, 2 * A)
    with pytest.raises(RuntimeError, match="modified in place"):
        earlier.backward()
    with pytest.raises(RuntimeError, match="is a view"):
        (w * 2)[0].detach_()
    assert not leaf(requires_grad=True).detach_().requires_grad


def test_a_compiled_step_repeats_writes_into_tensors_from_outside() -> None:
    """Heavy ball momentum, written out; a write into a tensor that the step creates is refused."""

    def train(wrap: Callable[[Any], Any]) -> Any:
        w, v = leaf(requires_grad=True), ag.zeros(2, 2, dtype=ag.float64)

        @wrap
        def step() -> None:
            w.grad = None
            ((w - 3.0) ** 2).sum().backward()
            with ag.no_grad():
                v.mul_(0.9).add_(w.grad)
                w.add_(v, alpha=-0.01)

        for _ in range(5):
            step()
        return w.data.copy()

    np.testing.assert_allclose(train(ag.jit), train(lambda f: f), rtol=1e-12)

    @ag.jit
    def own(x: Any) -> Any:
        return ag.zeros(2).add_(1) + x

    own(Tensor([1.0, 2.0]))  # the first call runs eagerly
    with pytest.raises(RuntimeError, match=r"add_ on a tensor that the function itself creates.*write x = x\.add"):
        own(Tensor([1.0, 2.0]))


# -- x[index] = value ----------------------------------------------------------------------------------------------------------


def put(x: Tensor, index: Any, value: Any) -> Tensor:
    x[index] = value
    return x


@pytest.mark.parametrize(
    ("index", "value"),
    [
        (0, 7.0), ((slice(None), 1), [5.0, 6.0]), ((0, 0), 1), (..., 2.0), (A > 0.4, -1.0), ([1, 0], A), ((None, 1), A[:1]),
        (Tensor([True, False]), Tensor([3.0, 4.0])), ((..., slice(0, None, 2)), np.zeros((2, 1))), (slice(None, None, -1), A),
    ],
)  # fmt: skip
def test_a_write_at_an_index_is_that_of_numpy(index: Any, value: Any) -> None:
    x, expected = leaf(), A.copy()
    array = x.data
    convert = lambda v: v.data if isinstance(v, Tensor) else v
    expected[convert(index)] = convert(value)
    assert put(x, index, value).data is array
    np.testing.assert_array_equal(array, expected)


def test_rows_columns_and_views_are_changed_in_place() -> None:
    """The table of positions of every transformer, written as PyTorch's tutorials write it."""
    table = ag.zeros(4, 6)
    position = ag.arange(0, 4, dtype=ag.float32).unsqueeze(1)
    rate = ag.exp(ag.arange(0, 6, 2).float() * (-np.log(10000.0) / 6))
    table[:, 0::2] = ag.sin(position * rate)
    table[:, 1::2] = ag.cos(position * rate)
    angles = np.arange(4)[:, None] * np.exp(np.arange(0, 6, 2) * (-np.log(10000.0) / 6))
    np.testing.assert_allclose(table.data, np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(4, 6), atol=1e-6)
    x = ag.arange(6).float()
    x[1:] = x[:-1]
    x[0] += 5
    x[3:] *= 2
    x.view(2, 3)[0][1] = 9.0
    assert x.tolist() == [5.0, 9.0, 1.0, 4.0, 6.0, 8.0]
    mask = ag.zeros(3, dtype=bool)
    mask[0] = 1
    assert mask.tolist() == [True, False, False]


def test_a_write_at_an_index_is_noticed_by_the_graph_that_used_the_value() -> None:
    w, x = leaf(requires_grad=True), leaf()
    loss = (w * x).sum()
    x[0] = 1.0
    with pytest.raises(RuntimeError, match="modified in place"):
        loss.backward()
    loss = (w * w).sum()
    w.detach()[0, 0] = 1.0
    with pytest.raises(RuntimeError, match="modified in place"):
        loss.backward()
    with ag.no_grad():
        w[1] = 0.0
    assert w.requires_grad
    assert w.tolist() == [[1.0, 0.25], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("x", "index", "value", "error", "match"),
    [
        (lambda: leaf(requires_grad=True), 0, 1.0, RuntimeError, r"requires a gradient.*with ag\.no_grad\(\):"),
        (lambda: leaf(requires_grad=True) * 1, 0, 1.0, RuntimeError, r"result of multiply.*part of a graph.*ag\.index_put"),
        (leaf, 0, leaf(requires_grad=True)[0], RuntimeError, "the value requires a gradient"),
        (lambda: ag.ones(3).expand(2, 3), 0, 1.0, RuntimeError, r"read-only; write x = x\.clone\(\)"),
        (lambda: Tensor([1, 2]), 0, 0.5, TypeError, "float32 cannot be stored in a tensor of int64"),
        (lambda: Tensor([1, 2]), 0, np.nan, TypeError, "float32 cannot be stored in a tensor of int64"),
        (leaf, [0, 1], np.ones((3, 2)), ValueError, r"a value of shape \(3, 2\) does not broadcast to the shape \(2, 2\)"),
        (leaf, 2, 1.0, IndexError, r"index \[2\] does not fit shape \(2, 2\)"),
    ],
)
def test_a_write_at_an_index_that_would_be_wrong_is_refused(
    x: Callable[[], Tensor], index: Any, value: Any, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        put(x(), index, value)


def test_a_compiled_step_repeats_writes_at_an_index() -> None:
    x = ag.zeros(3)

    @ag.jit
    def step(value: Any) -> Any:
        x[1:] = 2 * value
        return (x * 1).sum()

    assert [step(Tensor([1.0, float(i)])).item() for i in range(4)] == [2.0, 4.0, 6.0, 8.0]
    assert x.tolist() == [0.0, 2.0, 6.0]

    @ag.jit
    def own(value: Any) -> Any:
        return put(ag.zeros(2), 0, 1.0) + value

    own(Tensor([1.0, 2.0]))  # the first call runs eagerly
    with pytest.raises(RuntimeError, match=r"the function itself creates.*index_put"):
        own(Tensor([1.0, 2.0]))
