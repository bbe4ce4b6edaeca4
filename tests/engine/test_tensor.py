"""Tensors for users of NumPy: construction, dtypes, protocols, printing, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as ag
from autograd_mini import Tensor

F16, F32, F64 = np.float16, np.float32, np.float64


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (1.5, F32), ([1.0, 2.0], F32), ([1, 2], np.int64), (True, np.bool_), (np.ones(2), F64), (np.ones(2, F16), F16), (np.float64(1), F64),
        ([[1, 2.5]], F32), (np.arange(2, dtype=np.int32), np.int32),
    ],
)  # fmt: skip
def test_python_numbers_take_the_default_dtype_and_arrays_keep_theirs(value: object, dtype: type) -> None:
    assert Tensor(value).dtype == dtype


def test_tensor_copies_its_data_and_from_numpy_shares_it() -> None:
    array = np.zeros(2)
    copy, view = Tensor(array), ag.from_numpy(array)
    array[0] = 5
    assert (copy.tolist(), view.tolist()) == ([0, 0], [5, 0])


@pytest.mark.parametrize(
    "value", [1 + 2j, "text", None, object(), np.array(["a"]), np.array([1], dtype=object), [[1.0], [1.0, 2.0]]]
)
def test_unsupported_data_raises(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        Tensor(value)


@pytest.mark.parametrize("values", [[Tensor(1.0), Tensor(2.0)], [[0.0, Tensor(1.0)], [2.0, 3.0]]])
def test_a_list_of_tensors_raises_and_the_error_names_the_function_for_it(values: list[Any]) -> None:
    with pytest.raises(TypeError, match=r"ag\.array"):
        Tensor(values)


MIXED = [
    (Tensor(np.ones(2, F16)), Tensor(np.ones(2, F32)), F32),
    (Tensor(np.ones(2, F32)), 2.5, F32),
    (Tensor(np.ones(2, F16)), 2.5, F16),
    (Tensor(np.ones(2, F32)), np.float64(2.5), F32),
    (Tensor(np.ones(2, F32)), np.array(2.5), F32),
    (Tensor(np.ones(2, F32)), Tensor(np.array(2.5)), F32),
    (Tensor(np.ones(2, F32)), np.ones(2, np.int64), F32),
    (Tensor(np.ones(2, F16)), np.ones(2, np.int64), F16),
    (Tensor(np.ones(2, F32)), np.ones(2, bool), F32),
    (Tensor(np.ones(2, F32)), np.ones(2, F64), F64),
    (Tensor(np.array(1.0, F32)), 2.5, F32),
    (Tensor(np.array(1.0, F32)), np.float64(2.5), F32),
    (Tensor(np.array(1, np.int64)), 2.5, F32),
    (Tensor(np.ones(2, np.int64)), 2.5, F32),
    (Tensor(np.ones(2, np.int64)), Tensor(np.array(2.5)), F64),
    (Tensor(np.ones(2, np.int32)), 2, np.int32),
    (Tensor(np.ones(2, bool)), Tensor(np.ones(2, np.int8)), np.int8),
]


@pytest.mark.parametrize(("a", "b", "dtype"), MIXED)
def test_results_have_the_dtype_of_the_strongest_operand(a: Tensor, b: object, dtype: type) -> None:
    """Scalars and 0-d operands are weak, and integers never widen a float, in either order and with ndarray's operators."""
    assert (a + b).dtype == dtype
    assert (b + a).dtype == dtype
    assert (a * b).dtype == dtype


def test_integer_division_and_means_give_the_default_dtype() -> None:
    a = Tensor([1, 2])
    assert (a / a).dtype == F32
    assert (a / 2).dtype == F32
    assert a.mean().dtype == F32
    assert ag.sqrt(a).dtype == F32
    assert a.sum().dtype == np.int64
    assert (-a).dtype == np.int64
    assert (a**2).dtype == np.int64


@pytest.mark.parametrize("number", [-1, 300, np.int64(-1)])
def test_an_integer_out_of_range_never_wraps(number: int) -> None:
    """With a small integer dtype it raises; comparisons, quotients and limits, whose results fit, accept it."""
    pixels = np.array([0, 44, 255], np.uint8)
    x = Tensor(pixels)
    for wrong in (
        lambda: x + number, lambda: number * x, lambda: ag.maximum(x, number), lambda: ag.where(x > 0, x, number),
        lambda: Tensor([1, number], dtype="uint8"),
    ):  # fmt: skip
        with pytest.raises(OverflowError, match=rf"uint8 cannot represent {number}"):
            wrong()
    wide = pixels.astype(np.int64)
    assert (x == number).tolist() == (wide == number).tolist()
    assert (x < number).tolist() == (number > x).tolist() == (wide < number).tolist()
    assert (x > Tensor(number)).tolist() == (wide > number).tolist()
    np.testing.assert_array_equal((x / number).data, (wide / number).astype(F32))
    np.testing.assert_array_equal((x / Tensor(number)).data, (wide / number).astype(F32))
    np.testing.assert_allclose(ag.hypot(x, number).data, np.hypot(wide, number), rtol=1e-6)
    assert ag.clip(x, min(number, 1), max(number, 100)).tolist() == wide.clip(min(number, 1), max(number, 100)).tolist()


def test_clip_of_bools_with_integer_limits_gives_integers() -> None:
    assert ag.clip([True, False], None, 1).dtype == np.int64


def test_each_gradient_has_its_own_inputs_dtype() -> None:
    a, b = Tensor(np.ones(2, F16), requires_grad=True), Tensor(np.ones(2, F32), requires_grad=True)
    c = Tensor(np.array(2.0), requires_grad=True)
    (a * b * c).sum().backward()
    assert [t.grad.dtype for t in (a, b, c)] == [F16, F32, F64]


@given(
    st.sampled_from([F16, F32, F64]), st.sampled_from(["+", "-", "*", "/"]), st.floats(-4, 4, width=16).filter(lambda v: v != 0)
)
def test_python_scalars_never_change_a_float_dtype(dtype: type, operator: str, scalar: float) -> None:
    x = Tensor(np.ones(3, dtype), requires_grad=True)
    with np.errstate(all="ignore"):  # the smallest scalars overflow float16
        for y in (eval(f"x {operator} scalar"), eval(f"scalar {operator} x")):
            assert y.dtype == dtype
            assert ag.grad(y.sum(), x).dtype == dtype


def test_the_default_dtype_can_be_changed() -> None:
    ag.set_default_dtype("float64")
    try:
        assert Tensor(1.0).dtype == F64
        assert (Tensor([1, 2]) / 2).dtype == F64
    finally:
        ag.set_default_dtype("float32")
    with pytest.raises(TypeError, match="int32"):
        ag.set_default_dtype("int32")


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (Tensor(6.0), "Tensor(6.0)"),
        (Tensor(0.1), "Tensor(0.1)"),
        (Tensor([1.0, 2.5]), "Tensor([1. , 2.5])"),
        (Tensor([1.0], requires_grad=True), "Tensor([1.], requires_grad=True)"),
        (Tensor([1, 2]), "Tensor([1, 2])"),
        (Tensor(np.ones((1, 2))), "Tensor([[1., 1.]], shape=(1, 2), dtype=float64)"),
        (Tensor(np.ones((0, 3), F32)), "Tensor([], shape=(0, 3))"),
        (Tensor(2.0, requires_grad=True, name="w") * 3, "Tensor(6.0, op=multiply)"),
        (Tensor(2.0, name="w"), "Tensor(2.0, name='w')"),
    ],
)
def test_repr_shows_value_shape_dtype_and_the_operation(tensor: Tensor, text: str) -> None:
    assert repr(tensor) == text


def test_a_large_repr_stays_short() -> None:
    assert len(repr(Tensor(np.zeros((1000, 1000))))) < 600


def test_tensors_support_pythons_protocols() -> None:
    t = Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert len(t) == 2
    assert [row.tolist() for row in t] == [[1, 2], [3, 4]]
    assert 3.0 in t
    assert 9.0 not in t
    assert float(t[0, 1]) == 2
    assert int(t[1, 0]) == 3
    assert bool(t[0, 0])
    assert f"{t[0, 1]:.2f}" == "2.00"
    assert [10, 20, 30][Tensor(1)] == 20
    assert len({t, t}) == 1
    assert (t == t).all()
    assert t is not None
    assert (t == None) is False  # noqa: E711
    with pytest.raises(ValueError, match="ambiguous"):
        bool(t)
    with pytest.raises(TypeError):
        len(t[0, 0])
    with pytest.raises(TypeError):
        iter(t[0, 0])
    with pytest.raises(TypeError):
        [1, 2][Tensor(1.0)]
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        t.item()


def test_iteration_stops_at_the_end() -> None:
    """With `__getitem__` alone, Python would iterate forever."""
    assert len(list(Tensor([1.0, 2.0, 3.0]))) == 3


def test_numpy_functions_return_tensors_with_gradients() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    a = np.array([3.0, 4.0], dtype=F32)
    for y in (
        np.exp(x),
        a + x,
        np.sum(x, axis=0),
        np.concatenate([x, a]),
        np.mean(x),
        np.where(a > 3, x, 0),
        np.matmul(x, a),
        np.reshape(x, (2, 1)),
    ):
        assert isinstance(y, Tensor)
        assert y.requires_grad
        assert y.dtype == F32


@pytest.mark.parametrize(
    "use",
    [
        lambda x, a: np.add(a, x, out=a),
        lambda x, a: np.add.at(a, [0], x),
        lambda x, a: np.add(a, x, where=[True, False]),
        lambda x, a: a.__iadd__(x),
        lambda x, a: np.fft.fft(x),
        lambda x, a: np.gcd(x, 2),
    ],
)
def test_numpy_functions_that_gradients_cannot_follow_raise(use: object) -> None:
    x, a = Tensor([1.0, 2.0], requires_grad=True), np.array([3.0, 4.0])
    with pytest.raises(TypeError):
        use(x, a)  # type: ignore[operator]
    assert a.tolist() == [3, 4]


def test_asarray_of_a_tensor_that_requires_a_gradient_raises_and_names_detach() -> None:
    x = Tensor([1.0], requires_grad=True)
    for convert in (np.asarray, np.array, Tensor.numpy):
        with pytest.raises(RuntimeError, match="detach"):
            convert(x)
    assert np.asarray(x.detach()).tolist() == [1]
    assert np.asarray(Tensor([1.0]), dtype=F64).dtype == F64


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (
            lambda: Tensor(np.ones((32, 784))) @ Tensor(np.ones((512, 10))),
            r"matmul: inner dimensions differ: \(32, 784\) @ \(512, 10\)",
        ),
        (lambda: Tensor(np.ones((2, 3))) + Tensor(np.ones(4)), r"add: shapes do not broadcast together: \(2, 3\) and \(4,\)"),
        (lambda: Tensor(np.ones((2, 3))).reshape(4, -1), r"reshape: 6 elements"),
        (lambda: Tensor(np.ones((2, 3))).sum(axis=2), r"sum: axis 2 is out of range for a tensor with 2 axes"),
        (lambda: Tensor(np.ones((2, 3)))[5], r"getitem: index \[5\] does not fit shape \(2, 3\)"),
        (lambda: Tensor(np.ones((2, 3)))[1.5], r"getitem: an index must be"),
        (
            lambda: Tensor(np.ones((0, 3))).max(axis=0),
            r"max: expected at least one element along axis \(0,\), got shape \(0, 3\)",
        ),
        (
            lambda: ag.concatenate([Tensor(np.ones((2, 3))), Tensor(np.ones((2, 4)))]),
            r"concatenate: shapes must agree except along axis 0",
        ),
        (
            lambda: ag.linear(Tensor(np.ones((2, 3))), Tensor(np.ones((5, 4)))),
            r"linear: expected 4 features, got \(2, 3\)",
        ),
    ],
)
def test_errors_name_the_operation_and_the_shapes(use: object, message: str) -> None:
    with pytest.raises((ValueError, IndexError), match=message):
        use()  # type: ignore[operator]


def test_the_mean_of_nothing_is_nan() -> None:
    x = Tensor(np.ones((0,)), requires_grad=True)
    with np.errstate(all="ignore"):
        assert np.isnan(x.mean().item())
    x.mean().backward()
    assert x.grad.shape == (0,)


def test_every_declared_operator_and_method_is_bound() -> None:
    from autograd_mini.methods import TABLE
    from autograd_mini.signatures import Methods

    assert len(TABLE) > 90
    for name, bound in TABLE.items():
        assert getattr(Tensor, name) is bound
        assert hasattr(Methods, name)


@pytest.mark.parametrize("dtype", [">f2", ">f4", ">f8", "<f8", ">i4", ">i8", ">u2"])
def test_arrays_in_foreign_byte_order_are_converted(dtype: str) -> None:
    """Files often have big-endian numbers: as a tensor, an operand, an index or an assigned value they keep their values."""
    array, native = np.array([1, 2, 256], dtype), np.dtype(dtype).newbyteorder("=")
    for tensor in (Tensor(array), ag.as_tensor(array), Tensor(np.ones(3, native)) * array, ag.stack([array, array])[0]):
        assert tensor.dtype.isnative
        assert tensor.dtype == native
        assert tensor.tolist() == [1, 2, 256]
    w = Tensor(np.zeros(3), requires_grad=True)
    w.data = array
    assert w.tolist() == [1, 2, 256]
    (w * array).sum().backward()
    assert w.grad is not None
    assert (w.grad.dtype, w.grad.tolist()) == (np.dtype("f8"), [1, 2, 256])
    if native.kind == "i":
        assert Tensor([0.0, 10.0, 20.0])[array[:2]].tolist() == [10, 20]
    if not np.dtype(dtype).isnative:
        with pytest.raises(TypeError, match="native byte order"):
            ag.from_numpy(array)
