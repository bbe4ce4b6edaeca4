"""Modes end with their blocks, in any order, and belong to one context."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from threading import Thread
from typing import Any

import pytest

import autograd_mini as ag
from autograd_mini import Tensor
from autograd_mini.state import active_modes

W = Tensor(1.0, requires_grad=True)


def recorded() -> bool:
    return bool((W * 2).requires_grad)


def test_with_and_without_parentheses() -> None:
    @ag.no_grad
    def bare() -> bool:
        return recorded()

    @ag.no_grad()
    def called() -> bool:
        return recorded()

    assert (bare(), called(), recorded()) == (False, False, True)
    with ag.no_grad:
        assert not recorded()
        with ag.enable_grad:
            assert recorded()
        assert not recorded()
    with ag.set_grad_enabled(False), ag.set_grad_enabled(True):
        assert recorded()
    assert recorded()


def test_a_decorated_generator_runs_in_the_mode_and_its_consumer_does_not() -> None:
    @ag.no_grad()
    def numbers() -> Iterator[bool]:
        for _ in range(3):
            got = yield recorded()
            assert got is None or got == "sent"

    seen = []
    for value in numbers():
        seen.append((value, recorded()))
    assert seen == [(False, True)] * 3
    generator: Any = numbers()
    next(generator)
    assert generator.send("sent") is False
    generator.close()
    assert recorded()


def test_a_decorated_generator_can_handle_what_is_thrown_in_and_return_a_value() -> None:
    @ag.no_grad
    def numbers() -> Any:
        try:
            yield 1
        except KeyError:
            yield recorded()
        return "end"

    def outer() -> Any:
        return (yield from numbers())

    generator = outer()
    next(generator)
    assert generator.throw(KeyError) is False
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == "end"


def blocks() -> Iterator[None]:
    with ag.no_grad():
        yield


def test_generators_closed_in_any_order_leave_no_mode() -> None:
    one, two = blocks(), blocks()
    next(one)
    next(two)
    one.close()
    assert not recorded()
    two.close()
    assert recorded()
    assert not active_modes


def test_tasks_do_not_see_each_others_modes() -> None:
    async def off(started: asyncio.Event, done: asyncio.Event) -> bool:
        with ag.no_grad():
            started.set()
            await done.wait()
            return recorded()

    async def on(started: asyncio.Event, done: asyncio.Event) -> bool:
        await started.wait()
        found = recorded()
        done.set()
        return found

    async def both() -> list[bool]:
        started, done = asyncio.Event(), asyncio.Event()
        return list(await asyncio.gather(off(started, done), on(started, done)))

    assert asyncio.run(both()) == [False, True]


def test_decorated_coroutines_and_asynchronous_generators() -> None:
    @ag.no_grad
    async def coroutine() -> bool:
        await asyncio.sleep(0)
        return recorded()

    @ag.no_grad
    async def generator() -> AsyncIterator[bool]:
        for _ in range(2):
            await asyncio.sleep(0)
            yield recorded()

    async def run() -> list[Any]:
        return [await coroutine(), [(value, recorded()) async for value in generator()], recorded()]

    assert asyncio.run(run()) == [False, [(False, True), (False, True)], True]


def test_a_mode_belongs_to_one_thread() -> None:
    seen: list[bool] = []
    with ag.no_grad():
        thread = Thread(target=lambda: seen.append(recorded()))
        thread.start()
        thread.join()
        assert not recorded()
    assert seen == [True]


def test_a_replay_runs_in_the_modes_of_its_caller() -> None:
    step = ag.jit(lambda x: ag.tanh(x) * 2)
    for _ in range(2):
        step(Tensor([1.0]))
    with ag.profile() as p:
        step(Tensor([1.0]))
    assert [row.calls for row in p.rows if row.name == "in replays"] == [1]
