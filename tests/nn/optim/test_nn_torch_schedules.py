"""Every schedule, and every pair of two on one optimizer, has PyTorch's rates over 200 steps. Needs PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import schedule_cases as cases

from autograd_mini import Tensor, nn

torch = pytest.importorskip("torch", exc_type=ImportError)


def optimizers() -> tuple[Any, Any]:
    ours = [{"params": [Tensor([1.0])]}, {"params": [Tensor([1.0])], "lr": 0.2}]
    theirs = [{"params": [torch.ones(1)]}, {"params": [torch.ones(1)], "lr": 0.2}]
    return nn.SGD(ours, lr=0.5, momentum=0.9), torch.optim.SGD(theirs, lr=0.5, momentum=0.9)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", cases.CASES)
def test_rates_equal_those_of_pytorch(name: str) -> None:
    ours, theirs = optimizers()
    found = cases.rates(nn, ours, cases.CASES[name])
    expected = cases.rates(torch.optim.lr_scheduler, theirs, cases.CASES[name])
    start = cases.first_step(name)
    np.testing.assert_allclose(found[start:], expected[start:], rtol=1e-9, atol=1e-15)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("name", cases.PAIRS)
def test_a_second_phase_has_the_rates_of_pytorch(name: str, by_hand: bool) -> None:
    ours, theirs = optimizers()
    found = cases.two_phases(nn, ours, cases.PAIRS[name], by_hand)
    expected = cases.two_phases(torch.optim.lr_scheduler, theirs, cases.PAIRS[name], by_hand)
    rows = np.arange(len(found)) != (20 if cases.first_step(name) else -1)
    np.testing.assert_allclose(np.array(found)[rows], np.array(expected)[rows], rtol=1e-9, atol=1e-15)
