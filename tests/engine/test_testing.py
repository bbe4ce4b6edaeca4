"""The public test tools: the strategies, and checks of a user's own operation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import autograd_mini as ag
from autograd_mini import testing
from autograd_mini.testing import GradientError, arrays, broadcastable, gradcheck, layouts, primitive_check, shapes, tensors


@given(st.data())
@settings(max_examples=40)
def test_a_layout_keeps_values_shape_and_dtype(data: st.DataObject) -> None:
    array = data.draw(arrays(layout=False))
    arranged = data.draw(layouts(array))
    np.testing.assert_array_equal(arranged, array)
    assert arranged.dtype == array.dtype


@pytest.mark.parametrize(
    "wanted",
    [
        lambda a: not a.flags.c_contiguous and a.flags.f_contiguous,
        lambda a: any(s < 0 for s in a.strides),
        lambda a: a.size > 1 and a.base is not None and not a.flags.forc,
        lambda a: a.size == 0,
        lambda a: a.ndim == 0,
        lambda a: 1 in a.shape,
    ],
    ids=["Fortran", "negative strides", "gaps", "size 0", "0-d", "length 1"],
)
def test_every_kind_of_array_is_drawn(wanted: object) -> None:
    find(arrays(), wanted, settings=settings(max_examples=3000, database=None))  # type: ignore[arg-type]


@given(broadcastable(3))
@settings(max_examples=30)
def test_broadcastable_shapes_broadcast(family: tuple[tuple[int, ...], ...]) -> None:
    assert len(family) == 3
    np.broadcast_shapes(*family)


@given(tensors(shapes(1, 2), dtypes=[np.float16], lo=0, hi=1))
@settings(max_examples=30)
def test_tensors_have_the_requested_shape_dtype_and_range(t: ag.Tensor) -> None:
    assert t.is_leaf
    assert t.requires_grad
    assert t.dtype == np.float16
    assert t.ndim in (1, 2)
    assert ((t >= 0) & (t <= 1)).all()


def test_primitive_check_works_for_a_users_primitive() -> None:
    @ag.primitive((lambda xp, g, y, x: g * 3 * x * x,), formula="x³", derivative=("3x²",))
    def cube(x: np.ndarray) -> np.ndarray:
        return x**3

    assert primitive_check(cube, [[1.0, -2.0]])

    @ag.primitive((lambda xp, g, y, x: g * 2 * x * x,), formula="x³", derivative=("3x²",))
    def wrong_cube(x: np.ndarray) -> np.ndarray:
        return x**3

    with pytest.raises(GradientError, match=r"first wrong operation in backward order: wrong_cube\(operand 0 \(1, 2\)\)"):
        primitive_check(wrong_cube, [[1.0, -2.0]])


def test_primitive_check_finds_each_violated_property() -> None:
    """Each operation here violates exactly one property."""

    @ag.primitive((lambda xp, g, y, x: g * 2 * (x.data if isinstance(x, ag.Tensor) else x),), formula="x²")
    def first_order_only(x: np.ndarray) -> np.ndarray:
        return x * x

    assert gradcheck(first_order_only, [1.0, 2.0])
    with pytest.raises(GradientError):
        primitive_check(first_order_only, [1.0, 2.0])

    def mutate(xp: object, g: np.ndarray, y: object, x: np.ndarray) -> np.ndarray:
        if isinstance(g, np.ndarray):
            g *= 2
        else:
            g = g * 2
        return g * x

    @ag.primitive((mutate,), formula="x²")
    def mutating(x: np.ndarray) -> np.ndarray:
        return x * x

    upstream = np.ones(2)
    x = ag.Tensor([1.0, 2.0], dtype=np.float64, requires_grad=True)
    ag.grad(mutating(x), x, upstream)
    assert upstream.tolist() == [1, 1], "the pass starts from a copy, so even a wrong rule cannot modify the user's array"

    @ag.primitive((lambda xp, g, y, x: g * 0.5 / y,), formula="√x")
    def half_blind(x: np.ndarray) -> np.ndarray:
        return np.sqrt(x.astype(np.float64)).astype(x.dtype) * (1 if x.dtype == np.float64 else 1.01)

    with pytest.raises(AssertionError, match="float32"):
        primitive_check(half_blind, [1.0, 2.0])


def test_kinks_are_undecidable_and_not_wrong() -> None:
    report = gradcheck(lambda x: ag.relu(x) + ag.abs(x - 1), [0.0, 1.0, 2.0])
    assert report
    assert (report.points, report.undecidable) == (3, 2)


def test_a_report_shows_the_analytic_and_the_numeric_value() -> None:
    detached = lambda x: x * x.detach()
    with pytest.raises(GradientError, match=r"operand 0\[1\]: analytic \S+, numeric \S+, relative error 0\.5") as caught:
        gradcheck(detached, [0.0, 2.0])
    assert "outside of the graph" in str(caught.value)
    assert not caught.value.report


def test_functions_that_return_no_tensor_raise() -> None:
    with pytest.raises(TypeError, match="must return a Tensor"):
        gradcheck(lambda x: 3.0, [1.0])


def test_every_exported_name_exists() -> None:
    assert all(callable(getattr(testing, name)) for name in testing.__all__)
