"""Parameters that are moved together end where they would end one by one, bit for bit, whatever has happened to their states."""

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


def given(params: list[Tensor], step: int, without: tuple[int, ...] = ()) -> None:
    draw = np.random.default_rng(step)
    for i, p in enumerate(params):
        g = np.asarray(draw.standard_normal(p.shape), np.float32)
        p.grad = None if i in without else Tensor(g)


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(x.detach().numpy().tobytes() == y.detach().numpy().tobytes() for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_together_as_one_by_one(make: Callable[..., nn.Optimizer]) -> None:
    """Also when some had no gradient for a while, one was frozen, and a hyperparameter changed on the way."""
    ours, theirs = parameters(), parameters()
    a, b = make(ours), make(theirs)
    for step in range(12):
        without = (1, 3) if step in (4, 5) else ()
        for params, optimizer, move in ((ours, a, nn.Optimizer.step), (theirs, b, one_by_one)):
            given(params, step, without)
            params[5].requires_grad = step != 7
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
            move(optimizer)
    assert same(ours, theirs)
    left, right = a.state_dict()["state"], b.state_dict()["state"]
    assert left.keys() == right.keys()
    for i in left:
        assert all(np.array_equal(left[i][name], right[i][name]) for name in right[i])


def test_small_neighbours_take_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven parameters, of which one is large: three calls of the kernel, not seven."""
    params = parameters()
    optimizer, sizes = nn.SGD(params, lr=0.1), list[int]()
    update = nn.SGD.update
    for step in range(2):
        given(params, step)
        optimizer.step()
    monkeypatch.setattr(nn.SGD, "update", lambda self, p, *rest: (sizes.append(p.size), update(self, p, *rest))[1])
    given(params, 2)
    optimizer.step()
    assert len(sizes) <= 3
    assert SMALL + 1 in sizes


class Normed(nn.Optimizer):
    """Moves each parameter by a step of length `lr`: what happens to one element depends on all."""

    def update(self, p: Any, g: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        p -= group["lr"] * g / np.sqrt(np.sum(g * g))


@pytest.mark.parametrize("compiled", [False, True])
def test_an_optimizer_that_looks_at_whole_parameters_gets_them_one_by_one(compiled: bool) -> None:
    a, b = (Tensor(np.zeros(4, np.float32), requires_grad=True) for _ in range(2))
    optimizer = Normed([a, b], {"lr": 1.0})

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
def test_a_compiled_step_counts_for_each_parameter_by_itself(make: Callable[..., nn.Optimizer]) -> None:
    """Two plans take turns, one of which leaves `b` alone: its count of steps falls behind that of `a`."""

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


class Race:
    """Adam on two copies of the parameters: of `ours` together, of `theirs` one by one."""

    def __init__(self) -> None:
        self.ours, self.theirs = parameters(), parameters()
        self.a, self.b = nn.Adam(self.ours), nn.Adam(self.theirs)

    def advance(self, steps: range) -> None:
        for step in steps:
            for params, optimizer, move in ((self.ours, self.a, nn.Optimizer.step), (self.theirs, self.b, one_by_one)):
                given(params, step)
                move(optimizer)


def test_an_array_of_a_state_that_somebody_replaces_is_the_one_that_moves() -> None:
    race = Race()
    race.advance(range(3))
    for params, optimizer in ((race.ours, race.a), (race.theirs, race.b)):
        optimizer.state[params[1]]["exp_avg"] = np.ones(SHAPES[1], np.float32)
    race.advance(range(3, 6))
    assert same(race.ours, race.theirs)


@pytest.mark.parametrize("forget", [lambda o: o.state.clear(), lambda o: setattr(o, "state", {})], ids=["cleared", "replaced"])
def test_a_state_that_somebody_forgets_starts_anew(forget: Callable[[nn.Optimizer], None]) -> None:
    race = Race()
    race.advance(range(3))
    forget(race.a)
    forget(race.b)
    race.advance(range(3, 6))
    assert same(race.ours, race.theirs)
    assert {state["step"] for state in race.a.state.values()} == {3}


def test_a_loaded_state_goes_on() -> None:
    race = Race()
    race.advance(range(4))
    race.a.load_state_dict(race.a.state_dict())
    race.advance(range(4, 8))
    assert same(race.ours, race.theirs)


def test_a_group_that_is_replaced_is_the_one_that_counts() -> None:
    params = parameters()
    optimizer = nn.SGD(params, lr=0.1)
    for step in range(3):
        given(params, step)
        optimizer.step()
    before = [p.tolist() for p in params]
    optimizer.param_groups[0] = {**optimizer.param_groups[0], "lr": 0.0}
    optimizer.step()
    assert [p.tolist() for p in params] == before


def test_a_group_without_gradients_stands_still() -> None:
    moving, frozen = parameters(), parameters()
    optimizer = nn.Adam([{"params": frozen}, {"params": moving}])
    before = [p.tolist() for p in frozen]
    for step in range(3):
        given(moving, step)
        optimizer.step()
    assert [p.tolist() for p in frozen] == before
    assert {optimizer.state[p]["step"] for p in moving} == {3}


def test_a_kernel_of_ones_own_is_not_taken_for_elementwise() -> None:
    """A subclass of an optimizer that is elementwise must say so anew: this one decays matrices alone, by their shape."""

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


def test_a_copy_moves_its_own_parameters() -> None:
    params = parameters()
    optimizer = nn.SGD(params, lr=0.1, momentum=0.9)
    for step in range(2):
        given(params, step)
        optimizer.step()
    others, other = copy.deepcopy((params, optimizer))
    before = [p.tolist() for p in params]
    given(others, 2)
    other.step()
    assert [p.tolist() for p in params] == before
    given(params, 2)
    optimizer.step()
    assert same(params, others)
