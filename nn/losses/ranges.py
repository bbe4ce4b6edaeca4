"""Ranges of values that a loss or a model needs, checked once for each call of `Trainer.fit`: in its first epoch.

A loss says what it needs by `require_range`. Outside of such an epoch this costs one look-up. Where the values are an input of
the batch itself, that input is checked in each further batch too, also if the step is compiled and no loss is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

import numpy as np

from autograd_mini.state import modes
from autograd_mini.tensor import Array, Tensor
from autograd_mini.trees import leaves

TOLERANCE: Final = 1e-4  # interpolation and mixing of images in [0, 1] may exceed the range by rounding


class Range(NamedTuple):
    """What needs values in [low, high], and what to do about others."""

    low: float
    high: float
    needs: str
    advice: str

    def check(self, values: Array, place: str) -> None:
        """Raises ValueError unless all values are in the range; nan is left to the check of the loss."""
        if values.size and values.dtype.kind in "iuf":
            low, high = values.min(), values.max()
            if low < self.low - TOLERANCE or high > self.high + TOLERANCE:
                raise ValueError(
                    f"{place} has values in [{low:.6g}, {high:.6g}], but {self.needs} in [{self.low:g}, {self.high:g}]; "
                    f"{self.advice}"
                )


class RangeCheck:
    """The ranges that losses have asked for in one call of `fit`.

    >>> import numpy as np
    >>> import autograd_mini as ag
    >>> from autograd_mini.nn.losses.ranges import RangeCheck, require_range
    >>> check, images = RangeCheck(), ag.Tensor(np.array([0.0, 1.0]))
    >>> with check.batch([images], "batch 1"):
    ...     require_range(images, 0, 1, "pixels must lie", "divide by 255")
    >>> with check.batch([images * 255], "batch 2"):
    ...     pass
    Traceback (most recent call last):
    ValueError: batch 2, input 0, has values in [0, 255], but pixels must lie in [0, 1]; divide by 255
    """

    def __init__(self) -> None:
        self._rules: dict[int, Range] = {}  # by the number of an input of the batch
        self._inputs: list[Array] = []
        self._place = ""

    @contextmanager
    def batch(self, batch: Any, place: str) -> Iterator[None]:
        """Checks the inputs of a batch for which a range is known, and inside the block what losses ask for."""
        self._inputs = [leaf._data for leaf in leaves(batch) if isinstance(leaf, Tensor)]
        self._place = place
        for number, rule in self._rules.items():
            if number < len(self._inputs):
                rule.check(self._inputs[number], f"{place}, input {number},")
        token = _ACTIVE.set(self)
        try:
            yield
        finally:
            _ACTIVE.reset(token)

    def require(self, values: Array, rule: Range) -> None:
        """Checks values, and remembers the rule for the input of the batch in whose memory they lie."""
        for number, array in enumerate(self._inputs):
            if array.size == values.size and np.may_share_memory(array, values):
                self._rules[number] = rule
                return rule.check(values, f"{self._place}, input {number},")
        return rule.check(values, self._place)


_ACTIVE: ContextVar[RangeCheck | None] = ContextVar("range_check", default=None)


def require_range(values: Tensor, low: float, high: float, needs: str, advice: str) -> None:
    """Raises ValueError if a value is outside [low, high], in the first epoch of a `fit`; otherwise does nothing.

    >>> import autograd_mini as ag
    >>> from autograd_mini.nn.losses.ranges import require_range
    >>> require_range(ag.ones(2), 0, 1, "pixels must lie", "divide by 255")
    """
    check = _ACTIVE.get()
    if check is not None and modes().tracer is None:
        check.require(values._data, Range(low, high, needs, advice))
