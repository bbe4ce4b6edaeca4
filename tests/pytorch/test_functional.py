"""`nn.functional`, the loss classes and the methods of tensors give PyTorch's values and gradients."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from functional_cases import CASES, GOLDENS, evaluate, summary

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.nn import functional as F
from autograd_mini.nn.losses.modules import MODULES

EXPECTED = json.loads(GOLDENS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_values_and_gradients_are_pytorchs(case: tuple[str, str]) -> None:
    shape, *numbers = EXPECTED[f"{case[0]}: {case[1]}"]
    values, gradient = evaluate(case, ag, nn, F)
    assert list(values.shape) == shape
    np.testing.assert_allclose([*summary(values), *summary(gradient)], numbers, rtol=1e-6, atol=1e-7)


def test_every_function_and_loss_has_a_case() -> None:
    text = "".join(case for _, case in CASES)
    random = {"dropout", "dropout2d", "gumbel_softmax"}
    tested_elsewhere = {"one_hot", "grid_sample"}  # below, and in test_sampling_and_scatter.py
    assert {name for name in F.__all__ if f"F.{name}(" not in text} - random - tested_elsewhere == set()
    assert {name for name in MODULES if f"nn.{name}(" not in text} == set()


def test_live_values_are_pytorchs() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for case in CASES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's advice, such as another reduction
            theirs = evaluate(case, torch, torch.nn, torch.nn.functional)
        ours = evaluate(case, ag, nn, F)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8, err_msg=case[1])


def test_one_hot_counts_classes_itself() -> None:
    assert F.one_hot(Tensor([0, 2])).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert F.one_hot(Tensor([0, 2]), num_classes=4).dtype == np.int64


def test_conv1d_takes_its_settings_by_position() -> None:
    x = Tensor(np.arange(6.0).reshape(1, 1, 6))
    assert F.conv1d(x, ag.ones(1, 1, 2, dtype=ag.float64), None, 2, 1).tolist() == [[[0, 3, 7, 5]]]


def test_random_functions_are_off_in_evaluation_and_scaled_in_training() -> None:
    x = ag.ones(50, 4, 2, 2)
    assert F.dropout(x, 0.5, training=False) is x
    with ag.fork_rng(0):
        assert set(F.dropout(x, p=0.5).reshape(-1).tolist()) == {0.0, 2.0}
        maps = F.dropout2d(x, 0.5)
        assert bool((maps == maps[:, :, :1, :1]).all())
        logits = Tensor(np.zeros((2000, 3)) + np.log([0.2, 0.3, 0.5]), requires_grad=True)
        hard = F.gumbel_softmax(logits, tau=0.5, hard=True)
    np.testing.assert_allclose(hard.sum(dim=1).data, 1, rtol=1e-12)
    np.testing.assert_allclose(hard.data.mean(0), [0.2, 0.3, 0.5], atol=0.04)
    (hard * hard.detach()).sum().backward()
    assert np.any(logits.grad.data)


def test_batch_norm_updates_running_statistics_in_place() -> None:
    """As the layer does."""
    x = np.random.default_rng(0).normal(2.0, 3.0, size=(8, 3, 2, 2))
    layer = nn.BatchNorm2d(3, dtype="float64")
    mean, var = ag.zeros(3, dtype=ag.float64), ag.ones(3, dtype=ag.float64)
    expected = layer(x)
    np.testing.assert_allclose(F.batch_norm(Tensor(x), mean, var, training=True).data, expected.data, rtol=1e-12)
    np.testing.assert_allclose(mean.data, layer.running_mean.data, rtol=1e-12)
    np.testing.assert_allclose(var.data, layer.running_var.data, rtol=1e-12)


def test_weights_of_a_loss_are_part_of_its_state() -> None:
    loss = nn.CrossEntropyLoss(weight=[1.0, 2.0])
    assert list(loss.state_dict()) == ["weight"]
    assert list(nn.BCEWithLogitsLoss(pos_weight=ag.ones(1)).state_dict()) == ["pos_weight"]
    assert list(loss.parameters()) == []


def test_a_compiled_step_with_a_loss_object_equals_eager() -> None:
    criterion, x, y = nn.CrossEntropyLoss(label_smoothing=0.1), Tensor([[1.0, -1.0]], requires_grad=True), Tensor([1])
    compiled = ag.jit(lambda a: criterion(a, y).detach())
    results = [compiled(x).item() for _ in range(4)]
    assert results == pytest.approx([criterion(x, y).item()] * 4, rel=1e-6)


@pytest.mark.parametrize(
    ("use", "error", "match"),
    [
        (lambda: F.softmax(ag.ones(2, 2)), TypeError, "softmax: dim is missing"),
        (lambda: F.pad(ag.ones(2), (1, 2, 3)), ValueError, "pad: expected a pair"),
        (
            lambda: F.pad(ag.ones(2), (1, 2), mode="edge"),
            ValueError,
            "mode must be one of constant, reflect, replicate, circular",
        ),
        (lambda: F.glu(ag.ones(2, 3)), ValueError, "even length"),
        (lambda: F.batch_norm(ag.ones(2, 3), None, None), ValueError, "running_mean"),
        (lambda: F.no_such_function, AttributeError, "no_such_function"),
        (lambda: nn.BCELoss(ag.ones(5))(ag.ones(2, 3) * 0.5, ag.ones(2, 3)), ValueError, "broadcast"),
        (lambda: nn.HuberLoss(delta=0.0)(ag.ones(2), ag.ones(2)), ValueError, "delta > 0"),
        (lambda: nn.MSELoss(size_average=True), TypeError, "size_average"),  # type: ignore[call-arg]
    ],
)
def test_bad_arguments_say_what_was_wrong(use: Callable[[], Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        use()
