"""What a program can ask of the page: sliders, pictures, and curves that grow while it runs."""

from __future__ import annotations

import math
import sys
from importlib import import_module
from typing import Any, SupportsFloat

from autograd_mini import nn

from .page import connection, show_item


def slider(name: str, value: float, low: float | None = None, high: float | None = None, step: float | None = None) -> float:
    """Shows a slider and returns its number; while one drags it, the program runs again with the new number.

    Outside the page it returns `value`. The number is an int if `value`, `low`, `high` and `step` are ints.

    Parameters
    ----------
    name : the label; two sliders of one name are one slider
    value : the number at the start
    low, high : the range, by default −2 … 2, or −2·|value| … 2·|value| if that is wider
    step : the distance of neighbouring numbers, by default 1, 2 or 5 times a power of ten, so that the range has at least 200
        steps; 1 for ints

    Returns
    -------
    float
        the current number

    Raises
    ------
    TypeError
        if the name is not text, or something else is not a number
    ValueError
        unless low ≤ value ≤ high, low < high and step > 0

    Examples
    --------
    >>> from autograd_mini import playground
    >>> playground.slider("w", 0.5), playground.slider("layers", 2, 1, 5)
    (0.5, 2)
    """
    if not isinstance(name, str) or not name:
        raise TypeError(f"slider: name must be a text such as 'w', got {name!r}")
    given = {"value": value, "low": low, "high": high, "step": step}
    for label, number in given.items():
        if number is not None and not _is_number(number):
            raise TypeError(f"slider {name!r}: {label} must be a finite number, got {number!r}")
    whole = all(isinstance(number, int) for number in given.values() if number is not None) and low is not None
    reach = 2 * max(1, abs(value))
    low, high = -reach if low is None else low, reach if high is None else high
    step = step if step is not None else 1 if whole else _round_step((high - low) / 200) if low < high else 1.0
    if not (low <= value <= high and low < high and step > 0):
        raise ValueError(
            f"slider {name!r}: expected low ≤ value ≤ high, low < high and step > 0, "
            f"got low={low}, value={value}, high={high}, step={step}"
        )
    current = connection.values.get(name, value)
    current = min(max(current, low), high)  # the program may have a smaller range than before
    connection.post({"kind": "slider", "name": name, "value": current, "low": low, "high": high, "step": step})
    return round(current) if whole else float(current)


def _round_step(largest: float) -> float:
    """Returns the largest of 1, 2 and 5 times a power of ten that is at most `largest`: steps that meet whole numbers.

    >>> from autograd_mini.playground.controls import _round_step
    >>> _round_step(0.06), _round_step(0.02), _round_step(130.0)
    (0.05, 0.02, 100.0)
    """
    power = 10.0 ** math.floor(math.log10(largest))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= largest * (1 + 1e-9))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def show(*values: Any) -> None:
    """Shows pictures, steppers, plots and images in the page, and anything else as text.

    In a notebook they are displayed, elsewhere printed.

    >>> from autograd_mini import Tensor, playground
    >>> playground.show(Tensor(2.0))
    Tensor(2.0)
    """
    for value in values:
        if connection.is_open:
            show_item(value)
        elif "ipykernel" in sys.modules:
            import_module("IPython.display").display(value)
        else:
            print(value)


def curve(name: str, value: SupportsFloat, x: float | None = None) -> None:
    """Adds a point to the curve of that name, which the page draws while the program runs; elsewhere nothing happens.

    Parameters
    ----------
    name : the curve, for example "loss"
    value : the height: a number, or a tensor of one element
    x : the place, by default 0, 1, 2, …

    Examples
    --------
    >>> from autograd_mini import playground
    >>> for loss in (1.0, 0.5, 0.25):
    ...     playground.curve("loss", loss)
    """
    if not isinstance(name, str) or not name:
        raise TypeError(f"curve: name must be a text such as 'loss', got {name!r}")
    height = float(value.detach().item()) if hasattr(value, "detach") else float(value)
    if connection.is_open:
        # JSON has no number for nan and infinity; the page draws a gap there.
        connection.curves.add(name, x, height if math.isfinite(height) else None)


class LiveCurves(nn.Callback):
    """Draws the losses of a trainer while it trains: `nn.Trainer(…, callbacks=[playground.LiveCurves()])`.

    >>> from autograd_mini import nn, playground
    >>> net = nn.Linear(2, 1)
    >>> trainer = nn.Trainer(net, nn.SGD(net.parameters(), lr=0.1), callbacks=[playground.LiveCurves()])
    """

    def after_row(self, trainer: nn.Trainer, row: dict[str, float]) -> None:
        """Adds a point to the curve of each loss of the row."""
        for name, value in row.items():
            if name.endswith("loss"):
                curve(name, value, row.get("iteration"))
