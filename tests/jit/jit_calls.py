"""One call of every public function, for the test that compiles them all."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_mini as ag
from autograd_mini import Tensor, nn

FUNCTIONS = {name: f for name, f in vars(ag).items() if inspect.isfunction(f) and not name.startswith("_")}
ARITY = {
    name: len(parameters) for name, f in FUNCTIONS.items()
    if (parameters := inspect.signature(f).parameters.values()) and all(str(p.annotation) == "TensorLike" for p in parameters)
}  # fmt: skip
V, M, SERIES, IMAGE, VOLUME, SEQUENCE = (3,), (3, 3), (2, 1, 5), (2, 1, 4, 4), (2, 1, 2, 4, 3), (4, 2, 3)
PLACES = np.array([2, 0, 2])
LABELS = np.array([2, 0, 1])
MASK = np.array([True, False, True])
Call = tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]  # a function of tensors, and their shapes


def positive(m: Tensor) -> Tensor:
    """A positive definite matrix."""
    return m @ m.T + ag.eye(3, dtype=m.dtype)


class FirstOutput(nn.Module):
    """Calls a layer with its input, `copies` times, and returns the first of the results."""

    def __init__(self, layer: nn.Module, copies: int = 1):
        self.layer, self.copies = layer, copies

    def forward(self, x: Tensor) -> Tensor:
        results = self.layer(*[x] * self.copies)
        return results[0] if isinstance(results, tuple) else results


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
