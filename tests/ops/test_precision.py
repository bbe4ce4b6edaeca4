"""Precision: the dtype of a result is decided from all operands before any of them is converted.

So a Python float beside a float64 tensor is the number that was written, to the last bit, at every public function and every
other way in: seeds, hooks, assignments, settings.
"""

from __future__ import annotations

import inspect
import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.ops._make import numpy_functions

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
V, W = [0.1, 0.7, 1.3], [0.3, 0.9, 0.2]  # none of them is a float32
M, N, S = [[0.1, 0.7], [1.3, 0.3]], [[0.9, 0.2], [0.6, 0.4]], [[2.1, 0.7], [0.7, 1.3]]
IMAGE, KERNEL = [[[[0.1, 0.7], [1.3, 0.3]]]], [[[[0.9]]]]
Q = [[0.1, 0.9], [0.7, 0.3]]

Function = Callable[..., Any]
FUNCTIONS: dict[str, tuple[Function, tuple[Any, ...]]] = {
    "batch_norm": (lambda *xs: ag.batch_norm(*xs)[0], (M, W[:2], V[:2])),
    "batch_norm_inference": (ag.batch_norm_inference, (M, W[:2], V[:2], W[1:], V[1:])),
    "clip": (ag.clip, (V, [0.2, 0.2, 0.2], [0.6, 0.6, 0.6])),
    "concatenate": (lambda *xs: ag.concatenate(xs), (V, W)),
    "conv1d": (ag.conv1d, ([M[:1]], [[[0.9]]], [0.7])),
    "conv2d": (ag.conv2d, (IMAGE, KERNEL, [0.7])),
    "conv_transpose2d": (ag.conv_transpose2d, (IMAGE, KERNEL, [0.7])),
    "cross_entropy": (lambda x, q, w: nn.cross_entropy(x, q, weight=w), (M, Q, W[:2])),
    "einsum": (lambda *xs: ag.einsum("i,i,i->i", *xs), (V, W, V)),
    "elu": (ag.elu, ([-0.1, 0.7], [0.3])),
    "gaussian_nll_loss": (nn.gaussian_nll_loss, (V, W, [0.6, 0.4, 0.2])),
    "hardtanh": (ag.hardtanh, (V, [0.2, 0.2, 0.2], [0.6, 0.6, 0.6])),
    "hstack": (lambda *xs: ag.hstack(xs), (V, W)),
    "index_add": (lambda x, v: ag.index_add(x, [0, 0], v), (V, W[:2])),
    "index_put": (lambda x, v: ag.index_put(x, [0, 2], v), (V, W[:2])),
    "kl_normal": (nn.kl_normal, (M, N, S, Q)),
    "layer_norm": (lambda x, w, b: ag.layer_norm(x, 3, w, b), (V, W, V)),
    "leaky_relu": (ag.leaky_relu, ([-0.1, 0.7], [0.3])),
    "linear": (ag.linear, (M, N, V[:2])),
    "cholesky_solve": (ag.cholesky_solve, (N, S)),
    "conv3d": (ag.conv3d, ([IMAGE], [KERNEL], [0.7])),
    "conv_transpose1d": (ag.conv_transpose1d, ([M[:1]], [[[0.9]]], [0.7])),
    "conv_transpose3d": (ag.conv_transpose3d, ([IMAGE], [KERNEL], [0.7])),
    "group_norm": (lambda x, w, b: ag.group_norm(x, 1, w, b), (M, W[:2], V[:2])),
    "gru": (lambda *xs: ag.gru(*xs)[0], ([M], N, S + Q + N, Q + N + S)),
    "gru_cell": (ag.gru_cell, (M, N, S + Q + N, Q + N + S)),
    "instance_norm": (ag.instance_norm, ([M], W[:2], V[:2])),
    "lstm": (lambda x, h, c, *ws: ag.lstm(x, (h, c), *ws)[0], ([M], N, S, S + Q + N + M, Q + N + S + M)),
    "lstm_cell": (lambda x, h, c, *ws: ag.lstm_cell(x, (h, c), *ws)[0], (M, N, S, S + Q + N + M, Q + N + S + M)),
    "lstsq": (lambda a, b: ag.lstsq(a, b).solution, (S, N)),
    "prelu": (ag.prelu, (M, [0.3, 0.9])),
    "rms_norm": (lambda x, w: ag.rms_norm(x, 2, w), (M, W[:2])),
    "rnn": (lambda *xs: ag.rnn(*xs)[0], ([M], N, S, Q)),
    "rnn_cell": (ag.rnn_cell, (M, N, S, Q)),
    "scaled_dot_product_attention": (ag.scaled_dot_product_attention, (M, N, S)),
    "solve_triangular": (ag.solve_triangular, (S, N)),
    "threshold": (lambda x, v: ag.threshold(x, 0.5, v), (V, [0.3])),
    "addcdiv": (ag.addcdiv, (V, W, [0.6, 0.4, 0.2])),
    "addcmul": (ag.addcmul, (V, W, [0.6, 0.4, 0.2])),
    "clamp": (ag.clamp, (V, [0.2, 0.2, 0.2], [0.6, 0.6, 0.6])),
    "div": (ag.div, (V, W)),
    "lerp": (ag.lerp, (V, W, [0.6, 0.4, 0.2])),
    "masked_fill": (lambda x, v: ag.masked_fill(x, [True, False, True], v), (V, W)),
    "scatter": (lambda x, v: ag.scatter(x, 0, [0, 2], v), (V, W[:2])),
    "sub": (ag.sub, (V, W)),
    "append": (ag.append, (V, W)),
    "cdist": (ag.cdist, (M, N)),
    "grid_sample": (ag.grid_sample, (IMAGE, [[[[0.1, 0.7], [-0.3, 0.2]]]])),
    "index_reduce": (lambda x, v: ag.index_reduce(x, 0, [0, 0], v, "prod"), (V, W[:2])),
    "scatter_reduce": (lambda x, v: ag.scatter_reduce(x, 0, [0, 0], v, "amax"), (V, W[:2])),
    "average": (lambda x, w: ag.average(x, weights=w), (V, W)),
    "convolve": (ag.convolve, (V, W)),
    "corrcoef": (ag.corrcoef, (V, W)),
    "cov": (ag.cov, (V, W)),
    "gradient": (ag.gradient, (V, sorted(W))),
    "interp": (ag.interp, (W, V, W)),
    "meshgrid": (lambda *xs: ag.meshgrid(*xs)[0], (V,)),
    "percentile": (ag.percentile, (V, W)),
    "quantile": (ag.quantile, (V, W)),
    "select": (lambda a, b: ag.select([[True, False, True]], [a], b), (V, W)),
    "trapezoid": (ag.trapezoid, (V, sorted(W))),
    "nan_to_num": (ag.nan_to_num, ([0.1, float("nan")], [0.3, 0.3])),
    "nll_loss": (lambda x, q, w: nn.nll_loss(x, q, weight=w), (M, Q, W[:2])),
    "scatter_add": (lambda x, v: ag.scatter_add(x, 0, [0, 0], v), (V, W[:2])),
    "semi_supervised_loss": (lambda a, b, c: nn.semi_supervised_loss(a, [0, 1], b, c), (M, N, S)),
    "solve": (ag.solve, (S, N)),
    "stack": (lambda *xs: ag.stack(xs), (V, W)),
    "vstack": (lambda *xs: ag.vstack(xs), (V, W)),
    "where": (lambda a, b: ag.where([True, False, True], a, b), (V, W)),
    "feature_matching_loss": (nn.feature_matching_loss, (M, N)),
    "unlabelled_loss": (nn.unlabelled_loss, (M,)),
    **{name: (getattr(nn, name).discriminator, (M, N)) for name in (
        "minimax_loss", "non_saturating_loss", "hinge_loss", "wasserstein_loss",
    )},
    **{name: (getattr(ag, name), (M, N)) for name in ("matmul", "mm", "bmm", "mv", "dot", "tensordot", "kron", "inner", "outer", "vdot")},
    "cross": (ag.cross, (V, W)),
    "binary_cross_entropy": (nn.binary_cross_entropy, (Q, N)),
    "binary_cross_entropy_with_logits": (nn.binary_cross_entropy_with_logits, (M, N)),
    **{name: (getattr(nn, name), (M, N)) for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div")},
}  # fmt: skip
OTHERS = {  # functions of several operands of which one at most is a float, or whose results are random
    "take", "gather", "take_along_axis", "getitem", "embedding", "gradient_penalty", "softmax_cross_entropy", "dropout", "bernoulli",
    "pad", "full", "full_like", "max_unpool1d", "max_unpool2d", "max_unpool3d", "index_select", "masked_select", "take_along_dim", "normal", "bitwise_and", "bitwise_or", "bitwise_xor",
}  # fmt: skip
LED = {"cross_entropy", "nll_loss"}  # weights and targets follow the dtype of the logits, so that float64 does not spread
NUMPY: dict[str, Function] = {
    "clip": np.clip, "cross": np.cross, "einsum": lambda *xs: np.einsum("i,i,i->i", *xs), "hstack": lambda *xs: np.hstack(xs),
    "concatenate": lambda *xs: np.concatenate(xs), "stack": lambda *xs: np.stack(xs), "vstack": lambda *xs: np.vstack(xs),
    "where": lambda a, b: np.where([True, False, True], a, b),
    "index_put": lambda x, v: np.array([v[0], x[1], v[1]]), "index_add": lambda x, v: np.array([x[0] + (v[0] + v[1]), x[1], x[2]]),
    "scatter_add": lambda x, v: np.array([x[0] + (v[0] + v[1]), x[1], x[2]]), "kron": np.kron, "outer": np.outer,
    "leaky_relu": lambda x, s: np.where(x > 0, x, x * s), "elu": lambda x, a: np.where(x > 0, x, np.expm1(x) * a),
    "nan_to_num": lambda x, v: np.where(np.isnan(x), v, x), "l1_loss": lambda a, b: np.abs(a - b).mean(),
    "mse_loss": lambda a, b: np.square(a - b).mean(), "hardtanh": np.clip, "float_power": np.power,
}  # fmt: skip


def of_several_operands(module: Any) -> dict[str, Function]:
    """The public functions of a module with two tensors or more among their parameters."""
    found = {}
    for name in dir(module):
        function = getattr(module, name)
        if inspect.isfunction(function) and not name.startswith("_"):
            kinds = [str(p.annotation) for p in inspect.signature(function).parameters.values()]
            if sum("TensorLike" in kind for kind in kinds) > 1 or name in (
                "concatenate",
                "stack",
                "hstack",
                "vstack",
                "einsum",
            ):
                found[name] = function
    return found


for _name, _function in of_several_operands(ag).items():
    if _name not in FUNCTIONS and _name not in OTHERS and len(inspect.signature(_function).parameters) == 2:
        FUNCTIONS[_name] = (_function, (V, W))  # the elementwise ones
for _theirs, _ours in numpy_functions.items():
    if isinstance(_theirs, np.ufunc) and _ours.__name__ in FUNCTIONS and _ours.__name__ != "matmul":
        NUMPY.setdefault(_ours.__name__, _theirs)
MIXTURES = [
    (name, chosen)
    for name, (_, operands) in FUNCTIONS.items()
    for count in range(1, len(operands) + 1)
    for chosen in itertools.combinations(range(len(operands)), count)
]


def test_every_public_function_of_several_operands_is_here() -> None:
    everything = {*of_several_operands(ag), *of_several_operands(nn)}
    assert {"add", "where", "einsum", "mse_loss", "kl_normal", "index_put"} <= everything
    assert everything - FUNCTIONS.keys() - OTHERS == set()


@pytest.mark.parametrize(("name", "chosen"), MIXTURES, ids=str)
def test_python_floats_beside_float64_tensors_are_not_rounded(name: str, chosen: tuple[int, ...]) -> None:
    """Some operands are float64 tensors, the others lists: values and gradients are those of float64 alone, bit for bit."""
    function, operands = FUNCTIONS[name]
    mixed = [Tensor(np.array(x, F64), requires_grad=True) if i in chosen else x for i, x in enumerate(operands)]
    result = function(*mixed)
    led = name in LED and 0 not in chosen
    assert result.dtype == (np.bool_ if result.dtype == np.bool_ else F32 if led else F64)
    exact = [Tensor(np.array(x, F32 if led else F64), requires_grad=True) for x in operands]
    expected = function(*exact)
    np.testing.assert_array_equal(result.data, expected.data)
    if result.requires_grad and not led:
        found = ag.grad(result.sum(), [mixed[i] for i in chosen])
        for g, right in zip(found, ag.grad(expected.sum(), [exact[i] for i in chosen]), strict=True):
            np.testing.assert_array_equal(g.data, right.data)
    if name in NUMPY:
        np.testing.assert_array_equal(result.data, NUMPY[name](*[np.array(x, F64) for x in operands]))


JOINS = {
    "cross",
    "concatenate",
    "stack",
    "hstack",
    "vstack",
    "where",
    "append",
    "average",
    "convolve",
    "corrcoef",
    "cov",
    "quantile",
    "percentile",
    "gradient",
    "trapezoid",
}  # they need operands with axes, or of one shape


@pytest.mark.parametrize("name", [n for n, (_, operands) in FUNCTIONS.items() if operands == (V, W) and n not in JOINS])
def test_a_single_float_beside_a_float64_tensor_is_not_rounded(name: str) -> None:
    """As above, for numbers: they take the dtype of the array, so the warning of an overflow in float32 is wrong too."""
    function = FUNCTIONS[name][0]
    x, number = np.array(V), 0.1
    for ours, exact in (
        (function(Tensor(x), number), function(Tensor(x), Tensor(np.full(3, number)))),
        (function(number, Tensor(x)), function(Tensor(np.full(3, number)), Tensor(x))),
    ):
        assert ours.dtype in (np.bool_, F64)
        np.testing.assert_array_equal(ours.data, exact.data)


X = Tensor(np.array([1.0, 2.0]))


def hooked() -> Any:
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    x.register_hook(lambda g: [0.1, 0.3])
    (x * x).sum().backward()
    return x.grad


def assigned() -> Any:
    w = Tensor(np.zeros(2))
    w.data = [0.1, 0.3]
    return w


def seeded(**options: Any) -> Any:
    x = Tensor(np.zeros(2), requires_grad=True)
    (x + 0).backward([0.1, 0.3], **options)
    return x.grad


def of_tensors() -> Any:
    x = Tensor(np.zeros(2), requires_grad=True)
    return ag.grad(x + 0, x, [0.1, 0.3])


WAYS_IN: dict[str, tuple[Callable[[], Any], Any]] = {
    "an assignment": (assigned, [0.1, 0.3]),
    "a hook's result": (hooked, [0.1, 0.3]),
    "the seed of backward": (seeded, [0.1, 0.3]),
    "the seed of a recorded backward": (lambda: seeded(create_graph=True), [0.1, 0.3]),
    "the seed of grad": (of_tensors, [0.1, 0.3]),
    "the seed of vjp": (lambda: ag.vjp(lambda x: x + 0, X)[1]([0.1, 0.3])[0], [0.1, 0.3]),
    "the tangent of jvp": (lambda: ag.jvp(lambda x: x + 0, (X,), ([0.1, 0.3],))[1], [0.1, 0.3]),
    "the tangent of hvp": (lambda: ag.hvp(lambda x: (x * x).sum() / 2, (X,), ([0.1, 0.3],))[0], [0.1, 0.3]),
    "an argument of value_and_grad": (lambda: ag.value_and_grad(lambda x, s: (x * s).sum(), argnums=1)(X, 0.1)[0], 0.1 + 0.2),
    "a primal of vjp": (lambda: ag.vjp(lambda x, s: x * s, X, [0.1, 0.3])[0], [0.1, 0.6]),
    "an input of checkpoint": (lambda: ag.checkpoint(lambda x, s: x * s, X, 0.1), [0.1, 0.2]),
    "a bound of clip": (lambda: ag.clip(X, None, 0.1), [0.1, 0.1]),
    "a bound beside a tensor": (lambda: ag.clip(X, X, 0.1), [0.1, 0.1]),
    "a fill value": (lambda: ag.full(2, 0.1, "float64"), [0.1, 0.1]),
    "a value like another": (lambda: ag.full_like(X, 0.1), [0.1, 0.1]),
    "a value of pad": (lambda: ag.pad(X, (1, 0), constant_values=0.1), [0.1, 1.0, 2.0]),
    "a slope": (lambda: ag.leaky_relu(-X, 0.1), [-0.1, -0.2]),
    "a class weight": (lambda: nn.nll_loss(-X[:1], 0, weight=[0.1], reduction="none"), 0.1),
    "label smoothing": (lambda: nn.nll_loss(-X, [0.1, 0.3], reduction="none"), 0.1 + 0.6),
    "an exponent": (lambda: 2.0**-X * 0.1, [0.05, 0.025]),
    "a layer's input": (lambda: _batch_norm([[0.1], [0.3]]), [[0.1], [0.3]]),
    "a layer's reference": (lambda: nn.VirtualBatch(nn.Identity(), np.zeros((1, 2)))([[0.1, 0.3]]), [[0.1, 0.3]]),
    "a layer's initial value": (lambda: nn.init.constant_(Tensor(np.zeros(2)), 0.1), [0.1, 0.1]),
}  # fmt: skip


def _batch_norm(x: Any) -> Any:
    return nn.BatchNorm1d(1, eps=0.0, dtype="float64").eval()(x)


@pytest.mark.parametrize("way", WAYS_IN)
def test_other_ways_in_do_not_round_either(way: str) -> None:
    use, expected = WAYS_IN[way]
    found = use()
    assert found.dtype == F64
    np.testing.assert_array_equal(found.data, expected)


def test_a_tensor_contains_the_number_it_was_made_from() -> None:
    assert 0.1 in Tensor(np.array([0.1]))
    assert 0.2 not in Tensor(np.array([0.1]))


def test_no_overflow_is_reported_that_does_not_exist() -> None:
    """1e300 overflows float32, and no operation here computes in float32."""
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for y in (x * 1e300, 1e300 * x, ag.where(x > 1, x, 1e300), ag.stack([x.sum(), 1e300]), ag.index_put(x, 0, 1e300)):
            assert y.dtype == F64
            assert np.isfinite(y.data).all()
        (x * 1e-300).backward([1e300, 1e300])
    with pytest.warns(RuntimeWarning, match="overflow"):
        Tensor([1.0]) * 1e300


def test_a_large_python_int_beside_floats_is_a_number() -> None:
    """It need not fit into an int64 on its way."""
    assert (X * 10**30).tolist() == [1e30, 2e30]
    assert (X > 10**30).tolist() == [False, False]


def test_a_value_never_loses_its_fraction_in_an_integer_tensor() -> None:
    """The result has the common dtype of both; the gradient of the value exists."""
    v = Tensor(0.5, requires_grad=True)
    for y in (ag.index_put([1, 2], 0, v), ag.index_add([1, 2], 0, v), ag.pad([1, 2], (1, 0), constant_values=v)):
        assert y.dtype == F32
        assert y.tolist()[0] in (0.5, 1.5)
        assert ag.grad(y.sum(), v).item() == 1
    assert ag.pad([1, 2], (1, 0), constant_values=0.5).tolist() == [0.5, 1, 2]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_lists_alone_have_the_default_dtype(name: str) -> None:
    function, operands = FUNCTIONS[name]
    assert function(*operands).dtype in (F32, np.bool_)
