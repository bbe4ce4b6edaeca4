"""What surrounds an optimizer: SAM, switching, gradient clipping, running means of weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from optim_formulas import A, B, loss

from autograd_mini import Tensor, nn


def test_sam_steps_from_w_by_the_gradient_at_the_perturbed_weights() -> None:
    w, v = Tensor(B, requires_grad=True), Tensor(np.array(2.0), requires_grad=True)
    optimizer = nn.SAM(nn.SGD([w, v], lr=0.1), rho=0.3)
    calls = []

    def closure() -> Tensor:
        calls.append((w.data.copy(), v.item()))
        optimizer.zero_grad()
        value = (loss(w + 1.0) + v * v * v) * 1.0
        value.backward()
        return value

    slope = A * (B + 1 - B)
    norm = np.sqrt((slope**2).sum() + 12.0**2)
    first = optimizer.step(closure).item()
    assert first == pytest.approx((A * 1.0).sum() / 2 + 8)
    np.testing.assert_allclose(calls[1][0], B + 0.3 * slope / norm, rtol=1e-12)
    top = 2 + 0.3 * 12 / norm
    assert calls[1][1] == pytest.approx(top)
    np.testing.assert_allclose(w.data, B - 0.1 * A * (1 + 0.3 * slope / norm), rtol=1e-12)
    assert v.item() == pytest.approx(2 - 0.1 * 3 * top**2)
    assert optimizer.param_groups is optimizer.optimizer.param_groups


def test_sam_restores_the_weights_after_an_error_and_stays_at_a_minimum() -> None:
    w = Tensor(np.array([1.0]), requires_grad=True)
    optimizer = nn.SAM(nn.SGD([w], lr=0.1))
    passes = []

    def closure() -> Tensor:
        passes.append(w.item())
        if len(passes) == 2:
            raise KeyboardInterrupt
        optimizer.zero_grad()
        value = (w * w).sum()
        value.backward()
        return value

    with pytest.raises(KeyboardInterrupt):
        optimizer.step(closure)
    assert w.item() == 1.0
    assert passes == [1.0, pytest.approx(1.05)]
    w.data = [0.0]
    optimizer.step(closure)
    assert w.item() == 0.0


def test_optimizers_switch_at_their_step_and_a_resumed_run_is_identical() -> None:
    def train(steps: int, state: Any = None, start: Any = B) -> tuple[Any, Any]:
        w = Tensor(start, requires_grad=True)
        optimizer = nn.SwitchOptimizer(nn.Adam([w], lr=0.1), nn.SGD([w], lr=0.05, momentum=0.9), at=4)
        if state is not None:
            optimizer.load_state_dict(state)
        for _ in range(steps):
            optimizer.zero_grad()
            loss(w + 1.0).backward()
            optimizer.step()
        return w.data, optimizer

    by_hand = Tensor(B, requires_grad=True)
    adam_part, sgd_part = nn.Adam([by_hand], lr=0.1), nn.SGD([by_hand], lr=0.05, momentum=0.9)
    for i in range(9):
        by_hand.grad = None
        loss(by_hand + 1.0).backward()
        (adam_part if i < 4 else sgd_part).step()
    through, optimizer = train(9)
    np.testing.assert_array_equal(through, by_hand.data)
    assert optimizer.param_groups is optimizer.second.param_groups
    for split in (2, 6):
        half, optimizer = train(split)
        rest, _ = train(9 - split, optimizer.state_dict(), half)
        np.testing.assert_array_equal(rest, through)


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, np.inf])
def test_clipping_bounds_the_joint_norm_and_keeps_the_direction(norm_type: float) -> None:
    shapes = [(3, 4), (), (5,)]
    tensors = [Tensor(np.ones(shape, np.float32), requires_grad=True) for shape in shapes]
    unused = Tensor([1.0], requires_grad=True)
    slopes = [np.random.default_rng(i).normal(size=shape).astype(np.float32) for i, shape in enumerate(shapes)]
    for t, slope in zip(tensors, slopes, strict=True):
        (t * slope).sum().backward()
    whole = np.linalg.norm(np.concatenate([s.ravel() for s in slopes]).astype(float), norm_type)
    assert nn.clip_grad_norm([*tensors, unused], 2 * whole, norm_type) == pytest.approx(whole)
    np.testing.assert_array_equal(tensors[0].grad.data, slopes[0])  # type: ignore[union-attr]
    assert nn.clip_grad_norm(tensors, 0.5, norm_type) == pytest.approx(whole)
    for t, slope in zip(tensors, slopes, strict=True):
        assert t.grad is not None
        assert t.grad.dtype == np.float32
        np.testing.assert_allclose(t.grad.data, slope * (0.5 / whole), rtol=1e-5)


def test_a_norm_that_is_not_finite_raises_and_no_gradients_have_norm_0() -> None:
    w = Tensor([1.0, 1.0], requires_grad=True)
    assert nn.clip_grad_norm([w], 1.0) == 0
    (w * [np.inf, 1.0]).sum().backward()
    with pytest.raises(ValueError, match="inf"):
        nn.clip_grad_norm([w], 1.0)
    nn.clip_grad_value([w], 0.5)
    np.testing.assert_array_equal(w.grad.data, [0.5, 0.5])  # type: ignore[union-attr]


@pytest.mark.parametrize("warmup", [False, True])
def test_the_moving_average_equals_its_recursion_and_restores_the_weights(warmup: bool) -> None:
    w = Tensor(np.array([1.0]), requires_grad=True)
    ema, expected = nn.EMA([w], decay=0.9, warmup=warmup), 1.0
    for t in range(1, 30):
        w.data = [float(t)]
        ema.update()
        d = min(0.9, (1 + t) / (10 + t)) if warmup else 0.9
        expected = d * expected + (1 - d) * t
    inside = []
    with pytest.raises(KeyError), ema.average_parameters():
        inside.append({}[inside.append(w.item())])
    assert inside == [pytest.approx(expected)]
    assert w.item() == 29
    other = nn.EMA([w], decay=0.9)
    other.load_state_dict(ema.state_dict())
    assert (other.steps, other.means[0][0]) == (29, pytest.approx(expected))
    with pytest.raises(ValueError, match=r"expected shapes \[\(1,\)\], got \[\(2,\)\]"):
        ema.load_state_dict({"steps": 1, "means": [np.zeros(2)]})


def test_the_historical_penalty_is_the_distance_from_the_mean_of_the_past() -> None:
    w, v = Tensor(np.zeros(2), requires_grad=True), Tensor(np.array(1.0), requires_grad=True)
    history = nn.HistoricalAverage([w, v])
    past = np.random.default_rng(0).normal(size=(5, 2))
    for value in past:
        w.data = value
        history.update()
    penalty = history.penalty()
    assert penalty.item() == pytest.approx(((past[-1] - past.mean(0)) ** 2).sum())
    penalty.backward()
    np.testing.assert_allclose(w.grad.data, 2 * (past[-1] - past.mean(0)), rtol=1e-10)  # type: ignore[union-attr]
