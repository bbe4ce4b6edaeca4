"""Random draws, and dropout, as primitives with an effect: each run draws new numbers from its stream.

The process has one stream; pass a `np.random.Generator` to draw from another one. A draw is recorded like any other call, so
that a trace can repeat it. Its result has no gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from reprlib import repr as short
from typing import Any, TypeAlias

import numpy as np

from ..apply import apply, as_float, as_number, cast
from ..dtypes import supported
from ..primitive import Primitive
from ..pytorch.devices import check_device
from ..state import modes
from ..tensor import Array, Shape, Tensor, TensorLike
from ..tools.arguments import flag, float_dtype, one_int
from .shape import lengths_of

__all__ = [
    "bernoulli", "dropout", "fork_rng", "generator", "get_rng_state", "manual_seed", "permutation", "rand", "randint", "randn",
    "set_rng_state",
]  # fmt: skip

Stream: TypeAlias = "np.random.Generator"


@cache
def _stream() -> Stream:
    """Returns the process's stream, created on first use, because NumPy then loads its random module."""
    return np.random.default_rng()


def generator() -> Stream:
    """Returns the process's stream, which every draw without its own generator uses.

    >>> import autograd_mini as ag
    >>> ag.generator() is ag.generator()
    True
    """
    return _stream()


def manual_seed(seed: int) -> Stream:
    """Restarts the process's stream from `seed` (an int ≥ 0) and returns it: same seed, same bits. Without it, runs differ.

    >>> import autograd_mini as ag
    >>> ag.manual_seed(0).random() == ag.manual_seed(0).random()
    True
    """
    _reject_tracing("manual_seed")
    try:
        fresh = np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise TypeError(f"manual_seed: expected an int of at least 0, got {seed!r}") from None
    stream = _stream()
    stream.bit_generator.state = fresh.bit_generator.state
    return stream


def get_rng_state() -> dict[str, Any]:
    """Returns the state of the process's stream, as a dict of strings and ints that can be saved as JSON.

    >>> import autograd_mini as ag
    >>> sorted(ag.get_rng_state())
    ['bit_generator', 'has_uint32', 'state', 'uinteger']
    """
    _reject_tracing("get_rng_state")
    return dict(_stream().bit_generator.state)


def set_rng_state(state: dict[str, Any]) -> None:
    """Restores a state from `get_rng_state`; raises ValueError if it belongs to another kind of generator.

    >>> import autograd_mini as ag
    >>> state = ag.get_rng_state()
    >>> first = ag.rand(3)
    >>> ag.set_rng_state(state)
    >>> bool((ag.rand(3) == first).all())
    True
    """
    _reject_tracing("set_rng_state")
    try:
        _stream().bit_generator.state = state
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        kind = ValueError if isinstance(state, dict) else TypeError
        raise kind(f"set_rng_state: expected a state from get_rng_state(), got {short(state)} ({error})") from None


@contextmanager
def fork_rng(seed: int | None = None) -> Iterator[None]:
    """Restores the state of the process's stream after the block. Draws inside start from `seed`, or continue if it is None.

    >>> import autograd_mini as ag
    >>> state = ag.get_rng_state()
    >>> with ag.fork_rng(0):
    ...     x = ag.rand(3)
    >>> ag.get_rng_state() == state
    True
    """
    state = get_rng_state()
    try:
        if seed is not None:
            manual_seed(seed)
        yield
    finally:
        set_rng_state(state)


def _reject_tracing(name: str) -> None:
    """Raises TraceError inside a compiled function, because a replay would not repeat the change of the stream."""
    if (tracer := modes().tracer) is not None:
        tracer.reject_action(name, "call it outside the compiled function; replays continue the stream from there")


def _stream_to_draw_from(generator: Stream | None) -> Stream:
    """Returns the stream for a kernel, and tells the tracer that it is about to be used."""
    stream = generator or _stream()
    if (tracer := modes().tracer) is not None:
        tracer.will_draw(stream)
    return stream


def _draw_dtype(dtype: np.dtype[Any]) -> Any:
    """Returns the dtype to draw in: NumPy's streams do not support float16."""
    return np.float32 if dtype.itemsize == 2 else dtype


def _randn(shape: Shape, dtype: np.dtype[Any], generator: Stream | None) -> Array:
    return _stream_to_draw_from(generator).standard_normal(shape, _draw_dtype(dtype)).astype(dtype, copy=False)


def _rand(shape: Shape, dtype: np.dtype[Any], generator: Stream | None) -> Array:
    draws = _stream_to_draw_from(generator).random(shape, _draw_dtype(dtype)).astype(dtype, copy=False)
    if dtype.itemsize == 2:
        np.minimum(draws, np.nextafter(dtype.type(1), dtype.type(0)), out=draws)  # rounding to float16 may reach 1
    return draws


def _bernoulli(p: Array, shape: Shape, generator: Stream | None) -> Any:
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError
    p = np.broadcast_to(p, shape)
    return np.less(_stream_to_draw_from(generator).random(shape, _draw_dtype(p.dtype)), p).astype(p.dtype)


def _explain_bernoulli(p: Array, shape: Shape, generator: Stream | None) -> str:
    outside = p[~((p >= 0) & (p <= 1))]
    if outside.size:
        return f"probabilities must lie in [0, 1], got {outside.flat[0]}"
    return f"probabilities of shape {p.shape} do not broadcast to {shape}"


def _randint(low: int, high: int, shape: Shape, generator: Stream | None) -> Any:
    return _stream_to_draw_from(generator).integers(low, high, shape)


def _permutation(n: int, generator: Stream | None) -> Array:
    return _stream_to_draw_from(generator).permutation(n)


_RANDN = Primitive("randn", _randn, formula="ε ~ N(0, 1)", effect=True, constant=True)
_RAND = Primitive("rand", _rand, formula="u ~ U[0, 1)", effect=True, constant=True)
_BERNOULLI = Primitive(
    "bernoulli", _bernoulli, formula="[u < p]", explain=_explain_bernoulli, effect=True, constant=True
)  # fmt: skip
_RANDINT = Primitive("randint", _randint, formula="i ~ U{low … high − 1}", effect=True, constant=True)
_PERMUTATION = Primitive("permutation", _permutation, formula="0 … n − 1, shuffled", effect=True, constant=True)


def check_stream(name: str, generator: Any) -> None:
    """Raises TypeError unless `generator` is None or a stream of NumPy."""
    if generator is not None and not isinstance(generator, np.random.Generator):
        raise TypeError(f"{name}: generator must be None or one of np.random.default_rng(), got {generator!r}")


def _float_params(name: str, shape: tuple[Any, ...], dtype: Any, generator: Stream | None) -> dict[str, Any]:
    check_stream(name, generator)
    return {"shape": lengths_of(name, shape), "dtype": float_dtype(name, dtype), "generator": generator}


def _draw(primitive: Primitive, params: dict[str, Any], requires_grad: bool, device: Any) -> Tensor:
    check_device(primitive.name, device)
    draws: Tensor = apply(primitive, (), params)
    if requires_grad is not False:
        draws.requires_grad = requires_grad
    return draws


def randn(
    *shape: Any, dtype: Any = None, generator: Stream | None = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Draws independent numbers from N(0, 1), of `shape` (ints, or one tuple), in the default dtype or in `dtype`.

    >>> import autograd_mini as ag
    >>> ag.randn(2, 3).shape
    (2, 3)
    """
    return _draw(_RANDN, _float_params("randn", shape, dtype, generator), requires_grad, device)


def rand(
    *shape: Any, dtype: Any = None, generator: Stream | None = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Draws independent uniform numbers from [0, 1), of `shape` (ints, or one tuple), in the default dtype or in `dtype`.

    >>> import autograd_mini as ag
    >>> x = ag.rand(100)
    >>> bool(((x >= 0) & (x < 1)).all())
    True
    """
    return _draw(_RAND, _float_params("rand", shape, dtype, generator), requires_grad, device)


def bernoulli(p: TensorLike, shape: int | Shape | None = None, *, generator: Stream | None = None) -> Tensor:
    """Draws independently 1 with probability `p`, else 0, in p's dtype. `p` must broadcast to `shape`, by default its own.

    Raises ValueError if p is outside [0, 1] or does not broadcast.

    >>> import autograd_mini as ag
    >>> ag.bernoulli([0.0, 1.0])
    Tensor([0., 1.])
    """
    p = as_float(p)
    check_stream("bernoulli", generator)
    lengths = p.shape if shape is None else lengths_of("bernoulli", (shape,))
    return apply(_BERNOULLI, (p,), {"shape": lengths, "generator": generator})


def randint(
    low: int,
    high: Any = None,
    shape: Any = None,
    *,
    size: int | Shape | None = None,
    dtype: Any = None,
    generator: Stream | None = None,
    device: Any = None,
) -> Tensor:
    """Draws independent uniform int64 numbers from low … high − 1.

    Parameters
    ----------
    low, high : the range, without `high`; ValueError if it is empty. `randint(high, shape)` starts from 0
    shape : an int or a tuple; by default a 0-d tensor
    size : PyTorch's name of `shape`
    dtype : the dtype to convert the numbers to
    generator : the stream to draw from instead of the process's
    device : "cpu" or None

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.randint(3, 4, 2), ag.randint(10, (2, 3)).shape
    (Tensor([3, 3]), (2, 3))
    """
    check_device("randint", device)
    if shape is None and isinstance(high, (tuple, list)):
        high, shape = None, high
    low, high = (0, low) if high is None else (low, high)
    shape = () if shape is None and size is None else size if shape is None else shape
    low, high = one_int("randint", "low", low), one_int("randint", "high", high)
    check_stream("randint", generator)
    if low >= high:
        raise ValueError(f"randint: expected low < high, got {low} and {high}")
    lengths = lengths_of("randint", (shape,))
    draws: Tensor = apply(_RANDINT, (), {"low": low, "high": high, "shape": lengths, "generator": generator})
    return draws if dtype is None else cast(draws, supported(dtype))


def permutation(n: int, *, generator: Stream | None = None) -> Tensor:
    """Returns the int64 numbers 0 … n − 1 in random order.

    >>> import autograd_mini as ag
    >>> sorted(ag.permutation(3).tolist())
    [0, 1, 2]
    """
    check_stream("permutation", generator)
    return apply(_PERMUTATION, (), {"n": one_int("permutation", "n", n, least=0), "generator": generator})


# -- dropout -------------------------------------------------------------------------------------------------------------------


def _dropout_mask(x: Array, p: float, generator: Stream | None) -> Array:
    mask = np.empty_like(x)
    inner = mask.transpose(sorted(range(x.ndim), key=lambda i: -mask.strides[i]))  # in the order of memory
    keep = _stream_to_draw_from(generator).random(inner.shape, np.float32) >= np.float32(p)
    np.multiply(keep, x.dtype.type(1 / (1 - p)), inner)
    return mask


_MASK = Primitive("dropout_mask", _dropout_mask, formula="[u ≥ p] / (1 − p)", effect=True, constant=True)


def dropout(x: TensorLike, p: float = 0.5, training: bool = True, *, generator: Stream | None = None) -> Tensor:
    """Sets each element to 0 with probability `p` and divides the others by 1 − p.

    The expectation is x ("inverted" dropout, Srivastava et al. 2014, section 10).

    Parameters
    ----------
    x : the tensor, of any shape
    p : the probability of 0; ValueError unless 0 ≤ p ≤ 1
    training : False to return `x`
    generator : the stream to draw from instead of the process's

    Examples
    --------
    >>> import autograd_mini as ag
    >>> set(ag.dropout(ag.Tensor([1.0] * 100), 0.5).tolist()) <= {0.0, 2.0}
    True
    """
    p = as_number("dropout: p", p, "a draw has no gradient with respect to its probability; use p.detach()")
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must lie in [0, 1], got {p}")
    check_stream("dropout", generator)
    x = as_float(x)
    if not flag("dropout", "training", training) or p == 0:
        return x
    if p == 1:
        return x * 0
    return x * apply(_MASK, (x,), {"p": p, "generator": generator})
