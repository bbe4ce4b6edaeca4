"""Random training programs give the same bits compiled as in eager code: weights, statistics, losses and predictions.

A program is a network, optimizers and a loss drawn from a seed, and twenty steps. An event comes before each step: it freezes
parts, loads a state, sets weights, seeds the stream, switches a mode, or changes shapes and memory layouts.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from samples.splits import split_everything

import autograd_mini as ag
from autograd_mini import Tensor, nn

PROGRAMS = 40
STEPS = 20
WIDTH, CLASSES = 6, 3
EVENTS = ("nothing",) * 6 + (
    "freeze", "unfreeze", "flip one", "eval", "train", "save", "load optimizer", "load model", "write", "write", "seed", "schedule",
    "averages", "forget gradients", "predict", "predict", "forget state", "set gradients",
)  # fmt: skip


def linear(r: random.Random, dtype: Any) -> nn.Module:
    wrap = r.choice([lambda layer: layer] * 3 + [nn.WeightNorm, nn.SpectralNorm])
    return wrap(nn.Linear(WIDTH, WIDTH, dtype=dtype))


def network(r: random.Random, dtype: Any) -> nn.Sequential:
    layers: list[nn.Module] = []
    shared = linear(r, dtype)
    for _ in range(r.randint(1, 4)):
        layers += r.choice([
            [], [], [nn.BatchNorm1d(WIDTH, momentum=r.choice([0.1, None]), dtype=dtype)], [nn.Dropout(0.3)],
            [nn.LayerNorm(WIDTH, dtype=dtype)],
        ])  # fmt: skip
        layers += [r.choice([shared, linear(r, dtype)]), r.choice([nn.Tanh, nn.ReLU, nn.GELU, nn.Sigmoid])()]
    return nn.Sequential(*layers, nn.Linear(WIDTH, CLASSES, dtype=dtype))


def optimizer_of(r: random.Random, params: list[Tensor]) -> Any:
    def single() -> nn.Optimizer:
        groups: Any = params
        if r.random() < 0.4:
            cut = r.randint(1, len(params) - 1)
            groups = [{"params": params[:cut], "lr": 0.01}, {"params": params[cut:]}]
        kind = r.choice(["SGD", "momentum", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam", "Adadelta", "FTRL"])
        if kind == "momentum":
            return nn.SGD(groups, lr=0.02, momentum=0.9, nesterov=True)
        return getattr(nn, kind)(groups, lr=0.02)

    chance = r.random()
    if chance < 0.1:
        return nn.SAM(single())
    return nn.SwitchOptimizer(single(), single(), at=r.randint(1, 12)) if chance < 0.25 else single()


class Program:
    """One training program; `log` collects its results."""

    def __init__(self, seed: int, compile: Callable[..., Any]):
        self.r, self.rng = random.Random(seed), np.random.default_rng(seed)
        ag.manual_seed(seed)
        r = self.r
        self.dtype = r.choice([np.float32, np.float32, np.float64, np.float16])
        self.net, self.head = network(r, self.dtype), nn.Linear(WIDTH, CLASSES, dtype=self.dtype)
        self.all = nn.Sequential(self.net, self.head)
        self.optimizer = optimizer_of(r, list(self.all.parameters()))
        self.ema, self.averaging = nn.EMA(self.all.parameters(), 0.9), r.random() < 0.3
        self.clip, self.penalty = r.choice([None, None, 0.5, "value"]), r.random() < 0.2
        switched = isinstance(self.optimizer, nn.SwitchOptimizer)
        self.schedule = None if switched else nn.StepLR(self.optimizer, 3, gamma=0.7)
        self.step, self.predict = compile(self.one_step, exact=True), compile(self.prediction, exact=True)
        self.log: list[Any] = []
        self.saved: Any = None

    def loss(self, x: Tensor, y: Tensor, scale: Tensor, heads: int) -> Tensor:
        h = x
        for layer in list(self.net)[:-1]:
            h = layer(h)
        logits = self.net[-1](h) if heads == 0 else self.head(h) if heads == 1 else self.net[-1](h) + self.head(h)
        loss = nn.cross_entropy(logits, y) * scale
        if self.penalty and heads != 1:
            z = x.detach().copy()
            z.requires_grad = True
            loss = loss + ag.square(ag.grad(ag.square(self.net(z)).sum(), z, create_graph=True)).mean() * 0.01
        return loss

    def one_step(self, x: Tensor, y: Tensor, scale: Tensor, heads: int, update: bool) -> Tensor:
        def closure() -> Tensor:
            if update:
                self.optimizer.zero_grad()
            loss = self.loss(x, y, scale, heads)
            loss.backward()
            return loss

        if isinstance(self.optimizer, nn.SAM):
            return self.optimizer.step(closure).detach()
        loss = closure()
        if self.clip == "value":
            nn.clip_grad_value(self.all.parameters(), 0.1)
        elif self.clip:
            nn.clip_grad_norm(self.all.parameters(), self.clip)
        if update:
            self.optimizer.step()
        if self.averaging:
            self.ema.update()
        return loss.detach()

    def prediction(self, x: Tensor) -> Tensor:
        with ag.no_grad():
            return self.net(x)

    def apply_event(self, event: str, i: int) -> None:
        params = list(self.all.parameters())
        one = self.r.choice(params)
        if event == "flip one":
            one.requires_grad = not one.requires_grad
        elif event == "write":
            one.data = one.detach() * 0.9
        elif event == "save":
            self.saved = self.optimizer.state_dict(), self.all.state_dict(), ag.get_rng_state()
        elif event == "load optimizer" and self.saved:
            self.optimizer.load_state_dict(self.saved[0])
        elif event == "load model" and self.saved:
            self.all.load_state_dict(self.saved[1])
            ag.set_rng_state(self.saved[2])
        elif event == "seed":
            ag.manual_seed(i)
        elif event == "schedule" and self.schedule:
            self.schedule.step()
        elif event == "averages":
            with self.ema.average_parameters():
                self.log.append(self.predict(self.inputs()))
        elif event == "forget state" and isinstance(self.optimizer, nn.Optimizer):
            self.optimizer.state.clear()
        elif event == "set gradients":
            for p in params:
                p.grad = Tensor(np.ones(p.shape, self.dtype))
        else:
            calls: dict[str, Callable[[], Any]] = {
                "freeze": self.net.freeze, "unfreeze": self.all.unfreeze, "eval": self.net.eval, "train": self.net.train,
                "forget gradients": self.all.zero_grad, "predict": lambda: self.log.append(self.predict(self.inputs())),
            }  # fmt: skip
            calls.get(event, lambda: None)()
        self.net[-1].unfreeze()  # so that some parameter can always be trained
        self.head.unfreeze()

    def inputs(self) -> Tensor:
        x = self.rng.normal(size=(self.r.choice([8, 8, 5]), WIDTH)).astype(self.dtype)
        return Tensor(self.r.choice([lambda: x, np.asfortranarray(x).copy, lambda: np.repeat(x, 2, 0)[::2]])())

    def run(self) -> list[np.ndarray]:
        for i in range(STEPS):
            self.apply_event(self.r.choice(EVENTS), i)
            x = self.inputs()
            y, scale = self.rng.integers(0, CLASSES, len(x)), np.asarray(self.r.choice([0.5, 1]), self.dtype)
            heads, update = self.r.choice([0, 0, 1, 2]), self.r.random() < 0.85
            try:
                self.log.append(self.step(x, Tensor(y), Tensor(scale), heads, update))
            except ValueError as error:  # gradients that are not finite cannot be clipped
                self.log.append(str(error))
                break
        return [np.asarray(t) for t in self.log] + list(self.all.state_dict().values())


def check(seed: int) -> None:
    with np.errstate(all="ignore"):
        eager = Program(seed, lambda f, exact: f).run()
        compiled = Program(seed, ag.jit).run()
    assert len(eager) == len(compiled)
    for number, (a, b) in enumerate(zip(eager, compiled, strict=True)):
        assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), (
            f"program {seed}: result {number} of {len(eager)} differs: {a} {b}"
        )


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # weights may overflow, in both programs
@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_a_compiled_training_gives_the_same_bits(seed: int) -> None:
    check(seed)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", range(PROGRAMS, 2 * PROGRAMS, 4))
def test_a_compiled_training_with_split_rows_gives_the_same_bits(seed: int) -> None:
    with split_everything():
        check(seed)
