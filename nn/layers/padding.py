"""Padding as layers, by a constant or by copies of the input; `pad` has PyTorch's arguments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

import autograd_mini as ag
from autograd_mini.apply import as_float, as_number
from autograd_mini.tensor import Tensor, TensorLike, as_tensor

from .base import Layer

MODES: Final = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""PyTorch's names of the modes, and NumPy's."""


def pad(x: TensorLike, padding: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Pads the last axes of `x` as PyTorch does: `padding` is (left, right, top, bottom, …), the last axis first.

    A negative number removes elements, before the rest is padded. Raises ValueError if the padding does not fit.

    Parameters
    ----------
    x        the tensor to pad
    padding  numbers of elements before and after each axis, beginning with the last axis
    mode     "constant"; "reflect": mirrors at the edge; "replicate": repeats the edge; "circular": continues at the other end
    value    the padding in mode "constant"; None: 0

    Examples
    --------
    >>> from autograd_mini.nn.layers.padding import pad
    >>> pad([1.0, 2.0, 3.0], (1, 2)), pad([1.0, 2.0, 3.0], (1, -1), "reflect")
    (Tensor([0., 1., 2., 3., 0., 0.]), Tensor([2., 1., 2.]))
    """
    x = as_tensor(x)
    numbers = tuple(padding) if isinstance(padding, Iterable) else ("",)
    if len(numbers) % 2 or len(numbers) > 2 * x.ndim or not all(hasattr(n, "__index__") for n in numbers):
        raise ValueError(f"pad: expected a pair of ints for each of the last axes of input {x.shape}, got padding {padding!r}")
    if not isinstance(mode, str) or mode not in MODES:
        raise ValueError(f"pad: mode must be one of {', '.join(MODES)}, got {mode!r}")
    if value is not None and mode != "constant":
        raise ValueError(f"pad: only mode constant has a value, got mode {mode!r} with value={value}")
    pairs = [(0, 0)] * (x.ndim - len(numbers) // 2) + [*zip(numbers[-2::-2], numbers[::-2], strict=True)]
    if min(numbers, default=0) < 0:
        x = x[tuple(slice(max(-before, 0), n - max(-after, 0)) for n, (before, after) in zip(x.shape, pairs, strict=True))]
    _check_room(x, pairs, mode)
    width = [(max(before, 0), max(after, 0)) for before, after in pairs]
    if MODES[mode] == "constant":
        return ag.pad(x, width, constant_values=0 if value is None else value)
    return ag.pad(x, width, MODES[mode])


def _check_room(x: Tensor, pairs: Sequence[tuple[int, int]], mode: str) -> None:
    """Raises ValueError if an axis has fewer elements than a copy of it needs, as in PyTorch."""
    missing = {"reflect": 1, "circular": 0}.get(mode)
    for axis, (n, pair) in enumerate(zip(x.shape, pairs, strict=True)):
        if missing is not None and max(pair) > max(n - missing, 0):
            raise ValueError(
                f"pad: mode {mode!r} needs a padding of at most {max(n - missing, 0)} for axis {axis} of input {x.shape}, "
                f"got {pair}"
            )


class _Padding(Layer):
    """Base of the layers that pad the last `axes` axes in one mode; an int pads all sides."""

    mode: ClassVar[str]
    axes: ClassVar[int]
    value: float | None = None

    def __init_subclass__(cls, mode: str = "", axes: int = 0):
        super().__init_subclass__()
        cls.mode, cls.axes = mode or getattr(cls, "mode", ""), axes

    def __init__(self, padding: int | Sequence[int]):
        kind, sides = type(self).__name__, 2 * self.axes
        numbers = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,) * sides
        if len(numbers) != sides or not all(hasattr(n, "__index__") for n in numbers):
            raise ValueError(f"{kind}: expected padding to be an int or a tuple of {sides} ints, got {padding!r}")
        self.padding = tuple(map(int, numbers))  # type: ignore[arg-type]

    def forward(self, x: TensorLike) -> Tensor:
        x = as_float(x)
        if x.ndim not in (self.axes + 1, self.axes + 2) and (self.mode != "constant" or x.ndim < self.axes):
            raise ValueError(
                f"{type(self).__name__}: expected an input with {self.axes + 1} or {self.axes + 2} axes, got shape {x.shape}"
            )
        return pad(x, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"{self.padding}" if self.value is None else f"padding={self.padding}, value={self.value}"


# -- constants -----------------------------------------------------------------------------------------------------------------


class _ConstantPad(_Padding, mode="constant"):
    """Base of the layers that pad with a number."""

    def __init__(self, padding: int | Sequence[int], value: float):
        super().__init__(padding)
        self.value = as_number(f"{type(self).__name__}: value", value, "use ag.pad(x, width, constant_values=value)")


class ConstantPad1d(_ConstantPad, axes=1):
    """Pads series (N, C, L) with the number `value`.

    `padding` is an int, or (left, right). A negative number removes elements.

    >>> from autograd_mini import nn
    >>> nn.ConstantPad1d((2, 1), 7.0)([[[1.0, 2.0, 3.0]]]).flatten().tolist()
    [7.0, 7.0, 1.0, 2.0, 3.0, 7.0]
    """


class ConstantPad2d(_ConstantPad, axes=2):
    """Pads images (N, C, H, W) with the number `value`.

    `padding` is an int, or (left, right, top, bottom). A negative number removes elements.

    >>> from autograd_mini import nn
    >>> nn.ConstantPad2d((2, 1, 0, 0), 7.0)([[[[1.0, 2.0, 3.0]]]]).flatten().tolist()
    [7.0, 7.0, 1.0, 2.0, 3.0, 7.0]
    """


class ConstantPad3d(_ConstantPad, axes=3):
    """Pads volumes (N, C, D, H, W) with the number `value`.

    `padding` is an int, or (left, right, top, bottom, front, back). A negative number removes elements.

    >>> from autograd_mini import nn
    >>> nn.ConstantPad3d((2, 1, 0, 0, 0, 0), 7.0)([[[[[1.0, 2.0, 3.0]]]]]).flatten().tolist()
    [7.0, 7.0, 1.0, 2.0, 3.0, 7.0]
    """


class ZeroPad1d(ConstantPad1d, axes=1):
    """Pads series (N, C, L) with zeros.

    `padding` is an int, or (left, right). A negative number removes elements.

    >>> from autograd_mini import nn
    >>> nn.ZeroPad1d((2, 1))([[[1.0, 2.0, 3.0]]]).flatten().tolist()
    [0.0, 0.0, 1.0, 2.0, 3.0, 0.0]
    """

    def __init__(self, padding: int | Sequence[int]):
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(ConstantPad2d, axes=2):
    """Pads images (N, C, H, W) with zeros.

    `padding` is an int, or (left, right, top, bottom). A negative number removes elements.

    >>> from autograd_mini import nn
    >>> nn.ZeroPad2d((2, 1, 0, 0))([[[[1.0, 2.0, 3.0]]]]).flatten().tolist()
    [0.0, 0.0, 1.0, 2.0, 3.0, 0.0]
    """

    def __init__(self, padding: int | Sequence[int]):
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad3d(ConstantPad3d, axes=3):
    """Pads volumes (N, C, D, H, W) with zeros.

    `padding` is an int, or (left, right, top, bottom, front, back). A negative number removes elements.

    >>> from autograd_mini import nn
    >>> nn.ZeroPad3d((2, 1, 0, 0, 0, 0))([[[[[1.0, 2.0, 3.0]]]]]).flatten().tolist()
    [0.0, 0.0, 1.0, 2.0, 3.0, 0.0]
    """

    def __init__(self, padding: int | Sequence[int]):
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


# -- copies --------------------------------------------------------------------------------------------------------------------


class ReflectionPad1d(_Padding, mode="reflect", axes=1):
    """Pads series (N, C, L) with their mirror image at each edge, without the edge itself.

    `padding` is an int, or (left, right). Each is below the length of its axis.

    >>> from autograd_mini import nn
    >>> nn.ReflectionPad1d((2, 1))([[[1.0, 2.0, 3.0]]]).flatten().tolist()
    [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]
    """


class ReflectionPad2d(_Padding, mode="reflect", axes=2):
    """Pads images (N, C, H, W) with their mirror image at each edge, without the edge itself.

    `padding` is an int, or (left, right, top, bottom). Each is below the length of its axis.

    >>> from autograd_mini import nn
    >>> nn.ReflectionPad2d((2, 1, 0, 0))([[[[1.0, 2.0, 3.0]]]]).flatten().tolist()
    [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]
    """


class ReflectionPad3d(_Padding, mode="reflect", axes=3):
    """Pads volumes (N, C, D, H, W) with their mirror image at each edge, without the edge itself.

    `padding` is an int, or (left, right, top, bottom, front, back). Each is below the length of its axis.

    >>> from autograd_mini import nn
    >>> nn.ReflectionPad3d((2, 1, 0, 0, 0, 0))([[[[[1.0, 2.0, 3.0]]]]]).flatten().tolist()
    [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]
    """


class ReplicationPad1d(_Padding, mode="replicate", axes=1):
    """Pads series (N, C, L) with copies of their edges.

    `padding` is an int, or (left, right).

    >>> from autograd_mini import nn
    >>> nn.ReplicationPad1d((2, 1))([[[1.0, 2.0, 3.0]]]).flatten().tolist()
    [1.0, 1.0, 1.0, 2.0, 3.0, 3.0]
    """


class ReplicationPad2d(_Padding, mode="replicate", axes=2):
    """Pads images (N, C, H, W) with copies of their edges.

    `padding` is an int, or (left, right, top, bottom).

    >>> from autograd_mini import nn
    >>> nn.ReplicationPad2d((2, 1, 0, 0))([[[[1.0, 2.0, 3.0]]]]).flatten().tolist()
    [1.0, 1.0, 1.0, 2.0, 3.0, 3.0]
    """


class ReplicationPad3d(_Padding, mode="replicate", axes=3):
    """Pads volumes (N, C, D, H, W) with copies of their edges.

    `padding` is an int, or (left, right, top, bottom, front, back).

    >>> from autograd_mini import nn
    >>> nn.ReplicationPad3d((2, 1, 0, 0, 0, 0))([[[[[1.0, 2.0, 3.0]]]]]).flatten().tolist()
    [1.0, 1.0, 1.0, 2.0, 3.0, 3.0]
    """


class CircularPad1d(_Padding, mode="circular", axes=1):
    """Pads series (N, C, L) with the elements at the other end.

    `padding` is an int, or (left, right). Each is at most the length of its axis.

    >>> from autograd_mini import nn
    >>> nn.CircularPad1d((2, 1))([[[1.0, 2.0, 3.0]]]).flatten().tolist()
    [2.0, 3.0, 1.0, 2.0, 3.0, 1.0]
    """


class CircularPad2d(_Padding, mode="circular", axes=2):
    """Pads images (N, C, H, W) with the elements at the other end.

    `padding` is an int, or (left, right, top, bottom). Each is at most the length of its axis.

    >>> from autograd_mini import nn
    >>> nn.CircularPad2d((2, 1, 0, 0))([[[[1.0, 2.0, 3.0]]]]).flatten().tolist()
    [2.0, 3.0, 1.0, 2.0, 3.0, 1.0]
    """


class CircularPad3d(_Padding, mode="circular", axes=3):
    """Pads volumes (N, C, D, H, W) with the elements at the other end.

    `padding` is an int, or (left, right, top, bottom, front, back). Each is at most the length of its axis.

    >>> from autograd_mini import nn
    >>> nn.CircularPad3d((2, 1, 0, 0, 0, 0))([[[[[1.0, 2.0, 3.0]]]]]).flatten().tolist()
    [2.0, 3.0, 1.0, 2.0, 3.0, 1.0]
    """
