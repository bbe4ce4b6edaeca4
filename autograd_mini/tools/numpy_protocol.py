"""NumPy's functions on tensors: ours run in place of NumPy's, with NumPy's arguments, and the result is recorded.

NumPy's own signature sorts the arguments of a call by name, so that `np.sum(x, 0, np.float64)` means the dtype. Functions that
this library does not have run on the plain arrays, if no tensor requires a gradient or if their result has none.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..apply import as_float
from ..dtypes import supported
from ..ops import elementwise as e
from ..ops._make import implements, numpy_functions
from ..ops.index import nonzero
from ..ops.numpy_names.order import cummax, cummin, logcumsumexp
from ..ops.shape import astype, atleast_1d, atleast_2d, atleast_3d, broadcast_to, concatenate, copy, ints, transpose
from ..tensor import Tensor, as_tensor

if TYPE_CHECKING:
    from ..tensor import TensorLike

Function = Callable[..., Any]

RENAMED: Final = {
    "dim": "axis", "keepdim": "keepdims",
    "a_min": "lo", "min": "lo", "a_max": "hi", "max": "hi", "correction": "ddof", "indices_or_sections": "sections",
    "newshape": "shape",  # before NumPy 2.1
}  # fmt: skip
"""NumPy's parameters that have another name here. The first parameter is always passed by position."""

WITHOUT_EFFECT: Final = {"kind", "stable", "optimize", "subok", "device"}
"""Options that change how a result is computed, but not its values."""

ANY_ORDER: Final = {np.copy, np.zeros_like, np.ones_like, np.full_like}
"""Functions whose `order` is the layout in memory only."""

CAST_FIRST: Final = {np.sum, np.prod, np.mean, np.var, np.std, np.cumsum, np.cumprod, np.trace, np.nansum, np.nanmean}
"""Functions that compute in the given `dtype`; the others convert their result."""

NEUTRAL: Final = {
    np.sum: 0, np.prod: 1, np.any: False, np.all: True, np.mean: 0, np.max: 0, np.amax: 0, np.min: 0, np.amin: 0,
    np.nansum: 0, np.nanmean: np.nan,
}  # fmt: skip
"""What an element counts that `where` does not select; `max` and `min` have `initial` instead."""

EXTREMA: Final = {np.max, np.amax, np.min, np.amin}

OLD_NAMES: Final = {"newshape": "shape"}
"""Older names of NumPy's parameters."""

COMBINED_WITH: Final[dict[Function, Function]] = {
    np.sum: e.add, np.prod: e.multiply, np.max: e.maximum, np.amax: e.maximum, np.min: e.minimum, np.amin: e.minimum,
    np.nansum: e.add,
}  # fmt: skip
"""How a reduction combines its result with `initial`."""

UFUNC_METHODS: Final[dict[tuple[np.ufunc, str], Function]] = {
    (np.add, "reduce"): np.sum,
    (np.multiply, "reduce"): np.prod,
    (np.maximum, "reduce"): np.max,
    (np.minimum, "reduce"): np.min,
    (np.logical_and, "reduce"): np.all,
    (np.logical_or, "reduce"): np.any,
    (np.add, "accumulate"): np.cumsum,
    (np.multiply, "accumulate"): np.cumprod,
    (np.maximum, "accumulate"): np.maximum.accumulate,
    (np.minimum, "accumulate"): np.minimum.accumulate,
    (np.logaddexp, "accumulate"): np.logaddexp.accumulate,
}
"""The function that does the same as a method of a ufunc."""

WITHOUT_GRADIENT: Final = {
    np.allclose, np.array_equal, np.array_equiv, np.isclose, np.isin, np.iscomplex, np.iscomplexobj, np.isreal, np.isrealobj,
    np.isneginf, np.isposinf, np.signbit, np.argpartition, np.searchsorted, np.digitize, np.flatnonzero, np.nanargmax,
    np.nanargmin, np.lexsort, np.result_type, np.can_cast, np.shares_memory, np.may_share_memory, np.array2string,
    np.array_repr, np.array_str,
}  # fmt: skip
"""Functions whose result has no gradient: they run on the values of any tensor."""

WRITING: Final = {np.copyto, np.put, np.place, np.putmask, np.fill_diagonal, np.put_along_axis}
"""Functions that write into their first argument."""

WITHOUT_SIGNATURE: Final[dict[Function, tuple[str, ...]]] = {np.concatenate: ("out", "dtype", "casting")}
"""Keywords of functions that have no signature in NumPy 2.0."""


# -- the two protocols -------------------------------------------------------------------------------------------------------


def array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    """Runs a ufunc with a tensor among its operands, or one of its methods."""
    targets = options.get("out") or (inputs[:1] if method == "at" else ())
    if targets and all(isinstance(x, np.ndarray) for x in targets):  # as in `w.data -= 0.1 * w.grad`
        return getattr(ufunc, method)(*[_value(ufunc.__name__, x) for x in inputs], **options)
    if targets:
        raise TypeError(
            f"np.{ufunc.__name__} would write into an array, which gradients cannot follow; use the value it returns instead"
        )
    options = {name: value for name, value in options.items() if name != "out"}
    if method == "__call__":
        ours = numpy_functions.get(ufunc)
        if ours is None:
            return _plain(ufunc, inputs, options)
        return _call_ufunc(ufunc.__name__, ours, inputs, options)
    same = UFUNC_METHODS.get((ufunc, method))
    if same is None:
        return _plain(getattr(ufunc, method), inputs, options, f"{ufunc.__name__}.{method}")
    options.setdefault("axis", 0)  # NumPy's default is the first axis here
    return _call(same, f"{ufunc.__name__}.{method}", inputs, options)


def array_function(self: Tensor, function: Function, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Runs another function of NumPy with a tensor among its arguments."""
    if not all(issubclass(kind, (Tensor, np.ndarray)) for kind in types):
        return NotImplemented
    if function in numpy_functions:
        return _call(function, function.__name__, args, kwargs)
    return _plain(function, args, kwargs)


def _call_ufunc(name: str, ours: Function, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    dtype = options.pop("dtype", None)
    if options.pop("where", True) is not True:
        raise TypeError(f"np.{name}(where=…) leaves elements undefined; use ag.where(condition, a, b)")
    if options:
        raise TypeError(f"np.{name} on a Tensor does not support {_options(options)}")
    return ours(*inputs) if dtype is None else ours(*[astype(x, dtype) for x in inputs])


def with_numpys_keywords(ours: Function, positional: tuple[Any, ...], numpy: dict[str, Any], given: dict[str, Any]) -> Any:
    """Calls `ours` with the arguments `positional` and `given`, and with keywords that only NumPy's function has."""
    name = f"ag.{ours.__name__}"
    numpys = _numpys(ours)
    known = {*_signature(numpys).parameters, *WITHOUT_SIGNATURE.get(numpys, ()), *OLD_NAMES, *WITHOUT_EFFECT, *RENAMED}
    if unknown := [n for n in numpy if n not in known]:
        raise TypeError(f"{name}: unknown keyword {unknown[0]!r}; it takes {', '.join(_signature(ours).parameters)}")
    named = {n: value for n, value in given.items() if value is not None and value is not False}
    for n in numpy:
        if (same := RENAMED.get(n, n)) != n and same in named:
            raise TypeError(f"{name}: {same}={named[same]!r} and {n}={numpy[n]!r} mean the same; give only one of them")
    return _run(numpys, name, positional, {**named, **{OLD_NAMES.get(n, n): value for n, value in numpy.items()}})


@cache
def _numpys(ours: Function) -> Function:
    """Returns NumPy's function that `ours` implements."""
    return next(function for function, mine in numpy_functions.items() if mine is ours)


def _call(function: Function, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Calls our function in place of NumPy's `function`. Raises TypeError if it does not support these arguments."""
    return _run(function, f"np.{name}", *_arguments(function, name, args, kwargs))


def _run(function: Function, name: str, positional: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Calls our function with NumPy's arguments, which have been sorted by name."""
    ours = numpy_functions[function]
    parameters = _signature(ours).parameters
    named = {n if n in parameters else RENAMED.get(n, n): value for n, value in named.items()}
    extra = {n: named.pop(n) for n in list(named) if n not in parameters and n not in WITHOUT_EFFECT}
    extra = {n: value for n, value in extra.items() if not (n in ("out", "order") and value is None)}
    if "out" in extra:
        raise TypeError(f"{name}: out= would write into an array, which gradients cannot follow; use the value it returns")
    named = {n: value for n, value in named.items() if n in parameters}
    several = next((n for n, p in parameters.items() if p.kind is Parameter.VAR_POSITIONAL and n in named), None)
    if several is not None:  # such as the lengths of `reshape`; `axes` and `shape` have NumPy's names
        positional = (*positional, named.pop(several))
    run = _with_options(function, name, lambda *xs: ours(*xs, **named), extra, named)
    if extra:
        raise TypeError(
            f"{name} on a Tensor does not support {_options(extra)}; it takes ({', '.join(parameters)}), and "
            ".detach().numpy() gives the plain array"
        )
    return run(*positional)


def _arguments(
    function: Function, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Returns the leading arguments by position and the others by NumPy's names, without those that are NumPy's defaults."""
    theirs = _signature(function)
    try:
        bound = theirs.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise TypeError(f"np.{name}: {error}") from None
    first, *others = bound.items()
    kinds = {n: theirs.parameters[n].kind for n in bound}
    positional = first[1] if kinds[first[0]] is Parameter.VAR_POSITIONAL else (first[1],)
    named: dict[str, Any] = {}
    for n, value in others:
        if kinds[n] is Parameter.VAR_KEYWORD:
            named.update(value)
        elif value is not theirs.parameters[n].default:
            named[n] = value
    return positional, named


@cache
def _signature(function: Function) -> Signature:
    try:
        return signature(function)
    except ValueError:  # some functions in C have none in older versions of NumPy
        return _signature(numpy_functions[function])


def _options(options: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in options.items())


def _with_options(function: Function, name: str, run: Function, extra: dict[str, Any], named: dict[str, Any]) -> Function:
    """Returns `run` with those of NumPy's options that operations of ours express; removes them from `extra`.

    Parameters
    ----------
    function : NumPy's function
    name : its name in messages
    run : a function of the tensors that calls ours
    extra : the arguments that ours does not have
    named : those that it has
    """
    if "dtype" in extra:
        run = _with_dtype(function, run, supported(extra.pop("dtype")))
    if extra.get("where", True) is True:
        extra.pop("where", None)
    elif function in NEUTRAL:
        run = _where_true(function, name, run, extra.pop("where"), extra.get("initial"))
    if "initial" in extra and function in COMBINED_WITH:
        run = _with_initial(COMBINED_WITH[function], run, extra.pop("initial"))
    if "mode" in extra and function is np.take:
        run = _with_indices_inside(name, run, extra.pop("mode"), named)
    if function is np.diff:
        run = _with_ends(run, extra.pop("prepend", None), extra.pop("append", None), named.get("axis", -1))
    if "order" in extra and (function in ANY_ORDER or extra["order"] == "C"):
        del extra["order"]
    if extra.get("order") == "F" and function in (np.reshape, np.ravel):
        del extra["order"]
        return lambda x, *lengths: _column_major(run, x, *lengths)
    return run


def _with_dtype(function: Function, run: Function, dtype: np.dtype[Any]) -> Function:
    if function in CAST_FIRST:
        return lambda x, *rest: run(astype(x, dtype), *rest)
    return lambda *xs: run(*xs).astype(dtype)


def _where_true(function: Function, name: str, run: Function, condition: TensorLike, initial: Any) -> Function:
    """A reduction of the elements where `condition` is true: the others are replaced by a value that changes nothing."""
    if function in EXTREMA and initial is None:
        raise ValueError(f"{name}: where= needs initial=, the result where no element is selected")
    if function is not np.mean:
        fill = initial if function in EXTREMA else NEUTRAL[function]  # `initial` of a sum is added once, afterwards
        return lambda x, *rest: run(e.where(condition, x, fill), *rest)

    def mean(x: TensorLike, *rest: Any) -> Tensor:
        x = as_float(x)
        share = run(broadcast_to(astype(condition, x.dtype), x.shape), *rest)
        return run(e.where(condition, x, 0.0), *rest) / share

    return mean


def _with_indices_inside(name: str, run: Function, mode: str, named: dict[str, Any]) -> Function:
    """`take` with indices out of range that wrap around or are clipped to the last one."""
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"{name}: mode must be 'raise', 'wrap' or 'clip', got {mode!r}")

    def take(x: TensorLike, *rest: TensorLike) -> Tensor:
        indices = rest[0] if rest else named.pop("indices")
        axis = named.get("axis")
        length = as_tensor(x).size if axis is None else as_tensor(x).shape[axis]
        inside = e.remainder(indices, length) if mode == "wrap" else e.clip(indices, 0, length - 1)
        return run(x, indices if mode == "raise" else inside)

    return take


def _with_ends(run: Function, prepend: Any, append: Any, axis: int) -> Function:
    """`diff` with elements before and after x; a number is repeated along the other axes."""

    def joined(x: TensorLike) -> Tensor:
        x = as_tensor(x)
        shape = tuple(1 if i == axis % x.ndim else n for i, n in enumerate(x.shape))
        ends = [None if v is None else broadcast_to(v, shape) if not as_tensor(v).ndim else v for v in (prepend, append)]
        parts = [part for part in (ends[0], x, ends[1]) if part is not None]
        return run(x if len(parts) == 1 else concatenate(parts, axis))

    return joined


def _with_initial(combine: Function, run: Function, initial: Any) -> Function:
    return lambda *xs: combine(run(*xs), initial)


def _column_major(run: Function, x: TensorLike, *lengths: Any) -> Tensor:
    """`reshape` or `ravel` that takes and places elements column by column: the same on transposed tensors."""
    reverse = [ints("reshape", (n,))[::-1] for n in lengths]
    y = run(transpose(x), *reverse)
    return transpose(y) if lengths else y


# -- functions of NumPy that run on plain arrays ------------------------------------------------------------------------


def _plain(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], name: str = "") -> Any:
    """Calls NumPy's function on the arrays of the tensors. Raises TypeError if a gradient would be lost."""
    name = name or function.__name__
    if function in WRITING:
        raise TypeError(f"np.{name} would write into a tensor, which gradients cannot follow; use ag.index_put or ag.where")
    return function(*_values(function, name, args), **_values(function, name, kwargs))


def _values(function: Function, name: str, tree: Any) -> Any:
    """Returns nested lists, tuples and dicts with read-only arrays in place of the tensors."""
    if isinstance(tree, Tensor):
        view = _value(name, tree.detach() if function in WITHOUT_GRADIENT else tree).view()
        view.flags.writeable = False
        return view
    if isinstance(tree, dict):
        return {key: _values(function, name, value) for key, value in tree.items()}
    return type(tree)(_values(function, name, x) for x in tree) if type(tree) in (list, tuple) else tree


def _value(name: str, x: Any) -> Any:
    """Returns the array of a tensor, and other values unchanged. Raises TypeError if the tensor requires a gradient."""
    if not isinstance(x, Tensor):
        return x
    if x._requires_grad:
        raise TypeError(
            f"np.{name} has no gradient here, and a plain array cannot hold the gradient of {x._describe()}; use .detach() if "
            "none is needed"
        )
    return x._expose(f"np.{name}")


# -- functions with another form in NumPy -------------------------------------------------------------------------------

numpy_functions.update({np.shape: lambda a: a.shape, np.ndim: lambda a: a.ndim, np.positive: as_tensor})


@implements(np.maximum.accumulate)
def _cummax(array: TensorLike, axis: int = 0) -> Any:
    return cummax(array, axis)


@implements(np.minimum.accumulate)
def _cummin(array: TensorLike, axis: int = 0) -> Any:
    return cummin(array, axis)


@implements(np.logaddexp.accumulate)
def _logcumsumexp(array: TensorLike, axis: int = 0) -> Any:
    return logcumsumexp(array, axis)


@implements(np.size)
def _size(a: Any, axis: int | None = None) -> int:
    return int(a.size if axis is None else a.shape[axis])


@implements(np.where)
def _where(condition: TensorLike, x: TensorLike | None = None, y: TensorLike | None = None) -> Any:
    return nonzero(condition) if x is None and y is None else e.where(condition, x, y)  # type: ignore[arg-type]


@implements(np.divmod)
def _divmod(a: TensorLike, b: TensorLike) -> tuple[Tensor, Tensor]:
    return e.floor_divide(a, b), e.remainder(a, b)


def _like(value: float = 0.0) -> Function:
    """Returns `zeros_like`, `ones_like` or `full_like` with NumPy's parameters."""

    def like(a: TensorLike, fill_value: TensorLike = value, dtype: Any = None, shape: Any = None) -> Tensor:
        x = as_tensor(a)
        fill = as_tensor(fill_value).astype(x.dtype if dtype is None else dtype)
        return copy(broadcast_to(fill, x.shape if shape is None else shape))

    return like


def _each(ours: Function) -> Function:
    """Returns a function of several tensors, which has a tuple of results unless there is only one."""
    return lambda *arrays: ours(arrays[0]) if len(arrays) == 1 else tuple(ours(x) for x in arrays)


numpy_functions.update({np.zeros_like: _like(), np.ones_like: _like(1.0), np.full_like: _like()})
numpy_functions.update({np.atleast_1d: _each(atleast_1d), np.atleast_2d: _each(atleast_2d), np.atleast_3d: _each(atleast_3d)})
