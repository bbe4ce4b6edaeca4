"""Tensors among objects of other libraries: operators, DLPack, the array API, matplotlib, and names from PyTorch."""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, nn

T = Tensor([1.0, 2.0])
W = Tensor([1.0, 2.0], requires_grad=True)
BINARY = [
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift", "divmod",
]  # fmt: skip
COMPARISONS = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}


class Foreign:
    """An object that knows how to combine itself with tensors."""


for _name in BINARY:
    setattr(Foreign, f"__{_name}__", lambda self, other, name=_name: f"{name} on the left")
    setattr(Foreign, f"__r{_name}__", lambda self, other, name=_name: f"{name} on the right")
for _name in COMPARISONS:
    setattr(Foreign, f"__{_name}__", lambda self, other, name=_name: name)


class OptedOut(Foreign):
    """NumPy's rule: an array with `__array_ufunc__ = None` wants its own operators to be called."""

    __array_ufunc__ = None

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("converted to an array")


@pytest.mark.parametrize("other", [Foreign(), OptedOut()])
@pytest.mark.parametrize("name", BINARY)
def test_operators_leave_foreign_operands_to_their_own_methods(name: str, other: Any) -> None:
    use = divmod if name == "divmod" else getattr(operator, f"{name}_" if name in ("and", "or") else name)
    assert use(T, other) == f"{name} on the right"
    assert use(other, T) == f"{name} on the left"
    assert getattr(T, f"__{name}__")(other) is NotImplemented
    assert getattr(T, f"__r{name}__")(other) is NotImplemented
    if name != "divmod":
        assert getattr(operator, f"i{name}")(T, other) == f"{name} on the right"


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_leave_foreign_operands_to_their_own_methods(name: str) -> None:
    assert getattr(operator, name)(T, Foreign()) == COMPARISONS[name]


@pytest.mark.parametrize("other", [None, "a", {}, {1}, Fraction(1, 2), Decimal(1), 1j, object(), len])
@pytest.mark.parametrize("tensor", [T, W])
def test_operands_of_no_use_raise_pythons_error(tensor: Tensor, other: Any) -> None:
    uses = (operator.sub, operator.truediv, operator.matmul, operator.lt)
    for use, a, b in [(use, *pair) for use in uses for pair in ((tensor, other), (other, tensor))]:
        with pytest.raises(TypeError, match=r"not supported between|unsupported operand"):
            use(a, b)
    assert (tensor == other) is False
    with pytest.raises(TypeError):
        ag.add(tensor, other)


def test_masked_arrays_do_not_lose_their_mask() -> None:
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    for x in (Tensor([1.0, 2.0]), Tensor(np.ones(2), requires_grad=True)):
        for use in (lambda: x + masked, lambda: ag.multiply(masked, x), lambda: Tensor(masked)):  # noqa: B023
            with pytest.raises(TypeError, match=r"mask; use \.filled"):
                use()
    assert (T + masked.filled(0.0)).tolist() == [1, 4]


def test_divmod_is_the_quotient_and_the_remainder() -> None:
    x = Tensor([7.0, -7.0], requires_grad=True)
    quotient, rest = divmod(x, 2)
    assert (quotient.tolist(), rest.tolist()) == ([3, -4], [1, 1])
    assert ag.grad(rest.sum(), x).tolist() == [1, 1]
    assert [y.tolist() for y in divmod(7.0, Tensor([2.0]))] == [[3], [1]]


def test_shifts_need_integers() -> None:
    assert (Tensor([1, 3]) << 2).tolist() == [4, 12]
    assert (16 >> Tensor([1, 3])).tolist() == [8, 2]
    with pytest.raises(TypeError, match="left_shift"):
        T << 1


def test_the_transpose_of_each_matrix() -> None:
    x = Tensor(np.arange(12.0).reshape(2, 3, 2), requires_grad=True)
    np.testing.assert_array_equal(x.mT.detach().data, np.arange(12.0).reshape(2, 3, 2).mT)
    (x.mT * np.ones((2, 2, 3))).sum().backward()
    assert x.grad is not None
    assert x.grad.shape == x.shape
    with pytest.raises(ValueError, match=r"at least two axes, got shape \(2,\)"):
        _ = T.mT


def test_dlpack_shares_the_memory_and_refuses_gradients() -> None:
    x = Tensor([1.0, 2.0])
    array = np.from_dlpack(x)
    assert np.shares_memory(array, x.numpy())
    assert ag.from_dlpack(x).tolist() == [1, 2]
    source = np.array([3.0])
    shared = ag.from_dlpack(source)
    source[0] = 5
    assert shared.item() == 5
    for use in (
        lambda: np.from_dlpack(W),
        lambda: ag.from_dlpack(W),
        lambda: ag.grad(lambda x: ag.from_dlpack(x).sum())([1.0]),
    ):
        with pytest.raises(BufferError, match=r"use \.detach\(\)"):
            use()
    with pytest.raises(TypeError, match="method __dlpack__, got list"):
        ag.from_dlpack([1.0])


def test_a_program_for_any_array_library_keeps_the_gradient() -> None:
    """A numerically safe softmax, and names that differ from NumPy's older ones."""

    def program(x: Any) -> Any:
        xp = x.__array_namespace__()
        shifted = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
        softmax = shifted / xp.sum(shifted, axis=-1, keepdims=True, dtype=x.dtype)
        rows = xp.concat([softmax, xp.permute_dims(softmax, (1, 0))], axis=0)
        weights = (
            xp.reshape(xp.arange(8, dtype=xp.float64), shape=(4, 2)) if isinstance(x, Tensor) else np.arange(8.0).reshape(4, 2)
        )
        return xp.sum(xp.pow(rows, xp.asarray(2.0)) * weights * xp.acos(xp.zeros((2,), dtype=xp.float64)))

    x = np.array([[0.5, -1.0], [2.0, 0.25]])
    assert program(Tensor(x)).item() == pytest.approx(float(program(x)), rel=1e-12)
    gradient = ag.grad(program)(x)
    for unit in np.eye(4).reshape(4, 2, 2):
        slope = (program(x + 1e-6 * unit) - program(x - 1e-6 * unit)) / 2e-6
        assert (gradient.data * unit).sum() == pytest.approx(slope, rel=1e-6)
    with pytest.raises(ValueError, match="the only device is 'cpu', got 'cuda'"):
        T.__array_namespace__().zeros(3, device="cuda")


def test_matplotlib_draws_tensors() -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    xs = np.linspace(-1, 1, 5)
    (line,) = plt.plot(xs, ag.sigmoid(xs))
    np.testing.assert_allclose(line.get_xydata(), np.stack([xs, 1 / (1 + np.exp(-xs))], 1), rtol=1e-12)
    x, matrix = Tensor(xs), ag.ones((3, 3))
    for draw in (
        lambda: plt.scatter(x, x, c=x), lambda: plt.bar(x, x), lambda: plt.hist(x), lambda: plt.imshow(matrix),
        lambda: plt.fill_between(x, x), lambda: plt.errorbar(x, x, yerr=abs(x)), lambda: plt.step(x, x),
        lambda: plt.stem(x), lambda: plt.boxplot(x), lambda: plt.contour(matrix * x[:3]), lambda: plt.axhline(x[0]),
    ):  # fmt: skip
        draw()
    with pytest.raises(RuntimeError, match=r"\.detach\(\)"):
        plt.plot(W)
    plt.close("all")


MISSING: dict[str, tuple[Callable[[], Any], str]] = {
    "ag.asarray": (lambda: ag.asarray, "use ag.as_tensor"),
    "ag.mse_loss": (lambda: ag.mse_loss, "use nn.(mse_loss|MSELoss)"),
    "ag.Linear": (lambda: ag.Linear, "use ag.linear or nn.Linear"),
    "nn.relu": (lambda: nn.relu, "use ag.relu or nn.ReLU"),
    "nn.linear": (lambda: nn.linear, "use ag.linear or nn.Linear"),
    "nn.MseLoss": (lambda: nn.MseLoss, "use nn.MSELoss or nn.mse_loss"),
    "ag.functional": (lambda: ag.functional, "use nn.functional"),
    "ag.autograd": (lambda: ag.autograd, "use ag.grad"),
    "ag.linalg": (lambda: ag.linalg, "use ag.norm, ag.inv"),
    "ag.LongTensor": (lambda: ag.LongTensor, "use ag.tensor"),
    "ag.Generator": (lambda: ag.Generator, "use seed="),
    "ag.utils": (lambda: ag.utils, "use nn.utils for gradients and nn.data"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_name_says_what_to_write_instead(name: str) -> None:
    use, message = MISSING[name]
    with pytest.raises(AttributeError, match=message):
        use()


def test_other_missing_names_raise_the_usual_error() -> None:
    for owner in (ag, nn):
        assert not hasattr(owner, "no_such_thing")
        assert not hasattr(owner, "__no_such_thing__")
    with pytest.raises(AttributeError, match=r"has no attribute 'no_such_thing'$"):
        _ = ag.no_such_thing


def test_a_tensor_has_no_getattr() -> None:
    """It would slow every access to an attribute: CPython specializes only classes without it."""
    assert not hasattr(Tensor, "__getattr__")


def test_what_the_errors_recommend_exists() -> None:
    import re

    from autograd_mini.tools.missing_names import INSTEAD

    for text in INSTEAD.values():
        for owner, name in re.findall(r"\b(ag|nn|x)\.(\w+)", text):
            assert hasattr({"ag": ag, "nn": nn, "x": T}[owner], name), text


def test_the_function_tensor_makes_a_tensor() -> None:
    x = ag.tensor([1, 2], dtype=np.float64, requires_grad=True)
    assert (x.tolist(), x.dtype, x.requires_grad) == ([1.0, 2.0], np.float64, True)
