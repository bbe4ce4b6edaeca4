"""Modules may be nested to any depth: nothing recurses."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

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


class Link(nn.Module):
    """A module of the user's own that contains the next one beside a parameter, and a list that it shares with all others."""

    def __init__(self, inner: nn.Module, shared: nn.Module) -> None:
        self.inner, self.shared, self.scale = inner, [shared], nn.Parameter([1.0])


COPIES: dict[str, Callable[[Any], Any]] = {"deepcopy": copy.deepcopy, "pickle": lambda net: pickle.loads(pickle.dumps(net))}


@pytest.mark.parametrize("name", COPIES)
def test_two_thousand_nested_modules_are_copied_and_pickled(name: str) -> None:
    """The copy has the same structure, its own parameters, and modules that are shared inside the same number of times."""
    net, inner = nested()
    own: nn.Module = nn.Tanh()
    for _ in range(DEPTH // 2):
        own = Link(own, inner)
    both = nn.ModuleList([net, own])
    both.eval()
    found = COPIES[name](both)
    assert [type(m) for m in found.modules()] == [type(m) for m in both.modules()]
    assert [vars(m).keys() for m in found.modules()] == [vars(m).keys() for m in both.modules()]
    assert len(list(found.parameters())) == DEPTH // 2 + 2
    assert not any(m.training for m in found.modules())
    inner.weight.data = ag.zeros(2, 2)
    assert all(p is not q for p, q in zip(found.parameters(), both.parameters(), strict=True))
    copied = next(m for m in found.modules() if isinstance(m, nn.Linear))
    np.testing.assert_array_equal(found[0](X).data, ag.tanh(copied(X)).data)
    assert copied.weight.data.any()


@pytest.mark.parametrize("name", COPIES)
def test_copies_of_cycles_and_of_modules_that_know_their_parents(name: str) -> None:
    net = nn.Sequential(nn.ReLU())
    net.append(nn.Sequential(net))
    found = COPIES[name](net)
    assert found[1][0] is found
    deep: Any = nn.Identity()
    for _ in range(100):
        deep.parent = Link(deep, net)
        deep = deep.parent
    found = COPIES[name](deep)
    for _ in range(100):
        assert found.inner.parent is found
        assert found.shared[0] is found.inner.shared[0] if isinstance(found.inner, Link) else True
        found = found.inner
