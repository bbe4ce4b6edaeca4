"""The public test tools: the strategies, and checks of a user's own operation."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import autograd_mini as ag
from autograd_mini import Tensor, testing
from autograd_mini.testing import (
    GradientError,
    arrays,
    broadcastable,
    gradcheck,
    gradgradcheck,
    layouts,
    primitive_check,
    shapes,
    tensors,
)
from autograd_mini.testing.strategies import _grid


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
    assert (report.points, report.undecidable, report.checked) == (3, 2, 1)


RNG = np.random.default_rng(0)
CALLS = iter(range(10**9))
NOT_CHECKED = {
    "a kink": (lambda x: ag.abs(x), [0.0, 0.0], "contradict each other at 2 of 2 elements"),
    "below atol": (
        lambda x: 1e-7 * x * x.detach(),
        [1.0, 2.0],
        "largest derivative is .*e-07, so with atol=1e-05 any gradient",
    ),
    "a jump": (lambda x: ag.where(x > 1, x, -x), [1.0], "contradict each other"),
    "not finite": (lambda x: ag.xlogy(x, x), [-1.0], "not finite"),
    "float16": (lambda x: ag.sin(x.astype(np.float16)), [1.0], "computes in float16"),
    "integers": (lambda x: x * 2, [1, 2], "no operand is floating .got int64.; write 1.0 instead of 1"),
    "empty": (lambda x: x * 2, np.zeros((0, 3)), "no floating element"),
    "integer output": (lambda x: x > 0, [1.0], "no floating element"),
    "random": (lambda x: x * x.detach() + RNG.normal(size=2), [1.0, 2.0], r"not deterministic: two calls .* \S+ and then \S+"),
    "dropout": (ag.nn.Dropout(0.5), np.ones(40), "not deterministic"),
    "a counter": (lambda x: x * next(CALLS), [1.0], "not deterministic"),
    "growing": (lambda x: ag.stack([x] * next(CALLS)), [1.0], r"not deterministic: .* elements"),
}


@pytest.mark.parametrize("check", [gradcheck, gradgradcheck, primitive_check])
@pytest.mark.parametrize("name", NOT_CHECKED)
def test_a_check_that_cannot_check_fails(check: Callable[..., object], name: str) -> None:
    """Points without an answer and functions without a fixed value do not prove that a gradient is right."""
    function, at, message = NOT_CHECKED[name]
    if check is primitive_check and name == "integers":
        at, message = [], "no floating element"  # it converts its operands
    with pytest.raises(GradientError, match=message if check is gradcheck else None), np.errstate(all="ignore"):
        check(function, at)


def test_a_report_without_compared_elements_is_false() -> None:
    """With `min_checked=0` random points may be undecidable, but the report does not count as a success."""
    assert not gradcheck(ag.abs, [0.0], min_checked=0)
    assert not gradcheck(lambda x: x * 2, [1], min_checked=0)
    assert gradcheck(ag.abs, [0.0, 1.0], min_checked=0)
    with pytest.raises(GradientError, match="only 1 elements were checked, not 2"):
        gradcheck(ag.abs, [0.0, 1.0], min_checked=2)


@pytest.mark.parametrize(
    ("function", "at"),
    [
        (lambda x: x * x, [1e8, 3e8]),
        (ag.sin, [1e8]),
        (lambda x: ag.square(x) + 1e8, [1.0, 2.0]),
        (lambda x: (x * x).sum(), [1e6, 2.0]),
        (ag.log, [1e-8, 3e-7]),
        (lambda x: ag.sin(x.astype(np.float32)), [1.0, 2.0]),
        (lambda x: x * Tensor(np.float32([0.1, 3.0])), [1.0, 2.0]),
    ],
    ids=["large", "large argument", "large constant", "large neighbour", "small", "float32 inside", "float32 constant"],
)
def test_right_gradients_of_any_size_pass_and_wrong_ones_fail(function: Callable[[Tensor], Tensor], at: list[float]) -> None:
    """Steps follow the size of the operand, of the result and of the precision inside the function."""
    assert gradcheck(function, at).checked >= 1
    with ag.no_grad():
        assert gradcheck(function, at), "also where nothing is recorded"

    @ag.primitive((lambda xp, g, y, x: g * 1.01,), formula="x")
    def biased_copy(x: np.ndarray) -> np.ndarray:
        return x.copy()

    with pytest.raises(GradientError, match=r"first wrong operation in backward order: biased_copy\(operand 0"):
        gradcheck(lambda x: function(biased_copy(x)), at)


def test_every_check_works_inside_no_grad() -> None:
    with ag.no_grad():
        assert gradgradcheck(lambda x: x * x, [1.0, 2.0])
        assert primitive_check(lambda x: x * x, [1.0, 2.0])


def test_a_failure_shows_derivatives_of_single_elements() -> None:
    """σ′(0) is 0.25: the check weights outputs randomly, but its message does not."""

    @ag.primitive((lambda xp, g, y, x: g * 0.25,), formula="σ")
    def flat_sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    with pytest.raises(GradientError) as caught:
        gradcheck(lambda x: flat_sigmoid(x * 2).sum(), [[0.0, 0.5, 0.0]])
    (wrong,) = caught.value.report.wrong
    assert (wrong.operand, wrong.index, wrong.output, wrong.output_index) == (0, (0, 1), 0, ())
    assert wrong.analytic == pytest.approx(0.5)
    assert wrong.numeric == pytest.approx(2 * 0.19661193)
    assert (
        "flat_sigmoid(operand 0 (1, 3))\n  derivative of output 0[0, 1] with respect to operand 0[0, 1]: "
        "analytic 0.25, numeric 0.19661193, relative error 0.21"
    ) in str(caught.value)


@pytest.mark.parametrize("wrong", range(5))
def test_the_wrong_output_operand_and_element_are_named(wrong: int) -> None:
    """One entry of one rule is wrong, in one of two outputs: the report has its place and both values."""

    def spoil(xp: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
        return g * a * np.where(np.arange(5) == wrong, 3.0, 1.0)

    @ag.primitive((lambda xp, g, y, a, b: g * b, spoil), formula="ab")
    def spoilt_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a * b

    a, b = np.linspace(0.5, 1.5, 5), np.linspace(1.0, 3.0, 5)
    with pytest.raises(GradientError, match=r"spoilt_product\(operand 0 \(5,\), operand 1 \(5,\)\)") as caught:
        gradcheck(lambda a, b: (a + 1, spoilt_product(a, b)), a, b)
    (difference,) = caught.value.report.wrong
    assert (difference.operand, difference.index) == (1, (wrong,))
    assert (difference.output, difference.output_index) == (1, (wrong,))
    assert (difference.analytic, difference.numeric) == (pytest.approx(3 * a[wrong]), pytest.approx(a[wrong]))


@pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
def test_a_rule_that_raises_is_named_with_its_operand(check: Callable[..., object]) -> None:
    def broken(xp: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
        raise ZeroDivisionError("division by zero")

    @ag.primitive((lambda xp, g, y, a, b: g * b, broken), formula="ab")
    def broken_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a * b

    message = (
        r"broken_product\(operand 0 \(2,\), operand 1 \(2,\)\)\n  the rule for operand 1 raised ZeroDivisionError: division"
    )
    for wrap in (lambda f, *xs: f(*xs), ag.checkpoint):
        with pytest.raises(GradientError, match=message):
            check(lambda x: wrap(lambda z: broken_product(ag.sin(x), z), ag.cos(x)), [0.5, 1.0])  # noqa: B023


def test_a_wrong_second_derivative_names_its_operation() -> None:
    @ag.primitive((lambda xp, g, y, x: g * 2 * (x.data if isinstance(x, Tensor) else x),), formula="x²")
    def square_once(x: np.ndarray) -> np.ndarray:
        return x * x

    with pytest.raises(GradientError, match=r"gradient of the gradient(.|\n)*: square_once\(operand 0 \(2,\)\)"):
        gradgradcheck(lambda x: ag.exp(square_once(ag.sin(x))), [0.5, 1.0])


def test_a_rule_that_differs_between_arrays_and_tensors_fails() -> None:
    """`create_graph=True` must give the same gradient."""

    @ag.primitive((lambda xp, g, y, x: g * y * (1 - y) * (1 if isinstance(g, np.ndarray) else 0.5),), formula="σ")
    def two_faced(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    message = r"derivative of output 0\[0\] with respect to operand 0\[0\] is 0.125 with create_graph=True.* 0.25 without"
    with pytest.raises(GradientError, match=message):
        primitive_check(two_faced, [0.0, 1.0])


def test_a_report_shows_the_analytic_and_the_numeric_value() -> None:
    detached = lambda x: x * x.detach()
    with pytest.raises(GradientError, match=r"operand 0\[1\]: analytic 2, numeric 4, relative error 0\.5") as caught:
        gradcheck(detached, [0.0, 2.0])
    assert "outside of the graph" in str(caught.value)
    assert not caught.value.report


def test_functions_that_return_no_tensor_raise() -> None:
    with pytest.raises(TypeError, match="must return a Tensor"):
        gradcheck(lambda x: 3.0, [1.0])


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: gradcheck(ag.exp, [1.0], eps=0), "eps: expected a positive number, got 0"),
        (lambda: gradcheck(ag.exp, [1.0], rtol=-1), "rtol: expected a non-negative number, got -1"),
        (lambda: primitive_check(ag.exp, [1.0], orders=3), "orders must be 1 or 2, got 3"),
        (lambda: primitive_check(ag.exp, [1.0], dtypes=["float64"]), "float32 and float16, got float64"),
        (lambda: arrays((4,), lo=2, hi=1), "no value of float64 lies between lo=2 and hi=1"),
        (lambda: arrays((4,), np.int64, lo=0.2, hi=0.8), "no value of int64 lies between lo=0.2 and hi=0.8"),
        (lambda: arrays((4,), np.uint8, lo=-5, hi=-4), "no value of uint8"),
        (lambda: arrays((4,), lo=np.nan), "must be finite"),
    ],
)
def test_wrong_arguments_are_named(use: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        use()


def test_checks_work_without_asserts() -> None:
    """`python -O` removes every assert; a wrong rule must still fail."""
    code = """
import numpy as np, autograd_mini as ag
from autograd_mini.testing import GradientError, primitive_check
assert False, "this interpreter runs asserts"
rules = {
    "gradient": lambda xp, g, y, x: g * y,
    "shape": lambda xp, g, y, x: (g * 0.5 / y)[:1],
    "modified": lambda xp, g, y, x: np.multiply(g, 0.5 / y, out=g if isinstance(g, np.ndarray) else None),
    "precision": lambda xp, g, y, x: g * 0.5 / y * (1 if x.dtype == np.float64 else 1.01),
    "tensors": lambda xp, g, y, x: g * 0.5 / y * (1 if isinstance(g, np.ndarray) else 2),
}
for name, rule in rules.items():
    root = ag.primitive((rule,), name=f"wrong_{name}")(np.sqrt)
    try:
        print(name, bool(primitive_check(root, [1.0, 4.0])))
    except Exception as error:
        print(name, type(error).__name__)
"""
    result = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, timeout=120, check=True)
    found = dict(line.split() for line in result.stdout.splitlines())
    assert set(found.values()) <= {"GradientError", "RuleError"}, found
    assert len(found) == 5


BOUNDS = st.tuples(st.floats(-1e3, 1e3), st.floats(0, 100)).map(lambda t: (t[0], t[0] + t[1]))


@given(st.data(), BOUNDS, st.sampled_from([np.float64, np.float32, np.float16, np.int64, np.int8, np.uint8]))
@settings(max_examples=100)
def test_arrays_keep_their_bounds_in_every_dtype(data: st.DataObject, bounds: tuple[float, float], dtype: type) -> None:
    try:
        strategy = arrays((5,), dtype, *bounds)
    except ValueError:  # no value of the dtype lies between them
        return
    array = data.draw(strategy)
    assert array.dtype == dtype
    assert array.shape == (5,)
    assert (array.astype(np.float64) >= bounds[0]).all()
    assert (array.astype(np.float64) <= bounds[1]).all()


@pytest.mark.parametrize(
    ("limits", "expected"), [({"lo": 5.0}, (5, 11)), ({"hi": -10.0}, (-16, -10)), ({"lo": 0.0}, (0, 6)), ({}, (-3, 3))]
)
def test_a_single_bound_moves_the_other_one(limits: dict[str, float], expected: tuple[int, int]) -> None:
    for end in expected:
        find(arrays((1,), **limits), lambda a, end=end: a[0] == end, settings=settings(max_examples=3000, database=None))  # type: ignore[arg-type]
    inside = lambda a: expected[0] <= a[0] <= expected[1]
    with pytest.raises(NoSuchExample):
        find(arrays((1,), **limits), lambda a: not inside(a), settings=settings(database=None))  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [3, np.int64(3), [3], (3,), st.just((3,))])
def test_a_shape_may_be_a_length_a_list_or_a_strategy(shape: Any) -> None:
    for strategy in (arrays(shape), tensors(shape, np.float32)):
        assert find(strategy, lambda a: True, settings=settings(database=None)).shape == (3,)


def test_tensors_have_every_memory_layout() -> None:
    for wanted in (lambda t: t.data.strides[0] < 0, lambda t: t.data.strides[0] > t.data.itemsize):
        find(tensors((4,)), wanted, settings=settings(max_examples=1000, database=None))


def test_every_exported_name_exists() -> None:
    assert all(callable(getattr(testing, name)) for name in testing.__all__)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8"])
@pytest.mark.parametrize(("lo", "hi"), [(0.0, 48.0), (2.0, 200.0), (5.0, 5.0)])
def test_strategies_reach_both_bounds(dtype: str, lo: float, hi: float) -> None:
    """Bounds are where functions go wrong most often, such as probabilities of 0 and 1."""
    values = _grid(np.dtype(dtype), lo, hi)
    assert (values.min(), values.max(), values.dtype) == (lo, hi, dtype)
    assert len(values) == 49 or dtype in ("int64", "uint8")


def test_a_function_that_is_nan_in_some_calls_is_not_the_same_function() -> None:
    calls = iter(range(1000))

    def sometimes_nan(x: Tensor) -> Tensor:
        return x * (float("nan") if next(calls) % 2 else 1.0)

    with pytest.raises(GradientError):
        testing.gradcheck(sometimes_nan, np.array([1.0, 2.0]))
