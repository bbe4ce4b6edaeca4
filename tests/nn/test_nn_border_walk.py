"""Every argument of every function of `nn`, replaced by odd values; see `tests/graph/test_border_walk.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from odd_arguments import complaints

import autograd_mini as ag
import autograd_mini.nn.functional as F
from autograd_mini import nn

M, ROW, LABELS = [[1.0, 2.0], [3.0, 4.0]], [1.0, 2.0], [0, 1]
BITS, SHARES, SIGNS = [[0.0, 1.0], [1.0, 0.0]], [[0.5, 0.5], [0.25, 0.75]], [[1.0, -1.0], [-1.0, 1.0]]
SERIES, IMAGE, VOLUME = np.ones((1, 1, 4)), np.ones((1, 2, 4, 4)), np.ones((1, 1, 2, 2, 2))
KERNEL = np.ones((2, 2, 2, 2))
ACTIVATIONS = (
    "celu elu gelu glu hardsigmoid hardswish hardtanh leaky_relu logsigmoid mish relu relu6 selu sigmoid silu softplus softsign tanh dropout "
    "dropout2d normalize gumbel_softmax"
)
DISTANCES = "huber_loss l1_loss mse_loss smooth_l1_loss cosine_similarity pairwise_distance poisson_nll_loss kl_div"
CALLS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(ACTIVATIONS.split(), (M,)), **dict.fromkeys(DISTANCES.split(), (M, M)),
    **dict.fromkeys(["softmax", "softmin", "log_softmax"], (M, 1)),
    **{f"{kind}_pool{n}d": (x, 2) for n, x in enumerate([SERIES, IMAGE, VOLUME], 1) for kind in ("avg", "max", "adaptive_avg", "adaptive_max")},
    "batch_norm": (IMAGE, ROW, ROW), "binary_cross_entropy": (SHARES, BITS), "binary_cross_entropy_with_logits": (M, BITS),
    "conv1d": (SERIES, np.ones((1, 1, 2))), "conv2d": (IMAGE, KERNEL), "conv3d": (VOLUME, VOLUME), "conv_transpose1d": (SERIES, SERIES),
    "conv_transpose2d": (IMAGE, KERNEL), "conv_transpose3d": (VOLUME, VOLUME), "cosine_embedding_loss": (M, M, [1.0, -1.0]),
    "cross_entropy": (M, LABELS), "embedding": (LABELS, M), "fold": (np.ones((1, 4, 9)), 4, 2), "gaussian_nll_loss": (M, M, M),
    "hinge_embedding_loss": (M, SIGNS), "grid_sample": (IMAGE, np.zeros((1, 2, 2, 2))), "interpolate": (IMAGE, 2), "layer_norm": (M, 2), "linear": (M, M), "margin_ranking_loss": (M, M, SIGNS),
    "max_unpool1d": ([[1.0, 2.0]], [[0, 2]], 2), "max_unpool2d": ([[[1.0]]], [[[0]]], 2), "max_unpool3d": ([[[[1.0]]]], [[[[0]]]], 2),
    "multilabel_soft_margin_loss": (M, BITS), "nll_loss": (np.log(SHARES), LABELS), "one_hot": (LABELS, 3), "pad": (M, (1, 2)),
    "pixel_shuffle": (np.ones((1, 4, 2, 2)), 2), "pixel_unshuffle": (IMAGE, 2), "prelu": (M, [0.1, 0.2]), "soft_margin_loss": (M, SIGNS),
    "triplet_margin_loss": (M, M, M), "unfold": (IMAGE, 2),
}  # fmt: skip


SPEAKERS: dict[str, tuple[str, ...]] = {
    "elu": ("parametric_elu",), "cross_entropy": ("softmax_cross_entropy",),
    "adaptive_max_pool1d": ("max_pool1d",), "adaptive_max_pool2d": ("max_pool2d",), "adaptive_max_pool3d": ("max_pool3d",), "celu": ("divide",),
    "hardtanh": ("maximum", "minimum"), "leaky_relu": ("multiply",), "dropout2d": ("dropout",), "normalize": ("clip", "divide", "norm"),
    "gumbel_softmax": ("softmax",), "cosine_similarity": ("norm",), "pairwise_distance": ("norm", "subtract"), "softmin": ("softmax",),
    "cosine_embedding_loss": ("multiply", "norm", "where", "cosine_similarity"), "hinge_embedding_loss": ("where",), "margin_ranking_loss": ("multiply", "subtract"), "triplet_margin_loss": ("norm", "pairwise_distance", "subtract"),
}  # fmt: skip
"""Functions that consist of others, whose errors name the other one."""
W = ag.Tensor(M, requires_grad=True)
FILLED = (
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
)
OTHERS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "clip_grad_norm": (nn.clip_grad_norm, ([W], 1.0)), "clip_grad_value": (nn.clip_grad_value, ([W], 1.0)),
    "feature_matching_loss": (nn.feature_matching_loss, (M, M)), "generated_loss": (nn.generated_loss, (M,)),
    "gradient_penalty": (nn.gradient_penalty, (lambda x: ag.sum(x * x, axis=1), M, M)), "kl_normal": (nn.kl_normal, (M, M)),
    "real_logit": (nn.real_logit, (M,)), "semi_supervised_loss": (nn.semi_supervised_loss, (M, LABELS, M, M)),
    "unlabelled_loss": (nn.unlabelled_loss, (M,)), "constant_": (nn.init.constant_, (ag.zeros((2, 2)), 1.0)),
    **{name: (getattr(nn.init, name), (ag.zeros((2, 2)),)) for name in FILLED},
    **{f"nn.{name}": (getattr(nn, name), CALLS[name]) for name in ("cross_entropy", "nll_loss", "mse_loss", "kl_div", "huber_loss")},
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.filterwarnings("ignore")
def test_odd_arguments_of_losses_and_initial_values_are_accepted_or_refused_with_an_error_of_our_own(name: str) -> None:
    bad = complaints(name, *OTHERS[name], ("",))
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.filterwarnings("ignore")
def test_odd_arguments_of_functions_are_accepted_or_refused_with_an_error_of_our_own(name: str) -> None:
    bad = complaints(name, getattr(F, name), CALLS[name], SPEAKERS.get(name, ()))
    assert not bad, "\n".join(bad)


def test_every_function_is_in_the_table() -> None:
    assert sorted(CALLS) == sorted(F.__all__)
    assert ag.nn is nn
