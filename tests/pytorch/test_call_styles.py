"""PyTorch's names and call styles compute what NumPy computes; values in tables come from PyTorch 2.13 where NumPy differs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor
from autograd_mini.methods import TABLE
from autograd_mini.pytorch.methods import METHODS

X = np.array([[[3.0, -1.0, 2.0], [0.5, 4.0, 4.0]]] * 2) * [[[1.0]], [[-2.0]]]  # (2, 2, 3)
T = Tensor(X)


def same(ours: Any, expected: Any) -> None:
    ours = ours if isinstance(ours, tuple | list) else [ours]
    expected = expected if isinstance(expected, tuple | list) else [expected]
    assert len(ours) == len(expected)
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(a.data if isinstance(a, Tensor) else a, b)


# -- dim and keepdim ---------------------------------------------------------------------------------------------------------

REDUCTIONS = [
    "sum",
    "mean",
    "prod",
    "amax",
    "amin",
    "any",
    "all",
    "count_nonzero",
    "norm",
    "logsumexp",
    "argmax",
    "argmin",
    "ptp",
]


@pytest.mark.parametrize("name", REDUCTIONS)
def test_dim_and_keepdim_mean_axis_and_keepdims(name: str) -> None:
    function = getattr(ag, name)
    for dim in (0, -1) if name.startswith("arg") else (0, -1, (0, 2), [1, 2]):
        axis = tuple(dim) if isinstance(dim, list) else dim
        for keep in (False, True):
            expected = function(T, axis=axis, keepdims=keep).data
            np.testing.assert_array_equal(function(T, dim=dim, keepdim=keep).data, expected)
            if name in TABLE:
                np.testing.assert_array_equal(getattr(T, name)(dim=dim, keepdim=keep).data, expected)
    with pytest.raises(TypeError, match=r"axis=0 and dim=1 mean the same"):
        function(T, axis=0, dim=1)


def test_every_function_with_an_axis_takes_dim() -> None:
    """`dim`, or `dims` where PyTorch has the plural; the others have no counterpart in PyTorch."""
    without = {"array_split", "expand_dims", "repeat", "scatter_add", "dropout", "append", "average", "gradient", "partition"}
    for name in dir(ag):
        function = getattr(ag, name)
        if inspect.isfunction(function) and function.__module__.startswith("autograd_mini.ops"):
            names = inspect.signature(function).parameters
            if "axis" in names and name not in without:
                assert {"dim", "dims"} & names.keys(), name
                assert ("keepdims" in names) == ("keepdim" in names), name


CALLS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "softmax": (lambda x: x.softmax(dim=1), lambda a: np.exp(a) / np.exp(a).sum(1, keepdims=True)),
    "cumsum": (lambda x: x.cumsum(dim=2), lambda a: np.cumsum(a, 2)),
    "cumprod": (lambda x: x.cumprod(dim=0), lambda a: np.cumprod(a, 0)),
    "diff": (lambda x: ag.diff(x, dim=1), lambda a: np.diff(a, axis=1)),
    "argsort": (lambda x: x.argsort(dim=0), lambda a: np.argsort(a, 0, kind="stable")),
    "flip": (lambda x: x.flip(dims=(0, 2)), lambda a: np.flip(a, (0, 2))),
    "roll": (lambda x: x.roll(1, dims=2), lambda a: np.roll(a, 1, 2)),
    "cat": (lambda x: ag.cat((x, x), dim=1), lambda a: np.concatenate([a, a], 1)),
    "stack": (lambda x: ag.stack([x, x], dim=-1), lambda a: np.stack([a, a], -1)),
    "var": (lambda x: x.var(dim=2), lambda a: a.var(2, ddof=1)),
    "var unbiased": (lambda x: x.var(dim=2, unbiased=False), lambda a: a.var(2)),
    "var correction": (lambda x: x.var(2, correction=1), lambda a: a.var(2, ddof=1)),
    "gather": (lambda x: x.gather(dim=2, index=[[[0], [2]]] * 2), lambda a: a[:, [[0], [1]], [[0], [2]]]),
    "squeeze a long axis": (lambda x: x.squeeze(dim=0), lambda a: a),
    "squeeze": (lambda x: x[:1].squeeze(dim=(0, 1)), lambda a: a[0]),
    "split": (lambda x: x.split(2, dim=2), lambda a: [a[..., :2], a[..., 2:]]),
    "split into lengths": (lambda x: ag.split(x, [1, 2], dim=2), lambda a: [a[..., :1], a[..., 1:]]),
    "sort": (lambda x: tuple(x.sort(dim=2, descending=True)), lambda a: (-np.sort(-a, 2), np.argsort(-a, 2, kind="stable"))),
    "median": (lambda x: tuple(x.median(dim=1)), lambda a: (a.min(1), a.argmin(1))),  # the lower of two
    "median of three": (lambda x: x.median(dim=2, keepdim=True).values, lambda a: np.median(a, 2, keepdims=True)),
    "max": (lambda x: tuple(x.max(dim=2)), lambda a: (a.max(2), a.argmax(2))),
    "max keepdim": (lambda x: x.max(dim=-1, keepdim=True).values, lambda a: a.max(-1, keepdims=True)),
    "min": (lambda x: tuple(ag.min(x, dim=0)), lambda a: (a.min(0), a.argmin(0))),
    "topk": (lambda x: x.topk(1, dim=2).values, lambda a: a.max(2, keepdims=True)),
    "view": (lambda x: x.view(-1, 3), lambda a: a.reshape(-1, 3)),
    "view_as": (lambda x: x.view_as(ag.zeros(4, 3)), lambda a: a.reshape(4, 3)),
    "permute": (lambda x: x.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1)),
    "permute a matrix": (lambda x: x[0].permute(1, 0), lambda a: a[0].T),
    "transpose": (lambda x: x.transpose(1, 2), lambda a: a.swapaxes(1, 2)),
    "t": (lambda x: x[0].t(), lambda a: a[0].T),
    "unsqueeze": (lambda x: x.unsqueeze(-1), lambda a: a[..., None]),
    "unflatten": (lambda x: x.reshape(12).unflatten(0, (3, -1)), lambda a: a.reshape(3, 4)),
    "expand": (lambda x: x[:, :1].expand(-1, 4, -1), lambda a: np.repeat(a[:, :1], 4, 1)),
    "expand_as": (lambda x: x[0].expand_as(x), lambda a: np.stack([a[0], a[0]])),
    "tile": (lambda x: x.tile(2, 1), lambda a: np.tile(a, (2, 1))),
    "repeat_interleave": (lambda x: x.repeat_interleave(Tensor([1, 2]), dim=0), lambda a: np.repeat(a, [1, 2], 0)),
    "mm": (lambda x: x[0].mm(x[1].t()), lambda a: a[0] @ a[1].T),
    "bmm": (lambda x: x.bmm(x.mT), lambda a: a @ a.swapaxes(1, 2)),
    "add": (lambda x: x.add(x, alpha=2), lambda a: a + 2 * a),
    "sub": (lambda x: x.sub(1, alpha=3), lambda a: a - 3),
    "div": (lambda x: x.div(2, rounding_mode="trunc"), lambda a: np.trunc(a / 2)),
    "div floor": (lambda x: ag.div(x, 2, rounding_mode="floor"), lambda a: a // 2),
    "addcmul": (lambda x: x.addcmul(x, x, value=0.5), lambda a: a + a * a * 0.5),
    "addcdiv": (lambda x: x.addcdiv(x, x, value=3), lambda a: a + a / a * 3),
    "lerp": (lambda x: x.lerp(ag.zeros(3), 0.5), lambda a: a / 2),
    "clamp": (lambda x: x.clamp(min=0.0, max=2), lambda a: a.clip(0, 2)),
    "masked_fill": (lambda x: x.masked_fill(x < 0, 9), lambda a: np.where(a < 0, 9, a)),
    "masked_select": (lambda x: x.masked_select(x > 0), lambda a: a[a > 0]),
    "where": (lambda x: x.where(x > 0, 0.0), lambda a: np.where(a > 0, a, 0)),
    "index_select": (lambda x: x.index_select(1, [1, 1]), lambda a: a[:, [1, 1]]),
    "narrow": (lambda x: x.narrow(2, 1, 2), lambda a: a[..., 1:3]),
    "chunk": (lambda x: x.chunk(2, dim=2), lambda a: (a[..., :2], a[..., 2:])),
    "unbind": (lambda x: x.unbind(1), lambda a: (a[:, 0], a[:, 1])),
    "scatter": (lambda x: ag.zeros(2, 3).scatter(1, [[0], [2]], 1.0), lambda a: np.eye(3)[[0, 2]]),
    "eq": (lambda x: x.eq(4), lambda a: a == 4),
    "ge": (lambda x: x.ge(2), lambda a: a >= 2),
    "rsqrt": (lambda x: ag.rsqrt(x * x), lambda a: 1 / np.sqrt(a * a)),
    "float": (lambda x: x.float(), lambda a: a.astype("f4")),
    "long": (lambda x: x.long(), lambda a: a.astype("i8")),
    "bool": (lambda x: (x - 4).bool(), lambda a: a != 4),
    "to": (lambda x: x.to("cpu", ag.float16), lambda a: a.astype("f2")),
    "type": (lambda x: (x > 0).type(ag.float).sum(), lambda a: np.float32((a > 0).sum())),
    "new_full": (lambda x: x.new_full((2,), 7), lambda a: np.full(2, 7.0)),
    "numel": (lambda x: x.numel(), lambda a: a.size),
    "size": (lambda x: (x.size(), x.size(-1), x.size), lambda a: (a.shape, 3, 12)),
    "dim": (lambda x: x.dim(), lambda a: 3),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_call_computes_what_numpy_computes(name: str) -> None:
    ours, numpys = CALLS[name]
    x = Tensor(X)
    results, expected = ours(x), numpys(X)
    flat = results if isinstance(results, tuple | list) else [results]
    wanted = expected if isinstance(results, tuple | list) else [expected]
    assert len(flat) == len(wanted)
    for a, b in zip(flat, wanted, strict=True):
        if isinstance(a, Tensor):
            np.testing.assert_allclose(a.data, b, rtol=1e-12)
            assert a.dtype == np.asarray(b).dtype or name in ("unsupported",) or a.dtype.kind == np.asarray(b).dtype.kind
        else:
            assert a == b


def test_selection_along_dim_gives_the_gradient_to_the_first_of_equal_elements() -> None:
    """As PyTorch 2.13 does for whatever returns indices; without `dim`, ties share it."""
    x = Tensor([[1.0, 5.0, 5.0]], requires_grad=True)
    for use, expected in (
        (lambda: x.max(dim=1).values, [[0, 1, 0]]),
        (lambda: x.amax(dim=1), [[0, 0.5, 0.5]]),
        (lambda: x.max(), [[0, 0.5, 0.5]]),
        (lambda: x.median(dim=1).values, [[0, 1, 0]]),
        (lambda: x.sort(dim=1).values[:, 0], [[1, 0, 0]]),
        (lambda: x.min(dim=1, keepdim=True).values, [[1, 0, 0]]),
    ):
        assert ag.grad(use().sum(), x).tolist() == expected


def test_a_zero_dimensional_tensor_has_one_dim() -> None:
    assert [y.item() for y in Tensor(3.0).max(dim=0)] == [3.0, 0]


def test_nan_is_the_median_of_a_row_that_has_one() -> None:
    values, indices = Tensor([[1.0, np.nan, 3.0], [1.0, 2.0, 3.0]]).median(dim=1)
    assert np.isnan(values.data[0])
    assert (values.data[1], indices.tolist()) == (2, [1, 1])


# -- constructors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["zeros", "ones", "empty", "rand", "randn"])
def test_a_shape_is_ints_or_one_tuple(name: str) -> None:
    make = getattr(ag, name)
    for x in (make(2, 3), make((2, 3)), make([2, 3]), make(2, 3, device="cpu", requires_grad=True)):
        assert (x.shape, x.dtype) == ((2, 3), np.float32)
    assert make(2, 3, requires_grad=True).requires_grad
    assert make(3).shape == (3,)
    assert make(()).shape == ()
    assert make(2, 3, dtype=ag.float64).dtype == np.float64


def test_a_dtype_may_follow_a_tuple_as_in_numpy() -> None:
    for dtype in (np.int64, "int64", np.dtype("i8"), int):
        assert ag.zeros((2, 3), dtype).dtype == np.int64
        assert ag.ones(2, dtype).shape == (2,)


def test_other_constructors_take_pytorchs_arguments() -> None:
    like = ag.zeros(2, 3, dtype=ag.float64)
    for name in ("zeros_like", "ones_like", "empty_like", "rand_like", "randn_like"):
        x = getattr(ag, name)(like, requires_grad=True)
        assert (x.shape, x.dtype, x.requires_grad) == ((2, 3), np.float64, True)
        assert getattr(ag, name)(like, dtype=ag.float32).dtype == np.float32
    assert ag.full((2, 2), 7.0, device="cpu", requires_grad=True).requires_grad
    assert ag.linspace(0, 1, steps=3).tolist() == ag.linspace(start=0, end=1, steps=3).tolist() == [0, 0.5, 1]
    assert ag.arange(0, 4, 2, device="cpu").tolist() == [0, 2]
    assert ag.randint(5, (3,)).shape == ag.randint(0, 5, size=(3,)).shape == ag.randint(high=5, low=0, size=(3,)).shape == (3,)
    assert ag.randint(5, 6, (3,), dtype=ag.int32).tolist() == [5, 5, 5]
    assert sorted(ag.randperm(4).tolist()) == [0, 1, 2, 3]
    assert ag.normal(ag.zeros(2), ag.ones(2)).shape == (2,)
    assert ag.tensor([1, 2], dtype=ag.float, device=ag.device("cpu")).dtype == ag.float32


def test_multinomial_draws_in_proportion_to_the_weights() -> None:
    with ag.fork_rng(0):
        draws = ag.multinomial([[1.0, 3.0], [0.0, 2.0]], 4000, replacement=True)
    assert draws.shape == (2, 4000)
    assert abs(draws.data[0].mean() - 0.75) < 0.03
    assert draws.data[1].min() == 1
    assert sorted(ag.multinomial([1.0, 2.0, 0.0], 2).tolist()) == [0, 1]
    for weights, match in (([0.0, 0.0], "sum 0"), ([-1.0, 2.0], "weights ≥ 0"), ([1.0, 0.0], "replacement=True")):
        with pytest.raises(ValueError, match=match):
            ag.multinomial(weights, 2)


@pytest.mark.parametrize(
    "use",
    [
        lambda: ag.zeros(2, device="cuda"), lambda: ag.tensor([1.0], device="cuda:0"), lambda: T.to("cuda"), lambda: T.cuda(),
        lambda: ag.device("mps"), lambda: ag.randn(2, device="cuda"), lambda: T.to(device="cuda"), lambda: ag.rand_like(T, device="xpu"),
    ],
)  # fmt: skip
def test_another_device_is_refused(use: Callable[[], Any]) -> None:
    with pytest.raises(RuntimeError, match=r"device must be 'cpu', got '\w+(:0)?': tensors are always on the CPU"):
        use()


def test_the_usual_choice_of_a_device_is_the_cpu() -> None:
    assert str(ag.device("cuda" if ag.cuda.is_available() else "cpu")) == "cpu"
    assert not ag.backends.mps.is_available()
    assert not ag.accelerator.is_available()
    assert T.to(ag.device("cpu")) is T
    assert T.device == "cpu" == T.device.type


# -- what PyTorch's habits would get wrong -------------------------------------------------------------------------------------


def test_a_transpose_that_changes_nothing_warns() -> None:
    with pytest.warns(UserWarning, match=r"transpose\(0, 1\) is NumPy's permutation here"):
        assert ag.zeros(2, 3).transpose(0, 1).shape == (2, 3)


def test_the_count_of_elements_is_a_number_for_numpy() -> None:
    """A subclass of int would widen a float32 array to float64."""
    a = np.ones(3, np.float32)
    n = Tensor(a).size
    assert (a / n).dtype == (n * a).dtype == (np.float32(2) * n).dtype == np.float32
    assert (Tensor(a) / n).dtype == np.float32
    assert (np.zeros(n).shape, f"{n:,}", n == 3, isinstance(n, int)) == ((3,), "3", True, True)


def test_backward_takes_retain_graph() -> None:
    x = Tensor(2.0, requires_grad=True)
    y = x * x
    y.backward(retain_graph=True)
    y.backward(retain_graph=False)
    assert x.grad is not None
    assert x.grad.item() == 8
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()


def test_every_method_of_the_table_is_declared_and_bound() -> None:
    assert set(METHODS) <= set(TABLE)
    for name in METHODS:
        assert vars(Tensor)[name] is TABLE[name]
