"""Everything about an operation is in its record: compiler, reports and pictures read it there, also for a user's operation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, viz
from autograd_mini.jit.plan import Plan
from autograd_mini.jit.scalar_fusion import MIN_CALLS
from autograd_mini.primitive import Primitive, arrays, registry


@pytest.fixture
def names() -> Iterator[None]:
    """Removes the primitives that a test registers."""
    before = set(registry)
    yield
    for name in set(registry) - before:
        del registry[name]
        delattr(arrays, name)


def plan_of(function: Any, *inputs: Any) -> Plan:
    compiled = ag.jit(function)
    for _ in range(2):
        compiled(*map(Tensor, inputs))
    return compiled.plan


def half(**record_fields: Any) -> Any:
    """Returns x / 2 as a user's operation, with these fields of its record."""

    def halve(x: np.ndarray, out: np.ndarray | None = None) -> Any:
        return np.multiply(x, x.dtype.type(0.5), out=out)

    return ag.primitive((lambda xp, g, y, x: g * 0.5,), formula="x/2", derivative=("½",), **record_fields)(halve)


def test_a_user_can_set_every_field(names: None) -> None:
    values: dict[str, Any] = {
        "formula": "f", "derivative": ("1",), "kink": "0 at 0", "explain": str, "symbol": "½", "ordered": True, "role": "affine",
        "products": (("{g}", None),), "outputs": 2, "elementwise": True, "view": True, "relayout": True, "effect": True,
        "uniform": False, "constant": True, "fast_arity": 1, "flops": 3, "nanoseconds": 2.0, "rowwise": True, "splits": bool,
        "specialize": bool, "scalar": "{0}", "value_dependent_shape": True, "reduction": "sum", "selects_output": True, "accumulate": "add_at",
        "in_place": True, "batch": str, "letters": ("a", "b"),
    }  # fmt: skip
    ag.primitive((None,), name="all_fields", **values)(lambda x: x)
    record = registry["all_fields"]
    assert {f.name for f in fields(Primitive)} - {"name", "kernel", "vjp", "joint"} == set(values)
    assert {name: getattr(record, name) for name in values} == values


def test_an_unknown_field_raises(names: None) -> None:
    with pytest.raises(TypeError, match="symbole"):
        ag.primitive((None,), name="misspelt", symbole="+")(lambda x: x)


def test_flops_of_a_user_operation_count_in_the_plan(names: None) -> None:
    operation = half(flops=lambda inputs, outputs, params: 7 * inputs[0].size)
    assert [e.flops for e in plan_of(operation, np.ones((2, 3))).table()] == [42]


def test_long_runs_on_numbers_use_the_scalar_form(names: None) -> None:
    operation = half(scalar="{0} * 0.5")

    def chain(x: Any) -> Any:
        for _ in range(MIN_CALLS):
            x = operation(x)
        return x

    plan = plan_of(chain, 1.0)
    assert [e.kernel for e in plan.table()] == ["program"]
    compiled = ag.jit(chain)
    assert [compiled(Tensor(8.0)).item() for _ in range(3)] == [8.0 * 0.5**MIN_CALLS] * 3


@pytest.mark.parametrize("rowwise", [False, True])
def test_a_rowwise_operation_joins_a_block_of_rows(names: None, rowwise: bool) -> None:
    operation, w = half(rowwise=rowwise), Tensor(np.eye(512, dtype=np.float32))
    plan = plan_of(lambda x: (ag.tanh(operation(ag.tanh(x @ w))) @ w).sum(), np.ones((512, 512), np.float32))
    blocks = [[part.kernel for part in e.parts] for e in plan.table() if e.parts]
    assert any("halve" in block for block in blocks) == rowwise


def test_a_result_whose_shape_depends_on_values_is_not_compiled(names: None) -> None:
    positive = ag.primitive((), constant=True, name="positive", value_dependent_shape=True)(lambda x: x[x > 0])
    compiled = ag.jit(lambda x: positive(x))
    compiled(Tensor([1.0, -1.0]))
    with pytest.raises(ag.TraceError, match="the shape of the result of positive depends on values"):
        compiled(Tensor([1.0, -1.0]))


def test_only_the_operands_in_uniform_share_a_dtype(names: None) -> None:
    seen: list[Any] = []
    pick = ag.primitive((), constant=True, name="pick", uniform=slice(1, None))(
        lambda c, a, b: seen.append((c.dtype, a.dtype, b.dtype)) or np.where(c, a, b)
    )
    pick([True], [1], [2.0])
    assert seen == [(np.dtype(bool), np.dtype("f4"), np.dtype("f4"))]


def test_a_picture_shows_the_symbol_instead_of_the_name(names: None) -> None:
    x = Tensor([1.0], requires_grad=True)
    source = viz.draw(half(symbol="½·")(x)).source
    assert "½·" in source
    assert "halve<" not in source


@pytest.mark.parametrize("name", ["concatenate", "pad", "copy", "flip", "getitem", "reshape", "transpose", "broadcast_to"])
def test_operations_that_move_elements_have_no_flops(name: str) -> None:
    x = np.ones((2, 3))
    assert registry[name].count_flops([x, x], [x], {}) == 0
