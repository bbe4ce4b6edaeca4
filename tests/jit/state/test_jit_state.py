"""A compiled function gives the bits of eager code while Python state around it changes, or it runs eagerly and says why."""

from __future__ import annotations

import argparse
import copy
import itertools
import os
import pickle
import random
import subprocess
import sys
import threading
import time
import types
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.jit.api import MAX_PREPARED
from autograd_mini.memory import arena, threads

Compile = Callable[..., Any]
X = Tensor([1.0, 2.0])
SCALE = 1.0
"""A global that a compiled function reads."""


def set_scale(value: float) -> None:
    global SCALE
    SCALE = value


def scaled(x: Tensor) -> Tensor:
    return x * SCALE


@dataclass
class Config:
    beta: float = 1.0
    nested: dict[str, list[float]] = field(default_factory=lambda: {"weights": [1.0, 2.0]})


class Plain:
    shared = 1.0

    def __init__(self) -> None:
        self.beta = 1.0
        Plain.shared = 1.0


class Slots:
    __slots__ = ("beta",)

    def __init__(self) -> None:
        self.beta = 1.0


class Weighted(nn.Module):
    def __init__(self) -> None:
        self.beta, self.weights, self.config = 1.0, [1.0], Config()

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.beta + self.weights[0] + self.config.beta)


class Reset:
    """Sets the global to 1 when a test starts."""

    def __init__(self) -> None:
        set_scale(1.0)


STATE: dict[str, tuple[Callable[[], Any], Callable[[Any, Tensor], Tensor], Callable[[Any, float], object]]] = {
    "dict": (lambda: {"b": 1.0}, lambda s, x: x * s["b"], lambda s, v: s.update(b=v)),
    "new key": (lambda: {0.0: 1.0}, lambda s, x: x * sum(s), lambda s, v: s.update({v: 1.0})),
    "list": (lambda: [1.0], lambda s, x: x * s[0], lambda s, v: s.__setitem__(0, v)),
    "longer list": (lambda: [1.0], lambda s, x: x * sum(s), lambda s, v: s.append(v)),
    "deque": (lambda: deque([1.0], 1), lambda s, x: x * s[0], lambda s, v: s.append(v)),
    "set": (lambda: {1.0}, lambda s, x: x * sum(s), lambda s, v: s.add(v)),
    "bytearray": (lambda: bytearray(1), lambda s, x: x * s[0], lambda s, v: s.__setitem__(0, int(v))),
    "tuple of lists": (lambda: ([1.0],), lambda s, x: x * s[0][0], lambda s, v: s[0].__setitem__(0, v)),
    "Namespace": (lambda: argparse.Namespace(b=1.0), lambda s, x: x * s.b, lambda s, v: setattr(s, "b", v)),
    "SimpleNamespace": (lambda: types.SimpleNamespace(b=1.0), lambda s, x: x * s.b, lambda s, v: setattr(s, "b", v)),
    "dataclass": (Config, lambda s, x: x * s.beta, lambda s, v: setattr(s, "beta", v)),
    "nested": (Config, lambda s, x: x * s.nested["weights"][1], lambda s, v: s.nested["weights"].__setitem__(1, v)),
    "object": (Plain, lambda s, x: x * s.beta, lambda s, v: setattr(s, "beta", v)),
    "slots": (Slots, lambda s, x: x * s.beta, lambda s, v: setattr(s, "beta", v)),
    "class attribute": (Plain, lambda s, x: x * s.shared, lambda s, v: setattr(Plain, "shared", v)),
    "attribute over class attribute": (Plain, lambda s, x: x * s.shared, lambda s, v: setattr(s, "shared", v)),
    "late attribute": (Plain, lambda s, x: x * getattr(s, "late", 9.0), lambda s, v: setattr(s, "late", v)),
    "array": (lambda: np.ones(2), lambda s, x: x * s, lambda s, v: s.__setitem__(0, v)),
    "number from an array": (lambda: np.ones(2), lambda s, x: x * float(s.sum()), lambda s, v: s.__setitem__(0, v)),
    "global": (Reset, lambda s, x: x * SCALE, lambda s, v: set_scale(v)),
    "global in a helper": (Reset, lambda s, x: scaled(x), lambda s, v: set_scale(v)),
    "module attribute": (Weighted, lambda s, x: s(x), lambda s, v: setattr(s, "beta", v)),
    "list in a module": (Weighted, lambda s, x: s(x), lambda s, v: s.weights.__setitem__(0, v)),
    "dataclass in a module": (Weighted, lambda s, x: s(x), lambda s, v: setattr(s.config, "beta", v)),
    "replaced tensor": (lambda: [Tensor(1.0)], lambda s, x: x * s[0], lambda s, v: s.__setitem__(0, Tensor(v))),
    "tensor in place": (lambda: [Tensor(1.0)], lambda s, x: x * s[0], lambda s, v: setattr(s[0], "data", v)),
    "sign of zero": (lambda: [0.0], lambda s, x: x * float(np.copysign(1, s[0])), lambda s, v: s.__setitem__(0, v * -0.0)),
    "method": (Weighted, lambda s, x: s(x), lambda s, v: setattr(s, "forward", lambda x: x * v)),
}  # fmt: skip
"""Each kind of state: how it is made, how a function reads it, and how it is changed between calls."""


@pytest.mark.parametrize("kind", STATE)
@settings(max_examples=8, deadline=None)
@given(values=st.lists(st.sampled_from([-1.0, 0.0, 1.0, 2.0, 3.0]).map(abs), min_size=6, max_size=12))
def test_a_change_of_any_kind_of_state_between_calls_is_noticed(kind: str, values: list[float]) -> None:
    make, read, change = STATE[kind]

    def run(compile: Compile) -> list[Any]:
        state = make()
        function = compile(lambda x: read(state, x))
        results = [function(X).tolist() for _ in range(3)]
        for value in values:
            change(state, value)
            results.append(function(X).tolist())
        return results

    assert repr(run(ag.jit)) == repr(run(lambda f: f))


def test_a_function_whose_state_is_unchanged_is_replayed() -> None:
    """Equal numbers are as good as the same ones; state that the code does not name may change."""
    state = types.SimpleNamespace(beta=1.5, other=0)
    f = ag.jit(lambda x: x * state.beta)
    for i in range(5):
        state.beta, state.other = float("1.5"), i
        f(X)
    assert len(f.plans) == 1
    assert not f.eager_reason


# -- what a replay cannot repeat -----------------------------------------------------------------------------------------------


def _counter() -> Callable[[Tensor], Tensor]:
    count = 0

    def step(x: Tensor) -> Tensor:
        nonlocal count
        count += 1
        return x * count

    return step


def _append() -> Callable[[Tensor], Tensor]:
    seen: list[float] = []
    return lambda x: (seen.append(1.0), x * len(seen))[1]


def _total() -> Callable[[Tensor], Tensor]:
    class Total(nn.Module):
        def __init__(self) -> None:
            self.total = Tensor(0.0)

        def forward(self, x: Tensor) -> Tensor:
            self.total = self.total + x
            return self.total

    return Total()


def _draw() -> Callable[[Tensor], Tensor]:
    draw = np.random.default_rng(0).normal
    return lambda x: x * draw()


def _iterate() -> Callable[[Tensor], Tensor]:
    numbers = itertools.count(1)
    return lambda x: x * next(numbers)


REFUSED: dict[str, tuple[Callable[[], Callable[[Tensor], Tensor]], str]] = {
    "counter": (_counter, "changes count in Python"),
    "append": (_append, "changes seen in Python"),
    "tensor in an attribute": (_total, r"changes Total\.total in Python"),
    "random": (lambda: lambda x: x if random.random() < 0.5 else -x, "the random stream of Python's random"),
    "np.random": (
        lambda: lambda x: x * np.random.rand(),  # noqa: NPY002
        r"the random stream of np\.random",
    ),
    "own generator": (_draw, "the random stream of draw"),
    "iterator": (_iterate, "uses numbers"),
    "clock": (lambda: lambda x: x * (time.time() > 0), "uses time"),
    "print": (lambda: lambda x: (print(end=""), x)[1], r"calls print\(\)"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_function_with_side_effects_runs_eagerly_with_a_warning_that_names_them(kind: str) -> None:
    make, message = REFUSED[kind]

    def run(compile: Compile) -> list[Any]:
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        function = compile(make())
        return [function(Tensor([float(i)])).tolist() for i in range(1, 9)]

    expected = run(lambda f: f)
    with pytest.warns(UserWarning, match=f"falling back to eager mode: .*{message}") as caught:
        assert run(ag.jit) == expected
    assert len(caught) == 1


def test_a_running_total_in_an_attribute_is_right() -> None:
    step = ag.jit(_total())
    with pytest.warns(UserWarning, match="changes"):
        totals = [step(Tensor(float(i))).item() for i in range(1, 6)]
    assert totals == [1, 3, 6, 10, 15]


def test_a_failed_trace_leaves_python_state_unchanged() -> None:
    seen: list[int] = []

    @ag.jit
    def step(x: Tensor) -> Tensor:
        seen.append(1)
        return x if x.sum() > 0 else -x

    step(X)
    with pytest.raises(ag.TraceError, match="needs a concrete value"):
        step(X)
    assert seen == [1]


@pytest.mark.parametrize("kind", ["ints", "attribute"])
def test_the_number_of_plans_is_bounded(kind: str) -> None:
    """A function that needs another plan in each call runs eagerly after some time, and keeps nothing for each call."""
    state = types.SimpleNamespace(rate=0.0)
    f = ag.jit((lambda x, k: x * k) if kind == "ints" else (lambda x, k: x * state.rate))

    def call(k: int) -> list[float]:
        state.rate = float(k)
        return f(X, k if kind == "ints" else 0).tolist()

    with pytest.warns(UserWarning, match=r"int \d+, then int \d+" if kind == "ints" else r"state\.rate changed"):
        results = [call(k) for k in range(3 * MAX_PREPARED)]
    assert results == [[k, 2 * k] for k in range(3 * MAX_PREPARED)]
    assert not f.plans
    assert not f._by_signature


# -- memory --------------------------------------------------------------------------------------------------------------------

DOORS: dict[str, Callable[[Tensor], Any]] = {
    "grad": lambda g: g,
    "detach": lambda g: g.detach(),
    "numpy": lambda g: g.numpy(),
    "data": lambda g: g.data,
    "asarray": lambda g: np.asarray(g),
    "reshape": lambda g: g.reshape(2, 1),
    "slice": lambda g: g[:1],
    "T": lambda g: g.T,
    "memoryview": lambda g: memoryview(g.data),
    "ndarray view": lambda g: g.numpy()[::-1],
}


@pytest.mark.parametrize("door", DOORS)
def test_what_is_kept_of_a_gradient_keeps_its_values(door: str) -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)

    @ag.jit
    def step(x: Tensor) -> None:
        w.grad = None
        (w * x).sum().backward()

    kept, expected = [], []
    for i in range(6):
        x = Tensor([1.0 + i, 10.0 - i])
        step(x)
        kept.append(DOORS[door](w.grad))
        expected.append(np.array(DOORS[door](x)))
    assert step.plans
    for a, b in zip(kept, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(a), b)


def test_replays_write_a_gradient_into_the_same_memory_until_somebody_reads_it() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)

    @ag.jit
    def step(x: Tensor) -> None:
        w.grad = None
        (w * x).sum().backward()

    places = set()
    for i in range(6):
        step(Tensor([1.0 + i, 1.0]))
        if i >= 2:
            places.add(w._grad._data.ctypes.data)
            assert w.grad is w.grad
            assert w.grad.tolist() == [1.0 + i, 1.0]
            assert w.grad.data.ctypes.data not in places
    assert len(places) == 1


def test_a_constant_result_belongs_to_the_caller() -> None:
    f = ag.jit(lambda x: (ag.zeros(3), ag.ones(2) * 2, x + 1))
    for _ in range(5):
        zeros, twos, _ = f(X)
        assert (zeros.tolist(), twos.tolist()) == ([0, 0, 0], [2, 2])
        zeros.data[:] = twos.data[:] = 7


# -- copies and forks ----------------------------------------------------------------------------------------------------------


class Holder(nn.Module):
    def __init__(self) -> None:
        self.layer = nn.Linear(2, 2)
        self.predict = ag.jit(ag.no_grad(self.layer.forward), exact=True)
        self.compiled_forward = ag.jit(self.forward, exact=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).detach()


@ag.jit
def double(x: Tensor) -> Tensor:
    return x * 2


def test_a_module_that_holds_a_compiled_function_can_be_copied() -> None:
    """A compiled method of the copy uses the weights of the copy."""
    original = Holder()
    clone = copy.deepcopy(original)
    for p in clone.parameters():
        p.data = p * 0
    for _ in range(4):
        assert clone.compiled_forward(X).tolist() == [0, 0]
        assert original.compiled_forward(X).tolist() == original(X).tolist() != [0, 0]
    assert clone.compiled_forward.exact
    assert copy.deepcopy(double) is copy.copy(double) is pickle.loads(pickle.dumps(double)) is double


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_a_forked_child_does_not_wait_for_a_lock() -> None:
    """Each lock of the library is held by another thread at the fork; the child uses all of them and ends."""
    f = ag.jit(lambda x: x + 1)
    for _ in range(3):
        f(X)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with f._lock, arena._chunk.lock, threads._turn, threads._blas.lock:
            held.set()
            release.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            with ag.threads(2):
                Tensor([1.0], requires_grad=True)
                ok = [f(X).tolist() for _ in range(3)] == [[2.0, 3.0]] * 3
        except BaseException:
            ok = False
        os._exit(0 if ok else 1)
    release.set()
    holder.join()
    deadline = time.monotonic() + 60
    while (status := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    if status == (0, 0):
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert status == (child, 0)


# -- training ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["namespace", "dict", "class", "global", "closure"])
def test_a_trainer_notices_a_weight_that_is_annealed_outside_of_the_model(place: str) -> None:
    """The losses and weights of a compiled run have the bits of an eager run, whatever holds the annealed number."""

    def run(jit: bool) -> list[Any]:
        ag.manual_seed(0)
        set_scale(1.0)
        Plain.shared = 1.0
        options, settings, beta = argparse.Namespace(beta=1.0), {"beta": 1.0}, 1.0
        read = {
            "namespace": lambda: options.beta, "dict": lambda: settings["beta"], "class": lambda: Plain.shared,
            "global": lambda: SCALE, "closure": lambda: beta,
        }[place]  # fmt: skip

        class Annealed(nn.Callback):
            def after_step(self, trainer: nn.Trainer) -> None:
                nonlocal beta
                beta = options.beta = settings["beta"] = Plain.shared = 1.0 / (1 + trainer.iteration // 4)
                set_scale(beta)

        class Model(nn.Module):
            def __init__(self) -> None:
                self.layer = nn.Linear(2, 1)

            def training_step(self, batch: tuple[Tensor, ...]) -> dict[str, Tensor]:
                return {"loss": ag.square(self.layer(batch[0]) - 1).mean() + read() * ag.square(self.layer.weight).sum()}

        model = Model()
        trainer = nn.Trainer(model, nn.Adam(model.parameters(), lr=0.1), callbacks=[Annealed()], progress=False, jit=jit)
        data = np.linspace(-1, 1, 24, dtype=np.float32).reshape(12, 2)
        trainer.fit(nn.data.DataLoader(data, np.zeros(12, np.int64), batch_size=2), 3)
        return [[row["loss"] for row in trainer.history], *[p.tolist() for p in model.parameters()]]

    assert run(jit=True) == run(jit=False)


TOOL = """
import autograd_mini as ag
total = {"steps": 0}
@ag.jit
def count(x):
    total["steps"] += 1
    return x * total["steps"]
print([count(ag.Tensor(1.0)).item() for _ in range(4)])
"""


@pytest.mark.parametrize("tool", ["cProfile", "pdb", "trace"])
def test_a_program_that_a_tool_runs_is_not_taken_for_a_library(tool: str, tmp_path: Path) -> None:
    """The tool is the main module's file then, and lies beside Python's own modules."""
    (tmp_path / "program.py").write_text(TOOL, encoding="utf-8")
    options = {"pdb": ["-c", "continue"], "trace": ["--count", "-C", str(tmp_path)]}.get(tool, [])
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", tool, *options, str(tmp_path / "program.py")],
        capture_output=True, text=True, timeout=120, input="q\n", cwd=tmp_path,
    )  # fmt: skip
    assert "[1.0, 2.0, 3.0, 4.0]" in result.stdout, result.stdout + result.stderr
