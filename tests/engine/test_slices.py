"""Gradients of slices of one tensor are written into one array; without it, each slice costs an array of the full size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples.index import indices
from samples.strategies import SHAPES, values

import autograd_mini as ag
from autograd_mini.primitive import arrays

LENGTH = 28

# name -> a function of (LENGTH, 3) that uses parts of its operand, and the number of parts
READERS: dict[str, tuple[Callable[[ag.Tensor], list[ag.Tensor]], int]] = {
    "slices": (lambda x: [x[t] for t in range(LENGTH)], LENGTH),
    "iteration": (list, LENGTH),
    "split": (lambda x: ag.split(x, 7), 7),
    "array_split": (lambda x: ag.array_split(x, 5), 5),
    "overlapping windows": (lambda x: [x[t : t + 4] for t in range(LENGTH - 3)], LENGTH - 3),
    "masks": (lambda x: [x[np.arange(LENGTH) % 3 == k] for k in range(3)], 3),
}


def weighted_sum(parts: list[ag.Tensor]) -> ag.Tensor:
    return sum((ag.sum(ag.square(part)) * (k + 1.0) for k, part in enumerate(parts)), ag.Tensor(0.0))


def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[Any]:
    """Returns a counter of the arrays of the full size that gradients of parts allocate or add."""
    count: Counter[Any] = Counter()
    index_add, add_at = arrays.index_add, arrays.add_at

    def allocate(*operands: Any, **params: Any) -> Any:
        count["allocated"] += "out" not in params
        return index_add(*operands, **params)

    def write(*operands: Any, **params: Any) -> Any:
        count["allocated" if params.get("out") is None else "written"] += 1
        return add_at(*operands, **params)

    monkeypatch.setattr(arrays, "index_add", allocate)
    monkeypatch.setattr(arrays, "add_at", write)
    return count


@pytest.mark.parametrize("name", READERS)
def test_gradients_of_parts_share_one_array(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read, number = READERS[name]
    x = ag.Tensor(np.random.default_rng(0).standard_normal((LENGTH, 3)), requires_grad=True)
    expected = np.zeros(x.shape)
    for k, part in enumerate(read(ag.Tensor(np.arange(x.size).reshape(x.shape)))):
        np.add.at(expected.reshape(-1), part.data, 2 * (k + 1.0) * x.data.reshape(-1)[part.data])
    count = counted(monkeypatch)
    weighted_sum(read(x)).backward()
    np.testing.assert_allclose(x.grad.data, expected, rtol=1e-12)
    assert count == {"allocated": 1, "written": number - 1}


def test_parts_are_added_to_other_contributions() -> None:
    """The first contribution may belong to somebody else: it is copied once and never written."""
    x = ag.Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    upstream = np.ones((3, 2))
    for order in (lambda y: [y[0], y, y[1:], y], lambda y: [y, y[2], y, y[:, 0]]):
        x.grad = None
        y = (x * 1.0).retain_grad()
        parts = order(y)
        ag.sum(ag.stack([ag.sum(part) for part in parts])).backward()
        expected = np.zeros((3, 2))
        for part in order(expected):
            part += 1.0
        np.testing.assert_array_equal(x.grad.data, expected)
        np.testing.assert_array_equal(y.grad.data, expected)
        (y + y[:]).backward(upstream)
        np.testing.assert_array_equal(upstream, np.ones((3, 2)))


@given(st.data())
def test_parts_of_any_kind_have_the_gradient_of_separate_passes(data: st.DataObject) -> None:
    """Two indices of any kind: one pass through both gives the sum of two passes, recorded or not, and of any order."""
    x = ag.Tensor(data.draw(SHAPES.flatmap(values)), requires_grad=True)
    first, second = (data.draw(indices(x.shape)) for _ in range(2))
    read = [lambda index=index: ag.sum(x[index] * x[index] * x[index]) for index in (first, second)]
    separate = [ag.grad(f(), x) for f in read]
    together = ag.grad(read[0]() + read[1](), x, create_graph=True)
    np.testing.assert_allclose(together.data, (separate[0] + separate[1]).data, rtol=1e-12)
    np.testing.assert_array_equal(together.data, ag.grad(read[0]() + read[1](), x).data)
    if together.requires_grad:
        twice = ag.grad(ag.sum(together), x, create_graph=True)
        expected = sum(ag.grad(ag.sum(ag.grad(f(), x, create_graph=True)), x).data for f in read)
        np.testing.assert_allclose(twice.data, expected, rtol=1e-12)


def test_a_compiled_step_writes_the_parts_in_place() -> None:
    """One buffer is filled with zeros, to which each part is added; the bits are those of eager code."""
    x = ag.Tensor(np.random.default_rng(1).standard_normal((LENGTH, 3)), requires_grad=True)

    def step(scale: ag.Tensor) -> ag.Tensor:
        h = ag.tanh(x * scale)
        return ag.grad(weighted_sum([h[t] for t in range(LENGTH)]), x)

    scale = ag.Tensor(1.5)
    compiled = ag.jit(step, exact=True)
    for _ in range(3):
        np.testing.assert_array_equal(compiled(scale).data, step(scale).data)
    rows = [row for row in compiled.plan.table() if row.kernel in ("index_add", "add_at")]
    assert Counter(row.kernel for row in rows) == {"index_add": 1, "add_at": LENGTH - 1}
    assert {row.memory for row in rows} == {rows[0].memory}
    assert rows[0].memory.startswith("buffer")


def test_profiles_and_observers_see_every_part() -> None:
    x = ag.Tensor(np.ones((LENGTH, 3)), requires_grad=True)
    with ag.profile() as p:
        weighted_sum(list(x)).backward()
    assert {row.calls for row in p.rows if row.name == "getitem" and row.kind == "backward"} == {LENGTH}
    with ag.detect_anomaly():
        weighted_sum(list(x)).backward()
    np.testing.assert_array_equal(x.grad.data, 4 * np.repeat(np.arange(1.0, LENGTH + 1), 3).reshape(LENGTH, 3))
