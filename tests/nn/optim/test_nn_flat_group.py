"""Fused updates of adjacent parameters give the same bits as single updates, whatever happens to their states."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.nn.optim.eager_step import SMALL

OPTIMIZERS: dict[str, Callable[..., nn.Optimizer]] = {
    "sgd": partial(nn.SGD, lr=0.1),
    "momentum": partial(nn.SGD, lr=0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": partial(nn.SGD, lr=0.1, momentum=0.9, nesterov=True),
    "adagrad": nn.Adagrad,
    "rmsprop": partial(nn.RMSprop, momentum=0.5, centered=True),
    "adadelta": nn.Adadelta,
    "ftrl": partial(nn.FTRL, lr=0.1),
    "adam": nn.Adam,
    "adamw": nn.AdamW,
    "nadam": nn.NAdam,
}
SHAPES = [(3, 4), (4,), (), (1, 5), (SMALL + 1,), (2, 2), (7,)]


def parameters() -> list[Tensor]:
    draw = np.random.default_rng(0)
    return [Tensor(draw.standard_normal(shape).astype(np.float32), requires_grad=True) for shape in SHAPES]


def one_by_one(optimizer: nn.Optimizer) -> None:
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.grad is not None and p.requires_grad:
                optimizer.update_parameter(p, group, p._data, p.grad._data)


def set_gradients(params: list[Tensor], step: int, without: tuple[int, ...] = ()) -> None:
    draw = np.random.default_rng(step)
    for i, p in enumerate(params):
        g = np.asarray(draw.standard_normal(p.shape), np.float32)
        p.grad = None if i in without else Tensor(g)


def equal_bits(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(x.detach().numpy().tobytes() == y.detach().numpy().tobytes() for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_fused_updates_give_the_same_bits_as_single_updates(make: Callable[..., nn.Optimizer]) -> None:
    """Also if some have no gradient for a while, one is frozen for a step, and a hyperparameter changes."""
    ours, theirs = parameters(), parameters()
    a, b = make(ours), make(theirs)
    for step in range(12):
        without = (1, 3) if step in (4, 5) else ()
        for params, optimizer, move in ((ours, a, nn.Optimizer.step), (theirs, b, one_by_one)):
            set_gradients(params, step, without)
            params[5].requires_grad = step != 7
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
            move(optimizer)
    assert equal_bits(ours, theirs)
    left, right = a.state_dict()["state"], b.state_dict()["state"]
    assert left.keys() == right.keys()
    for i in left:
        assert all(np.array_equal(left[i][name], right[i][name]) for name in right[i])


def test_small_adjacent_parameters_share_one_update(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven parameters, one of them large, need three calls of the kernel instead of seven."""
    params = parameters()
    optimizer, sizes = nn.SGD(params, lr=0.1), list[int]()
    update = nn.SGD.update
    for step in range(2):
        set_gradients(params, step)
        optimizer.step()
    monkeypatch.setattr(nn.SGD, "update", lambda self, p, *rest: (sizes.append(p.size), update(self, p, *rest))[1])
    set_gradients(params, 2)
    optimizer.step()
    assert len(sizes) <= 3
    assert SMALL + 1 in sizes


class NormalizedStep(nn.Optimizer):
    """Each step has length `lr`, so the update of one element depends on all of them."""

    def update(self, p: Any, g: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        p -= group["lr"] * g / np.sqrt(np.sum(g * g))


@pytest.mark.parametrize("compiled", [False, True])
def test_an_optimizer_that_is_not_elementwise_gets_parameters_one_by_one(compiled: bool) -> None:
    a, b = (Tensor(np.zeros(4, np.float32), requires_grad=True) for _ in range(2))
    optimizer = NormalizedStep([a, b], {"lr": 1.0})

    def step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = (a * x + b * 1000).sum()
        loss.backward()
        optimizer.step()
        return loss.detach()

    move = ag.jit(step) if compiled else step
    for _ in range(4):
        move(Tensor(np.ones(4, np.float32)))
    assert a.tolist() == b.tolist() == [-2.0] * 4


@pytest.mark.parametrize("make", [nn.Adam, nn.NAdam, nn.Adagrad])
def test_a_compiled_step_keeps_a_step_count_per_parameter(make: Callable[..., nn.Optimizer]) -> None:
    """Two plans alternate, and one does not update `b`: its step count falls behind that of `a`."""

    def run(compile: Callable[..., Any]) -> tuple[Any, ...]:
        a, b = (Tensor(np.ones(3), requires_grad=True) for _ in range(2))
        optimizer = make([a, b], lr=0.1)

        def step(x: Tensor, both: bool) -> Tensor:
            optimizer.zero_grad()
            loss = (a * x).sum() + ((b * x * x).sum() if both else 0.0)
            loss.backward()
            optimizer.step()
            return loss.detach()

        move = compile(step)
        for i in range(14):
            move(Tensor(np.array([1.0, 2.0, 3.0])), i % 2 == 0 or i < 4)
        return a.tolist(), b.tolist(), [s["step"] for s in optimizer.state_dict()["state"].values()]

    assert run(ag.jit) == run(lambda f: f)


class Comparison:
    """Adam on two copies of the parameters: fused updates of `ours`, single updates of `theirs`."""

    def __init__(self) -> None:
        self.ours, self.theirs = parameters(), parameters()
        self.a, self.b = nn.Adam(self.ours), nn.Adam(self.theirs)

    def advance(self, steps: range) -> None:
        for step in steps:
            for params, optimizer, move in ((self.ours, self.a, nn.Optimizer.step), (self.theirs, self.b, one_by_one)):
                set_gradients(params, step)
                move(optimizer)


def test_a_replaced_array_of_a_state_is_used() -> None:
    comparison = Comparison()
    comparison.advance(range(3))
    for params, optimizer in ((comparison.ours, comparison.a), (comparison.theirs, comparison.b)):
        optimizer.state[params[1]]["exp_avg"] = np.ones(SHAPES[1], np.float32)
    comparison.advance(range(3, 6))
    assert equal_bits(comparison.ours, comparison.theirs)


@pytest.mark.parametrize("forget", [lambda o: o.state.clear(), lambda o: setattr(o, "state", {})], ids=["cleared", "replaced"])
def test_deleted_state_is_created_again(forget: Callable[[nn.Optimizer], None]) -> None:
    comparison = Comparison()
    comparison.advance(range(3))
    forget(comparison.a)
    forget(comparison.b)
    comparison.advance(range(3, 6))
    assert equal_bits(comparison.ours, comparison.theirs)
    assert {state["step"] for state in comparison.a.state.values()} == {3}


def test_training_continues_with_loaded_state() -> None:
    comparison = Comparison()
    comparison.advance(range(4))
    comparison.a.load_state_dict(comparison.a.state_dict())
    comparison.advance(range(4, 8))
    assert equal_bits(comparison.ours, comparison.theirs)


def test_a_replaced_group_is_used() -> None:
    params = parameters()
    optimizer = nn.SGD(params, lr=0.1)
    for step in range(3):
        set_gradients(params, step)
        optimizer.step()
    before = [p.tolist() for p in params]
    optimizer.param_groups[0] = {**optimizer.param_groups[0], "lr": 0.0}
    optimizer.step()
    assert [p.tolist() for p in params] == before


def test_a_group_without_gradients_does_not_change() -> None:
    moving, frozen = parameters(), parameters()
    optimizer = nn.Adam([{"params": frozen}, {"params": moving}])
    before = [p.tolist() for p in frozen]
    for step in range(3):
        set_gradients(moving, step)
        optimizer.step()
    assert [p.tolist() for p in frozen] == before
    assert {optimizer.state[p]["step"] for p in moving} == {3}


def test_a_subclass_with_its_own_kernel_is_not_elementwise() -> None:
    """A subclass of an elementwise optimizer must declare it again: this one decays matrices only, by their shape."""

    class NoDecayOfBiases(nn.SGD):
        def update(self, p: Any, g: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
            super().update(p, g + p if p.ndim > 1 else g, state, group)

    layer = nn.Linear(2, 2)
    layer.weight.data, layer.bias.data = np.ones((2, 2)), np.ones(2)
    optimizer = NoDecayOfBiases(layer.parameters(), lr=0.5)
    for _ in range(3):
        for p in layer.parameters():
            p.grad = Tensor(np.zeros(p.shape, np.float32))
        optimizer.step()
    assert layer.weight.tolist() == [[0.125, 0.125]] * 2
    assert layer.bias.tolist() == [1.0, 1.0]


def test_a_deep_copy_updates_its_own_parameters() -> None:
    params = parameters()
    optimizer = nn.SGD(params, lr=0.1, momentum=0.9)
    for step in range(2):
        set_gradients(params, step)
        optimizer.step()
    others, other = copy.deepcopy((params, optimizer))
    before = [p.tolist() for p in params]
    set_gradients(others, 2)
    other.step()
    assert [p.tolist() for p in params] == before
    set_gradients(params, 2)
    optimizer.step()
    assert equal_bits(params, others)


@pytest.mark.parametrize("used", [0, 1, 2])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_joint_update_makes_older_graphs_of_each_parameter_stale(used: int, steps: int) -> None:
    """The first step updates parameters one by one and later ones together; both are writes into every parameter."""
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, bias=False))
    parameters = list(net.parameters())
    optimizer = nn.SGD(parameters, lr=0.1, momentum=0.9)
    for _ in range(steps):
        loss = ag.square(parameters[used]).sum()
        optimizer.zero_grad()
        net(np.ones((1, 2), np.float32)).sum().backward()
        optimizer.step()
        with pytest.raises(RuntimeError, match="modified in place after square"):
            loss.backward()
