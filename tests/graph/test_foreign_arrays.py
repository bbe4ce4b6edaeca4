"""Arrays of other kinds beside a tensor, on either side: the right numbers with their gradient, or an error. No other result."""

from __future__ import annotations

import operator
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor

VALUES = np.array([1.5, 2.5])


class Subclass(np.ndarray):
    """An array of a class of its own."""


KINDS: dict[str, Callable[[], Any]] = {
    "array": lambda: VALUES.copy(),
    "byte order": lambda: VALUES.astype(">f8"),
    "subclass": lambda: VALUES.view(Subclass),
    "without a mask": lambda: np.ma.array(VALUES),
    "masked": lambda: np.ma.array(VALUES, mask=[True, False]),
    "matrix": lambda: np.asmatrix([[1.5, 2.5], [0.5, 1.0]]),
    "structured": lambda: np.array([(1.0, 2.0)] * 2, dtype=[("a", "f8"), ("b", "f8")]),
    "records": lambda: np.rec.array([(1.0, 2.0)] * 2, dtype=[("a", "f8"), ("b", "f8")]),
    "objects": lambda: np.array([1.5, 2.5], dtype=object),
    "complex": lambda: VALUES + 1j,
    "long double": lambda: VALUES.astype(np.longdouble),
    "dates": lambda: np.array(["2020", "2021"], "M8[Y]"),
    "strings": lambda: np.array(["a", "b"]),
}
OPERATORS = ("add", "sub", "mul", "truediv", "pow", "matmul", "mod", "floordiv")
FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {name: getattr(operator, name) for name in OPERATORS} | {
    "np.add": np.add, "np.hypot": np.hypot, "np.dot": np.dot, "np.ma.multiply": np.ma.multiply, "np.ma.power": np.ma.power,
    "np.where": lambda a, b: np.where([True, False], a, b), "np.stack": lambda a, b: np.stack([a, b]), "ag.add": ag.add,
}  # fmt: skip


@pytest.mark.parametrize("left", [False, True], ids=["on the right", "on the left"])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_a_result_is_a_tensor_with_numpys_values_and_a_graph(kind: str, name: str, left: bool) -> None:
    """Also where NumPy's own class runs first and reads the operands, as masked arrays and matrices do."""
    use, w = FUNCTIONS[name], Tensor(np.array([3.0, 4.0]), requires_grad=True)
    call = (lambda x: use(KINDS[kind](), x)) if left else (lambda x: use(x, KINDS[kind]()))
    try:
        result = call(w)
    except (TypeError, ValueError, RuntimeError):
        return  # refused
    assert isinstance(result, Tensor)
    np.testing.assert_allclose(result.detach().data, np.asarray(call(w.data)).reshape(result.shape))
    if name not in ("floordiv",) and not (name == "mod" and left):
        assert result.requires_grad


def test_masked_arrays_and_plain_tensors_keep_the_mask() -> None:
    masked, plain = KINDS["masked"](), Tensor(np.array([3.0, 4.0]))
    for result in (masked + plain, np.ma.multiply(masked, plain)):
        assert result.mask.tolist() == [True, False]
    for use in (ag.from_numpy, Tensor, lambda m: Tensor([m, VALUES])):
        with pytest.raises(TypeError, match=r"lose its mask; use \.filled"):
            use(masked)


def update(target: Any, value: Any) -> Any:
    target += value
    return target


@pytest.mark.parametrize(
    "kind", [name for name in KINDS if name not in ("dates", "strings", "structured", "records", "matrix")]
)
def test_an_array_that_is_updated_in_place_holds_no_gradient(kind: str) -> None:
    target = KINDS[kind]()
    before = target.copy()
    with pytest.raises(TypeError, match=r"cannot (hold|follow)"):
        update(target, Tensor(np.ones(2), requires_grad=True))
    np.testing.assert_array_equal(target, before)
    np.testing.assert_array_equal(update(target, Tensor(np.ones(2))), before + 1)


def test_files_in_memory_are_updated_in_place(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "w", "f8", "w+", shape=(2,))
    mapped += Tensor(np.ones(2))
    assert np.fromfile(tmp_path / "w").tolist() == [1, 1] or mapped.tolist() == [1, 1]
    assert ag.grad((Tensor(mapped) * (w := Tensor([2.0, 3.0], requires_grad=True))).sum(), w).tolist() == [1, 1]


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_product_with_a_matrix_is_a_matrix_product() -> None:
    """As `*` means for np.matrix; a product of elements would be silently another number."""
    m, w = KINDS["matrix"](), Tensor(np.array([3.0, 4.0]), requires_grad=True)
    np.testing.assert_allclose((w * m).detach().data, np.asarray(w.data * m).ravel())
    with pytest.raises(TypeError, match="unsupported operand"):
        m * w
    with pytest.raises(TypeError, match="unsupported operand"):
        w**m


DTYPES: dict[str, tuple[Callable[[], Any], Any]] = {
    "arrays": (lambda: [np.array([0.1]), np.array([0.2])], np.float64),
    "0-d arrays": (lambda: [np.array(0.1), 1], np.float64),
    "scalars": (lambda: [np.float64(0.1), 0.2], np.float64),
    "narrow scalars": (lambda: [np.float32(0.1), 0.2], np.float32),
    "half": (lambda: [np.float16(0.5), 1], np.float16),
    "mixed": (lambda: [[np.float16(0.5)], (np.float64(0.1),)], np.float64),
    "Python floats": (lambda: [0.1, 2], np.float32),
    "integers and floats": (lambda: [np.int64(1), 0.5], np.float32),
    "array.array": (lambda: array("d", [0.1]), np.float64),
    "memoryview": (lambda: memoryview(VALUES), np.float64),
}


@pytest.mark.parametrize("name", DTYPES)
def test_a_list_of_arrays_has_their_dtype(name: str) -> None:
    """Only Python floats get the default dtype: a list of float64 arrays is not rounded to float32 (PyTorch has the same rule)."""
    make, dtype = DTYPES[name]
    for function in (Tensor, ag.tensor, ag.array, ag.as_tensor, ag.negative):
        assert function(make()).dtype == dtype
    np.testing.assert_array_equal(Tensor(make()).data, np.asarray(make()).astype(dtype))


def test_integers_that_no_dtype_represents_say_so() -> None:
    for value in (10**30, [1, 10**30]):
        with pytest.raises(OverflowError, match=r"at most 64 bits, got .*; use floats"):
            Tensor(value)
    with pytest.raises(IndexError, match="timedelta64"):
        Tensor([1.0])[np.timedelta64(0, "D")]
    with pytest.raises(TypeError, match=r"ag\.array\(list\)"):
        Tensor(np.array([Tensor(1.0), 2.0], dtype=object))
