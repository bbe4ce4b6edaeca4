"""Random training programs whose Python state changes between steps: a compiled step has the bits of eager mode, or runs eagerly.

`pytest -m slow tests/jit/state/test_jit_random_state.py` runs 3,000 programs, in some minutes.
"""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from python_state import KINDS

import autograd_mini as ag

IMPORTS = """
import abc, argparse, array, collections, contextlib, copy, dataclasses, datetime, decimal, enum, fractions, functools, heapq, inspect, io
import itertools, json, math, operator, os, pickle, random, string, threading, time, types, typing, weakref
import numpy as np
import autograd_mini as ag
from autograd_mini import Tensor, nn
"""
USES = (
    "y * {r}",
    "(y if {r} > 1.5 else y * y)",
    "[ag.tanh, ag.sin, ag.sigmoid][int(abs({r})) % 3](y)",
    "ag.clip(y, -abs({r}), 2.0)",
    "(y + {r}) ** 2",
    "ag.stack([y] * (1 + int(abs({r})) % 3)).sum(axis=0)",
)
"""How a step uses a number {r} that it has read."""
VALUES = [None, 1.0, 2.0, 3.0]
"""What the state is set to between two steps; None: nothing."""


def sources(kinds: list[str], uses: list[str]) -> list[str]:
    """Returns the program: the training step, which reads the first kind of state itself, and a module for each other kind."""
    modules = [f"{IMPORTS}\n{KINDS[kind][0]}\ndef read():\n    return {KINDS[kind][1]}" for kind in kinds[1:]]
    step = [IMPORTS, KINDS[kinds[0]][0], "def step(x):", "    y = ag.tanh(w * x)"]
    for i, use in enumerate(uses):
        step += [f"    r{i} = {f'read{i}()' if i else KINDS[kinds[0]][1]}", f"    y = {use.format(r=f'r{i}')}"]
    step += [
        "    optimizer_of_w.zero_grad()",
        "    loss = ((y - 0.5) * (y - 0.5)).sum()",
        "    loss.backward()",
        "    optimizer_of_w.step()",
        "    return loss.detach()",
        "w = Tensor(np.array([0.5, -1.25], np.float32), requires_grad=True)",
        "optimizer_of_w = nn.SGD([w], lr=0.125, momentum=0.5)",
    ]
    return ["\n".join(step), *modules]


def run(kinds: list[str], uses: list[str], changes: list[float | None], path: str, jit: bool) -> list[Any]:
    """Runs a program; returns the bytes of loss and weights after each step, or the error."""
    Path(path).unlink(missing_ok=True)
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002
    scopes: list[dict[str, Any]] = [{"__name__": "__main__", "path": path} for _ in kinds]
    for scope, source in zip(scopes, sources(kinds, uses), strict=True):
        exec(compile(source, "<program>", "exec"), scope)
    scopes[0].update({f"read{i}": scope["read"] for i, scope in enumerate(scopes) if i})
    step = ag.jit(scopes[0]["step"], exact=True) if jit else scopes[0]["step"]
    x, seen = ag.Tensor(np.array([1.0, 2.0], np.float32)), []
    for value in [None, None, None, *changes]:
        if value is not None:
            for kind, scope in zip(kinds, scopes, strict=True):
                scope["v"] = value
                exec(compile(KINDS[kind][2], "<change>", "exec"), scope)
        try:
            loss = step(x)
            seen.append((loss.data.tobytes(), scopes[0]["w"].data.tobytes()))
        except Exception as error:
            seen.append(type(error).__name__)
    return seen


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a file. The global streams and the environment are restored."""
    streams, environment = (random.getstate(), np.random.get_state()), dict(os.environ)  # noqa: NPY002
    yield str(tmp_path_factory.mktemp("state") / "file.npy")
    random.setstate(streams[0])
    np.random.set_state(streams[1])  # noqa: NPY002
    os.environ.clear()
    os.environ.update(environment)


def check(kinds: list[str], uses: list[str], changes: list[float | None], path: str) -> None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        expected = run(kinds, uses, changes, path, jit=False)
        assert run(kinds, uses, changes, path, jit=True) == expected, "\n# ---\n".join(sources(kinds, uses))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_state_is_noticed(kind: str, path: str) -> None:
    check([kind], [USES[0]], [2.0, None, 1.0, 3.0], path)


def test_a_change_of_a_class_is_undone_beside_a_module(path: str) -> None:
    """The code of a module names `__dict__`, which cannot be set."""
    check(["counter class", "module attr"], [USES[0], USES[0]], [2.0, None, 1.0], path)


NUMBERS = sorted(kind for kind in KINDS if not kind.startswith("tensor"))
"""Kinds of which a step reads a number; it cannot choose by the value of a tensor."""
kinds_and_uses = st.lists(st.tuples(st.sampled_from(NUMBERS), st.sampled_from(USES)), min_size=2, max_size=4)
programs = st.tuples(kinds_and_uses, st.lists(st.sampled_from(VALUES), min_size=4, max_size=8))


@given(program=programs)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_programs_have_the_bits_of_eager_mode(program: Any, path: str) -> None:
    chosen, changes = program
    check([kind for kind, _ in chosen], [use for _, use in chosen], changes, path)


@pytest.mark.slow
@given(program=programs)
@settings(max_examples=3000, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_thousands_of_random_programs_have_the_bits_of_eager_mode(program: Any, path: str) -> None:
    chosen, changes = program
    check([kind for kind, _ in chosen], [use for _, use in chosen], changes, path)
