"""Functions that make a primitive, its public function and its entry in NumPy's protocols from one row of a table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np

from ..apply import KERNEL_ERRORS, apply, as_float, as_floats, as_operands, explain_error, record
from ..primitive import Primitive
from ..state import active_modes, start_operation
from ..tensor import _EMPTY, Tensor, TensorLike, as_tensor

Unary: TypeAlias = Callable[[TensorLike], Tensor]
Binary: TypeAlias = Callable[[TensorLike, TensorLike], Tensor]
F = TypeVar("F", bound=Callable[..., Any])

numpy_functions: Final[dict[Callable[..., Any], Callable[..., Any]]] = {}
"""NumPy's function -> ours, for `__array_ufunc__` and `__array_function__`."""


def implements(*functions: Callable[..., Any]) -> Callable[[F], F]:
    """Registers the decorated function as the one that runs when NumPy's `functions` are called with a Tensor."""

    def register(ours: F) -> F:
        numpy_functions.update(dict.fromkeys(functions, ours))
        return ours

    return register


def numpys_keywords(ours: Callable[..., Any], positional: tuple[Any, ...], numpy: dict[str, Any], **given: Any) -> Any:
    """Calls a function of ours with keywords that only NumPy's function has, such as `dtype`, `initial` and `where`.

    Parameters
    ----------
    ours : the function
    positional : its arguments by position
    numpy : the keywords that it does not have
    **given : its own keywords
    """
    from ..tools.numpy_protocol import with_numpys_keywords

    return with_numpys_keywords(ours, positional, numpy, given)


def _add_docstring(
    function: Any, primitive: Primitive, numpy: Callable[..., Any] | None, text: str, operands: str, example: Sequence[Any]
) -> Any:
    """Gives `function` its name and a docstring from the record, and registers it for the kernel if that is a ufunc."""
    name = primitive.name
    function.__name__ = function.__qualname__ = name
    function.primitive = primitive
    function.__module__ = sys._getframe(2).f_globals["__name__"]  # the file that has the row
    text, _, remark = text.partition("; ")
    remark = remark and f" {remark[0].upper()}{remark[1:]}."
    dtypes = "; floats keep their dtype" if primitive.derivative else ""
    one = len(primitive.derivative) == 1
    slopes = "; ".join(d if one else f"{d} with respect to {x}" for x, d in zip(operands, primitive.derivative, strict=False))
    kink = f" At kinks: {primitive.kink}." if primitive.kink else ""
    value = f"ag.{name}({', '.join(map(repr, example[:-1]))}).item()"
    value = f"round({value}, 4)" if isinstance(example[-1], float) else value
    function.__doc__ = (
        f"{text}: {primitive.formula}, elementwise with broadcasting{dtypes}.{remark}\n\n"
        f"{f'Local derivative: {slopes}.{kink}' if slopes else 'No gradient.'}\n\n"
        f">>> import autograd_mini as ag\n>>> {value}\n{example[-1]!r}\n"
    )
    for numpy_function in (numpy, primitive.kernel):
        if isinstance(numpy_function, np.ufunc):
            numpy_functions[numpy_function] = function
    return function


def unary(
    kernel: Callable[..., Any],
    *,
    formula: str,
    derivative: str,
    text: str,
    example: Sequence[Any],
    vjp: Callable[..., Any] | None = None,
    name: str = "",
    integers: bool = False,
    numpy: Callable[..., Any] | None = None,
    **fields: Any,
) -> Unary:
    """One row for a function of one operand.

    Parameters
    ----------
    kernel
        Its name is the primitive's, unless `name` gives another.
    formula, derivative, **fields
        Fields of the record, as in `Primitive`.
    text, example
        A short description and (x, value at x), for the docstring.
    vjp
        The gradient rule; without one the function is piecewise constant.
    integers
        Integers stay integers; by default they become floats.
    numpy
        Another NumPy function that this one implements.
    """
    primitive = Primitive(
        name or _name(kernel), kernel, (vjp,) if vjp else (), formula=formula, derivative=(derivative,), elementwise=True,
        constant=vjp is None, fast_arity=1 if vjp else 0, **fields,
    )  # fmt: skip

    def function(x: TensorLike) -> Tensor:
        if not isinstance(x, Tensor) or not x._requires_grad:
            x = as_tensor(x) if integers else as_float(x)
        if active_modes:
            start_operation()
        try:
            data = kernel(x._data)
        except KERNEL_ERRORS as error:
            raise explain_error(primitive, (x,), _EMPTY, error) from None
        return record(primitive, (x,), _EMPTY, data)

    return _add_docstring(function, primitive, numpy, text, "x", example)


def binary(
    kernel: Callable[..., Any],
    *,
    formula: str,
    derivative: tuple[str, str],
    text: str,
    example: Sequence[Any],
    vjp: tuple[Callable[..., Any], Callable[..., Any]] | None = None,
    name: str = "",
    float_only: bool = False,
    numpy: Callable[..., Any] | None = None,
    **fields: Any,
) -> Binary:
    """One row for a function of two operands, as in `unary`; with `float_only` integers become floats."""
    primitive = Primitive(
        name or _name(kernel), kernel, vjp or (), formula=formula, derivative=derivative, elementwise=True,
        constant=vjp is None, explain=explain_broadcast, fast_arity=2 if vjp else 0, **fields,
    )  # fmt: skip

    function = two_operands(primitive, kernel, float_only)
    return _add_docstring(function, primitive, numpy, text, "ab", example)


def two_operands(primitive: Primitive, kernel: Callable[..., Any], float_only: bool = False) -> Binary:
    """Returns the function of a primitive with two operands: what `apply` does, without its generality.

    Its attribute `operator` is the same function as an operator: it returns NotImplemented for a second operand of a foreign
    type, so that Python asks that operand's own method.
    """

    def define(operator: bool) -> Binary:
        def function(a: TensorLike, b: TensorLike) -> Tensor:
            try:
                x, y = a._data, b._data  # type: ignore[union-attr]
                ready = a._seq and b._seq and x.dtype is y.dtype  # type: ignore[union-attr]
            except AttributeError:  # not tensors yet
                if operator and is_foreign(b):
                    return NotImplemented
                ready = False
            if not ready or (float_only and x.dtype.kind != "f"):
                a, b = as_floats(a, b) if float_only else as_operands(a, b)
                x, y = a._data, b._data
            if active_modes:
                start_operation()
            try:
                data = kernel(x, y)
            except KERNEL_ERRORS as error:
                raise explain_error(primitive, (a, b), _EMPTY, error) from None  # type: ignore[arg-type]
            return record(primitive, (a, b), _EMPTY, data)  # type: ignore[arg-type]

        return function

    function = define(operator=False)
    function.operator = define(operator=True)  # type: ignore[attr-defined]
    return function


_OPERANDS: Final = (Tensor, np.ndarray, np.generic, int, float, list, tuple)


def is_foreign(value: object) -> bool:
    """Whether an operator should leave `value` to its own methods: it is not a number, a sequence or an array."""
    if isinstance(value, _OPERANDS):
        return isinstance(value, np.matrix)  # its * and ** are those of matrices
    kind = type(value)
    return not hasattr(kind, "__array__") or getattr(kind, "__array_ufunc__", False) is None


def predicate(
    kernel: np.ufunc,
    *,
    formula: str,
    text: str,
    example: Sequence[Any],
    arity: int = 2,
    promote: Callable[..., tuple[Tensor, ...]] = as_operands,
    scalar: str = "",
) -> Callable[..., Tensor]:
    """One row for a function without a gradient, as in `unary`; `promote` converts its `arity` operands to tensors."""
    name = _name(kernel)
    primitive = Primitive(
        name, kernel, formula=formula, elementwise=True, constant=True, explain=explain_broadcast, scalar=scalar
    )

    def function(*operands: TensorLike) -> Tensor:
        if len(operands) != arity:
            raise TypeError(f"{name}: expected {arity} operands, got {len(operands)}")
        return apply(primitive, promote(*operands))

    return _add_docstring(function, primitive, None, text, "ab", example)


def _name(kernel: Callable[..., Any]) -> str:
    """Returns the name of a ufunc, or of a kernel of this package without its underscore."""
    return kernel.__name__.lstrip("_")


def explain_broadcast(*operands: Any, **_: Any) -> str:
    """Explains why an elementwise kernel failed, if the shapes are the reason."""
    shapes = [np.shape(x) for x in operands]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return f"shapes do not broadcast together: {' and '.join(map(str, shapes))}"
    return ""
