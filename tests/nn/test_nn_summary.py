"""The summary of a network: each call of a layer, parameters counted once, and an unchanged network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import nn


class Net(nn.Module):
    """A network with a layer used twice, two outputs, a direct parameter, and random draws in both modes."""

    def __init__(self) -> None:
        self.body = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.scale = nn.Parameter([1.0])

    def forward(self, x: Any) -> Any:
        h = self.norm(self.body(self.body(x)))
        return h * self.scale, h.sum(1) + ag.randn(len(h))


def test_a_layer_is_listed_at_each_call_and_its_parameters_once() -> None:
    net = Net()
    net.body.freeze()
    found = nn.summary(net, np.ones((3, 4), np.float32))
    norm = nn.summary(net.norm, np.ones((3, 4), np.float32)).flops
    assert norm >= 3 * 3 * 4  # minus mean, times weight over deviation, plus bias
    assert [(r.name, r.layer, r.output_shape, r.parameters, r.flops) for r in found.rows] == [
        ("body", "Linear", (3, 4), 20, 3 * 4 * (2 * 4 + 1)),
        ("body", "Linear", (3, 4), 0, 3 * 4 * (2 * 4 + 1)),
        ("norm", "BatchNorm1d", (3, 4), 8, norm),
        ("", "Net", ((3, 4), (3,)), 1, 12 + 12 + 3 + 3),  # scale, sum, draw, add
    ]
    assert (found.parameters, found.trainable, found.flops) == (29, 9, 216 + norm + 30)


def test_a_summary_does_not_change_the_network_or_the_random_stream() -> None:
    net = Net()
    net.norm.eval()
    state, stream = net.state_dict(), ag.get_rng_state()
    for x in (np.ones((1, 4), np.float32), np.ones((1, 5), np.float32)):
        try:
            nn.summary(net, x)
        except ValueError:
            assert x.shape == (1, 5)
        assert [m.training for m in net.modules()] == [True, True, False]
        assert ag.get_rng_state() == stream
        assert not any(m._forward_hooks for m in net.modules())
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value, state[key])


@pytest.mark.parametrize(
    ("layer", "shape", "products"),
    [
        (nn.Linear(5, 3, bias=False), (2, 7, 5), 2 * 7 * 3 * 5),
        (nn.Conv2d(4, 6, 3, groups=2, bias=False), (2, 4, 8, 8), 2 * 6 * 6 * 6 * (2 * 9)),
        (nn.Conv1d(4, 6, 3, stride=2, bias=False), (2, 4, 9), 2 * 6 * 4 * (4 * 3)),
        (nn.ConvTranspose2d(4, 6, (2, 3), groups=2, bias=False), (2, 4, 8, 8), (2 * 4 * 8 * 8) * (3 * 6)),
    ],
)
def test_flops_are_two_for_each_product_of_a_weight_and_an_input(layer: Any, shape: tuple[int, ...], products: int) -> None:
    assert nn.summary(layer, np.zeros(shape, np.float32)).flops == 2 * products


def test_a_bias_and_a_normalised_weight_count_too() -> None:
    x = np.zeros((2, 5), np.float32)
    assert nn.summary(nn.Linear(5, 3), x).flops == 2 * 3 * (2 * 5 + 1)
    assert nn.summary(nn.WeightNorm(nn.Linear(5, 3)), x).flops > nn.summary(nn.Linear(5, 3), x).flops


def test_operations_between_layers_have_a_row() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            return x + self.layer(x)

    rows = nn.summary(Residual(), np.zeros((3, 4), np.float32)).rows
    assert [(r.layer, r.flops) for r in rows] == [("Linear", 3 * 4 * 9), ("between layers", 12)]
