"""A state machine that uses the engine in random order, and a model that computes the right gradients with exact fractions.

Every tensor is a polynomial of the leaves. The model keeps its value and partial derivatives as fractions, without the engine.
"""

from __future__ import annotations

import contextlib
from fractions import Fraction

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

import autograd_mini as ag
from autograd_mini import Tensor
from autograd_mini.state import modes


class Exact:
    """A value and its exact partial derivatives with respect to each leaf: forward-mode arithmetic with fractions."""

    def __init__(self, value: Fraction, partials: dict[int, Fraction]):
        self.value, self.partials = value, partials

    def combine(self, other: Exact, a: Fraction, b: Fraction, value: Fraction) -> Exact:
        keys = self.partials.keys() | other.partials.keys()
        return Exact(value, {k: a * self.partials.get(k, Fraction(0)) + b * other.partials.get(k, Fraction(0)) for k in keys})

    def constant(self) -> Exact:
        return Exact(self.value, {})


Node = tuple[Tensor, Exact]


class Engine(RuleBasedStateMachine):
    """Invariant: each leaf's `.grad` is exactly the sum of the partial derivatives over all backward passes."""

    values = Bundle("values")

    def __init__(self) -> None:
        super().__init__()
        self.leaves: list[Tensor] = []
        self.expected: list[Fraction | None] = []
        self.hooked: list[list[float]] = []
        self.contexts = contextlib.ExitStack()
        self.recording = [True]

    @initialize(target=values, numbers=st.lists(st.integers(-4, 4), min_size=2, max_size=3))
    def begin(self, numbers: list[int]) -> object:
        nodes = []
        for i, n in enumerate(numbers):
            self.leaves.append(Tensor(float(n), dtype="float64", requires_grad=True))
            self.expected.append(None)
            nodes.append((self.leaves[i], Exact(Fraction(n), {i: Fraction(1)})))
        return multiple(*nodes)

    def result(self, tensor: Tensor, exact: Exact) -> object:
        """Discards values that float64 cannot represent exactly."""
        if abs(exact.value) > 2**20 or any(abs(p) > 2**20 for p in exact.partials.values()):
            return multiple()
        return (tensor, exact if self.recording[-1] else exact.constant())

    @rule(target=values, a=values, b=values)
    def add(self, a: Node, b: Node) -> object:
        (x, p), (y, q) = a, b
        return self.result(x + y, p.combine(q, Fraction(1), Fraction(1), p.value + q.value))

    @rule(target=values, a=values, b=values)
    def multiply(self, a: Node, b: Node) -> object:
        (x, p), (y, q) = a, b
        return self.result(x * y, p.combine(q, q.value, p.value, p.value * q.value))

    @rule(target=values, a=values, scale=st.integers(-2, 2))
    def scale(self, a: Node, scale: int) -> object:
        x, p = a
        return self.result(x * scale, p.combine(p.constant(), Fraction(scale), Fraction(0), p.value * scale))

    @rule(target=values, a=values)
    def detach(self, a: Node) -> object:
        return a[0].detach(), a[1].constant()

    @rule()
    def enter_no_grad(self) -> None:
        if len(self.recording) < 4:
            self.contexts.enter_context(ag.no_grad())
            self.recording.append(False)

    @rule()
    def enter_enable_grad(self) -> None:
        if len(self.recording) < 4:
            self.contexts.enter_context(ag.enable_grad())
            self.recording.append(True)

    @rule()
    def leave_all_modes(self) -> None:
        self.contexts.close()
        del self.recording[1:]

    @rule(a=values, times=st.integers(1, 2))
    def backward(self, a: Node, times: int) -> None:
        x, p = a
        if not x.requires_grad:
            with pytest.raises(RuntimeError, match="nothing here requires a gradient"):
                x.backward()
            return
        for _ in range(times):
            x.backward()
            self.expect(p)

    def expect(self, p: Exact) -> None:
        for i, slope in p.partials.items():
            self.expected[i] = (self.expected[i] or Fraction(0)) + slope

    @rule(a=values)
    def grad_changes_nothing(self, a: Node) -> None:
        x, p = a
        if x.requires_grad:
            grads = ag.grad(x, self.leaves, allow_unused=True)
            for i, g in enumerate(grads):
                assert (0.0 if g is None else g.item()) == float(p.partials.get(i, 0))

    @rule(a=values)
    def retain(self, a: Node) -> None:
        x, p = a
        if x.requires_grad and not x.is_leaf:
            x.grad = None
            x.retain_grad()
            (x * 3).backward() if self.recording[-1] else None
            if self.recording[-1]:
                self.expect(Exact(p.value, {k: 3 * v for k, v in p.partials.items()}))
                assert x.grad is not None
                assert x.grad.item() == 3

    @rule(a=values)
    def a_hook_sees_each_pass_once(self, a: Node) -> None:
        x, p = a
        if not x.requires_grad:
            return
        seen: list[float] = []
        remove = x.register_hook(lambda g: seen.append(g.item()))
        x.backward()
        remove()
        self.expect(p)
        assert seen == [1.0]

    @rule(i=st.integers(0, 2))
    def zero(self, i: int) -> None:
        if i < len(self.leaves):
            self.leaves[i].grad = None
            self.expected[i] = None

    @invariant()
    def gradients_are_exact(self) -> None:
        assert modes().grad_enabled == self.recording[-1]
        for tensor, expected in zip(self.leaves, self.expected, strict=True):
            actual = 0.0 if tensor.grad is None else tensor.grad.item()
            assert actual == float(expected or 0)

    def teardown(self) -> None:
        self.contexts.close()


TestEngine = Engine.TestCase
TestEngine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
