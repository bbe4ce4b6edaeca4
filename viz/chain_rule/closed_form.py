"""Expands the derivative of a scalar program: 8 w₃⁴ w₂⁷ x¹⁶. A polynomial maps monomials in named values to coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import reduce
from typing import Final, TypeAlias

from .markup import to_text
from .term import ONE, Term, add, multiply, number

MAX_TERMS: Final = 12
MAX_POWER: Final = 64

Monomial: TypeAlias = tuple[tuple[Term, int], ...]  # factors with their exponents, in the order of their first use
Polynomial: TypeAlias = dict[Monomial, Fraction]


class TooLong(ValueError):
    """The expanded form has too many terms to be read, or no expanded form exists."""


def constant(value: float) -> Polynomial:
    if not abs(value) < 1e12:
        raise TooLong(f"the number {value} is too large")
    return {(): Fraction(value).limit_denominator(10**6)} if value else {}


def variable(term: Term) -> Polynomial:
    return {((term, 1),): Fraction(1)}


def plus(a: Polynomial, b: Polynomial) -> Polynomial:
    total = dict(a)
    for monomial, factor in b.items():
        total[monomial] = total.get(monomial, Fraction(0)) + factor
    return _bounded({monomial: factor for monomial, factor in total.items() if factor})


def times(a: Polynomial, b: Polynomial) -> Polynomial:
    """Returns the product of two polynomials.

    >>> from autograd_mini.viz.chain_rule.closed_form import constant, times
    >>> times(constant(2.0), constant(0.5))
    {(): Fraction(1, 1)}
    """
    product: Polynomial = {}
    for left, x in a.items():
        for right, y in b.items():
            exponents = dict(left)
            for term, n in right:
                exponents[term] = exponents.get(term, 0) + n
            key = tuple(sorted(((t, n) for t, n in exponents.items() if n), key=lambda pair: to_text(pair[0])))
            product[key] = product.get(key, Fraction(0)) + x * y
    return _bounded({monomial: factor for monomial, factor in product.items() if factor})


def _bounded(polynomial: Polynomial) -> Polynomial:
    if len(polynomial) > MAX_TERMS:
        raise TooLong(f"more than {MAX_TERMS} terms")
    return polynomial


def power(base: Polynomial, exponent: int) -> Polynomial:
    if exponent < 0:
        if len(base) != 1:
            raise TooLong("a quotient by a sum")
        ((monomial, factor),) = base.items()
        base, exponent = {tuple((term, -n) for term, n in monomial): 1 / factor}, -exponent
    if exponent > MAX_POWER:
        raise TooLong(f"a power above {MAX_POWER}")
    result = constant(1)
    for _ in range(exponent):
        result = times(result, base)
    return result


def expand(term: Term, known: Mapping[str, Polynomial]) -> Polynomial:
    """Returns the polynomial of a term, in which symbols stand for known polynomials. Raises TooLong.

    A function of a polynomial, such as cos(x²), is a factor like a name.
    """
    if term.kind == "symbol" and term.text in known:
        return known[term.text]
    if term.kind == "number":
        return constant(float(term.text.replace("−", "-")))
    if term.kind == "power":
        base, exponent = (expand(part, known) for part in term.parts)
        if set(exponent) <= {()} and (n := exponent.get((), Fraction(0))).denominator == 1:
            return power(base, int(n))
        return variable(Term("power", (to_term(base), to_term(exponent))))
    parts = [expand(part, known) for part in term.parts]
    if term.kind == "sum":
        return reduce(plus, parts)
    if term.kind == "product" and term.text != "@":
        return reduce(times, parts)
    if term.kind == "negative":
        return times(constant(-1), parts[0])
    if term.kind == "quotient":
        return times(parts[0], power(parts[1], -1)) if len(parts[1]) == 1 else variable(_rebuild(term, parts))
    if term.kind in ("call", "root", "absolute", "floor", "relation"):
        return variable(_rebuild(term, parts))
    raise TooLong(f"{term.kind} {term.text!r} has no expanded form")


def _rebuild(term: Term, parts: list[Polynomial]) -> Term:
    return Term(term.kind, tuple(map(to_term, parts)), term.text)


def to_term(polynomial: Polynomial, order: Mapping[str, int] | None = None) -> Term:
    """Returns a polynomial as a term; factors are sorted by `order`, then by name."""
    return add([_monomial(factors, c, order or {}) for factors, c in polynomial.items()]) if polynomial else number("0")


def _monomial(factors: Monomial, coefficient: Fraction, order: Mapping[str, int]) -> Term:
    ranked = sorted(factors, key=lambda pair: (order.get(pair[0].text, len(order)), to_text(pair[0])))
    above = [_raise(term, n) for term, n in ranked if n > 0]
    below = [_raise(term, -n) for term, n in ranked if n < 0]
    size = abs(coefficient)
    top, bottom = _ratio(size)
    term = multiply([top, *above])
    if below or bottom != ONE:
        term = Term("quotient", (term, multiply([bottom, *below])))
    return Term("negative", (term,)) if coefficient < 0 else term


def _ratio(value: Fraction) -> tuple[Term, Term]:
    """Returns numerator and denominator: decimals stay decimals, other ratios are fractions."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest == 1:
        return number(f"{float(value):.12g}"), ONE
    return number(str(value.numerator)), number(str(value.denominator))


def _raise(term: Term, exponent: int) -> Term:
    return term if exponent == 1 else Term("power", (term, number(str(exponent))))
