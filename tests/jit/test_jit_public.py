"""Every public function and layer compiles: values and gradients of replays have the bits of eager mode."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from jit_helpers import tensors_in
from jit_layers import IMAGE, LABELS, LAYERS, SEQUENCE, SERIES, VOLUME, M, V

import autograd_mini as ag
from autograd_mini import Tensor, nn

FUNCTIONS = {name: f for name, f in vars(ag).items() if inspect.isfunction(f) and not name.startswith("_")}
ARITY = {
    name: len(parameters) for name, f in FUNCTIONS.items()
    if (parameters := inspect.signature(f).parameters.values()) and all(str(p.annotation) == "TensorLike" for p in parameters)
}  # fmt: skip
PLACES = np.array([2, 0, 2])
MASK = np.array([True, False, True])
Call = tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]  # a function of tensors, and their shapes


def positive(m: Tensor) -> Tensor:
    """A positive definite matrix."""
    return m @ m.T + ag.eye(3, dtype=m.dtype)


CALLS: dict[str, Call] = {
    **{name: (FUNCTIONS[name], (V,) * arity) for name, arity in ARITY.items() if arity < 3 and name != "masked_select"},
    **{name: (FUNCTIONS[name], (V, V)) for name in (
        "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or", "logical_xor",
    )},
    **{name: (FUNCTIONS[name], (M, M)) for name in ("dot", "kron", "matmul", "outer", "vdot", "inner")},
    **{name: (lambda x, f=FUNCTIONS[name]: f(x, axis=1), (M,)) for name in (
        "all", "amax", "amin", "any", "argmax", "argmin", "argsort", "count_nonzero", "cumprod", "cumsum", "diff", "flip",
        "log_softmax", "logsumexp", "max", "mean", "median", "min", "norm", "prod", "ptp", "softmax", "sort", "std", "sum", "var",
    )},
    **{name: (lambda x, f=FUNCTIONS[name]: f(x > 0), (V,)) for name in ("invert", "logical_not")},
    **{name: (lambda x, f=FUNCTIONS[name]: f(x > 0, x < 1), (V,)) for name in ("bitwise_and", "bitwise_or", "bitwise_xor")},
    **{name: (lambda m, f=FUNCTIONS[name]: f(positive(m)), (M,)) for name in ("cholesky", "det", "inv", "slogdet")},
    **{name: (lambda x, f=FUNCTIONS[name]: f((x > 0).astype("int64"), 2), (V,)) for name in ("left_shift", "right_shift")},
    **{name: (lambda m, f=FUNCTIONS[name]: f(positive(m)), (M,)) for name in (
        "cond", "eigh", "eigvalsh", "expm", "pinv", "qr", "svd", "svdvals", "matrix_norm", "lu_factor",
    )},
    "cholesky_solve": (lambda m, x: ag.cholesky_solve(x, ag.cholesky(positive(m))), (M, V)),
    "lstsq": (lambda m, x: ag.lstsq(positive(m), x), (M, V)),
    "lu_solve": (lambda m, x: ag.lu_solve(ag.lu_factor(positive(m)), x), (M, V)),
    "matrix_power": (lambda m: ag.matrix_power(m, 3), (M,)),
    "solve_triangular": (lambda m, x: ag.solve_triangular(positive(m), x), (M, V)),
    "copy": (lambda x: ag.copy(x), (V,)),
    "ravel": (lambda m: ag.ravel(m), (M,)),
    "nn.huber_loss": (lambda x, y: nn.huber_loss(x, y), (V, V)),
    "fliplr": (ag.fliplr, (M,)),
    "elementwise_grad": (lambda x: ag.elementwise_grad(ag.sin)(x), (V,)),
    "from_dlpack": (lambda x: x * ag.from_dlpack(PLACES), (V,)),
    "matrix_transpose": (ag.matrix_transpose, (M,)),
    "tensor": (lambda x: x * ag.tensor([1.0, 2.0, 3.0]), (V,)),
    "adaptive_avg_pool2d": (lambda x: ag.adaptive_avg_pool2d(x, 3), (IMAGE,)),
    "arange": (lambda x: x * ag.arange(3), (V,)),
    "array": (lambda x: ag.array([[x.sum(), 0.0], [0.5, x[0]]]), (V,)),
    "array_split": (lambda x: ag.array_split(x, 2), (V,)),
    "astype": (lambda x: ag.astype(x, "float32"), (V,)),
    "avg_pool2d": (lambda x: ag.avg_pool2d(x, 2), (IMAGE,)),
    "batch_norm": (ag.batch_norm, (M, V, V)),
    "batch_norm_inference": (lambda x, m, v, w, b: ag.batch_norm_inference(x, m, v * v, w, b), (M, V, V, V, V)),
    "bernoulli": (lambda x: x * ag.bernoulli(ag.sigmoid(x)), (V,)),
    "broadcast_to": (lambda x: ag.broadcast_to(x, (2, 3)), (V,)),
    "checkpoint": (lambda x, y: ag.checkpoint(lambda z: ag.sin(z * y) * x, x), (V, V)),
    "clip": (lambda x, lo: ag.clip(x, lo, 0.5), (V, V)),
    "concatenate": (lambda a, b: ag.concatenate([a, b]), (V, V)),
    "conv1d": (ag.conv1d, (SERIES, (2, 1, 3), (2,))),
    "conv3d": (ag.conv3d, (VOLUME, (2, 1, 1, 3, 2), (2,))),
    "conv_transpose1d": (ag.conv_transpose1d, (SERIES, (1, 2, 3), (2,))),
    "conv_transpose3d": (ag.conv_transpose3d, (VOLUME, (1, 2, 1, 3, 2), (2,))),
    "conv2d": (ag.conv2d, (IMAGE, (2, 1, 3, 3), (2,))),
    "conv_transpose2d": (ag.conv_transpose2d, (IMAGE, (1, 2, 3, 3), (2,))),
    "cross": (ag.cross, (V, V)),
    "diag": (ag.diag, (V,)),
    "diagonal": (ag.diagonal, (M,)),
    "dropout": (ag.dropout, (M,)),
    "einsum": (lambda a, b: ag.einsum("ij,jk->ki", a, b), (M, M)),
    "elu": (ag.elu, (V, ())),
    "embedding": (lambda w: ag.embedding(w, PLACES), (M,)),
    "expand_dims": (lambda x: ag.expand_dims(x, 0), (V,)),
    "eye": (lambda x: x + ag.eye(3), (M,)),
    "flatten": (ag.flatten, (M,)),
    "full": (lambda x: ag.full((2, 3), x), (V,)),
    "full_like": (lambda x, y: ag.full_like(x, y.sum()), (V, V)),
    "gather": (lambda x: ag.gather(x, 1, PLACES[:, None]), (M,)),
    "gelu": (lambda x: ag.gelu(x) + ag.gelu(x, approximate="tanh"), (V,)),
    "getitem": (lambda x: ag.getitem(x, (slice(0, 2), PLACES)), (M,)),
    "grad": (lambda x: ag.grad(lambda t: (t * t * t).sum())(x), (V,)),
    "glu": (ag.glu, ((3, 4),)),
    "group_norm": (lambda x, w, b: ag.group_norm(x, 2, w, b), ((2, 4, 3), (4,), (4,))),
    "hardshrink": (ag.hardshrink, (V,)),
    "instance_norm": (ag.instance_norm, ((2, 3, 5), V, V)),
    "prelu": (ag.prelu, (M, V)),
    "rms_norm": (lambda x, w: ag.rms_norm(x, 3, w), (M, V)),
    "softshrink": (ag.softshrink, (V,)),
    "threshold": (lambda x: ag.threshold(x, 0.4, -1.0), (V,)),
    "gru": (ag.gru, (SEQUENCE, (2, 2), (6, 3), (6, 2), (6,), (6,))),
    "gru_cell": (ag.gru_cell, (M, (3, 2), (6, 3), (6, 2), (6,), (6,))),
    "hardtanh": (lambda x, lo: ag.hardtanh(x, lo, 0.5), (V, ())),
    "hessian": (lambda x: ag.hessian(lambda t: (t * t * t).sum())(x), (V,)),
    "hstack": (lambda a, b: ag.hstack([a, b]), (M, M)),
    "hvp": (lambda x, v: ag.hvp(lambda t: (t * t * t).sum(), (x,), (v,)), (V, V)),
    "index_add": (lambda x, v: ag.index_add(x, PLACES, v), (V, V)),
    "index_put": (lambda x, v: ag.index_put(x, PLACES, v), (V, V)),
    "is_grad_enabled": (lambda x: x * float(ag.is_grad_enabled()), (V,)),
    "jacobian": (lambda x: ag.jacobian(ag.sin)(x), (V,)),
    "jvp": (lambda x, v: ag.jvp(ag.sin, (x,), (v,)), (V, V)),
    "layer_norm": (lambda x, w, b: ag.layer_norm(x, 3, w, b), (M, V, V)),
    "leaky_relu": (ag.leaky_relu, (M, V)),
    "linear": (ag.linear, (M, M, V)),
    "linspace": (lambda x: x * ag.linspace(0, 1, 3), (V,)),
    "lstm": (lambda x, h, c, *w: ag.lstm(x, (h, c), *w)[0], (SEQUENCE, (2, 2), (2, 2), (8, 3), (8, 2), (8,), (8,))),
    "lstm_cell": (lambda x, h, c, *w: ag.lstm_cell(x, (h, c), *w), (M, (3, 2), (3, 2), (8, 3), (8, 2), (8,), (8,))),
    "max_pool2d": (lambda x: ag.max_pool2d(x, 2), (IMAGE,)),
    "max_pool1d": (lambda x: ag.max_pool1d(x, 3, 2, 1, return_indices=True), (SERIES,)),
    "max_pool3d": (lambda x: ag.max_pool3d(x, 2, ceil_mode=True), (VOLUME,)),
    "adaptive_max_pool1d": (lambda x: ag.adaptive_max_pool1d(x, 3, return_indices=True), (SERIES,)),
    "adaptive_max_pool2d": (lambda x: ag.adaptive_max_pool2d(x, 3), (IMAGE,)),
    "adaptive_max_pool3d": (lambda x: ag.adaptive_max_pool3d(x, (1, 2, 3)), (VOLUME,)),
    "max_unpool1d": (lambda x: ag.max_unpool1d(*ag.max_pool1d(x, 2, return_indices=True), 2), (SERIES,)),
    "max_unpool2d": (lambda x: ag.max_unpool2d(*ag.max_pool2d(x, 2, return_indices=True), 2), (IMAGE,)),
    "max_unpool3d": (
        lambda x: ag.max_unpool3d(*ag.max_pool3d(x, 2, return_indices=True), 2, output_size=VOLUME), (VOLUME,),
    ),
    "adaptive_avg_pool1d": (lambda x: ag.adaptive_avg_pool1d(x, 3), (SERIES,)),
    "adaptive_avg_pool3d": (lambda x: ag.adaptive_avg_pool3d(x, (1, 2, 2)), (VOLUME,)),
    "avg_pool1d": (lambda x: ag.avg_pool1d(x, 2), (SERIES,)),
    "avg_pool3d": (lambda x: ag.avg_pool3d(x, 2, padding=1, divisor_override=3), (VOLUME,)),
    "fold": (lambda x: ag.fold(ag.unfold(x, 3, padding=1), 4, 3, padding=1), (IMAGE,)),
    "unfold": (lambda x: ag.unfold(x, 2, stride=2), (IMAGE,)),
    "interpolate": (lambda x: ag.interpolate(x, (3, 7), mode="bicubic", antialias=True), (IMAGE,)),
    "pixel_shuffle": (lambda x: ag.pixel_shuffle(ag.reshape(x, 2, 4, 2, 2), 2), (IMAGE,)),
    "pixel_unshuffle": (lambda x: ag.pixel_unshuffle(x, 2), (IMAGE,)),
    "pad by copies": (lambda x: ag.pad(x, ((0, 0), (0, 0), (3, 1), (1, 2)), mode="reflect"), (IMAGE,)),
    "moveaxis": (lambda x: ag.moveaxis(x, 0, 1), (M,)),
    "nan_to_num": (ag.nan_to_num, (V, ())),
    "one_hot": (lambda x: x * ag.one_hot(PLACES, 3), (M,)),
    "ones": (lambda x: x * ag.ones(3), (V,)),
    "pad": (lambda x, v: ag.pad(x, 1, constant_values=v), (V, ())),
    "permutation": (lambda x: x[ag.permutation(3)], (V,)),
    "rand": (lambda x: x * ag.rand(3), (V,)),
    "randint": (lambda x: x * ag.randint(0, 9, 3), (V,)),
    "randn": (lambda x: x * ag.randn(3), (V,)),
    "repeat": (lambda x: ag.repeat(x, [1, 0, 2]), (V,)),
    "reshape": (lambda x: ag.reshape(x, -1), (M,)),
    "rnn": (ag.rnn, (SEQUENCE, (2, 2), (2, 3), (2, 2), (2,), (2,))),
    "rnn_cell": (ag.rnn_cell, (M, (3, 2), (2, 3), (2, 2), (2,), (2,))),
    "roll": (lambda x: ag.roll(x, 1), (V,)),
    "rot90": (ag.rot90, (M,)),
    "round": (lambda x: ag.round(x, 1), (V,)),
    "scaled_dot_product_attention": (lambda q, k, v: ag.scaled_dot_product_attention(q, k, v, is_causal=True), (SEQUENCE,) * 3),
    "scatter_add": (lambda x, v: ag.scatter_add(x, 0, PLACES, v), (V, V)),
    "softmax_cross_entropy": (lambda z: ag.softmax_cross_entropy(z, LABELS), (M,)),
    "solve": (lambda a, b: ag.solve(positive(a), b), (M, V)),
    "split": (lambda x: ag.split(x, [1]), (V,)),
    "squeeze": (ag.squeeze, ((3, 1),)),
    "stack": (lambda a, b: ag.stack([a, b]), (V, V)),
    "swapaxes": (lambda x: ag.swapaxes(x, 0, 1), (M,)),
    "take": (lambda x: ag.take(x, PLACES, axis=1), (M,)),
    "take_along_axis": (lambda x: ag.take_along_axis(x, PLACES[:, None]), (M,)),
    "tensordot": (lambda a, b: ag.tensordot(a, b, 1), (M, M)),
    "tile": (lambda x: ag.tile(x, 2), (V,)),
    "topk": (lambda x: ag.topk(x, 2), (V,)),
    "trace": (ag.trace, (M,)),
    "transpose": (ag.transpose, (M,)),
    "tril": (ag.tril, (M,)),
    "triu": (ag.triu, (M,)),
    "upsample": (lambda x: ag.upsample(x, 2, mode="bilinear"), (IMAGE,)),
    "value_and_grad": (lambda x: ag.value_and_grad(lambda t: (t * t * t).sum())(x), (V,)),
    "vjp": (lambda x, g: ag.vjp(ag.sin, x)[1](g), (V, V)),
    "vstack": (lambda a, b: ag.vstack([a, b]), (V, V)),
    "where": (lambda a, b: ag.where(a > b, a, b), (V, V)),
    "zeros": (lambda x: x + ag.zeros(3), (V,)),
    # -- losses
    "nn.binary_cross_entropy": (lambda p, t: nn.binary_cross_entropy(ag.sigmoid(p), t), (V, V)),
    **{f"nn.{name}": (getattr(nn, name), (M, M)) for name in (
        "binary_cross_entropy_with_logits", "feature_matching_loss", "kl_div", "kl_normal", "l1_loss", "mse_loss", "smooth_l1_loss",
    )},
    **{f"nn.{name}": (getattr(nn, name), (M,)) for name in ("generated_loss", "real_logit", "unlabelled_loss")},
    "nn.cross_entropy": (lambda x, w: nn.cross_entropy(x, LABELS, weight=w, label_smoothing=0.1, ignore_index=0), (M, V)),
    "nn.nll_loss": (lambda x, w: nn.nll_loss(x.log_softmax(), LABELS, weight=w), (M, V)),
    "nn.gaussian_nll_loss": (lambda a, b, v: nn.gaussian_nll_loss(a, b, v * v, full=True), (V, V, V)),
    "nn.gradient_penalty": (lambda a, b, w: nn.gradient_penalty(lambda x: ag.sin(x @ w), a, b), (M, M, V)),
    "nn.semi_supervised_loss": (lambda a, b, c: nn.semi_supervised_loss(a, LABELS, b, c), (M, M, M)),
    # -- indexing by masks of which no shape depends
    "scan": (lambda x: ag.scan(lambda h, v: (h + ag.sin(v), h * v), x[0], x)[1], (V,)),
    "vmap": (lambda m: ag.vmap(lambda x: ag.sin(x).sum())(m), (M,)),
    "cdist": (lambda x, y: ag.cdist(x, y, p=3), (M, M)),
    "grid_sample": (lambda x, g: ag.grid_sample(x, g, padding_mode="border"), (IMAGE, (IMAGE[0], 2, 3, 2))),
    "index_reduce": (lambda x, y: ag.index_reduce(x, 0, PLACES, y, "prod"), (V, V)),
    "scatter_reduce": (lambda x, y: ag.scatter_reduce(x, 0, PLACES, y, "amax", include_self=False), (V, V)),
    # NumPy's names
    "append": (lambda x, y: ag.append(x, y), (V, V)),
    "average": (lambda x, w: ag.average(x, 1, weights=w), (M, V)),
    "column_stack": (lambda x, y: ag.column_stack([x, y]), (V, M)),
    "convolve": (lambda x, y: ag.convolve(x, y), (V, V)),
    "corrcoef": (lambda m: ag.corrcoef(m), (M,)),
    "cov": (lambda m: ag.cov(m), (M,)),
    "cummax": (lambda m: ag.cummax(m, dim=1), (M,)),
    "cummin": (lambda m: ag.cummin(m, dim=1), (M,)),
    "dsplit": (lambda x: ag.dsplit(x, 2), ((2, 2, 4),)),
    "dstack": (lambda x, y: ag.dstack([x, y]), (V, V)),
    "gradient": (lambda m: ag.gradient(m, 0.5), (M,)),
    "hsplit": (lambda m: ag.hsplit(m, 3), (M,)),
    "interp": (lambda x, y: ag.interp(x, [0.0, 0.5, 1.0], y), (M, V)),
    "logcumsumexp": (lambda m: ag.logcumsumexp(m, dim=1), (M,)),
    "meshgrid": (lambda x, y: ag.meshgrid(x, y), (V, V)),
    "nanmean": (lambda m: ag.nanmean(m, axis=1), (M,)),
    "nansum": (lambda m: ag.nansum(m, axis=1), (M,)),
    "partition": (lambda m: ag.partition(m, 1), (M,)),
    "percentile": (lambda m: ag.percentile(m, 30, axis=1), (M,)),
    "quantile": (lambda m: ag.quantile(m, [0.3, 0.9], axis=1), (M,)),
    "select": (lambda x, y: ag.select([x > y, x < 0.3], [x, y], 2.0), (V, V)),
    "trapezoid": (lambda m: ag.trapezoid(m, dx=0.5), (M,)),
    "unstack": (lambda m: ag.unstack(m, axis=1), (M,)),
    "vsplit": (lambda m: ag.vsplit(m, [1]), (M,)),
    # PyTorch's names and forms
    "addcdiv": (lambda x, y, z: ag.addcdiv(x, y, z, value=0.5), (V, V, V)),
    "addcmul": (lambda x, y, z: ag.addcmul(x, y, z, value=0.5), (V, V, V)),
    "cat": (lambda x, y: ag.cat([x, y], dim=0), (V, V)),
    "chunk": (lambda x: ag.chunk(x, 2), (V,)),
    "clamp": (lambda x: ag.clamp(x, min=-0.5, max=0.5), (V,)),
    "concat": (lambda x, y: ag.concat([x, y]), (V, V)),
    "div": (lambda x, y: ag.div(x, y), (V, V)),
    "empty": (lambda x: x + 0 * ag.ones_like(ag.empty(3)), (V,)),
    "empty_like": (lambda x: x + ag.zeros_like(ag.empty_like(x)), (V,)),
    "expand": (lambda x: ag.expand(x, (2, 3)), (V,)),
    "get_default_dtype": (lambda x: x.astype(ag.get_default_dtype()), (V,)),
    "index_select": (lambda x: ag.index_select(x, 0, PLACES), (V,)),
    "is_floating_point": (lambda x: x * ag.is_floating_point(x), (V,)),
    "is_tensor": (lambda x: x * ag.is_tensor(x), (V,)),
    "lerp": (lambda x, y: ag.lerp(x, y, 0.3), (V, V)),
    "masked_fill": (lambda x: ag.masked_fill(x, MASK, 0.5), (V,)),
    "movedim": (lambda m: ag.movedim(m, 0, 1), (M,)),
    "narrow": (lambda x: ag.narrow(x, 0, 1, 2), (V,)),
    "normal": (lambda x: x * ag.normal(0.0, 1.0, (3,)), (V,)),
    "numel": (lambda x: x * ag.numel(x), (V,)),
    "ones_like": (lambda x: x * ag.ones_like(x), (V,)),
    "permute": (lambda m: ag.permute(m, (1, 0)), (M,)),
    "rand_like": (lambda x: x * ag.rand_like(x), (V,)),
    "randn_like": (lambda x: x * ag.randn_like(x), (V,)),
    "randperm": (lambda x: x[ag.randperm(3)], (V,)),
    "repeat_interleave": (lambda x: ag.repeat_interleave(x, 2), (V,)),
    "scatter": (lambda x, y: ag.scatter(x, 0, LABELS, y), (V, V)),
    "sub": (lambda x, y: ag.sub(x, y, alpha=2), (V, V)),
    "swapdims": (lambda m: ag.swapdims(m, 0, 1), (M,)),
    "take_along_dim": (lambda x: ag.take_along_dim(x, PLACES, 0), (V,)),
    "unbind": (lambda m: ag.unbind(m, 0), (M,)),
    "unflatten": (lambda m: ag.unflatten(m, 1, (3, 1)), (M,)),
    "unsqueeze": (lambda x: ag.unsqueeze(x, 0), (V,)),
    "view": (lambda m: ag.view(m, (9,)), (M,)),
    "zeros_like": (lambda x: x + ag.zeros_like(x), (V,)),
    "index_put at a mask": (lambda x, v: ag.index_put(x, x > 0, v), (M, ())),
    "index_put of values at a mask": (lambda x, v: ag.index_put(x, MASK, v), (V, (2,))),
    "index_put at a mask and places": (lambda x, v: ag.index_put(x, (MASK, PLACES[:2]), v), (M, ())),
    "index_add at a mask": (lambda x, v: ag.index_add(x, x > 0, v), (M, ())),
}  # fmt: skip
VALUE_DEPENDENT = {
    "argwhere": lambda x: ag.argwhere(x > 0),
    "nonzero": lambda x: ag.nonzero(x > 0),
    "masked_select": lambda x: ag.masked_select(x, x > 0),
    "getitem at a mask": lambda x: x[x > 0],
    "index_add of values at a mask": lambda x: ag.index_add(x, (x > 0, None), x[x > 0][:, None]),
}
NOT_OPERATIONS = {  # settings, tools, and what must run outside a compiled step (tested in test_jit.py)
    "jit", "default_dtype", "set_default_dtype", "detect_anomaly", "fork_rng", "from_numpy", "generator", "get_rng_state", "set_rng_state",
    "manual_seed", "is_recording", "keep_memory", "primitive", "profile", "threads", "set_grad_enabled", "no_grad", "enable_grad",
    "scipy_function", "multinomial",
    "nn.clip_grad_norm", "nn.clip_grad_value", "nn.export_onnx", "nn.functional_call", "nn.data_dependent_init", "nn.evaluation", "nn.load", "nn.load_metadata", "nn.save",
    "nn.summary",
}  # fmt: skip


def test_every_public_function_and_layer_is_here() -> None:
    of_nn = [getattr(nn, name) for name in nn.__all__]
    functions = {*FUNCTIONS, *(f"nn.{f.__name__}" for f in of_nn if inspect.isfunction(f))}
    assert functions - CALLS.keys() - VALUE_DEPENDENT.keys() - NOT_OPERATIONS == set()
    layers = {f.__name__ for f in of_nn if inspect.isclass(f) and issubclass(f, nn.Module)}
    assert layers - LAYERS.keys() == {"Module", "Activation"}  # base classes


def step_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of operands that returns the results, and the gradients of a sum with weights."""

    def step(*operands: Tensor) -> list[Tensor]:
        variables = [x.detach() for x in operands]
        for x in variables:
            x.requires_grad = True
        results = tensors_in(function(*variables))
        live = [y for y in results if y.requires_grad]
        if not live:
            return [y.copy() for y in results]
        loss = sum((ag.sum(y * ag.cos(y.detach() + 1)) for y in live), ag.zeros((), dtype=live[0].dtype))
        grads = ag.grad(loss, variables, allow_unused=True)
        return [*(y.detach().copy() for y in results), *(g for g in grads if g is not None)]

    return step


def inputs(shapes: tuple[tuple[int, ...], ...]) -> list[tuple[Tensor, ...]]:
    """Operands for four calls, each between 0 and 1, where every function is smooth."""
    rng = np.random.default_rng(0)
    return [tuple(Tensor(rng.uniform(0.1, 0.9, shape).astype(np.float32)) for shape in shapes) for _ in range(4)]


def check_same_bits(compiled: Any, eager: Callable[..., Any], calls: list[tuple[Tensor, ...]]) -> None:
    with np.errstate(all="ignore"):
        for number, operands in enumerate(calls):
            with ag.fork_rng(number):
                expected = eager(*operands)
            with ag.fork_rng(number):
                found = compiled(*operands)
            assert len(found) == len(expected) > 0
            for a, b in zip(found, expected, strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a.data, b.data, err_msg=f"call {number}")
    assert compiled.plans


@pytest.mark.parametrize("name", sorted(set(CALLS) - {"nonzero", "argwhere"}))
def test_a_compiled_function_gives_the_bits_of_eager_mode(name: str) -> None:
    function, shapes = CALLS[name]
    calls = inputs(shapes)
    if name == "arccosh":
        calls = [tuple(x + 1 for x in operands) for operands in calls]
    check_same_bits(ag.jit(step_of(function), exact=True), step_of(function), calls)


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_a_compiled_layer_gives_the_bits_of_eager_mode(name: str) -> None:
    """In training: outputs, gradients of the input and of all parameters, and buffers."""
    make, shape = LAYERS[name]

    def instance() -> Callable[..., Any]:
        with ag.fork_rng(0):
            layer = make()

        def step(x: Tensor) -> list[Tensor]:
            for p in layer.parameters():
                p.grad = None
            x = x.detach()
            x.requires_grad = True
            y = layer(x)
            loss = ag.sum(y * ag.cos(y.detach() + 1))
            loss.backward()
            grads = [t.grad.copy() for t in (x, *layer.parameters()) if t.grad is not None]
            return [y.detach().copy(), *grads, *(b.detach().copy() for b in layer.buffers())]

        return step

    calls = [(x - 0.5,) for (x,) in inputs((shape,))]
    check_same_bits(ag.jit(instance(), exact=True), instance(), calls)


@pytest.mark.parametrize("name", VALUE_DEPENDENT)
def test_a_shape_that_depends_on_values_is_refused_with_what_to_write(name: str) -> None:
    compiled = ag.jit(VALUE_DEPENDENT[name])
    x = Tensor([1.0, -1.0])
    compiled(x)  # runs eagerly
    with pytest.raises(ag.TraceError, match=r"depends on values.*ag\.where"):
        compiled(x)


def test_a_replay_checks_its_operands_as_eager_mode_does() -> None:
    """Ranges are checked by kernels: a replay with a class or a variance out of range raises the same error."""
    x = Tensor(np.ones((2, 3), np.float32))
    cases: list[tuple[Callable[..., Any], tuple[Any, ...], tuple[Any, ...], type[Exception], str]] = [
        (nn.nll_loss, (x, Tensor([0, 2])), (x, Tensor([0, -1])), IndexError, r"nll_loss: targets must lie in \[0, 3\), got -1 to 0"),
        (nn.cross_entropy, (x, Tensor([0, 2])), (x, Tensor([0, 3])), IndexError, r"targets must lie in \[0, 3\), got 0 to 3"),
        (ag.embedding, (x, Tensor([0, 1])), (x, Tensor([0, -1])), IndexError, r"embedding: indices must lie in \[0, 2\), got -1 to 0"),
        (nn.gaussian_nll_loss, (x, x, x), (x, x, x - 2), ValueError, "gaussian_nll_loss: expected var ≥ 0, got -1"),
    ]  # fmt: skip
    for function, good, bad, error, message in cases:
        compiled = ag.jit(lambda *args, f=function: f(*args))
        for _ in range(3):
            compiled(*good)
        assert compiled.plans
        for use in (compiled, function):
            with pytest.raises(error, match=message):
                use(*bad)


def test_a_float_argument_works_as_slope_bound_fill_and_pad_value_in_every_call() -> None:
    """Eager mode gets a number and a replay an operand: values and gradients have the same bits, also at the bound."""
    x = np.array([-1.0, 0.0, 0.5, 1.0], np.float32)
    uses: list[Callable[..., Any]] = [
        ag.leaky_relu, ag.elu, lambda t, s: ag.clip(t, None, s), lambda t, s: ag.clip(t, s, 2.0), lambda t, s: ag.hardtanh(t, s),
        lambda t, s: ag.pad(t, 1, constant_values=s), lambda t, s: t * ag.full(4, s), lambda t, s: ag.where(t > 0, t, s),
        lambda t, s: ag.full_like(t, s) * t, lambda t, s: ag.stack([t.sum(), s]), lambda t, s: ag.index_put(t, 0, s),
    ]  # fmt: skip
    for use in uses:
        compiled = ag.jit(lambda t, s, f=use: step_of(lambda u: f(u, s))(t), exact=True)
        for s in (0.5, 0.5, 0.5, 0.1, 1.0):
            expected = step_of(lambda u, f=use, s=s: f(u, s))(Tensor(x))
            for a, b in zip(compiled(Tensor(x), s), expected, strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a.data, b.data)
        assert len(compiled.plans) == 1
