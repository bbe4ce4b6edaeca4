"""`detect_anomaly`: finds the operation that computed the first nan or inf, and arrays that were modified in place."""

from __future__ import annotations

import sys
import zlib
from os.path import dirname
from typing import Any

import numpy as np

from ..primitive import Primitive
from ..state import mode
from ..tensor import Array, Tensor

__all__ = ["detect_anomaly"]

_HERE = dirname(dirname(__file__))


def detect_anomaly() -> mode:
    """Inside a `with` block, errors that are hard to find raise at once and name the operation and its place in the code.

    - FloatingPointError if an operation computes a nan or inf from finite operands;
    - FloatingPointError if a gradient rule computes one from a finite gradient;
    - RuntimeError if an array in the graph was modified in place after its use (`from_numpy`, `.data[...] =`).

    It reads every element of every array: use it to find an error, not for training.

    >>> import numpy as np, autograd_mini as ag
    >>> x = ag.Tensor([1.0, 0.0], requires_grad=True)
    >>> with np.errstate(divide="ignore"), ag.detect_anomaly():
    ...     ag.log(x)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    FloatingPointError: log computed -inf from finite operands of shape (2,), at ...
    """
    return mode("anomaly", AnomalyDetector())


class AnomalyDetector:
    """Checks results and gradients; keeps a checksum of each recorded array."""

    def __init__(self) -> None:
        self._checksums: dict[int, tuple[Tensor, int]] = {}

    def check_result(self, primitive: Primitive, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        """Checks the result of an operation and notes its place; called for every operation."""
        out._where = _caller()
        results = out._data if isinstance(out._data, tuple) else (out._data,)
        if (bad := _first_bad(*results)) is not None and _first_bad(*[x._data for x in inputs]) is None:
            shapes = ", ".join(str(x.shape) for x in inputs)
            raise FloatingPointError(f"{primitive.name} computed {bad} from finite operands of shape {shapes}, at {out._where}")
        if out._primitive is not None:
            for t in (*inputs, out):
                if not isinstance(t._data, tuple):
                    self._checksums.setdefault(id(t), (t, _checksum(t._data)))

    def check_gradient(self, node: Tensor, index: int, g: Any, d: Any) -> None:
        """Checks the gradient `d` that the rule of `node` computed from `g` for its input `index`."""
        assert node._primitive is not None
        name, place = node._primitive.name, f", created at {node._where}" if node._where else ""
        for t in (*node._inputs, node):
            known = self._checksums.get(id(t))
            if known is not None and known[1] != _checksum(t._data):
                raise RuntimeError(f"backward: {t._describe()} was modified in place after {name} used it{place}")
        incoming = [_array(x) for x in (g if isinstance(g, list) else [g]) if x is not None]
        if _first_bad(*incoming) is None and (bad := _first_bad(_array(d))) is not None:
            raise FloatingPointError(
                f"the gradient rule of {name} computed {bad} for operand {index} from a finite gradient{place}"
            )


def _array(x: Any) -> Array:
    return x._data if isinstance(x, Tensor) else np.asarray(x)


def _first_bad(*arrays: Array) -> Any:
    for array in arrays:
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return array[~np.isfinite(array)][0] if array.ndim else array[()]
    return None


def _checksum(array: Array) -> int:
    return zlib.adler32(np.ascontiguousarray(array).tobytes())


def _caller() -> str:
    """Returns file and line of the innermost frame outside the engine."""
    frame = sys._getframe(2)
    while frame.f_back is not None and dirname(frame.f_code.co_filename).startswith(_HERE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
