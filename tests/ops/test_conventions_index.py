"""Indexing and rearranging: values as in NumPy, accumulated gradients, operands unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from samples.index import indices
from samples.strategies import SHAPES

import autograd_mini as ag
from autograd_mini.testing import gradcheck


@given(st.data())
def test_indexing_and_its_gradient_equal_numpys(data: st.DataObject) -> None:
    """`x[index]` equals NumPy's; its gradient equals `np.add.at`: each position counts as often as it was read."""
    shape = data.draw(SHAPES)
    index = data.draw(indices(shape))
    values = np.arange(np.prod(shape, dtype=int), dtype=np.float64).reshape(shape)
    x = ag.Tensor(values, requires_grad=True)
    y = x[index]
    np.testing.assert_array_equal(y.data, values[index])
    weights = np.arange(1.0, y.size + 1).reshape(y.shape)
    expected = np.zeros(shape)
    np.add.at(expected, index, weights)
    np.testing.assert_array_equal(ag.grad((y * weights).sum(), x).data, expected)


@given(st.data())
def test_index_add_and_index_put_equal_numpy_and_keep_their_operand(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    index = data.draw(indices(shape))
    base = np.ones(shape)
    value = np.arange(float(np.size(base[index]))).reshape(np.shape(base[index])) + 2
    added, put = base.copy(), base.copy()
    np.add.at(added, index, value)
    put[index] = value
    np.testing.assert_array_equal(ag.index_add(base, index, value).data, added)
    np.testing.assert_array_equal(ag.index_put(base, index, value).data, put)
    assert (base == 1).all()


def test_a_negative_index_reads_the_same_position() -> None:
    x = ag.Tensor(np.zeros(3), requires_grad=True)
    assert ag.grad(x[[2, -1, -3]].sum(), x).tolist() == [1.0, 0.0, 2.0]


def test_only_the_last_of_repeated_writes_has_a_gradient() -> None:
    x, v = ag.Tensor(np.zeros(3), requires_grad=True), ag.Tensor(np.array([5.0, 6.0, 7.0]), requires_grad=True)
    y = ag.index_put(x, [0, 0, 2], v)
    assert y.tolist() == [6.0, 0.0, 7.0]
    by_x, by_v = ag.grad(y.sum(), [x, v])
    assert by_x.tolist() == [0.0, 1.0, 0.0]
    assert by_v.tolist() == [0.0, 1.0, 1.0]


def test_a_value_may_have_extra_axes_of_length_one() -> None:
    """As in NumPy, shape (1, 2) can be assigned to two positions; the gradient has shape (1, 2)."""
    v = ag.Tensor(np.ones((1, 2)), requires_grad=True)
    assert ag.grad(ag.index_put(np.zeros(3), slice(0, 2), v).sum(), v).tolist() == [[1.0, 1.0]]


def test_scatter_add_is_the_adjoint_of_gather() -> None:
    """⟨v, gather(x)⟩ = ⟨scatter_add(0, v), x⟩, also if an index repeats."""
    rng = np.random.default_rng(0)
    x, v, positions = rng.normal(size=(3, 4)), rng.normal(size=(3, 5)), rng.integers(0, 4, (3, 5))
    read = (ag.gather(x, 1, positions) * v).sum()
    written = (ag.scatter_add(np.zeros((3, 4)), 1, positions, v) * x).sum()
    assert read.item() == pytest.approx(written.item())
    np.testing.assert_array_equal(ag.gather(x, 1, positions).data, np.take_along_axis(x, positions, 1))


@pytest.mark.parametrize(("shape", "axis"), [((1, 2), 1), ((3, 2), 1), ((5, 4), 0), ((2, 1), 0), ((5,), None)])
def test_take_along_axis_broadcasts_like_numpy(shape: tuple[int, ...], axis: int | None) -> None:
    x, positions = np.arange(12.0).reshape(3, 4), np.random.default_rng(0).integers(0, 3, shape)
    expected = np.take_along_axis(x, positions, axis)
    np.testing.assert_array_equal(ag.take_along_axis(x, positions, axis).data, expected)
    np.testing.assert_array_equal(np.take_along_axis(ag.Tensor(x), ag.Tensor(positions), axis).data, expected)


def test_the_gradient_of_repeated_rows_equals_a_loop() -> None:
    """Rows of a table, selected by a matrix of indices, in every float dtype, compared with a loop."""
    rng = np.random.default_rng(0)
    row_numbers = rng.integers(0, 10, (8, 6))
    for dtype in (np.float16, np.float32, np.float64):
        table = ag.Tensor(np.zeros((10, 4), dtype), requires_grad=True)
        upstream = rng.integers(-3, 4, (8, 6, 4)).astype(dtype)
        gradient = ag.grad((table[row_numbers] * upstream).sum(), table)
        expected = np.zeros((10, 4))
        for i, j in np.ndindex(8, 6):
            expected[row_numbers[i, j]] += upstream[i, j]
        assert gradient.dtype == dtype
        np.testing.assert_array_equal(gradient.data, expected)


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda x: x[3], IndexError, r"index \[3\] does not fit shape \(2, 3\)"),
        (lambda x: x[[0, 2]], IndexError, r"does not fit shape \(2, 3\)"),
        (lambda x: x[1.5], IndexError, "must be ints, bools, slices"),
        (
            lambda x: ag.index_put(x, 0, [1.0, 2.0]),
            ValueError,
            r"shape \(2,\) does not broadcast to the shape \(3,\) of x\[0\]",
        ),
        (lambda x: ag.index_add(x, 5, 1.0), IndexError, "index_add"),
        (lambda x: ag.gather(x, 1, [0]), ValueError, "need as many axes"),
        (lambda x: ag.pad(x, (1, 2, 3)), ValueError, "one pair for each axis"),
        (lambda x: ag.pad(x, -1), ValueError, "at least 0"),
        (lambda x: ag.pad(x, 1, mode="mirror"), ValueError, "mode must be"),
        (lambda x: ag.split(x, 2, axis=1), ValueError, "cannot split 3 elements along axis 1 into 2 equal parts"),
        (lambda x: ag.roll(x, (1, 2, 3), (0, 1)), ValueError, "expected one shift for each axis"),
        (lambda x: ag.repeat(x, [1, 2, 3], axis=0), ValueError, "axis 0 needs 2 repeats, got 3"),
        (lambda x: ag.tril(x[0]), ValueError, "expected a matrix"),
        (lambda x: ag.diag(x.reshape(1, 2, 3)), ValueError, "a vector or a matrix"),
        (lambda x: ag.one_hot([0, 3], 3), IndexError, r"must lie in \[0, 3\)"),
        (lambda x: ag.nonzero(x.sum()), ValueError, "0-d"),
    ],
)
def test_errors_name_the_argument_and_its_value(use: Callable[[ag.Tensor], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        use(ag.Tensor(np.zeros((2, 3))))


CALLS = {
    "flip": (lambda m, x: m.flip(x), lambda m, x: m.flip(x, 1)),
    "roll": (lambda m, x: m.roll(x, 2), lambda m, x: m.roll(x, (1, -1), (0, 1)), lambda m, x: m.roll(x, 7, axis=1)),
    "pad": (
        lambda m, x: m.pad(x, 1),
        lambda m, x: m.pad(x, (1, 2), constant_values=3.0),
        lambda m, x: m.pad(x, ((0, 1), (2, 0)), mode="edge"),
        lambda m, x: m.pad(x, 2, mode="reflect"),
        lambda m, x: m.pad(x, ((5, 4), (3, 7)), mode="symmetric"),
        lambda m, x: m.pad(x, 5, mode="wrap"),
        lambda m, x: m.pad(x, np.array([[0, 1], [2, 0]])),
    ),
    "tile": (lambda m, x: m.tile(x, 2), lambda m, x: m.tile(x, (2, 1, 3)), lambda m, x: m.tile(x, [3, 1])),
    "repeat": (
        lambda m, x: m.repeat(x, 2),
        lambda m, x: m.repeat(x, 3, axis=1),
        lambda m, x: m.repeat(x, 0, axis=0),
        lambda m, x: m.repeat(x, [2, 0, 1], axis=0),
    ),
    "tril": (lambda m, x: m.tril(x), lambda m, x: m.tril(x, -1), lambda m, x: m.tril(x, 2)),
    "triu": (lambda m, x: m.triu(x), lambda m, x: m.triu(x, 1)),
    "diagonal": (lambda m, x: m.diagonal(x), lambda m, x: m.diagonal(x, 2), lambda m, x: m.diagonal(x, -5)),
    "diag": (lambda m, x: m.diag(x, 1), lambda m, x: m.diag(x[0], -2), lambda m, x: m.diag(x[:0, 0])),
    "trace": (lambda m, x: m.trace(x), lambda m, x: m.trace(x, -1)),
    "split": (
        lambda m, x: m.split(x, 2, axis=1)[1],
        lambda m, x: m.split(x, [1, 3], axis=1)[1],
        lambda m, x: m.array_split(x, 3, axis=1)[0],
    ),
    "stack": (
        lambda m, x: m.hstack([x, x]),
        lambda m, x: m.vstack([x, x[0]]),
        lambda m, x: m.hstack([x[0], x[0, 0]]),
        lambda m, x: m.stack([x, x], -1),
    ),
    "diff": (lambda m, x: m.diff(x), lambda m, x: m.diff(x, 2, axis=0)),
    "take": (lambda m, x: m.take(x, [1, 1, -1], axis=1), lambda m, x: m.take(x, [[5, 0]])),
    "sort": (lambda m, x: m.sort(x), lambda m, x: m.sort(x, axis=0), lambda m, x: m.sort(x, axis=None)),
    "median": (
        lambda m, x: m.median(x),
        lambda m, x: m.median(x, axis=1, keepdims=True),
        lambda m, x: m.median(x, axis=(0, 1)),
    ),
    "scan": (lambda m, x: m.cumsum(x), lambda m, x: m.cumprod(x, axis=1)),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_equal_numpys_and_gradients_pass_gradcheck(name: str) -> None:
    """The same call on an array, on a Tensor, and on a Tensor through NumPy's function gives the same values."""
    x = np.random.default_rng(3).permutation(12).reshape(3, 4) * 0.5 - 2
    for use in CALLS[name]:
        expected = use(np, x)
        np.testing.assert_allclose(use(ag, ag.Tensor(x)).data, expected, rtol=1e-14)
        through_numpy = use(np, ag.Tensor(x))
        assert isinstance(through_numpy, ag.Tensor)
        np.testing.assert_allclose(through_numpy.data, expected, rtol=1e-14)
        gradcheck(lambda t, use=use: use(ag, t), x, min_checked=min(1, expected.size))


@given(hnp.arrays(np.int64, hnp.array_shapes(min_dims=1, max_dims=3, max_side=3), elements=st.integers(-1, 1)))
def test_positions_of_nonzero_elements_equal_numpys(x: np.ndarray) -> None:
    t = ag.Tensor(x)
    np.testing.assert_array_equal(ag.argwhere(t).data, np.argwhere(x))
    assert [i.tolist() for i in ag.nonzero(t)] == [i.tolist() for i in np.nonzero(x)]
    assert t[ag.nonzero(t)].tolist() == x[np.nonzero(x)].tolist()
    assert ag.count_nonzero(t).item() == np.count_nonzero(x)


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=1, max_dims=2, max_side=6), elements=st.integers(-2, 2).map(float)))
def test_descending_sort_is_stable(x: np.ndarray) -> None:
    """Equal elements keep their order, so a tie selects the first one."""
    order = ag.argsort(x, axis=-1, descending=True).data
    np.testing.assert_array_equal(order, np.argsort(-x, axis=-1, kind="stable"))
    np.testing.assert_array_equal(ag.sort(x, descending=True).data, np.take_along_axis(x, order, -1))


def test_pytorchs_names_of_diagonals_and_positions() -> None:
    x = np.arange(9.0).reshape(3, 3)
    for k in (-1, 0, 2):
        np.testing.assert_array_equal(ag.triu(x, diagonal=k).data, np.triu(x, k))
        np.testing.assert_array_equal(ag.Tensor(x).tril(diagonal=k).data, np.tril(x, k))
    assert [i.tolist() for i in ag.Tensor(x).nonzero(as_tuple=True)] == [i.tolist() for i in np.nonzero(x)]
    with pytest.raises(ValueError, match=r"as_tuple must be True.*ag\.argwhere"):
        ag.nonzero(x, as_tuple=False)
