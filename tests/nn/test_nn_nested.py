"""Modules may be nested to any depth: nothing recurses."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

import autograd_mini as ag
from autograd_mini import nn

DEPTH = 2000
X = np.array([[1.0, -2.0]], np.float32)


def nested(depth: int = DEPTH) -> tuple[nn.Sequential, nn.Linear]:
    inner = nn.Linear(2, 2)
    net = nn.Sequential(inner, nn.Tanh())
    for _ in range(depth):
        net = nn.Sequential(net)
    return net, inner


class Wrapper(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def training_step(self, batch: tuple[Any, ...]) -> dict[str, Any]:
        return {"loss": self.net(batch[0]).square().mean()}


def test_two_thousand_nested_containers_run_print_save_and_train() -> None:
    net, inner = nested()
    np.testing.assert_array_equal(net(X).data, ag.tanh(inner(X)).data)
    assert len(list(net.modules())) == DEPTH + 3
    assert repr(net).count("Sequential(") == DEPTH + 1
    state = net.state_dict()
    assert [name.count("0") for name in state] == [DEPTH + 1] * 2
    net.load_state_dict(state)
    assert not net.eval()[0].training
    assert nn.summary(net, X).parameters == 6
    model = Wrapper(net)
    before = inner.weight.data.copy()
    nn.Trainer(model, nn.SGD(model.parameters(), lr=0.1), progress=False).fit(nn.data.DataLoader(X, X, batch_size=1), epochs=4)
    assert (inner.weight.data != before).all()


def test_hooks_profiles_and_replaced_methods_of_nested_containers_are_as_in_recursive_calls() -> None:
    net, inner = nested(2)
    calls: list[str] = []
    net[0].register_forward_hook(lambda module, inputs, output: calls.append(f"middle {inputs[0].shape}"))
    net[0][0].register_forward_hook(lambda module, inputs, output: output * 2)
    x = ag.Tensor(X)
    np.testing.assert_array_equal(net(x).data, 2 * ag.tanh(inner(x)).data)
    assert calls == ["middle (1, 2)"]
    with ag.profile() as profile:
        net(x)
    assert len(re.findall(r"^Sequential[.0]* +Sequential ", str(profile.by_module()), re.MULTILINE)) == 3
    net[0].forward = lambda x: x
    np.testing.assert_array_equal(net(x).data, X)


def test_an_error_in_a_nested_container_closes_the_profile() -> None:
    net, _ = nested(3)
    with ag.profile() as profile:
        try:
            net(np.ones((1, 5), np.float32))
        except ValueError:
            ag.ones(3).sum()
    assert any(row.name == "sum" for row in profile.rows)


def test_a_cycle_of_modules_is_printed_once() -> None:
    net = nn.Sequential(nn.ReLU())
    net.append(nn.Sequential(net))
    assert repr(net) == "Sequential(\n  (0): ReLU()\n  (1): Sequential(\n    (0): (…)\n  )\n)"
    assert len(list(net.modules())) == 3
