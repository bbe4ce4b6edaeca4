"""Effects of a user that change their operands in place: a compiled step gives the same values as eager code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor
from autograd_mini.jit.c.build import compiler
from autograd_mini.primitive import arrays, registry


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    """Removes the primitives that a test registers."""
    before = set(registry)
    yield
    for name in set(registry) - before:
        del registry[name]
        delattr(arrays, name)


def doubling() -> Callable[..., None]:
    def double_in_place(x: Any) -> None:
        x *= 2

    return ag.primitive(effect=True, writes=(0,), formula="x ← 2x")(double_in_place)


def read_twice(x: Tensor) -> tuple[Tensor, ...]:
    """Equal calls before and after a write differ, and so do two equal calls of which one result is changed."""
    double = doubling()
    a, b = ag.exp(x), ag.exp(x)
    before = ag.sum(a)
    double(a)
    return before, ag.sum(a), ag.sum(b)


def write_into_constant(x: Tensor) -> Tensor:
    """A result of constants alone is computed in every replay, because it is changed in every replay."""
    double = doubling()
    two = ag.ones((3,)) + 1
    double(two)
    return x * two


def write_into_number(x: Tensor) -> Tensor:
    """A kernel may return a NumPy number; a write needs an array."""
    double = doubling()
    trace = ag.trace(ag.outer(x, x))
    double(trace)
    return trace + 0


def write_into_long_chain(x: Tensor) -> Tensor:
    """Long sequences of numbers become one Python function, but not across a write."""
    double = doubling()
    y = ag.sum(x)
    for i in range(50):
        y = y * 1.01
        if i == 40:
            double(y)
    return y


def write_into_gradient(x: Tensor) -> Tensor:
    double = doubling()
    w = x.detach()
    w.requires_grad = True
    (w * w).sum().backward()
    assert w.grad is not None
    double(w.grad)
    return w.grad + 0


PROGRAMS = [read_twice, write_into_constant, write_into_number, write_into_long_chain, write_into_gradient]
SETTINGS = [{}, {"exact": True}, *([{"backend": "c"}] if compiler() else [])]


def values(result: Any) -> list[Any]:
    return [x.numpy() for x in (result if isinstance(result, tuple) else (result,))]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_replays_equal_eager_code(program: Callable[..., Any], settings: dict[str, Any]) -> None:
    compiled = ag.jit(program, **settings)
    for k in range(5):
        x = np.array([0.5, 1.0, 1.5]) + k
        expected, found = values(program(Tensor(x))), values(compiled(Tensor(x)))
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-12)
    assert compiled.eager_reason == ""
    assert len(compiled.plans) == 1


def test_the_write_is_one_row_of_the_plan_and_reaches_the_tensor_in_every_replay() -> None:
    double, target = doubling(), Tensor([1.0])
    step = ag.jit(lambda: double(target))
    for _ in range(5):
        step()
    assert target.tolist() == [32.0]
    assert [row.kernel for row in step.plan.table()] == ["double_in_place"]


def test_a_replayed_write_makes_older_graphs_stale() -> None:
    double, c = doubling(), Tensor([3.0])
    w = Tensor([2.0], requires_grad=True)
    step = ag.jit(lambda: double(c))
    for _ in range(2):
        step()
    loss = (w * c).sum()
    step()
    with pytest.raises(RuntimeError, match="modified in place"):
        loss.backward()


def test_a_dict_that_a_parameter_names_is_state_of_the_step() -> None:
    def count(x: Any, state: dict[str, int]) -> None:
        state["calls"] += 1

    counted, state = ag.primitive(effect=True, writes=("state",))(count), {"calls": 0}
    step = ag.jit(lambda x: counted(x, state=state))
    for _ in range(4):
        step(Tensor([1.0]))
    assert state == {"calls": 4}
    assert step.eager_reason == ""


def test_errors_name_the_operand_and_what_to_write() -> None:
    double, w = doubling(), Tensor([1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"operand 0 .*requires a gradient.*no_grad"):
        double(w)
    with ag.no_grad():
        double(w)
    assert w.tolist() == [2.0]
    with pytest.raises(TypeError, match=r"operand 0 .*must be a Tensor, got \[1\.0\]"):
        double([1.0])
    with pytest.raises(TypeError, match="writes operand 0, got 0 operands"):
        double()
    with pytest.raises(ValueError, match="needs effect=True"):
        ag.primitive(writes=(0,))(lambda x: None)
    returns = ag.primitive(name="returns", effect=True, writes=(0,))(lambda x: x)
    with pytest.raises(TypeError, match="must return None"):
        returns(Tensor([1.0]))
