"""Losses: values against closed forms, gradients against central differences, and conventions at the edges."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as ag
from autograd_mini import Tensor, nn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3))
Y = RNG.normal(size=(4, 3))
P = RNG.uniform(0.05, 0.95, size=(4, 3))
Q = RNG.dirichlet(np.ones(3), size=4)
LABELS = np.array([0, 2, 1, 2])
W = np.array([0.5, 2.0, 1.5])


def softmax_loss(x: Any, q: Any) -> Any:
    return -(q * (x - np.log(np.exp(x).sum(1, keepdims=True)))).sum(1)


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Callable[..., Any]]] = {
    "mse": (nn.mse_loss, (X, Y), lambda a, b: (a - b) ** 2),
    "l1": (nn.l1_loss, (X, Y), lambda a, b: abs(a - b)),
    "smooth_l1": (
        partial(nn.smooth_l1_loss, beta=0.7), (X, Y),
        lambda a, b: np.where(abs(a - b) < 0.7, (a - b) ** 2 / 1.4, abs(a - b) - 0.35),
    ),
    "smooth_l1_of_0": (partial(nn.smooth_l1_loss, beta=0), (X, Y), lambda a, b: abs(a - b)),
    "gaussian_nll": (nn.gaussian_nll_loss, (X, Y, P), lambda a, b, v: (np.log(v) + (a - b) ** 2 / v) / 2),
    "full_gaussian_nll": (
        partial(nn.gaussian_nll_loss, full=True), (X, Y, P),
        lambda a, b, v: -np.log(np.exp(-((a - b) ** 2) / (2 * v)) / np.sqrt(2 * np.pi * v)),
    ),
    "kl_div": (nn.kl_div, (np.log(Q), Q[::-1].copy()), lambda q, p: p * (np.log(p) - q)),
    "kl_div_of_logs": (partial(nn.kl_div, log_target=True), (X, Y), lambda q, p: np.exp(p) * (p - q)),
    "weighted": (partial(nn.cross_entropy, weight=W), (X, Q), lambda x, q: softmax_loss(x, q * W)),
    "bce": (nn.binary_cross_entropy, (P, Q), lambda p, t: -t * np.log(p) - (1 - t) * np.log(1 - p)),
    "bce_logits": (nn.binary_cross_entropy_with_logits, (X, P), lambda x, t: np.log(1 + np.exp(x)) - x * t),
    "soft_labels": (nn.cross_entropy, (X, Q), softmax_loss),
    "smoothed": (partial(nn.cross_entropy, label_smoothing=0.3), (X, Q), lambda x, q: softmax_loss(x, 0.7 * q + 0.1)),
    "kl": (nn.kl_normal, (X, Y), lambda m, v: 0.5 * (np.exp(v) + m**2 - v - 1)),
    "kl_of_two": (
        nn.kl_normal,
        (X, Y, X[::-1] + 1, Y[:, ::-1]),
        lambda m, v, n, w: 0.5 * (np.exp(v - w) + (m - n) ** 2 / np.exp(w) - (v - w) - 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values_gradients_and_reductions_match_the_formula(name: str) -> None:
    loss, arrays, formula = CASES[name]
    expected = formula(*arrays)
    for reduction, value in {
        "none": expected, "sum": expected.sum(), "mean": expected.mean(), "batchmean": expected.sum() / 4,
    }.items():  # fmt: skip
        np.testing.assert_allclose(loss(*arrays, reduction=reduction).data, value, rtol=1e-12)
    inputs = [Tensor(a, requires_grad=True) for a in arrays]
    loss(*inputs, reduction="sum").backward()
    for i, x in enumerate(inputs):
        assert x.grad is not None
        np.testing.assert_allclose(x.grad.data, differences(lambda *a: formula(*a).sum(), arrays, i), rtol=1e-5, atol=1e-7)


LINEAR = {"l1", "smooth_l1_of_0", "kl_div", "kl_div_of_logs"}  # in the predictions: their second derivative is 0


def differences(f: Callable[..., Any], arrays: tuple[Any, ...], i: int, eps: float = 1e-6) -> Any:
    slopes = np.zeros_like(arrays[i])
    for index in np.ndindex(slopes.shape):
        ends = []
        for step in (eps, -eps):
            moved = [a.copy() for a in arrays]
            moved[i][index] += step
            ends.append(f(*moved))
        slopes[index] = (ends[0] - ends[1]) / (2 * eps)
    return slopes


@pytest.mark.parametrize("name", sorted(CASES.keys() - LINEAR))
def test_losses_are_differentiable_twice(name: str) -> None:
    loss, arrays, _ = CASES[name]
    x = Tensor(arrays[0], requires_grad=True)
    rest = arrays[1:]

    def slope(a: Any) -> Any:
        t = Tensor(a, requires_grad=True)
        return ag.grad(loss(t, *rest, reduction="sum"), t).data

    (first,) = ag.grad(loss(x, *rest, reduction="sum"), [x], create_graph=True)
    second = ag.grad((first * Tensor(Y)).sum(), x)
    eps = 1e-6
    along = (slope(arrays[0] + eps * Y) - slope(arrays[0] - eps * Y)) / (2 * eps)
    np.testing.assert_allclose(second.data, along, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "loss",
    [
        nn.mse_loss, nn.l1_loss, nn.smooth_l1_loss, nn.binary_cross_entropy, nn.binary_cross_entropy_with_logits, nn.kl_normal,
        nn.kl_div, lambda a, b: nn.gaussian_nll_loss(a, a, b),
    ],
)  # fmt: skip
@pytest.mark.parametrize("shapes", [((4, 1), (4,)), ((4,), (1,)), ((2, 3), (3, 2))])
def test_predictions_and_targets_are_never_broadcast(loss: Callable[..., Any], shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match=r"predictions of shape \(.*\) and targets of shape \(.*same shape"):
        loss(np.full(shapes[0], 0.5), np.full(shapes[1], 0.5))


@pytest.mark.parametrize("loss", [nn.mse_loss, nn.cross_entropy, nn.kl_normal])
def test_an_error_names_an_unknown_reduction(loss: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="'average'"):
        loss(X, Q, reduction="average")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_integer_targets_do_not_change_the_dtype_of_the_predictions(dtype: str) -> None:
    x = Tensor(P.astype(dtype), requires_grad=True)
    ones = np.ones(P.shape, np.int64)
    for loss in (nn.mse_loss, nn.binary_cross_entropy, nn.binary_cross_entropy_with_logits):
        value = loss(x, ones)
        assert value.dtype == dtype
        assert ag.grad(value, x).dtype == dtype
    assert nn.cross_entropy(x, LABELS, label_smoothing=0.1).dtype == dtype


# -- conventions at the edges ----------------------------------------------------------------------------------------------


def test_binary_cross_entropy_of_probabilities_0_and_1_is_clamped() -> None:
    p = Tensor([0.0, 0.0, 1.0, 1.0], requires_grad=True)
    loss = nn.binary_cross_entropy(p, [1.0, 0.0, 0.0, 1.0], reduction="none")
    np.testing.assert_array_equal(loss.data, [100, 0, 100, 0])
    loss.sum().backward()
    assert p.grad is not None
    np.testing.assert_allclose(p.grad.data, [-1e12, 0, 1e12, 0])
    half = Tensor(np.array([0, 1], np.float16), requires_grad=True)
    nn.binary_cross_entropy(half, [1, 0], reduction="sum").backward()
    assert half.grad is not None
    assert np.isfinite(half.grad.data).all()


@pytest.mark.parametrize("p", [-0.001, 1.001, math.nan])
def test_binary_cross_entropy_rejects_values_outside_0_to_1(p: float) -> None:
    with pytest.raises(ValueError, match=r"expected probabilities in \[0, 1\]"):
        nn.binary_cross_entropy([0.5, p], [1.0, 1.0])


def test_binary_cross_entropy_with_logits_is_exact_for_large_logits_and_at_0() -> None:
    x = Tensor([1000.0, -1000.0, 1000.0, -1000.0, 0.0, 0.0], requires_grad=True)
    loss = nn.binary_cross_entropy_with_logits(x, [1.0, 0.0, 0.0, 1.0, 1.0, 0.0], reduction="none")
    np.testing.assert_allclose(loss.data, [0, 0, 1000, 1000, math.log(2), math.log(2)], rtol=1e-6)
    loss.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, [0, 0, 1, -1, -0.5, 0.5])


def test_cross_entropy_is_exact_for_large_logits_and_accepts_minus_infinity() -> None:
    x = Tensor([[1000.0, 0.0], [0.0, 1000.0]], requires_grad=True)
    loss = nn.cross_entropy(x, [0, 0], reduction="none")
    np.testing.assert_array_equal(loss.data, [0, 1000])
    loss.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, [[0, 0], [-1, 1]])
    assert nn.cross_entropy([[-np.inf, 3.0]], [1]).item() == 0


def test_if_every_target_is_ignored_the_loss_is_nan_with_a_warning_and_the_gradient_is_0() -> None:
    x = Tensor(X, requires_grad=True)
    with pytest.warns(RuntimeWarning, match="every target equals ignore_index"):
        loss = nn.cross_entropy(x, np.full(4, -100), ignore_index=-100)
    assert math.isnan(loss.item())
    loss.backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, np.zeros_like(X))


# -- class indices ---------------------------------------------------------------------------------------------------------


@given(st.data())
def test_class_indices_equal_one_hot_probabilities(data: Any) -> None:
    """The two forms of a target agree in value and gradient, for every layout, smoothing and reduction."""
    shape = data.draw(st.sampled_from([(5,), (2, 3), (2, 4, 3), (2, 3, 2, 2), (1, 1), (2, 3, 0)]))
    axis = int(len(shape) > 1)
    logits = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=shape)
    labels = np.argmax(logits[..., ::-1] if shape[-1] else logits, axis=axis)
    options = {
        "label_smoothing": data.draw(st.sampled_from([0.0, 0.2, 1.0])),
        "reduction": data.draw(st.sampled_from(["sum", "none"] + ["mean"] * bool(labels.size))),
    }
    one_hot = np.moveaxis(np.eye(shape[axis])[labels], -1, axis)
    results = []
    for targets in (labels, one_hot):
        x = Tensor(logits, requires_grad=True)
        loss = nn.cross_entropy(x, targets, **options)
        results.append((loss.data, ag.grad(loss.sum(), x).data))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_ignored_positions_have_no_loss_and_do_not_count_in_the_mean() -> None:
    for smoothing in (0.0, 0.1):
        x = Tensor(X, requires_grad=True)
        loss = nn.cross_entropy(x, [0, 7, 1, 7], label_smoothing=smoothing, ignore_index=7)
        kept = nn.cross_entropy(X[[0, 2]], [0, 1], label_smoothing=smoothing)
        assert loss.item() == pytest.approx(kept.item())
        loss.backward()
        assert x.grad is not None
        assert not x.grad.data[[1, 3]].any()


def test_the_gradient_rule_for_class_indices_is_differentiable() -> None:
    x = Tensor(X, requires_grad=True)
    (first,) = ag.grad(nn.cross_entropy(x, LABELS), [x], create_graph=True)
    p = np.exp(X) / np.exp(X).sum(1, keepdims=True)
    np.testing.assert_allclose(first.data, (p - np.eye(3)[LABELS]) / 4, rtol=1e-10)
    second = ag.grad((first * Tensor(Y)).sum(), x)
    np.testing.assert_allclose(second.data, p * (Y - (p * Y).sum(1, keepdims=True)) / 4, rtol=1e-10)


@pytest.mark.parametrize(
    ("shape", "targets", "error", "message"),
    [
        ((4, 3), [0, 3, 1, 2], IndexError, r"\[0, 3\), got 0 to 3"),
        ((4, 3), [0, -100, 1, 2], IndexError, r"\[0, 3\), got -100 to 2"),
        ((4, 3), [[0], [1], [2], [0]], ValueError, r"\(4, 3\).*\(4, 1\)"),
        ((4, 3), [0.0, 1.0, 1.0, 1.0], ValueError, r"\(4, 3\).*\(4,\)"),
        ((4, 3, 2), [0, 1, 2, 0], ValueError, r"logits \(4, 3, 2\) need class indices of shape \(4, 2\).*got \(4,\)"),
    ],
)
def test_errors_name_the_shapes_or_range_of_wrong_targets(
    shape: tuple[int, ...], targets: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        nn.cross_entropy(np.zeros(shape), targets)


def test_label_smoothing_must_lie_between_0_and_1() -> None:
    with pytest.raises(ValueError, match="label_smoothing"):
        nn.cross_entropy(X, LABELS, label_smoothing=1.5)


def test_the_divergence_of_a_normal_from_itself_is_0_and_is_never_negative() -> None:
    assert nn.kl_normal(X, Y, X, Y).item() == 0
    assert (nn.kl_normal(X, Y, reduction="none").data >= 0).all()
    assert (nn.kl_normal(X, Y, Y, X, reduction="none").data >= 0).all()


# -- class weights, log-probabilities --------------------------------------------------------------------------------------


@given(st.data())
def test_class_weights_have_the_effect_of_repeated_examples(data: Any) -> None:
    """An example of a class of weight 3 counts as three, in the sum and in the mean; also if some targets are ignored."""
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    times = np.array(data.draw(st.lists(st.integers(0, 3), min_size=3, max_size=3)))
    x, t = rng.normal(size=(6, 3)), rng.integers(0, 3, 6)
    ignored = data.draw(st.sampled_from([None, 1]))
    counts = times[t] * (t != ignored)
    rows = np.repeat(np.arange(6), counts)
    smoothing = data.draw(st.sampled_from([0.0, 0.2]))
    if smoothing:
        times = np.full(3, max(times[0], 1))  # with different weights, the smoothed part is weighted by class
        rows = np.repeat(np.flatnonzero(t != ignored), times[0])
    for loss in (nn.cross_entropy,) if smoothing else (nn.cross_entropy, nn.nll_loss):
        options = {"label_smoothing": smoothing} if smoothing else {}
        for reduction in ("sum", "mean") if len(rows) else ("sum",):
            weighted = loss(x, t, weight=times, ignore_index=ignored, reduction=reduction, **options)
            repeated = loss(x[rows], t[rows], reduction=reduction, **options)
            np.testing.assert_allclose(weighted.data, repeated.data, rtol=1e-10, atol=1e-12)


def test_nll_of_log_softmax_is_cross_entropy() -> None:
    for targets in (LABELS, Q):
        pairs = []
        for loss in (lambda x, t: nn.nll_loss(x.log_softmax(), t), nn.cross_entropy):
            x = Tensor(X, requires_grad=True)
            value = loss(x, targets)
            pairs.append((value.data, ag.grad(value, x).data))
        for a, b in zip(*pairs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)
    x = Tensor(np.log(Q), requires_grad=True)
    np.testing.assert_array_equal(ag.grad(nn.nll_loss(x, LABELS, reduction="sum"), x).data, -np.eye(3)[LABELS])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.cross_entropy(X, LABELS, weight=[1.0, 2.0]), ValueError, r"3 classes need a weight of shape \(3,\), got \(2,\)"),
        (lambda: nn.nll_loss(X, [0, 3, 1, 2]), IndexError, r"\[0, 3\), got 0 to 3"),
        (lambda: nn.nll_loss(X, [0, 1]), ValueError, r"\(4, 3\).*\(2,\)"),
        (lambda: nn.nll_loss(X, Q[:1]), ValueError, r"logits \(4, 3\) do not fit probability targets \(1, 3\)"),
        (lambda: nn.cross_entropy(X, Q[:, :1], weight=W), ValueError, r"\(4, 3\) do not fit probability targets \(4, 1\)"),
        (lambda: nn.gaussian_nll_loss(X, Y, -P), ValueError, "expected var ≥ 0, got -"),
        (lambda: nn.mse_loss(1.0, 2.0, reduction="batchmean"), ValueError, "batchmean.* needs a batch axis"),
        (lambda: nn.cross_entropy(X[0], 1, reduction="batchmean"), ValueError, "batchmean.* needs a batch axis"),
        (lambda: nn.smooth_l1_loss(X, Y, beta=-1), ValueError, "beta"),
    ],
)  # fmt: skip
def test_errors_name_wrong_options(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_gaussian_nll_of_variance_0_and_kl_of_probability_0_are_finite() -> None:
    assert nn.gaussian_nll_loss([1.0], [1.0], [0.0]).item() == pytest.approx(math.log(1e-6) / 2)
    q = Tensor(np.log([[0.5, 0.5]]), requires_grad=True)
    loss = nn.kl_div(q, np.array([[0.0, 1.0]]))
    assert loss.item() == pytest.approx(math.log(2))
    np.testing.assert_array_equal(ag.grad(loss, q).data, [[0, -1]])
