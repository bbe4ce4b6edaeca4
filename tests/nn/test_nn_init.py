"""Initial values: draws have the distribution that the function names, and odd intervals end at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import autograd_mini as ag
from autograd_mini import nn

INTERVALS = [(-2.0, 2.0), (-0.5, np.inf), (3.0, 9.0), (-6.0, -4.0), (0.25, 0.2501), (7.5, 40.0), (-np.inf, -7.9), (-1e-3, 1e-3)]


@pytest.mark.parametrize(("low", "high"), INTERVALS)
def test_trunc_normal_has_the_truncated_distribution_on_any_interval(low: float, high: float) -> None:
    """Also where a draw of N(mean, std²) lies there once in 10¹⁴ times."""
    ag.manual_seed(1)
    mean, std = 0.5, 2.0
    drawn = nn.init.trunc_normal_(ag.zeros(4000, dtype=np.float64), mean, std, mean + std * low, mean + std * high).data
    assert drawn.min() >= mean + std * low
    assert drawn.max() <= mean + std * high
    assert stats.kstest((drawn - mean) / std, stats.truncnorm(low, high).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    "options", [{"std": np.nan}, {"std": -1.0}, {"a": 2.0, "b": 1.0}, {"mean": np.inf}, {"a": 9.0, "b": 10.0}]
)
def test_trunc_normal_refuses_intervals_without_values(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="trunc_normal_: expected a < b near the mean"):
        nn.init.trunc_normal_(ag.zeros(3), **options)


def test_trunc_normal_without_deviation_is_the_mean() -> None:
    assert nn.init.trunc_normal_(ag.zeros(2), 0.5, 0.0).tolist() == [0.5, 0.5]
