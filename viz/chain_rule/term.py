"""A formula as a tree of terms: built from records and names, evaluated with NumPy, and written by `markup.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from autograd_mini.backward import unbroadcast
from autograd_mini.primitive import arrays
from autograd_mini.tensor import Array, Shape, leaf

Kind: TypeAlias = Literal[
    "number", "symbol", "matrix", "words", "sum", "negative", "product", "quotient", "power", "transpose", "call", "root",
    "relation", "absolute", "floor", "total", "spread",
]  # fmt: skip


class NotEvaluable(ValueError):
    """The term contains words, or a symbol without a value."""


@dataclass(frozen=True)
class Term:
    """A formula: its kind, its parts, and its text: a number, a name, a function, or the sign of a product.

    value       the numbers of a symbol or matrix
    shape       the shape to which a total (Σ) adds
    axis        the axes that a reduction removed and a spread gives back
    """

    kind: Kind
    parts: tuple[Term, ...] = ()
    text: str = ""
    value: Array | None = field(default=None, compare=False)
    shape: Shape | None = None
    axis: tuple[int, ...] = ()


def number(value: float | str) -> Term:
    return Term("number", text=value if isinstance(value, str) else np.format_float_positional(value, trim="-"))


def symbol(name: str, value: Array | None = None) -> Term:
    return Term("symbol", text=name, value=value)


ONE: Final = number("1")


def is_one(term: Term) -> bool:
    return term == ONE


def multiply(parts: Iterable[Term], sign: str = "") -> Term:
    """Returns the product without factors of 1; products with the same sign are one product.

    >>> from autograd_mini.viz.chain_rule.term import multiply, number, symbol
    >>> multiply([number("1"), symbol("w")]).text
    'w'
    """
    factors: list[Term] = []
    for part in parts:
        inner = part.parts if part.kind == "product" and part.text == sign else (part,)
        factors += [factor for factor in inner if not is_one(factor)]
    return Term("product", tuple(factors), sign) if len(factors) > 1 else factors[0] if factors else ONE


def add(parts: Iterable[Term]) -> Term:
    terms = tuple(part for term in parts for part in (term.parts if term.kind == "sum" else (term,)))
    return Term("sum", terms) if len(terms) > 1 else terms[0]


def negate(term: Term) -> Term:
    return term.parts[0] if term.kind == "negative" else Term("negative", (term,))


def symbols(term: Term) -> list[Term]:
    """Returns the symbols of a term from left to right."""
    return [term] if term.kind == "symbol" else [s for part in term.parts for s in symbols(part)]


def substitute(term: Term, change: Callable[[Term], Term | None]) -> Term:
    """Returns the term with each part replaced for which `change` returns another term."""
    changed = change(term)
    if changed is not None:
        return changed
    return replace(term, parts=tuple(substitute(part, change) for part in term.parts)) if term.parts else term


def evaluate(term: Term) -> Array:
    """Returns the value of a term in float64. Raises NotEvaluable if it contains words or a symbol without a value.

    >>> import numpy as np
    >>> from autograd_mini.viz.chain_rule.term import evaluate, multiply, number, symbol
    >>> float(evaluate(multiply([number("2"), symbol("w", np.array(3.0))])))
    6.0
    """
    if term.value is not None:
        return np.asarray(term.value, np.float64)
    if term.kind not in _EVALUATE:
        raise NotEvaluable(f"{term.kind} {term.text!r} has no value")
    values = [evaluate(part) for part in term.parts]
    try:
        with np.errstate(all="ignore"):
            return np.asarray(_EVALUATE[term.kind](term, values))
    except ValueError as error:  # shapes that fit only in the sense of linear algebra, such as A⁻¹ B
        raise NotEvaluable(str(error)) from None


def _product(term: Term, values: list[Array]) -> Array:
    if term.text not in PRODUCTS:
        raise NotEvaluable(f"the product {term.text!r} is not evaluated")
    if term.text == "@" and any(value.ndim != 2 for value in values):
        raise NotEvaluable("products of vectors and of stacks of matrices are not evaluated")
    return reduce(PRODUCTS[term.text], values)


def _call(term: Term, values: list[Array]) -> Array:
    if term.text not in FUNCTIONS or FUNCTIONS[term.text] is None:
        raise NotEvaluable(f"the function {term.text!r} is not evaluated")
    return FUNCTIONS[term.text](values[0])  # type: ignore[misc]


def _relation(term: Term, values: list[Array]) -> Array:
    holds = [RELATIONS[sign](a, b) for sign, a, b in zip(term.text, values[:-1], values[1:], strict=True)]
    return np.asarray(reduce(np.logical_and, holds), np.float64)


def _total(term: Term, values: list[Array]) -> Array:
    try:
        return np.asarray(unbroadcast(arrays, values[0], leaf(np.zeros(term.shape or ()))))
    except RuntimeError as error:
        raise NotEvaluable(str(error)) from None


PRODUCTS: Final[Mapping[str, Callable[[Array, Array], Array]]] = {
    "": np.multiply, "·": np.multiply, "⊙": np.multiply, "@": np.matmul,
}  # fmt: skip
RELATIONS: Final[Mapping[str, Callable[[Array, Array], Array]]] = {"<": np.less, ">": np.greater, "=": np.equal}


def _kernel(name: str) -> Callable[[Array], Array]:
    return lambda x: np.asarray(getattr(arrays, name)(x))


FUNCTIONS: Final[Mapping[str, Callable[[Array], Array] | None]] = {
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "arsinh": np.arcsinh, "arcosh": np.arccosh, "artanh": np.arctanh,
    "exp": np.exp, "ln": np.log, "log₂": np.log2, "log₁₀": np.log10, "sgn": np.sign, "trunc": np.trunc,
    "σ": _kernel("sigmoid"), "Φ": _kernel("normal_cdf"), "φ": lambda x: np.exp(-x * x / 2) / np.sqrt(2 * np.pi),
    "softplus": _kernel("softplus"), "softmax": None, "f′": None, "Π": None,
}  # fmt: skip
"""Functions by the name that records use; None if the name alone does not say how to compute it."""

CONSTANTS: Final = {"π": np.pi, "e": np.e}

_EVALUATE: Final[Mapping[str, Callable[[Term, list[Array]], Any]]] = {
    "number": lambda t, v: np.float64(t.text.replace("−", "-")),
    "symbol": lambda t, v: _constant(t),
    "sum": lambda t, v: reduce(np.add, v),
    "negative": lambda t, v: -v[0],
    "product": _product,
    "quotient": lambda t, v: v[0] / v[1],
    "power": lambda t, v: np.power(v[0], v[1]),
    "transpose": lambda t, v: v[0].T,
    "call": _call,
    "root": lambda t, v: np.sqrt(v[0]) if t.text == "√" else np.cbrt(v[0]),
    "relation": _relation,
    "absolute": lambda t, v: np.abs(v[0]),
    "floor": lambda t, v: np.floor(v[0]),
    "total": _total,
    "spread": lambda t, v: np.expand_dims(v[0], t.axis) if v[0].ndim else v[0],
}


def _constant(term: Term) -> float:
    if term.text not in CONSTANTS:
        raise NotEvaluable(f"{term.text!r} has no value")
    return CONSTANTS[term.text]


def insert_numbers(term: Term) -> Term:
    """Returns the term with numbers instead of names: scalars in their places, arrays as matrices, one for each factor.

    Raises NotEvaluable if a name has no value.
    """
    if all(s.value is None or s.value.size == 1 for s in symbols(term)):
        return substitute(term, _number_of)
    return _insert_matrices(term)


def _number_of(term: Term) -> Term | None:
    """Returns the number of a symbol; π and e keep their names."""
    if term.kind != "symbol" or term.text in CONSTANTS:
        return None
    return _as_number(evaluate(term))


def _insert_matrices(term: Term, inside: bool = False) -> Term:
    """Keeps the products of matrices and the sum around them; what is computed element by element becomes one matrix."""
    kept = {"product", "transpose", "total", "spread", "negative"} | (set() if inside else {"sum"})
    if term.kind in kept and not (term.kind == "product" and term.text == ""):
        return replace(term, parts=tuple(_insert_matrices(part, term.kind != "sum") for part in term.parts))
    return as_value(evaluate(term))


def is_scalar(term: Term) -> bool:
    """Whether no symbol of the term is an array of several elements."""
    return all(s.value is None or s.value.size == 1 for s in symbols(term)) and (term.value is None or term.value.size == 1)


def as_value(value: Array) -> Term:
    """Returns a number for an array with one element, else a matrix."""
    return _as_number(value) if value.size == 1 else Term("matrix", value=value)


def _as_number(value: Array) -> Term:
    from ..graph.summary import format_number

    scalar = float(value.reshape(-1)[0])
    return Term("number", text=format_number(scalar, 5).replace("-", "−"), value=np.array(scalar))
