"""`detect_anomaly`: where the first nan or inf came from, and whether an array changed behind the graph's back."""

from __future__ import annotations

import sys
import zlib
from os.path import dirname
from typing import Any

import numpy as np

from ..primitive import Primitive
from ..state import mode
from ..tensor import Array, Tensor

_HERE = dirname(dirname(__file__))


def detect_anomaly() -> mode:
    """Inside, every operation remembers where it was called, and three things raise at once, naming operation and place:

    - FloatingPointError: an operation makes a nan or inf out of finite operands;
    - FloatingPointError: a gradient rule makes one out of a finite gradient;
    - RuntimeError: an array that the graph recorded has been written since (`from_numpy`, `.data[...] =`).

    It looks at every element of every array: for finding an error, not for training.

    >>> import numpy as np, autograd_mini as ag
    >>> x = ag.Tensor([1.0, 0.0], requires_grad=True)
    >>> with np.errstate(divide="ignore"), ag.detect_anomaly():
    ...     ag.log(x)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    FloatingPointError: log made -inf from finite operands of shape (2,), at ...
    """
    return mode("anomaly", _Anomalies())


class _Anomalies:
    """What the mode remembers: a fingerprint of each recorded array."""

    def __init__(self) -> None:
        self._prints: dict[int, tuple[Tensor, int]] = {}

    def made(self, primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, Any], out: Tensor) -> None:
        """Called for every result."""
        out._where = _caller()
        results = out._data if isinstance(out._data, tuple) else (out._data,)
        if (bad := _first_bad(*results)) is not None and _first_bad(*[x._data for x in inputs]) is None:
            shapes = ", ".join(str(x.shape) for x in inputs)
            raise FloatingPointError(f"{primitive.name} made {bad} from finite operands of shape {shapes}, at {out._where}")
        if out._primitive is not None:
            for t in (*inputs, out):
                if not isinstance(t._data, tuple):
                    self._prints.setdefault(id(t), (t, _fingerprint(t._data)))

    def contributed(self, node: Tensor, index: int, g: Any, d: Any) -> None:
        """Called for every gradient that a rule returned, in the backward walk."""
        assert node._primitive is not None
        name, made = node._primitive.name, f", made at {node._where}" if node._where else ""
        for t in (*node._inputs, node):
            known = self._prints.get(id(t))
            if known is not None and known[1] != _fingerprint(t._data):
                raise RuntimeError(f"backward: {t._describe()} was modified in place after {name} used it{made}")
        given = [x for x in (g if isinstance(g, list) else [g]) if x is not None]
        if _first_bad(*[_array(x) for x in given]) is None and (bad := _first_bad(_array(d))) is not None:
            raise FloatingPointError(f"the gradient rule of {name} made {bad} for operand {index} from a finite gradient{made}")


def _array(x: Any) -> Array:
    return x._data if isinstance(x, Tensor) else np.asarray(x)


def _first_bad(*found: Array) -> Any:
    for array in found:
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return array[~np.isfinite(array)][0] if array.ndim else array[()]
    return None


def _fingerprint(array: Array) -> int:
    return zlib.adler32(np.ascontiguousarray(array).tobytes())


def _caller() -> str:
    """File and line of the innermost frame outside the engine."""
    frame = sys._getframe(2)
    while frame.f_back is not None and dirname(frame.f_code.co_filename).startswith(_HERE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
