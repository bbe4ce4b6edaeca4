"""NumPy's functions on tensors: the same values and dtypes, recorded gradients, and helpful errors."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from samples import elementwise, index, linalg, reduce, shape

import autograd_mini as ag
from autograd_mini.ops._make import numpy_functions

UFUNCS = sorted((f for f in numpy_functions if isinstance(f, np.ufunc) and f.nout == 1), key=lambda f: f.__name__)
FLOATS = (np.float16, np.float32, np.float64)
BITWISE = {np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift}
SAMPLES = {**elementwise.SAMPLES, **reduce.SAMPLES, **shape.SAMPLES, **index.SAMPLES, **linalg.SAMPLES}


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_ufunc_gives_numpys_values_in_the_operands_dtype(ufunc: np.ufunc, dtype: type) -> None:
    """Also for 0-d tensors, whose results are arrays, not NumPy scalars."""
    rng = np.random.default_rng(0)
    kind: Any = np.int64 if ufunc in BITWISE else dtype
    for form in [(3, 4), (0, 2), ()]:
        if ufunc is np.matmul:
            operands = [rng.uniform(size=(2, 3)).astype(dtype), rng.uniform(size=(3, 4)).astype(dtype)]
        else:
            low = 1 if ufunc is np.arccosh else 0
            operands = [(rng.uniform(0.1, 0.9, form) + low + (kind is np.int64) * 3).astype(kind) for _ in range(ufunc.nin)]
        result = ufunc(*map(ag.Tensor, operands))
        expected = ufunc(*operands)
        assert isinstance(result, ag.Tensor)
        assert type(result.data) is np.ndarray
        assert result.dtype == (dtype if ufunc is np.float_power else expected.dtype)
        np.testing.assert_allclose(result.data, expected, rtol=10 * np.finfo(dtype).eps)


@pytest.mark.parametrize("ufunc", [f for f in UFUNCS if f is not np.matmul], ids=lambda f: f.__name__)
def test_integer_operands_give_integers_or_the_default_dtype(ufunc: np.ufunc) -> None:
    """Where NumPy gives float64 for integers, the result is float32 here; 1/x of integers is a true quotient."""
    with np.errstate(all="ignore"):
        expected = ufunc(*[np.array([1, 2])] * ufunc.nin).dtype.kind
        result = ufunc(*[ag.Tensor([1, 2])] * ufunc.nin)
    kind = "f" if ufunc is np.reciprocal else "i" if ufunc in (np.floor, np.ceil, np.trunc) else expected  # as since NumPy 2.1
    assert result.dtype == {"f": np.float32, "i": np.int64, "b": np.bool_}[kind]


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"cast"}))  # its purpose is to change the dtype
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_kernels_and_rules_keep_the_dtype(name: str, dtype: type) -> None:
    """Also if the backward pass is recorded, so nothing is computed in float64 by accident."""

    @given(call=SAMPLES[name])
    @settings(max_examples=4)
    def check(call: Any) -> None:
        xs = [ag.Tensor(x.astype(dtype), requires_grad=True) for x in call.operands]
        with np.errstate(all="ignore"):
            y = call.function(*xs)
            outputs = [t for t in (y if isinstance(y, tuple) else (y,)) if t.dtype.kind == "f"]
            assert {t.dtype for t in outputs} == {np.dtype(dtype)}
            for create_graph in (False, True):
                upstream = [np.ones(t.shape, dtype) for t in outputs]
                grads = ag.grad(outputs, xs, upstream, create_graph=create_graph, allow_unused=True)
                assert {g.dtype for g in grads if g is not None} <= {np.dtype(dtype)}

    check()


def _awkward(x: np.ndarray) -> np.ndarray:
    """Returns the same values in read-only memory with permuted axes and negative strides."""
    y = np.empty(x.shape[::-1])[(..., *(slice(None, None, -1),) * x.ndim)].T
    y[...] = x
    y.flags.writeable = False
    return y


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_read_only_operands_with_negative_strides_give_the_same_results(name: str) -> None:

    @given(call=SAMPLES[name])
    @settings(max_examples=4)
    def check(call: Any) -> None:
        results = []
        for arrange in (np.array, _awkward):
            xs = [ag.from_numpy(arrange(x), requires_grad=True) for x in call.operands]
            with np.errstate(all="ignore"):
                y = call.function(*xs)
                outputs = [t for t in (y if isinstance(y, tuple) else (y,)) if t.dtype.kind == "f"]
                upstream = [arrange(np.arange(1.0, t.size + 1).reshape(t.shape)) for t in outputs]
                grads = ag.grad(outputs, xs, upstream, allow_unused=True)
            results.append([t.data for t in outputs] + [g.data for g in grads if g is not None])
        for expected, actual in zip(*results, strict=True):
            np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)

    check()


def test_erf_is_accurate_to_the_last_digits() -> None:
    """Compared with the C library over the whole range, including tiny arguments."""
    x = np.concatenate([np.linspace(-6.5, 6.5, 5001), np.geomspace(1e-140, 1, 300)])
    exact = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(ag.erf(x).data, exact, rtol=8e-16)
    single = x.astype(np.float32)
    np.testing.assert_allclose(ag.erf(single).data, [math.erf(v) for v in single], rtol=3e-7, atol=1e-19)
    assert ag.erf(np.array([np.inf, -np.inf, 7.0, -0.0])).tolist() == [1.0, -1.0, 1.0, 0.0]
    assert np.isnan(ag.erf(np.nan).item())


REDUCED = [
    (np.add, "reduce"), (np.multiply, "reduce"), (np.maximum, "reduce"), (np.minimum, "reduce"), (np.logical_and, "reduce"),
    (np.logical_or, "reduce"), (np.add, "accumulate"), (np.multiply, "accumulate"),
]  # fmt: skip


@pytest.mark.parametrize(("ufunc", "method"), REDUCED)
def test_methods_of_ufuncs_reduce_the_first_axis_like_numpy(ufunc: np.ufunc, method: str) -> None:
    x = np.arange(6.0).reshape(2, 3)
    for axis in ({}, {"axis": 1}):
        result = getattr(ufunc, method)(ag.Tensor(x), **axis)
        assert isinstance(result, ag.Tensor)
        np.testing.assert_array_equal(result.data, getattr(ufunc, method)(x, **axis))


T = ag.Tensor([1.0, 2.0])
W = ag.Tensor([1.0, 2.0], requires_grad=True)
UNSUPPORTED: list[tuple[Callable[[], Any], str]] = [
    (lambda: np.spacing(W), r"np.spacing has no gradient here.*use .detach\(\)"),
    (lambda: np.multiply.outer(T, W), "np.multiply.outer has no gradient here"),
    (lambda: np.fft.fft(W), "np.fft has no gradient here"),
    (lambda: np.linalg.eig(W.reshape(1, 2)), "np.eig has no gradient here"),
    (lambda: np.nanpercentile(a=W, q=50), "np.nanpercentile has no gradient here"),
    (lambda: np.sum(T, out=np.zeros(())), r"np.sum: out= would write into an array"),
    (lambda: np.var(T, where=[True, False]), r"np.var on a Tensor does not support where=\[True, False\]; it takes \(x, axis"),
    (lambda: np.sum(T, axs=0), "unexpected keyword argument 'axs'"),
    (lambda: np.sort(T, order="a"), "np.sort on a Tensor does not support order='a'"),
    (lambda: np.reshape(T, (2,), order="A"), "np.reshape on a Tensor does not support order='A'"),
    (lambda: np.exp(T, casting="no"), "np.exp on a Tensor does not support casting='no'"),
    (lambda: np.exp(T, where=np.array([True, False])), "use ag.where"),
    (lambda: np.exp(W, out=np.zeros(2)), "cannot hold the gradient"),
    (lambda: np.add.reduce(W, out=np.zeros(())), "cannot hold the gradient"),
    (lambda: np.add.at(np.zeros(2), [0], W), "cannot hold the gradient"),
    (lambda: np.exp(T, out=W), "would write into an array"),
    (lambda: np.copyto(T, 1.0), "np.copyto would write into a tensor"),
    (lambda: np.fill_diagonal(ag.eye(2), 1.0), "np.fill_diagonal would write into a tensor"),
]  # fmt: skip


@pytest.mark.parametrize(("use", "message"), UNSUPPORTED)
def test_unsupported_numpy_functions_raise_clear_errors(use: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        use()


M = ag.Tensor(np.array([[3.0, 1.0, 2.0], [6.0, 5.0, 4.0]]), requires_grad=True)
SEED = np.random.default_rng(0)

# Calls with NumPy's own arguments, by position and by keyword.
KEYWORDS: dict[str, Callable[[Any], Any]] = {
    "axes": lambda x: np.transpose(x, axes=(1, 0)),
    "shape": lambda x: np.reshape(x, (3, 2), order="C"),
    "order F": lambda x: np.reshape(x, (3, -1), "F"),
    "order of ravel": lambda x: np.ravel(x, "F"),
    "order of a copy": lambda x: np.copy(x, order="F"),
    "dtype": lambda x: np.sum(x, 0, np.float32),
    "dtype of a mean": lambda x: np.mean(x, dtype=np.float32),
    "dtype of a ufunc": lambda x: np.exp(x, dtype=np.float32),
    "dtype of a join": lambda x: np.concatenate([x, x], dtype=np.float32),
    "initial": lambda x: np.sum(x, axis=1, initial=10.0),
    "initial of a product": lambda x: np.prod(x, initial=2.0),
    "initial of a maximum": lambda x: np.max(x, 0, initial=4.0),
    "initial of a ufunc": lambda x: np.minimum.reduce(x, initial=2.5),
    "kind": lambda x: np.sort(x, -1, "stable"),
    "kind of argsort": lambda x: np.argsort(x, -1, "stable"),
    "min": lambda x: np.clip(x, a_min=2.5, a_max=4.5),
    "max": lambda x: np.clip(x, None, 4.5),
    "optimize": lambda x: np.einsum("ij,kj->ik", x, x, optimize=True),
    "correction": lambda x: np.var(x, 0, None, None, 1),
    "keepdims": lambda x: np.median(x, 1, None, False, True),
    "first by name": lambda x: np.sum(a=x, axis=0, keepdims=True),
    "several": lambda x: np.atleast_2d(x, x[0])[1],
    "one argument of where": lambda x: np.where(x > 2)[1],
    "divmod": lambda x: np.divmod(x, 2.2)[1],
    "full_like": lambda x: np.full_like(x, 7, dtype=np.int64, shape=(4,)),
    "sections": lambda x: np.split(x, indices_or_sections=3, axis=1)[2],
    "matrix_transpose": lambda x: np.matrix_transpose(x),
    "size": lambda x: np.size(x, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", KEYWORDS)
def test_numpys_arguments_mean_the_same_on_tensors(name: str) -> None:
    """The values and the dtype are NumPy's, and the gradient is that of central differences."""
    use = KEYWORDS[name]
    result, expected = use(M), use(M.detach().numpy())
    if not isinstance(result, ag.Tensor):
        assert result == expected
        return
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(result.detach().data, expected, rtol=1e-6)
    if result.requires_grad:
        weights, x, eps = SEED.uniform(1, 2, expected.shape), M.detach().numpy(), 1e-3
        slopes = [
            float(((use(x + eps * unit) - use(x - eps * unit)) * weights).sum()) / (2 * eps)
            for unit in np.eye(x.size).reshape(-1, *x.shape)
        ]
        gradient = ag.grad((result * weights).sum(), M)
        np.testing.assert_allclose(gradient.data.ravel(), slopes, rtol=5e-3, atol=5e-3)


PLAIN: dict[str, Callable[[Any], Any]] = {
    "isclose": lambda x: np.isclose(x, [1.0, 3.0]),
    "unique": lambda x: np.unique(x, return_counts=True)[1],
    "histogram": lambda x: np.histogram(x, bins=3)[0],
    "percentile": lambda x: np.percentile(x, 30),
    "searchsorted": lambda x: np.searchsorted(x, 1.5),
    "argpartition": lambda x: np.argpartition(x, 1),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, np.ones((2, 1)))[0],
    "iscomplexobj": lambda x: np.iscomplexobj(x),
    "gcd": lambda x: np.gcd(x.astype(int), 2),
    "outer": lambda x: np.multiply.outer(x, x),
    "fft": lambda x: np.fft.fft(x).real,
    "svd": lambda x: np.linalg.svd([x, x])[1],
    "nested": lambda x: np.block([[x, x]]),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_other_functions_of_numpy_run_on_plain_tensors(name: str) -> None:
    """They return what NumPy returns, and cannot write into the tensor."""
    np.testing.assert_array_equal(PLAIN[name](T), PLAIN[name](T.numpy()))


def test_functions_without_a_gradient_run_on_any_tensor() -> None:
    assert np.isclose(W, [1.0, 3.0]).tolist() == [True, False]
    assert np.searchsorted(W, 1.5) == 1
    assert not np.iscomplexobj(W)
    assert ag.grad(lambda x: (x * np.isclose(x, 1.0)).sum())([1.0, 2.0]).tolist() == [1, 0]


def test_saved_tensors_are_arrays() -> None:
    file = io.BytesIO()
    np.save(file, T)
    file.seek(0)
    assert np.load(file).tolist() == [1, 2]


def test_allclose_and_array_equal_return_python_bools() -> None:
    assert np.allclose(T, [1.0, 2.0]) is True
    assert np.array_equal(T, np.array([1.0, 3.0])) is False


OPERATORS = {
    "%": lambda a, b: a % b, "//": lambda a, b: a // b, "^": lambda a, b: a ^ b, "&": lambda a, b: a & b, "|": lambda a, b: a | b,
    "**": lambda a, b: a**b, "@": lambda a, b: a @ b, "<<": lambda a, b: a << b, ">>": lambda a, b: a >> b,
}  # fmt: skip


@pytest.mark.parametrize("operator", OPERATORS)
def test_operators_work_from_both_sides(operator: str) -> None:
    use = OPERATORS[operator]
    a, b = np.array([7, 5, 3]), np.array([2, 3, 4])
    for left, right in [(ag.Tensor(a), b), (a, ag.Tensor(b)), (ag.Tensor(a), ag.Tensor(b))]:
        result = use(left, right)
        assert isinstance(result, ag.Tensor)
        np.testing.assert_array_equal(result.data, use(a, b))


def test_round_rounds_half_to_even_like_python() -> None:
    assert round(ag.Tensor(2.567), 1).item() == pytest.approx(2.6)
    assert ag.Tensor([2.5, 3.5]).round().tolist() == [2.0, 4.0]


def test_numpy_makes_arrays_like_a_tensor() -> None:
    x = ag.Tensor([[1.0, 2.0]], requires_grad=True)
    assert np.zeros_like(x).tolist() == [[0, 0]]
    assert np.ones_like(x, shape=(3,)).tolist() == [1, 1, 1]
    assert np.full_like(x, 7, dtype="int64").tolist() == [[7, 7]]
    with pytest.raises(TypeError, match="fill_value"):
        np.full_like(x)
