"""How convolutional networks halve and double maps of any size: half of an odd side is rounded up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

STRIDE: Final = 2
PADDING: Final = 1


def half(shape: Sequence[int]) -> tuple[int, int]:
    """Returns half the height and width of a map (…, H, W), rounded up.

    >>> from autograd_mini.models.halving import half
    >>> half((3, 30, 15)), half((1, 1))
    ((15, 8), (1, 1))
    """
    return (shape[-2] + 1) // 2, (shape[-1] + 1) // 2


def window(shape: Sequence[int]) -> tuple[tuple[int, int], int, int]:
    """Returns kernel size, stride and padding of the convolution that halves a map (…, H, W).

    The kernel is 4 along even sides and 3 along odd ones, so the transposed convolution maps the half back to exactly this
    size.

    >>> from autograd_mini.models.halving import window
    >>> window((64, 14, 14)), window((128, 7, 30))
    (((4, 4), 2, 1), ((3, 4), 2, 1))
    """
    return (4 - shape[-2] % 2, 4 - shape[-1] % 2), STRIDE, PADDING
