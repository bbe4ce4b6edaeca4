"""Recurrent layers over a sequence: `rnn`, `lstm`, `gru`, and single steps of them: `rnn_cell`, `lstm_cell`, `gru_cell`.

The input of all steps is multiplied by its weight at once; a step needs one product, for the state. What follows the product in
an LSTM or a GRU is one primitive, because it consists of a dozen operations on small arrays. Gates are in PyTorch's order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from ...apply import apply, as_floats, as_floats_or_none, as_operands
from ...batching import rules
from ...primitive import Primitive
from ...tensor import Array, Tensor, TensorLike, as_tensor
from ...tools.arguments import flag
from ..elementwise import add
from ..index import getitem
from ..linalg import linear
from ..shape import stack
from ..transcendental import tanh
from .activation import relu
from .channels import in_float32

__all__ = ["gru", "lstm", "rnn"]  # fmt: skip

Bias: TypeAlias = "TensorLike | None"
LSTMState: TypeAlias = tuple[TensorLike, TensorLike]
Step: TypeAlias = "Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]]"

# -- kernels -----------------------------------------------------------------------------------------------------------
# The activated gates `a` have the shape (…, gates, H), and each gate is contiguous in memory: NumPy is then faster.


def _by_gate(x: Array, gates: int) -> Array:
    """Returns (…, gates · H) as a view (gates, …, H)."""
    parts = x.reshape(*x.shape[:-1], gates, x.shape[-1] // gates)
    return parts.transpose(parts.ndim - 2, *range(parts.ndim - 2), parts.ndim - 1)


def _gates_first(a: Array) -> Array:
    """Returns (…, gates, H) as a view (gates, …, H)."""
    return a.transpose(a.ndim - 2, *range(a.ndim - 2), a.ndim - 1)


def _empty_gates(h: Array, gates: int) -> Array:
    """Returns memory for the activated gates: (…, gates, H) for a state (…, H)."""
    a = np.empty((gates, *h.shape), h.dtype)
    return a.transpose(*range(1, h.ndim), 0, h.ndim)


def _sigmoid_of_twice(x: Array) -> None:
    """Overwrites x by σ(2x) = ½ + ½ tanh x, in half of the time of eˣ/(eˣ + 1); the error is below 1e-7 in float32."""
    np.tanh(x, x)
    np.multiply(x, 0.5, x)
    np.add(x, 0.5, x)


@in_float32
def _lstm_gates(z: Array, c: Array, out: tuple[Array, ...] | None = None) -> tuple[Array, ...]:
    h, new, a = (np.empty(c.shape, c.dtype), np.empty(c.shape, c.dtype), _empty_gates(c, 4)) if out is None else out
    before, after = _by_gate(z, 4), _gates_first(a)
    np.multiply(before, 0.5, after)
    _sigmoid_of_twice(after)
    np.tanh(before[2], after[2])
    i, f, g, o = after
    np.multiply(i, g, h)
    np.multiply(f, c, new)
    np.add(new, h, new)
    np.tanh(new, h)
    np.multiply(h, o, h)
    return h, new, a


def _slopes(gates: Array, tanh: int) -> Array:
    """Returns a (1 − a) for gates that are sigmoids, and 1 − a² for number `tanh`."""
    slopes = 1 - gates
    slopes *= gates
    np.multiply(gates[tanh], gates[tanh], slopes[tanh])
    np.subtract(1, slopes[tanh], slopes[tanh])
    return slopes


@in_float32
def _lstm_gates_backward(
    dh: Array, dc: Array, a: Array, new: Array, c: Array, out: tuple[Array, ...] | None = None
) -> tuple[Array, ...]:
    shape = (*c.shape[:-1], 4 * c.shape[-1])
    dz, before = (np.empty(shape, c.dtype), np.empty(c.shape, c.dtype)) if out is None else out
    gates, target = _gates_first(a), _by_gate(dz, 4)
    i, f, g, o = gates
    slopes = _slopes(gates, 2)
    t = np.tanh(new)
    for slope, factor in zip(slopes, (g, c, i, t), strict=True):
        slope *= factor
    np.multiply(slopes[3], dh, target[3])
    t *= t
    d = 1 - t
    d *= o
    d *= dh
    d += dc  # the gradient of the new c
    np.multiply(slopes[:3], d, target[:3])
    np.multiply(d, f, before)
    return dz, before


@in_float32
def _gru_gates(u: Array, v: Array, h: Array, out: tuple[Array, ...] | None = None) -> tuple[Array, ...]:
    new, a = (np.empty(h.shape, h.dtype), _empty_gates(h, 3)) if out is None else out
    inputs, states, gates = _by_gate(u, 3), _by_gate(v, 3), _gates_first(a)
    np.add(inputs[:2], states[:2], gates[:2])
    np.multiply(gates[:2], 0.5, gates[:2])
    _sigmoid_of_twice(gates[:2])
    r, z, n = gates
    np.multiply(r, states[2], n)
    np.add(n, inputs[2], n)
    np.tanh(n, n)
    np.subtract(h, n, new)
    np.multiply(new, z, new)
    np.add(new, n, new)
    return new, a


@in_float32
def _gru_gates_backward(dh: Array, a: Array, v: Array, h: Array, out: tuple[Array, ...] | None = None) -> tuple[Array, ...]:
    shape = (*h.shape[:-1], 3 * h.shape[-1])
    du, dv, before = (*(np.empty(shape, h.dtype) for _ in "uv"), np.empty(h.shape, h.dtype)) if out is None else out
    gates = _gates_first(a)
    r, z, n = gates
    slopes = _slopes(gates, 2)
    np.multiply(dh, z, before)
    slopes[1] *= h - n
    slopes[1] *= dh
    slopes[2] *= dh - before
    slopes[0] *= _by_gate(v, 3)[2]
    slopes[0] *= slopes[2]
    np.copyto(_by_gate(du, 3), slopes)
    slopes[2] *= r
    np.copyto(_by_gate(dv, 3), slopes)
    return du, dv, before


# -- rules -------------------------------------------------------------------------------------------------------------
# Those of the backward kernels follow from differentiating ⟨U, dz⟩ + ⟨V, before⟩ with respect to each operand.


def _join(xp: Any, *parts: Any) -> Any:
    """Joins gates (…, H) to (…, gates, H)."""
    columns = [xp.reshape(p, shape=(*p.shape[:-1], 1, p.shape[-1])) for p in parts]
    return xp.concatenate(*columns, axis=parts[0].ndim - 1)


def _split(xp: Any, a: Any) -> list[Any]:
    """Splits (…, gates, H) into gates (…, H)."""
    return [xp.getitem(a, index=(Ellipsis, k, slice(None))) for k in range(a.shape[-2])]


def _split_rows(xp: Any, x: Any, gates: int) -> list[Any]:
    """Splits (…, gates · H) into gates (…, H)."""
    return _split(xp, xp.reshape(x, shape=(*x.shape[:-1], gates, x.shape[-1] // gates)))


def _or_zeros(xp: Any, g: Any, like: Any) -> Any:
    return xp.zeros_like(like) if g is None else g


def _only(needs: Sequence[bool], *gradients: Any) -> list[Any]:
    return [g if need else None for g, need in zip(gradients, needs, strict=True)]


def _lstm_gates_rule(xp: Any, needs: list[bool], g: Any, out: Any, z: Any, c: Any) -> list[Any]:
    dh, dc, da = g
    _, new, a = out
    dz, before = xp.lstm_gates_backward(_or_zeros(xp, dh, c), _or_zeros(xp, dc, c), a, new, c)
    if da is not None:
        i, f, g_, o = _split(xp, a)
        slopes = _join(xp, i * (1 - i), f * (1 - f), 1 - g_ * g_, o * (1 - o))
        dz = dz + xp.reshape(da * slopes, shape=z.shape)
    return _only(needs, dz, before)


def _lstm_backward_rule(xp: Any, needs: list[bool], g: Any, out: Any, dh: Any, dc: Any, a: Any, new: Any, c: Any) -> list[Any]:
    u, v = _or_zeros(xp, g[0], out[0]), _or_zeros(xp, g[1], c)
    (ui, uf, ug, uo), (i, f, g_, o) = _split_rows(xp, u, 4), _split(xp, a)
    t = xp.tanh(new)
    slope = 1 - t * t
    d = dc + dh * o * slope
    by_d = ui * g_ * i * (1 - i) + uf * c * f * (1 - f) + ug * i * (1 - g_ * g_) + v * f
    by_t = uo * dh * o * (1 - o) - 2 * by_d * dh * o * t
    by_a = _join(
        xp,
        d * (ui * g_ * (1 - 2 * i) + ug * (1 - g_ * g_)),
        d * (uf * c * (1 - 2 * f) + v),
        d * (ui * i * (1 - i) - 2 * ug * i * g_),
        dh * (by_d * slope + uo * t * (1 - 2 * o)),
    )
    return _only(needs, by_d * o * slope + uo * t * o * (1 - o), by_d, by_a, by_t * slope, uf * d * f * (1 - f))


def _gru_gates_rule(xp: Any, needs: list[bool], g: Any, out: Any, u: Any, v: Any, h: Any) -> list[Any]:
    dh, da = g
    a = out[1]
    du, dv, before = xp.gru_gates_backward(_or_zeros(xp, dh, h), a, v, h)
    if da is not None:
        (ar, az, an), (r, z, n), q = _split(xp, da), _split(xp, a), _split_rows(xp, v, 3)[2]
        by_n = an * (1 - n * n)
        by_r, by_z = (ar + by_n * q) * r * (1 - r), az * z * (1 - z)
        du = du + xp.reshape(_join(xp, by_r, by_z, by_n), shape=u.shape)
        dv = dv + xp.reshape(_join(xp, by_r, by_z, by_n * r), shape=u.shape)
    return _only(needs, du, dv, before)


def _gru_backward_rule(xp: Any, needs: list[bool], g: Any, out: Any, dh: Any, a: Any, v: Any, h: Any) -> list[Any]:
    by_u, by_v, p = (_or_zeros(xp, x, like) for x, like in zip(g, (v, v, h), strict=True))
    un, vn, q = (_split_rows(xp, x, 3)[2] for x in (by_u, by_v, v))
    ar, az, _ = _split_rows(xp, by_u + by_v, 3)  # the gates r and z have the same gradient in both
    r, z, n = _split(xp, a)
    slope = 1 - n * n
    dn = dh * (1 - z) * slope
    by_dn = ar * q * r * (1 - r) + un + vn * r
    by_dh = by_dn * (1 - z) * slope + az * (h - n) * z * (1 - z) + p * z
    by_a = _join(
        xp,
        dn * (ar * q * (1 - 2 * r) + vn),
        dh * (az * (h - n) * (1 - 2 * z) + p - by_dn * slope),
        dh * (-2 * by_dn * (1 - z) * n - az * z * (1 - z)),
    )
    zeros = xp.zeros_like(h)
    by_states = xp.reshape(_join(xp, zeros, zeros, ar * dn * r * (1 - r)), shape=v.shape)
    return _only(needs, by_dh, by_a, by_states, az * dh * z * (1 - z))


_LSTM_GATES: Final = Primitive(
    "lstm_gates", _lstm_gates, formula="c′ = f c + i g, h = o tanh c′; i, f, o = σ(z), g = tanh z",
    derivative=("δᶜ (g, c, i) and δ tanh c′, times the slopes of the gates; δᶜ = δ o (1 − tanh² c′) + δ_c′", "δᶜ f"),
    vjp=_lstm_gates_rule,
    outputs=3, nanoseconds=10.0, rowwise=True, batch=rules.same,
)  # fmt: skip
Primitive(
    "lstm_gates_backward", _lstm_gates_backward, formula="the gradients of z and c in lstm_gates",
    derivative=("o (1 − t²) for δᶜ, t o (1 − o) for o", "1 for δᶜ", "by the product rule", "by the product rule", "δᶜ f′"),
    vjp=_lstm_backward_rule,
    outputs=2, nanoseconds=10.0, rowwise=True, batch=rules.same,
)  # fmt: skip
_GRU_GATES: Final = Primitive(
    "gru_gates", _gru_gates, formula="h′ = (1 − z) n + z h; r, z = σ(u + v), n = tanh(u + r v)",
    derivative=("the slopes of the gates, times δ v n′ (1 − z), δ (h − n), δ (1 − z)", "the same, and r times for n", "δ z"),
    vjp=_gru_gates_rule,
    outputs=2, nanoseconds=10.0, rowwise=True, batch=rules.same,
)  # fmt: skip
Primitive(
    "gru_gates_backward", _gru_gates_backward, formula="the gradients of u, v and h in gru_gates",
    derivative=("(1 − z) n′, (h − n) z (1 − z) and z", "by the product rule", "δⁿ r (1 − r)", "δ z (1 − z)"),
    vjp=_gru_backward_rule,
    outputs=3, nanoseconds=10.0, rowwise=True, batch=rules.same,
)  # fmt: skip

# -- public functions --------------------------------------------------------------------------------------------------


def lstm_gates(z: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Returns (h, c) after a step, from z = W x + V h + b, which holds the gates i, f, g, o, and the earlier c."""
    h, new, _ = apply(_LSTM_GATES, as_operands(z, c))
    return h, new


def _sum_present(a: TensorLike | None, b: TensorLike | None) -> TensorLike | None:
    return b if a is None else a if b is None else add(a, b)


def _run(u: Tensor, state: tuple[Tensor, ...], step: Step, reverse: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Calls `step` on each element of `u` along its first axis; returns all h and the last state."""
    outputs = []
    for t in reversed(range(len(u))) if flag("recurrent layer", "reverse", reverse) else range(len(u)):
        state = step(getitem(u, t), state)
        outputs.append(state[0])
    return stack(outputs[::-1] if reverse else outputs), state


def of_one_dtype(x: TensorLike, *rest: TensorLike | None) -> Any:
    """Returns all operands of a network as tensors of one dtype; None stays None."""
    return as_floats_or_none(x, *rest)


def pair_of_states(name: str, state: LSTMState) -> LSTMState:
    if not isinstance(state, (tuple, list)) or len(state) != 2:
        raise TypeError(f"{name}: state must be a pair of tensors (h, c), got {state!r}")
    return state


def check_shapes(name: str, x: TensorLike, state: Sequence[TensorLike], w_ih: TensorLike, gates: int) -> tuple[Tensor, ...]:
    """Returns x and the parts of the state as tensors. Raises ValueError if their shapes do not fit the weight."""
    x, *parts = as_floats(x, *state)
    shape = as_tensor(w_ih)._data.shape
    if len(shape) != 2:
        raise ValueError(f"{name}: w_ih must be a matrix, got shape {shape}")
    rows, width = shape
    if not x.ndim or x.shape[-1] != width:
        raise ValueError(f"{name}: expected an input of shape (…, {width}), like w_ih ({rows}, {width}), got {x.shape}")
    hidden = parts[-1]
    if hidden.ndim and hidden.shape[-1] * gates != rows:
        raise ValueError(f"{name}: w_ih ({rows}, {width}) is for a state of length {rows // gates}, got shape {hidden.shape}")
    return x, *parts


def _sequence(name: str, x: TensorLike, state: Sequence[TensorLike], w_ih: TensorLike, gates: int) -> tuple[Tensor, ...]:
    """`check_shapes` for a sequence, which must not be empty."""
    x, *parts = check_shapes(name, x, state, w_ih, gates)
    if x.ndim < 2 or not len(x):
        raise ValueError(f"{name}: expected a sequence (T, …, {x.shape[-1]}) with T ≥ 1, got shape {x.shape}")
    return x, *parts


_NONLINEARITIES: Final = {"tanh": tanh, "relu": relu}


def nonlinearity_named(name: str, nonlinearity: str) -> Callable[[TensorLike], Tensor]:
    if not isinstance(nonlinearity, str) or nonlinearity not in _NONLINEARITIES:
        raise ValueError(f'{name}: nonlinearity must be "tanh" or "relu", got {nonlinearity!r}')
    return _NONLINEARITIES[nonlinearity]


def rnn(
    x: TensorLike,
    h: TensorLike,
    w_ih: TensorLike,
    w_hh: TensorLike,
    b_ih: Bias = None,
    b_hh: Bias = None,
    nonlinearity: str = "tanh",
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """Runs an Elman network over a sequence: h ← tanh(W x + b + V h + b′) (Elman 1990). Returns (all h, the last h).

    Parameters
    ----------
    x : a sequence (T, N, I), or (T, I) without a batch
    h : the first state, (N, H) or (H,)
    w_ih, w_hh : W of shape (H, I) and V of shape (H, H)
    b_ih, b_hh : biases of shape (H,)
    nonlinearity : "tanh" or "relu"
    reverse : start with the last element; the outputs keep the order of the sequence

    Examples
    --------
    >>> import autograd_mini as ag
    >>> outputs, last = ag.rnn([[1.0], [2.0]], [0.0], [[1.0]], [[10.0]], nonlinearity="relu")
    >>> outputs.tolist(), last.tolist()
    ([[1.0], [12.0]], [12.0])
    """
    activation = nonlinearity_named("rnn", nonlinearity)
    x, h, w_ih, w_hh, b_ih, b_hh = of_one_dtype(x, h, w_ih, w_hh, b_ih, b_hh)
    x, h = _sequence("rnn", x, (h,), w_ih, 1)
    u = linear(x, w_ih, _sum_present(b_ih, b_hh))
    outputs, (h,) = _run(u, (h,), lambda u, state: (activation(u + linear(state[0], w_hh)),), reverse)
    return outputs, h


def lstm(
    x: TensorLike,
    state: LSTMState,
    w_ih: TensorLike,
    w_hh: TensorLike,
    b_ih: Bias = None,
    b_hh: Bias = None,
    w_hr: TensorLike | None = None,
    reverse: bool = False,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Runs an LSTM over a sequence; returns (all h, (the last h, the last c)). Hochreiter & Schmidhuber 1997, Gers et al. 2000.

    With the gates i, f, o = σ(W x + b + V h + b′) and g = tanh(…) of the same form: c ← f c + i g, h ← o tanh c.

    Parameters
    ----------
    x : a sequence (T, N, I), or (T, I) without a batch
    state : the first h and c, (N, H) or (H,)
    w_ih, w_hh : W of shape (4 H, I) and V of shape (4 H, H); rows of i, f, g, o
    b_ih, b_hh : biases of shape (4 H,)
    w_hr : a matrix (P, H) that projects each h; w_hh is then (4 H, P)
    reverse : start with the last element; the outputs keep the order of the sequence

    Examples
    --------
    >>> import autograd_mini as ag
    >>> outputs, (h, c) = ag.lstm(ag.ones((5, 2, 3)), (ag.zeros((2, 4)), ag.zeros((2, 4))), ag.ones((16, 3)), ag.ones((16, 4)))
    >>> outputs.shape, h.shape, c.shape
    ((5, 2, 4), (2, 4), (2, 4))
    """
    x, *both, w_ih, w_hh, b_ih, b_hh, w_hr = of_one_dtype(x, *pair_of_states("lstm", state), w_ih, w_hh, b_ih, b_hh, w_hr)
    x, h, c = _sequence("lstm", x, both, w_ih, 4)
    u = linear(x, w_ih, _sum_present(b_ih, b_hh))

    def step(u: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        h, c = lstm_gates(u + linear(state[0], w_hh), state[1])
        return h if w_hr is None else linear(h, w_hr), c

    outputs, (h, c) = _run(u, (h, c), step, reverse)
    return outputs, (h, c)


def gru(
    x: TensorLike,
    h: TensorLike,
    w_ih: TensorLike,
    w_hh: TensorLike,
    b_ih: Bias = None,
    b_hh: Bias = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """Runs a GRU over a sequence; returns (all h, the last h). Cho et al. 2014, in PyTorch's form with r after the product.

    r, z = σ(W x + b + V h + b′), n = tanh(W x + b + r (V h + b′)), h ← (1 − z) n + z h.

    Parameters
    ----------
    x : a sequence (T, N, I), or (T, I) without a batch
    h : the first state, (N, H) or (H,)
    w_ih, w_hh : W of shape (3 H, I) and V of shape (3 H, H); rows of r, z, n
    b_ih, b_hh : biases of shape (3 H,)
    reverse : start with the last element; the outputs keep the order of the sequence

    Examples
    --------
    >>> import autograd_mini as ag
    >>> outputs, h = ag.gru(ag.ones((5, 2, 3)), ag.zeros((2, 4)), ag.ones((12, 3)), ag.ones((12, 4)))
    >>> outputs.shape, h.shape
    ((5, 2, 4), (2, 4))
    """
    x, h, w_ih, w_hh, b_ih, b_hh = of_one_dtype(x, h, w_ih, w_hh, b_ih, b_hh)
    x, h = _sequence("gru", x, (h,), w_ih, 3)
    u = linear(x, w_ih, b_ih)
    outputs, (h,) = _run(u, (h,), lambda u, state: (gru_step(u, linear(state[0], w_hh, b_hh), state[0]),), reverse)
    return outputs, h


def gru_step(u: Tensor, v: Tensor, h: Tensor) -> Tensor:
    new: Tensor = apply(_GRU_GATES, as_operands(u, v, h))[0]
    return new
