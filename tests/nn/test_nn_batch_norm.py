"""Batch normalization without running statistics uses those of the batch, in training and in evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_mini import nn

X = np.random.default_rng(0).normal(3, 2, size=(4, 2, 3, 3))
EXPECTED = (X - X.mean((0, 2, 3), keepdims=True)) / np.sqrt(X.var((0, 2, 3), keepdims=True) + 1e-5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("missing", [["running_mean", "running_var", "num_batches_tracked"], ["running_var"], ["running_mean"]])
def test_missing_running_statistics_are_replaced_by_those_of_the_batch(missing: list[str], training: bool) -> None:
    layer = nn.BatchNorm2d(2, dtype=np.float64).train(training)
    for name in missing:
        setattr(layer, name, None)
    before = layer.state_dict()
    np.testing.assert_allclose(layer(X).data, EXPECTED, rtol=1e-10)
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[name], err_msg="incomplete statistics are not updated")


def test_without_tracking_the_state_has_no_statistics() -> None:
    layer = nn.BatchNorm2d(2, track_running_stats=False, dtype=np.float64)
    assert list(layer.state_dict()) == ["weight", "bias"]
    np.testing.assert_array_equal(layer(X).data, layer.eval()(X).data)
