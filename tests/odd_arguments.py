"""Odd values in the place of each argument of a function, and what is wrong with the errors that they cause."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import autograd_mini as ag
from autograd_mini import nn


class Odd:
    """Nothing that a function expects."""

    def __repr__(self) -> str:
        return "<odd>"


ODD = (None, "a", Odd(), float("nan"), 1.5, -7, 10**25, (), (1, 2, 3, 4, 5), ["a"], np.ones(2), {}, int)


def odd_calls(
    function: Callable[..., Any], args: tuple[Any, ...]
) -> Iterator[tuple[str, Any, tuple[Any, ...], dict[str, Any]]]:
    """Yields the valid call with one argument replaced, or one more argument given."""
    for i, parameter in enumerate(inspect.signature(function).parameters.values()):
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        for odd in ODD:
            value = odd.copy() if isinstance(odd, np.ndarray) else odd  # the function may write into it
            if parameter.kind is parameter.VAR_POSITIONAL:
                yield parameter.name, value, (*args[:i], value), {}
            elif parameter.kind is parameter.KEYWORD_ONLY or i >= len(args):
                yield parameter.name, value, args, {parameter.name: value}
            else:
                yield parameter.name, value, (*args[:i], value, *args[i + 1 :]), {}


OURS = tuple(str(Path(package.__file__ or "").parent) for package in (ag, nn))
ALLOWED = (TypeError, ValueError, IndexError, OverflowError, np.linalg.LinAlgError)


def complaint(error: Exception) -> str:
    """What is wrong with an error; "" for one of an allowed type that a `raise` of this library raised, with a message."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    ours = frame.filename.startswith(OURS) and (frame.line or "").startswith("raise ")
    device = isinstance(error, RuntimeError) and "device must be" in str(error)
    if (type(error) in ALLOWED or device) and ours and len(str(error)) > 15:
        return ""
    return f"{type(error).__name__}: {str(error)[:80]} at {frame.filename.rpartition('/')[2]}:{frame.lineno}"


ANY_FUNCTION = (  # what all functions say about an argument of a common kind
    "Tensor: ", "expected a dtype", "tensors support", "requires_grad: ", "an index must be", "expected reduction", "int64 cannot represent",
    "device must be",
)  # fmt: skip


def complaints(name: str, function: Callable[..., Any], args: tuple[Any, ...], speakers: tuple[str, ...] = ()) -> list[str]:
    """Calls a function with each odd argument in turn, and returns what is wrong with the errors.

    An error names the function that was called, or one of the `speakers`: the functions that it consists of.
    """
    bad = []
    names = (name, getattr(function, "__name__", name), *speakers, *ANY_FUNCTION)
    with np.errstate(all="ignore"):
        function(*args)
        for parameter, value, changed, options in odd_calls(function, args):
            try:
                function(*changed, **options)
            except Exception as error:
                found = complaint(error) or ("" if str(error).startswith(names) else f"names another function: {error}")
                if found:
                    bad.append(f"{name}({parameter}={value!r}): {found}")
    return bad
