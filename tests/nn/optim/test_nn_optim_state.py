"""State of optimizers: saved, loaded, refused if it does not fit, and created when a setting needs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from optim_formulas import ADAM, CASES, STEPS, B, loss, run

from autograd_mini import Tensor, nn


@pytest.mark.parametrize(("make", "formula", "options"), CASES)
def test_a_run_resumed_from_saved_state_is_the_same_bit_for_bit(make: Any, formula: Any, options: dict[str, Any]) -> None:
    start = np.cos(np.arange(12.0)).reshape(3, 4)
    through, _ = run(make, options, start, steps=10)
    half, optimizer = run(make, options, start, steps=5)
    state = optimizer.state_dict()
    loss(half).backward()
    optimizer.step()  # the saved state must not change with it
    half, _ = run(make, options, start, steps=5)
    resumed = make([half], **options | {"lr": 9.0})
    resumed.load_state_dict(state)
    for _ in range(5):
        resumed.zero_grad()
        loss(half).backward()
        resumed.step()
    np.testing.assert_array_equal(half.data, through.data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["param_groups"].append(s["param_groups"][0]), r"groups of \[1\] parameters, got \[1, 1\]"),
        (lambda s: s["state"].update({7: s["state"].pop(0)}), r"unknown parameters \[7\] of 1"),
        (lambda s: s["state"][0].pop("exp_avg"), r"parameter 0: expected state \['exp_avg', 'exp_avg_sq', 'step'\], got"),
        (lambda s: s["state"][0].update(exp_avg=np.zeros(2)), r"exp_avg: expected shape \(3, 4\), got \(2,\)"),
    ],
)
def test_invalid_state_raises_and_loads_nothing(change: Callable[[Any], Any], message: str) -> None:
    make, _, options = ADAM
    _, optimizer = run(make, options, B)
    state = optimizer.state_dict()
    change(state)
    state["param_groups"][0]["lr"] = 5.0
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == options["lr"]
    assert next(iter(optimizer.state.values()))["step"] == STEPS


def test_a_setting_changed_after_the_first_step_creates_its_state() -> None:
    w = Tensor(B, requires_grad=True)
    optimizer = nn.RMSprop([w])
    for settings in ({}, {"momentum": 0.9}, {"centered": True}):
        optimizer.param_groups[0].update(settings)
        optimizer.zero_grad()
        loss(w).backward()
        optimizer.step()
    assert sorted(optimizer.state[w]) == ["grad_avg", "momentum_buffer", "square_avg"]


@pytest.mark.parametrize(("make", "settings"), [(nn.SGD, {"momentum": 0.9}), (nn.RMSprop, {"momentum": 0.9, "centered": True})])
@pytest.mark.parametrize("before", [True, False])
def test_a_run_with_changed_settings_resumes_bit_for_bit(make: Any, settings: dict[str, Any], before: bool) -> None:
    """At the checkpoint, a state was created late, is created at the next step, or is no longer used."""
    off = dict.fromkeys(settings, 0)
    changes = {3: settings, 6: off, 9: settings} if before else {0: settings, 2: off, 9: settings}

    def train(steps: range, w: Tensor, optimizer: Any) -> dict[int, Any]:
        checkpoints = {}
        for t in steps:
            optimizer.param_groups[0].update(changes.get(t, {}))
            checkpoints[t] = w.data.copy(), optimizer.state_dict()
            optimizer.zero_grad()
            loss(w).backward()
            optimizer.step()
        return checkpoints

    w = Tensor(B, requires_grad=True)
    checkpoints = train(range(12), w, make([w], lr=0.01))
    for t, (value, state) in checkpoints.items():
        resumed = Tensor(value, requires_grad=True)
        optimizer = make([resumed], lr=9.0)
        optimizer.load_state_dict(state)
        train(range(t, 12), resumed, optimizer)
        np.testing.assert_array_equal(resumed.data, w.data)


def test_state_with_an_unknown_name_raises() -> None:
    _, optimizer = run(nn.SGD, {"momentum": 0.9}, B)
    state = optimizer.state_dict()
    state["state"][0]["velocity"] = state["state"][0].pop("momentum_buffer")
    with pytest.raises(ValueError, match=r"parameter 0: expected state \['momentum_buffer'\], got \['velocity'\]"):
        optimizer.load_state_dict(state)
