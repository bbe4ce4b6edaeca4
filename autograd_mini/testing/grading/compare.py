"""The comparison of a student's array with the expected one, and what the difference looks like."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from ...tensor import Array, Tensor

MOST_NUMBERS: Final = 24  # of an array in a message


@dataclass(frozen=True)
class Failure:
    """Why a case failed: a sentence, the entry with both numbers, a hint, and the input as text by name."""

    message: str
    entry: str = ""
    expected: float | None = None
    found: float | None = None
    hint: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [self.message + (f" ({self.hint})" if self.hint else "")]
        if self.inputs:
            lines.append("smallest failing input: " + ", ".join(f"{name} = {text}" for name, text in self.inputs.items()))
        return "\n".join(lines)


@dataclass(frozen=True)
class Closeness:
    """How far a student's numbers may be from the expected ones."""

    rtol: float
    atol: float

    def __call__(self, found: Array, expected: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.isclose(found, expected, rtol=self.rtol, atol=self.atol, equal_nan=True)


def as_numbers(value: Any, what: str) -> Array | Failure:
    """Returns what a student's function returned as an array of floats."""
    if value is None:
        return Failure(f"{what} is None; does your function lack a `return`?")
    try:
        array = np.asarray(value._data if isinstance(value, Tensor) else value)
        if array.dtype.kind == "c":
            return Failure(f"{what} must be real, got complex numbers, {array!r:.60}")
        return array.astype(np.float64)
    except (TypeError, ValueError):
        return Failure(f"{what} must be an array of numbers, got {type(value).__name__} {value!r:.60}")


def explain(name: str, found: Array, expected: Array, close: Closeness, inputs: Mapping[str, Array]) -> Failure | None:
    """Compares two arrays; returns the entry that differs most, and a hint if the difference has a simple form.

    >>> import numpy as np
    >>> from autograd_mini.testing.grading.compare import Closeness, explain
    >>> print(explain("∂L/∂w", np.array([-1.0, -2.0]), np.array([1.0, 2.0]), Closeness(1e-4, 1e-6), {}))
    ∂L/∂w[1] must be 2, yours is -2 (your sign is wrong everywhere)
    """
    texts = {key: to_text(value) for key, value in inputs.items()}
    if found.shape != expected.shape:
        hint = _shape_hint(found, expected, close)
        return Failure(f"{name} must have shape {expected.shape}, yours has {found.shape}", name, hint=hint, inputs=texts)
    wrong = ~close(found, expected) & ~np.isnan(expected)
    if not wrong.any():
        return None
    with np.errstate(all="ignore"):
        distance = np.where(wrong, np.nan_to_num(np.abs(found - expected), nan=np.inf), -1)
    index = tuple(int(i) for i in np.unravel_index(int(distance.argmax()), distance.shape))
    entry = f"{name}{list(index) if index else ''}"
    right, yours = float(expected[index]), float(found[index])
    hint = _hint(found, expected, close, inputs)
    return Failure(f"{entry} must be {right:.6g}, yours is {yours:.6g}", entry, right, yours, hint, texts)


def to_text(value: Any) -> str:
    """Returns an array as a student would type it; of a long one, its shape and first numbers."""
    array = np.asarray(value)
    if array.size <= MOST_NUMBERS:
        return repr(array.tolist())
    first = ", ".join(f"{v:g}" for v in array.ravel()[:6].tolist())
    return f"an array of shape {array.shape}: {first}, …"


def _shape_hint(found: Array, expected: Array, close: Closeness) -> str:
    if found.T.shape == expected.shape and close(found.T, expected).all():
        return "yours is the transpose"
    for axis in range(found.ndim):
        total = found.sum(axis=axis)
        if total.shape == expected.shape and close(total, expected).all():
            return f"sum yours over axis {axis}"
        kept = found.sum(axis=axis, keepdims=True)
        if kept.shape == expected.shape and close(kept, expected).all():
            return f"sum yours over axis {axis}, with keepdims=True"
    if found.size == expected.size and close(found.reshape(expected.shape), expected).all():
        return "the numbers are right"
    if expected.size and not found.ndim and close(np.broadcast_to(found, expected.shape), expected.sum()).all():
        return "yours is the sum of the right one"
    return ""


def _hint(found: Array, expected: Array, close: Closeness, inputs: Mapping[str, Array]) -> str:
    """Describes a wrong array of the right shape, if it is simply related to the right one."""
    if not np.isfinite(found).all():
        return "yours is not finite" if np.isfinite(expected).all() else ""
    if not found.any():
        return "yours is 0 everywhere"
    if expected.ndim == 2 and expected.shape[0] == expected.shape[1] > 1 and close(found.T, expected).all():
        return "yours is the transpose"
    if close(found, -expected).all():
        return "your sign is wrong everywhere" if expected.size > 1 else "your sign is wrong"
    g = np.asarray(inputs.get("g", 1.0))
    if np.ndim(g) <= found.ndim and g.shape == found.shape and close(found * g, expected).all():
        return "multiply yours by the upstream gradient g"
    used = np.abs(expected) > close.atol
    if used.any() and close(found[~used], expected[~used]).all():
        ratio = float((found[used] / expected[used]).ravel()[0])
        if close(found, ratio * expected).all():
            return _ratio_hint(ratio, inputs, used.sum())
    return ""


def _ratio_hint(ratio: float, inputs: Mapping[str, Array], entries: int) -> str:
    rows = {np.shape(x)[0] for x in inputs.values() if np.ndim(x) > 1 and np.shape(x)[0] > 1}
    for n in sorted(rows):
        if np.isclose(ratio, n):
            return f"yours is {n} times too large: is a mean over the {n} rows missing?"
        if np.isclose(ratio, 1 / n):
            return f"yours is {n} times too small: is there a mean over the {n} rows where a sum belongs?"
    simple = np.isclose(ratio, round(ratio)) or np.isclose(1 / ratio, round(1 / ratio))
    return f"yours is {ratio:.4g} times the right value" if entries > 1 or simple else ""


def call(function: Callable[..., Any], arguments: Sequence[Any], name: str = "your function") -> Any | Failure:
    """Calls a student's function; an error, or `exit()`, becomes a Failure that names the line."""
    try:
        with np.errstate(all="ignore"):
            return function(*arguments)
    except (Exception, SystemExit) as error:
        return Failure(f"{name} raised {describe_error(error)}")


def describe_error(error: BaseException) -> str:
    """Returns an error with the last line of the traceback that belongs to the student, and not to this library or NumPy."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not any(part in f.filename.replace("\\", "/") for part in ("/autograd_mini/", "site-packages"))]
    own = [f for f in own if f.line and "/testing/grading/" not in f.filename.replace("\\", "/")]
    where = f", at line {own[-1].lineno}: `{own[-1].line}`" if own else ""
    return f"{type(error).__name__}: {error}{where}"
