"""Optimizers with PyTorch's options reach PyTorch's parameters, also compiled and after a reload."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from optimizer_cases import GOLDENS, NAMES, START, run

import autograd_mini as ag
from autograd_mini import Tensor, nn, optim

EXPECTED = json.loads(GOLDENS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", NAMES)
def test_seven_steps_reach_pytorchs_parameters(case: str) -> None:
    np.testing.assert_allclose(run(case, ag, optim), EXPECTED[case], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("case", [name for name in NAMES if not name.startswith("LBFGS")])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_reloaded_or_compiled_run_has_the_same_bits(case: str, compiled: bool) -> None:
    """Small parameters are updated together from the third step on; a reload in between changes nothing."""

    def train(wrap: Callable[[Any], Any], reload: bool) -> Any:
        ps = [Tensor(START, requires_grad=True), Tensor(START[0] * 2, requires_grad=True)]
        names = {name: getattr(optim, name) for name in optim.__all__ if name[0].isupper()}
        optimizer = eval(case, {"ps": ps, **names})

        @wrap
        def step() -> None:
            optimizer.zero_grad()
            sum((p**4).sum() + p.sum() for p in ps).backward()
            optimizer.step()

        for i in range(6):
            if reload and i == 3:
                state = optimizer.state_dict()
                optimizer = eval(case, {"ps": ps, **names})
                optimizer.load_state_dict(state)
            step()
        return np.concatenate([p.data.ravel() for p in ps])

    plain = train(lambda f: f, False)
    np.testing.assert_array_equal(train(ag.jit if compiled else lambda f: f, not compiled), plain)


def test_a_state_without_the_new_settings_loads() -> None:
    """Checkpoints of earlier versions have no `maximize`, `amsgrad` and `dampening`."""
    w = Tensor([1.0], requires_grad=True)
    for make, missing in ((nn.SGD, ("maximize", "dampening")), (nn.Adam, ("maximize", "amsgrad")), (nn.RMSprop, ("maximize",))):
        optimizer = make([w], lr=0.1)
        state = optimizer.state_dict()
        for name in missing:
            del state["param_groups"][0][name]
        fresh = make([w], lr=0.2)
        fresh.load_state_dict(state)
        assert fresh.param_groups[0]["lr"] == 0.1
        assert all(not fresh.param_groups[0][name] for name in missing)


def test_a_closure_is_called_once_and_its_loss_returned() -> None:
    w = Tensor([2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.25)
    calls = []

    def closure() -> Any:
        calls.append(1)
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with ag.no_grad():
        assert optimizer.step(closure).item() == 4
    assert (len(calls), w.item()) == (1, 1.0)


def test_lbfgs_continues_from_its_state() -> None:
    ends = []
    for reload in (False, True):
        w = Tensor(START, requires_grad=True)
        optimizer = nn.LBFGS([w], lr=0.5, max_iter=3)

        def closure(w: Any = w) -> Any:
            w.grad = None
            loss = (w**4).sum() + w.sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        if reload:
            state = optimizer.state_dict()
            optimizer = nn.LBFGS([w], lr=0.5, max_iter=3)
            optimizer.load_state_dict(state)
        optimizer.step(closure)
        ends.append(w.data.copy())
    np.testing.assert_array_equal(*ends)


@pytest.mark.parametrize(
    ("use", "error", "match"),
    [
        (lambda p: nn.SGD(p, momentum=0.9, dampening=0.5, nesterov=True), ValueError, "nesterov=True needs dampening=0"),
        (lambda p: nn.SGD(p, dampening=-1), ValueError, "dampening must lie in"),
        (lambda p: nn.Adam(p, capturable=True), TypeError, "capturable"),
        (lambda p: nn.Adam(p, differentiable=True), TypeError, "differentiable"),
        (lambda p: nn.LBFGS(p, line_search_fn="strong_wolfe"), ValueError, "line_search_fn must be None, got 'strong_wolfe'"),
        (lambda p: nn.LBFGS(p).step(), TypeError, "closure is missing"),
        (lambda p: nn.LBFGS([{"params": p}, {"params": [Tensor(1.0)]}]), ValueError, "one group"),
    ],
)
def test_options_that_do_not_exist_are_refused(use: Callable[[Any], Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        use([Tensor([1.0], requires_grad=True)])


def test_the_module_optim_can_be_imported_by_both_names() -> None:
    import autograd_mini.optim as by_name
    from autograd_mini.optim import Adam
    from autograd_mini.optim.lr_scheduler import StepLR

    assert by_name is ag.optim is nn.optim
    assert (Adam, StepLR) == (nn.Adam, nn.StepLR)
