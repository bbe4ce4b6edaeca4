"""How a step calls its kernel: with all that stays the same from replay to replay looked up once.

On small arrays finding out what to do takes longer than doing it, and a replay knows the answers beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np

from ..tensor import Array
from .trace import Call

Bound: TypeAlias = "tuple[Callable[..., Any], list[Any]]"

_BY_NAME: Final = (np.maximum, np.minimum)  # NumPy means to let these take many operands one day


def bound(call: Call, arrays: Sequence[Array | None], places: Sequence[Array]) -> Bound:
    """A function and its arguments, of which what flows in later is None; it writes its results into `places` if there are any.

    Operands come first, in their order, unless all of them are known.
    """
    kernel = call.primitive.kernel
    if call.primitive.elementwise and len(places) == 1:
        arrays = _alike(arrays, places[0])
    if places and isinstance(kernel, np.ufunc) and kernel not in _BY_NAME:  # by position it is faster than by name
        return kernel, [*arrays, *places]
    if not places:
        return partial(kernel, **call.params) if call.params else kernel, list(arrays)
    specialize = call.primitive.specialize
    if specialize and (faster := specialize(*[value.array for value in call.inputs])):
        first, *others = arrays
        if any(a is None for a in arrays):
            return faster, [first, *others, *places]
        return partial(faster, first) if not hasattr(faster, "__get__") else faster.__get__(first), [*others, *places]
    return partial(kernel, **call.params, out=places[0] if len(places) == 1 else tuple(places)), list(arrays)


def _alike(arrays: Sequence[Array | None], out: Array) -> list[Array | None]:
    """Operands of as many elements in the shape of the result: (n,) beside (1, n) takes NumPy twice as long as (1, n).

    What has it already stays the same object, by which NumPy knows at once that it writes in place.
    """
    return [a if a is None or a.size != out.size or a.shape in (out.shape, ()) else a.reshape(out.shape) for a in arrays]
