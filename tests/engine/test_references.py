"""Counts of references, on which the reuse of gradients by `ag.jit` rests: each kind of holder counts exactly one."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

import autograd_mini as ag
from autograd_mini.memory.references import count_references, held_elsewhere

HOLDERS: dict[str, Any] = {
    "list": lambda x: [x],
    "tuple": lambda x: (x,),
    "dict": lambda x: {"key": x},
    "attribute": lambda x: SimpleNamespace(content=x),
    "closure": lambda x: lambda: x,
    "generator": lambda x: (y for y in [x]),
}


class Slotted:
    __slots__ = ("content",)


@pytest.mark.parametrize("make", [SimpleNamespace, Slotted])
def test_an_object_with_one_holder_has_one_reference(make: Any) -> None:
    holder = make()
    holder.content = ag.Tensor(1.0)
    for _ in range(3000):  # also after the interpreter has specialised the function
        assert count_references(holder, "content") == 1
    assert not held_elsewhere(holder, "content")


@pytest.mark.parametrize("kind", HOLDERS)
def test_each_holder_adds_one_reference_until_it_is_dropped(kind: str) -> None:
    holder = SimpleNamespace(content=ag.Tensor(1.0))
    others = [HOLDERS[kind](holder.content) for _ in range(3)]
    assert count_references(holder, "content") == 4
    assert held_elsewhere(holder, "content", known=3)
    assert not held_elsewhere(holder, "content", known=4)
    others.pop()
    assert count_references(holder, "content") == 3


def test_a_local_variable_counts_as_a_holder() -> None:
    holder = SimpleNamespace(content=ag.Tensor(1.0))
    user = holder.content
    assert held_elsewhere(holder, "content")
    del user
    assert not held_elsewhere(holder, "content")


def test_counts_are_the_same_in_another_thread_and_under_a_profiler() -> None:
    holder, counts = SimpleNamespace(content=ag.Tensor(1.0)), []
    thread = threading.Thread(target=lambda: counts.append(count_references(holder, "content")))
    thread.start()
    thread.join()
    earlier = sys.getprofile()
    sys.setprofile(lambda *event: None)
    try:
        counts.append(count_references(holder, "content"))
    finally:
        sys.setprofile(earlier)
    assert counts == [1, 1]


def test_a_replay_overwrites_a_gradient_that_nobody_holds_and_copies_one_that_somebody_holds() -> None:
    w = ag.Tensor([1.0, 2.0], requires_grad=True)

    @ag.jit
    def step(x: ag.Tensor) -> None:
        w.grad = None
        (w * x).sum().backward()

    for value in (1.0, 2.0, 3.0):
        step(ag.Tensor(value))
    memory = w.grad.data.ctypes.data
    step(ag.Tensor(4.0))
    assert w.grad.data.ctypes.data == memory
    held = w.grad
    step(ag.Tensor(5.0))
    assert (held.tolist(), w.grad.tolist()) == ([4, 4], [5, 5])
