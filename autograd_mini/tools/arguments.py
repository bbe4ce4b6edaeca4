"""Checks of arguments at the public border. Each error names the function, the argument, its value and what is expected."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from ..dtypes import FLOATS, default_dtype, supported


def one_int(name: str, argument: str, value: Any, least: int | None = None) -> int:
    """Returns an argument as an int. Raises TypeError for anything else, such as 1.0, and ValueError if it is below `least`."""
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name}: {argument} must be an int, got {value!r}") from None
    if abs(number) >> 63:
        raise ValueError(f"{name}: {argument} must be an int of at most 64 bits, got {value!r}")
    if least is not None and number < least:
        raise ValueError(f"{name}: {argument} must be at least {least}, got {value!r}")
    return number


def flag(name: str, argument: str, value: Any) -> bool:
    """Returns an argument as a bool. Raises TypeError for anything but a bool, 0 and 1: "no" would count as true."""
    if isinstance(value, bool | np.bool_) or (isinstance(value, int | np.integer) and value in (0, 1)):
        return bool(value)
    raise TypeError(f"{name}: {argument} must be True or False, got {value!r}")


def flags(name: str, **values: Any) -> None:
    """Raises TypeError unless each argument is a bool; see `flag`."""
    for argument, value in values.items():
        flag(name, argument, value)


def check_backward_options(create_graph: Any, free: Any, retain_graph: Any, observe: Any) -> None:
    """Raises TypeError unless the options of `backward` are bools, and `observe` is None or a function."""
    flags("backward", create_graph=create_graph, free=free, retain_graph=retain_graph is not None and retain_graph)
    if observe is not None and not callable(observe):
        raise TypeError(f"backward: observe must be a function, got {observe!r}")


def one_of(name: str, argument: str, value: Any, choices: tuple[str, ...]) -> str:
    """Returns an argument that is one of a few strings. Raises ValueError for anything else."""
    if isinstance(value, str) and value in choices:
        return value
    listed = ", ".join(map(repr, choices))
    raise ValueError(f"{name}: {argument} must be {'one of ' * (len(choices) > 1)}{listed}, got {value!r}")


def text(name: str, argument: str, value: Any) -> str:
    """Returns an argument that is a string. Raises TypeError for anything else."""
    if isinstance(value, str):
        return value
    raise TypeError(f"{name}: {argument} must be a string, got {value!r}")


def float_dtype(name: str, dtype: Any) -> np.dtype[Any]:
    """Returns an argument as a floating dtype, by default the default dtype. Raises TypeError for anything else."""
    found = default_dtype() if dtype is None else supported(dtype)
    if found not in FLOATS:
        raise TypeError(f"{name}: expected float16, float32 or float64, got {found}")
    return found
