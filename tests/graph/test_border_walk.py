"""Every argument of every public function, replaced by odd values: accepted, or refused by an error that this library wrote.

An AttributeError, an error of NumPy's or Python's own about something inside, or a crash, is a failure. A new public function
without a call in the table fails too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from odd_arguments import complaints

import autograd_mini as ag

V, M, P, BITS, INTS = [1.0, 2.0, 3.0], [[1.0, 2.0], [3.0, 4.0]], [[2.0, 0.5], [0.5, 1.0]], [True, False], [1, 2]
IMAGE, KERNEL, TENSOR = np.ones((1, 2, 4, 4)), np.ones((2, 2, 2, 2)), ag.Tensor(V)
VALUES = np.ones((1, 2, 2))
SERIES, VOLUME, ROWS, STATE = np.ones((1, 1, 4)), np.ones((1, 1, 2, 2, 2)), np.ones((3, 1, 2)), np.ones((1, 2))
ONE = (
    "abs absolute acos all amax amin any arccos arccosh arcsin arcsinh arctan arctanh argmax argmin argsort argwhere array as_tensor "
    "asin atan atleast_1d atleast_2d atleast_3d cbrt ceil copy cos cosh count_nonzero cumprod cumsum deg2rad diag diagonal diff "
    "column_stack corrcoef cov cummax cummin dstack gradient logcumsumexp meshgrid nanmean nansum sinc trapezoid unstack average "
    "dropout elu empty_like erf exp exp2 expm1 fabs flatten flip fliplr flipud floor gelu hardtanh is_floating_point isfinite isinf isnan "
    "leaky_relu log log10 log1p log2 log_softmax logical_not logsigmoid logsumexp matrix_transpose max mean median min mish "
    "nan_to_num neg negative nonzero norm numel ones_like prod ptp rad2deg rand_like randn_like ravel reciprocal relu relu6 "
    "rint rot90 round rsqrt selu sigmoid sign silu sin sinh softmax softplus softsign sort sqrt square squeeze std sum t tan "
    "tanh tensor trace transpose tril triu trunc unbind var zeros_like"
)
TWO = (
    "add arctan2 atan2 copysign div divide dot equal float_power floor_divide fmax fmin fmod greater greater_equal hypot inner "
    "kron less less_equal logaddexp logaddexp2 logical_and logical_or logical_xor matmul maximum minimum mm mul multiply "
    "not_equal outer pow power remainder sub subtract vdot xlogy"
)


def squares(x: Any) -> Any:
    return (x * x).sum()


CALLS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(ONE.split(), (M,)), **dict.fromkeys(TWO.split(), (M, M)),
    "append": (V, V), "cdist": (M, M), "grid_sample": (IMAGE, np.zeros((1, 2, 2, 2))), "index_reduce": (V, 0, [1], [5.0], "amax"),
    "scatter_reduce": (V, 0, [1], [5.0], "prod"), "convolve": (V, V), "dsplit": (VOLUME, 2), "hsplit": (M, 2), "interp": (V, V, V), "partition": (V, 1),
    "percentile": (V, 50), "quantile": (V, 0.5), "select": ([BITS], [V[:2]]), "vsplit": (M, 2),
    "adaptive_avg_pool2d": (IMAGE, 2), "addcdiv": (V, V, V), "addcmul": (V, V, V), "arange": (3,), "array_split": (V, 2),
    "astype": (V, "float64"), "avg_pool2d": (IMAGE, 2), "batch_norm": (IMAGE, [1.0, 1.0], [0.0, 0.0]),
    "batch_norm_inference": (IMAGE, [0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [0.0, 0.0]), "bernoulli": ([0.5, 0.5],),
    "binary_cross_entropy_with_logits": (V, [0.0, 1.0, 1.0]), "bitwise_and": (BITS, BITS), "bitwise_or": (BITS, BITS),
    "bitwise_xor": (BITS, BITS), "bmm": ([M], [M]), "broadcast_to": (V, (2, 3)), "cat": ([V, V],),
    "checkpoint": (ag.sin, TENSOR), "cholesky": (P,), "chunk": (V, 3), "clamp": (V, 0, 2), "clip": (V, 0, 2),
    "concat": ([V, V],), "concatenate": ([V, V],), "conv1d": (np.ones((1, 2, 4)), np.ones((2, 2, 2))),
    "conv2d": (IMAGE, KERNEL), "conv_transpose2d": (IMAGE, KERNEL), "cross": (V, V), "det": (P,), "einsum": ("ij,jk", M, M),
    "elementwise_grad": (ag.sin,), "embedding": (M, [1]), "empty": (2,), "expand": (V, 2, 3), "expand_dims": (V, 0),
    "eye": (2,), "from_dlpack": (np.ones(2),), "from_numpy": (np.ones(2),), "full": (2, 1.0), "full_like": (V, 1.0),
    "gather": (M, 1, [[0], [1]]), "getitem": (V, 0), "grad": (squares,), "hessian": (squares,), "hstack": ([V, V],),
    "hvp": (squares, (TENSOR,), (TENSOR,)), "index_add": (V, 0, 1.0), "index_put": (V, 0, 1.0), "index_select": (M, 0, [0]),
    "inv": (P,), "invert": (BITS,), "jacobian": (ag.sin,), "jvp": (ag.sin, (TENSOR,), (TENSOR,)),
    "layer_norm": (M, 2, [1.0, 1.0], [0.0, 0.0]), "left_shift": (INTS, INTS), "lerp": (V, V, 0.5), "linear": (M, M, [0.0, 0.0]),
    "linspace": (0, 1, 3), "manual_seed": (0,), "masked_fill": (V, [True, False, True], 0.0),
    "masked_select": (V, [True, False, True]), "max_pool2d": (IMAGE, 2), "moveaxis": (M, 0, 1), "movedim": (M, 0, 1),
    "multinomial": ([0.5, 0.5], 1), "mv": (M, [1.0, 2.0]), "narrow": (V, 0, 0, 2), "normal": (0.0, 1.0, 2),
    "adaptive_avg_pool1d": (SERIES, 2), "adaptive_avg_pool3d": (VOLUME, 2), "adaptive_max_pool1d": (SERIES, 2),
    "adaptive_max_pool2d": (IMAGE, 2), "adaptive_max_pool3d": (VOLUME, 2), "avg_pool1d": (SERIES, 2), "avg_pool3d": (VOLUME, 2),
    "conv3d": (VOLUME, VOLUME), "conv_transpose1d": (SERIES, SERIES), "conv_transpose3d": (VOLUME, VOLUME),
    "celu": (M,), "glu": (M,), "group_norm": (M, 2, [1.0, 1.0], [0.0, 0.0]), "hardshrink": (M,), "hardsigmoid": (M,),
    "hardswish": (M,), "instance_norm": (IMAGE, [1.0, 1.0], [0.0, 0.0]), "prelu": (M, [0.1, 0.2]), "rms_norm": (M, 2, [1.0, 1.0]),
    "softshrink": (M,), "tanhshrink": (M,), "threshold": (M, 0.5, 0.0), "fold": (np.ones((1, 4, 9)), 4, 2), "gru": (ROWS, STATE, np.ones((6, 2)), np.ones((6, 2))),
    "gru_cell": (STATE, STATE, np.ones((6, 2)), np.ones((6, 2))), "interpolate": (IMAGE, 2),
    "lstm": (ROWS, (STATE, STATE), np.ones((8, 2)), np.ones((8, 2))), "max_pool1d": (SERIES, 2), "max_pool3d": (VOLUME, 2),
    "lstm_cell": (STATE, (STATE, STATE), np.ones((8, 2)), np.ones((8, 2))), "max_unpool1d": ([[1.0, 2.0]], [[0, 2]], 2),
    "max_unpool2d": ([[[1.0]]], [[[0]]], 2), "max_unpool3d": ([[[[1.0]]]], [[[[0]]]], 2), "pixel_shuffle": (np.ones((1, 4, 2, 2)), 2),
    "pixel_unshuffle": (IMAGE, 2), "rnn": (ROWS, STATE, M, M), "rnn_cell": (STATE, STATE, M, M), "unfold": (IMAGE, 2),
    "cholesky_solve": (V[:2], P), "cond": (P,), "eigh": (P,), "eigvalsh": (P,), "expm": (P,), "lstsq": (P, [1.0, 2.0]),
    "lu_factor": (P,), "lu_solve": (ag.lu_factor(P), [[1.0], [2.0]]), "matrix_norm": (P,), "matrix_power": (P, 2), "pinv": (P,), "qr": (P,),
    "solve_triangular": (P, [1.0, 2.0]), "svd": (P,), "svdvals": (P,), "one_hot": (INTS, 3), "ones": (2,), "pad": (V, 1), "permutation": (3,), "permute": (M, 1, 0), "rand": (2,),
    "randint": (0, 3, (2,)), "randn": (2,), "randperm": (3,), "repeat": (V, 2), "repeat_interleave": (V, 2),
    "reshape": (V, 3, 1), "right_shift": (INTS, INTS), "roll": (V, 1), "scatter": ([[0.0, 0.0]], 1, [[0, 1]], [[1.0, 1.0]]),
    "scaled_dot_product_attention": (VALUES, VALUES, VALUES),
    "scatter_add": ([[0.0, 0.0]], 1, [[0, 1]], [[1.0, 1.0]]), "scipy_function": (squares, V), "slogdet": (P,),
    "softmax_cross_entropy": (M, [0, 1]), "solve": (P, [1.0, 2.0]), "split": (V, 3), "stack": ([V, V],),
    "swapaxes": (M, 0, 1), "swapdims": (M, 0, 1), "take": (V, [0]), "take_along_axis": (M, [[0], [1]], 1),
    "take_along_dim": (M, [[0], [1]], 1), "tensordot": (M, M, 1), "threads": (1,), "tile": (V, 2), "topk": (V, 2),
    "unflatten": ([1.0, 2.0, 3.0, 4.0], 0, (2, 2)), "unsqueeze": (V, 0), "upsample": (IMAGE, 2), "value_and_grad": (squares,),
    "view": (V, 3, 1), "scan": (lambda h, x: (h, x), 0.0, V), "vjp": (ag.sin, TENSOR), "vmap": (ag.sin,), "vstack": ([V, V],), "where": ([True, False, True], V, V), "zeros": (2,),
}  # fmt: skip
MODES = {  # they set or read modes of the process or of a block, or wrap a function
    "default_dtype", "detect_anomaly", "enable_grad", "fork_rng", "generator", "get_default_dtype", "get_rng_state",
    "inference_mode", "is_grad_enabled", "is_recording", "is_tensor", "jit", "keep_memory", "no_grad", "primitive", "profile",
    "set_default_dtype", "set_grad_enabled", "set_rng_state",
}  # fmt: skip


SPEAKERS: dict[str, tuple[str, ...]] = {
    "elu": ("parametric_elu",), "sort": ("argsort",),
    "amax": ("max",), "amin": ("min",), "diagonal": ("moveaxis",), "flatten": ("ravel",),
    "fliplr": ("flip",), "flipud": ("flip",), "hardtanh": ("maximum", "minimum"), "leaky_relu": ("multiply",),
    "nan_to_num": ("where",), "ptp": ("max",), "rand_like": ("rand",), "randn_like": ("randn",),
    "trace": ("diagonal", "moveaxis"), "dot": ("matmul",), "float_power": ("power",), "sub": ("multiply",),
    "vdot": ("matmul",), "addcdiv": ("add", "divide", "multiply"), "addcmul": ("add", "multiply"), "checkpoint": ("item",),
    "clamp": ("maximum", "minimum"), "clip": ("maximum", "minimum"), "expand": ("broadcast_to",), "full_like": ("full",),
    "hvp": ("item", "jvp"), "index_add": ("broadcast_to", "getitem"), "index_put": ("getitem",), "index_select": ("getitem", "take"),
    "jvp": ("item",), "lerp": ("multiply", "subtract"), "masked_fill": ("where",), "normal": ("add", "multiply", "randn"),
    "adaptive_max_pool1d": ("max_pool1d",), "adaptive_max_pool2d": ("max_pool2d",), "adaptive_max_pool3d": ("max_pool3d",), "celu": ("divide",),
    "instance_norm": ("group_norm",), "threshold": ("where",), "gru": ("linear", "recurrent layer"), "gru_cell": ("gru_gates", "linear"),
    "lstm": ("linear", "recurrent layer"), "lstm_cell": ("linear",), "rnn": ("linear", "recurrent layer"), "rnn_cell": ("linear",),
    "cholesky_solve": ("solve",), "cond": ("matrix_norm", "svd"), "eigvalsh": ("eigh",), "lu_solve": ("matmul",),
    "solve_triangular": ("solve",), "svdvals": ("svd",), "permute": ("transpose",), "randperm": ("permutation",),
    "repeat_interleave": ("repeat",), "scatter": ("index_put",), "scatter_add": ("broadcast_to",), "stack": ("concatenate", "expand_dims"),
    "take": ("getitem",), "tile": ("broadcast_to",), "unflatten": ("reshape",), "unsqueeze": ("expand_dims",),
    "vjp": ("item",), "scatter_reduce": ("getitem",), "index_reduce": ("getitem",), "append": ("concatenate",), "average": ("mean",), "interp": ("where",), "nanmean": ("sum",), "nansum": ("sum",),
    "select": ("where",),
}  # fmt: skip
"""Functions that consist of others, whose errors name the other one."""


def public_functions() -> list[str]:
    names = [name for name in dir(ag) if callable(getattr(ag, name)) and not isinstance(getattr(ag, name), type)]
    return [name for name in names if name not in MODES]


def test_every_public_function_is_in_the_table() -> None:
    assert sorted(CALLS) == sorted(public_functions())


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.filterwarnings("ignore")
def test_odd_arguments_are_accepted_or_refused_with_an_error_of_our_own(name: str) -> None:
    bad = complaints(name, getattr(ag, name), CALLS[name], SPEAKERS.get(name, ()))
    assert not bad, "\n".join(bad)


def differentiate(gradient: Any = None, **options: Any) -> None:
    """Calls `backward` on a new graph."""
    x = ag.Tensor(V, requires_grad=True)
    (x * x).sum().backward(gradient, **options)


differentiate.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    list(inspect.signature(ag.Tensor.backward).parameters.values())[1:]
)


def slopes(create_graph: bool = False, allow_unused: bool = False) -> None:
    x = ag.Tensor(V, requires_grad=True)
    ag.grad((x * x).sum(), x, create_graph=create_graph, allow_unused=allow_unused)


METHODS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "backward": (differentiate, ()),
    "register_hook": (lambda hook: ag.Tensor(V, requires_grad=True).register_hook(hook), (print,)),
    "no_grad": (lambda function: ag.no_grad(function), (squares,)),
    "set_grad_enabled": (lambda enabled: ag.set_grad_enabled(enabled), (True,)),
    "jit": (lambda function, profile=False, exact=False, backend="numpy": ag.jit(function, profile=profile, exact=exact, backend=backend), (squares,)),
    "retain_grad": (lambda value: setattr(ag.Tensor(V), "requires_grad", value), (True,)),
    "grad of tensors": (slopes, ()),
    "data": (lambda value: setattr(ag.Tensor(V), "data", value), (V,)),
    "grad": (lambda value: setattr(ag.Tensor(V, requires_grad=True), "grad", value), (TENSOR,)),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.filterwarnings("ignore")
def test_odd_arguments_of_methods_and_modes_are_accepted_or_refused_with_an_error_of_our_own(name: str) -> None:
    bad = [
        text for text in complaints(name, *METHODS[name], ("",)) if "(observe=<class 'int'>)" not in text
    ]  # a function, at least
    assert not bad, "\n".join(bad)
