"""Recurrent layers, `RNN`, `LSTM` and `GRU`, and their single steps, `RNNCell`, `LSTMCell` and `GRUCell`.

Parameters have PyTorch's names: `weight_ih_l0` belongs to layer 0, `weight_ih_l0_reverse` to its second direction.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar, Literal, TypeAlias

from numpy.typing import DTypeLike

import autograd_mini as ag
from autograd_mini.apply import as_number
from autograd_mini.tensor import Shape, Tensor, TensorLike, as_tensor
from autograd_mini.tools.arguments import one_int

from ... import init
from ...module import Parameter
from ..base import Layer, empty

Nonlinearity: TypeAlias = Literal["tanh", "relu"]
State: TypeAlias = "TensorLike | tuple[TensorLike, ...]"


class _Weights(Layer):
    """Base of layers whose parameters all start from U(−1/√H, 1/√H)."""

    gates: ClassVar[int]  # blocks of H rows in a weight
    nonlinearity: Any = None
    bias: bool
    input_size: int
    hidden_size: int

    def _set_sizes(self, **sizes: int) -> None:
        """Sets sizes as attributes. Raises ValueError unless they are at least 1."""
        for name, value in sizes.items():
            size = one_int(type(self).__name__, name, value)
            if size < 1:
                raise ValueError(f"{type(self).__name__}: expected {name} ≥ 1, got {name}={value}")
            setattr(self, name, size)

    def _set_nonlinearity(self, nonlinearity: str) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f'{type(self).__name__}: nonlinearity must be "tanh" or "relu", got {nonlinearity!r}')
        self.nonlinearity = nonlinearity

    def _add_parameters(self, shapes: dict[str, Shape], dtype: DTypeLike | None) -> None:
        bound = 1 / math.sqrt(self.hidden_size)
        for name, shape in shapes.items():
            setattr(self, name, init.uniform_(Parameter(empty(shape, dtype)), -bound, bound))


# -- sequences ---------------------------------------------------------------------------------------------------------


class _Recurrent(_Weights):
    """Base of `RNN`, `LSTM` and `GRU`: layers on top of each other, each in one or two directions."""

    states: ClassVar[int] = 1  # arrays in the state: h, or h and c

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        dtype: DTypeLike | None,
    ):
        kind = type(self).__name__
        self._set_sizes(input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        self.num_layers = num_layers
        self.bias, self.batch_first, self.bidirectional, self.proj_size = bias, batch_first, bidirectional, proj_size
        self.dropout = as_number(f"{kind}: dropout", dropout, "use dropout.detach()")
        if not 0 <= self.dropout <= 1:
            raise ValueError(f"{kind}: expected dropout in [0, 1], got dropout={dropout}")
        if self.dropout and num_layers == 1:
            warnings.warn(f"{kind}: dropout acts between layers, so {dropout=} changes nothing with one layer", stacklevel=3)
        if not 0 <= proj_size < hidden_size:
            raise ValueError(f"{kind}: expected 0 ≤ proj_size < hidden_size, got {proj_size=}, {hidden_size=}")
        rows, features = self.gates * hidden_size, self.output_size
        for layer in range(num_layers):
            columns = input_size if layer == 0 else features * len(self._directions)
            for direction in self._directions:
                shapes: dict[str, Shape] = {"weight_ih": (rows, columns), "weight_hh": (rows, features)}
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
                shapes |= {"weight_hr": (proj_size, hidden_size)} if proj_size else {}
                self._add_parameters({f"{name}_l{layer}{direction}": shape for name, shape in shapes.items()}, dtype)

    @property
    def _directions(self) -> tuple[str, ...]:
        """The suffixes of the parameters of each direction."""
        return ("", "_reverse") if self.bidirectional else ("",)

    @property
    def output_size(self) -> int:
        """Length of h: `hidden_size`, or `proj_size` if there is a projection."""
        return self.proj_size or self.hidden_size

    def parameters_of(self, layer: int, reverse: bool = False) -> list[Any]:
        """Returns weight_ih, weight_hh, bias_ih, bias_hh (and weight_hr) of one layer in one direction; None for no bias.

        >>> from autograd_mini import nn
        >>> [p.shape for p in nn.GRU(2, 3).parameters_of(0)]
        [(9, 2), (9, 3), (9,), (9,)]
        """
        names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", *(["weight_hr"] if self.proj_size else [])]
        return [getattr(self, f"{name}_l{layer}{'_reverse' if reverse else ''}", None) for name in names]

    def flatten_parameters(self) -> None:
        """Does nothing: it exists for programs that call it for PyTorch's memory layout.

        >>> from autograd_mini import nn
        >>> nn.GRU(2, 3).flatten_parameters()
        """

    def forward(self, x: TensorLike, hx: State | None = None) -> tuple[Tensor, Any]:
        x = as_tensor(x)
        batched = self._check_input(x)
        if batched and self.batch_first:
            x = ag.swapaxes(x, 0, 1)
        state = self._initial_state(x, hx, batched)
        final: list[tuple[Tensor, ...]] = []
        for layer in range(self.num_layers):
            if layer and self.dropout and self.training:
                x = ag.dropout(x, self.dropout)
            outputs = []
            for reverse in range(len(self._directions)):
                y, last = self._run(x, tuple(s[len(final)] for s in state), layer, bool(reverse))
                outputs.append(y)
                final.append(last)
            x = ag.concatenate(outputs, -1) if self.bidirectional else outputs[0]
        if batched and self.batch_first:
            x = ag.swapaxes(x, 0, 1)
        ends = tuple(ag.stack(parts) for parts in zip(*final, strict=True))
        return x, ends if self.states > 1 else ends[0]

    def _run(self, x: Tensor, state: tuple[Tensor, ...], layer: int, reverse: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Runs one layer in one direction; returns all h and the last state."""
        raise NotImplementedError

    def _check_input(self, x: Tensor) -> bool:
        """Returns whether `x` has an axis for the batch. Raises ValueError for a wrong shape."""
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            shape = "(N, T, {0}) or (T, {0})" if self.batch_first else "(T, N, {0}) or (T, {0})"
            raise ValueError(
                f"{type(self).__name__}: expected an input of shape {shape.format(self.input_size)}, got {x.shape}"
            )
        return x.ndim == 3

    def _initial_state(self, x: Tensor, hx: State | None, batched: bool) -> list[Tensor]:
        """Returns the arrays of the first state, (layers · directions, N, H), for an input (T, N, I); zeros if `hx` is None."""
        kind, lead, batch = type(self).__name__, self.num_layers * len(self._directions), x.shape[1:-1]
        shapes = [(lead, *batch, self.output_size), (lead, *batch, self.hidden_size)][: self.states]
        if hx is None:
            dtype = x.dtype if x.dtype.kind == "f" else self.parameters_of(0)[0].dtype
            return [ag.zeros(shape, dtype=dtype) for shape in shapes]
        given = hx if self.states > 1 else (hx,)
        if not isinstance(given, (tuple, list)) or len(given) != self.states:
            raise ValueError(f"{kind}: expected a state (h_0, c_0), got {hx!r}")
        state = [as_tensor(s) for s in given]
        for name, s, shape in zip(("h_0", "c_0"), state, shapes, strict=False):
            if s.shape != shape:
                raise ValueError(f"{kind}: expected {name} of shape {shape} for an input of shape {x.shape}, got {s.shape}")
        return state

    def extra_repr(self) -> str:
        usual = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        changed = [f"{name}={getattr(self, name)}" for name, default in usual.items() if getattr(self, name) != default]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *changed])


class RNN(_Recurrent):
    """Elman networks over a sequence: h ← tanh(W x + b + V h + b′), (T, N, input_size) → (T, N, H). See `ag.rnn`.

    Called as `layer(x, h_0)`, it returns (all h of the last layer, the last h of each layer). h_0 has the shape
    (num_layers · directions, N, H) and is 0 by default. A sequence without a batch, (T, input_size), works too.

    Parameters
    ----------
    input_size     length of the input's last axis
    hidden_size    length H of h
    num_layers     layers on top of each other; each one reads the outputs of the one below
    nonlinearity   "tanh" or "relu"
    bias           whether to add the biases b and b′
    batch_first    inputs and outputs are (N, T, …) instead of (T, N, …); the states are not affected
    dropout        probability of dropout between the layers, in training
    bidirectional  run a second direction from the end, and concatenate both outputs: (T, N, 2 H)
    dtype          dtype of the parameters; None: the default dtype

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> outputs, h = nn.RNN(3, 4, num_layers=2)(ag.ones((5, 8, 3)))
    >>> outputs.shape, h.shape
    ((5, 8, 4), (2, 8, 4))
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Nonlinearity = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: DTypeLike | None = None,
    ):
        self._set_nonlinearity(nonlinearity)
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, dtype)

    def _run(self, x: Tensor, state: tuple[Tensor, ...], layer: int, reverse: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
        w_ih, w_hh, b_ih, b_hh = self.parameters_of(layer, reverse)
        y, h = ag.rnn(x, state[0], w_ih, w_hh, b_ih, b_hh, self.nonlinearity, reverse)
        return y, (h,)


class LSTM(_Recurrent):
    """Long short-term memory over a sequence, (T, N, input_size) → (T, N, H). See `ag.lstm` for the formula.

    Called as `layer(x, (h_0, c_0))`, it returns (all h of the last layer, (h_n, c_n)). States have the shape
    (num_layers · directions, N, H) and are 0 by default. A sequence without a batch, (T, input_size), works too.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype
        as in `RNN`
    proj_size
        length to which a matrix projects each h; 0: no projection

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> outputs, (h, c) = nn.LSTM(3, 4, batch_first=True, bidirectional=True)(ag.ones((8, 5, 3)))
    >>> outputs.shape, h.shape, c.shape
    ((8, 5, 8), (2, 8, 4), (2, 8, 4))
    """

    gates, states = 4, 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, dtype)

    def _run(self, x: Tensor, state: tuple[Tensor, ...], layer: int, reverse: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
        w_ih, w_hh, b_ih, b_hh, *w_hr = self.parameters_of(layer, reverse)
        return ag.lstm(x, (state[0], state[1]), w_ih, w_hh, b_ih, b_hh, w_hr[0] if w_hr else None, reverse)


class GRU(_Recurrent):
    """Gated recurrent units over a sequence, (T, N, input_size) → (T, N, H). See `ag.gru` for the formula.

    Called as `layer(x, h_0)`, it returns (all h of the last layer, the last h of each layer), with the shapes of `RNN`.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype
        as in `RNN`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> outputs, h = nn.GRU(3, 4)(ag.ones((5, 3)))
    >>> outputs.shape, h.shape
    ((5, 4), (1, 4))
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, dtype)

    def _run(self, x: Tensor, state: tuple[Tensor, ...], layer: int, reverse: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
        w_ih, w_hh, b_ih, b_hh = self.parameters_of(layer, reverse)
        y, h = ag.gru(x, state[0], w_ih, w_hh, b_ih, b_hh, reverse)
        return y, (h,)


# -- single steps ------------------------------------------------------------------------------------------------------


class _Cell(_Weights):
    """Base of the single steps."""

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None = None
    bias_hh: Parameter | None = None

    def __init__(self, input_size: int, hidden_size: int, bias: bool, dtype: DTypeLike | None):
        self._set_sizes(input_size=input_size, hidden_size=hidden_size)
        self.bias = bias
        rows = self.gates * hidden_size
        shapes: dict[str, Shape] = {"weight_ih": (rows, input_size), "weight_hh": (rows, hidden_size)}
        self._add_parameters(shapes | ({"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}), dtype)

    def _prepare(self, x: TensorLike, *state: TensorLike | None) -> tuple[Tensor, ...]:
        """Returns the input and the state as tensors; parts of the state that are None become zeros."""
        x, kind = as_tensor(x), type(self).__name__
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            shapes = f"(N, {self.input_size}) or ({self.input_size},)"
            raise ValueError(f"{kind}: expected an input of shape {shapes}, got {x.shape}")
        shape = (*x.shape[:-1], self.hidden_size)
        dtype = x.dtype if x.dtype.kind == "f" else self.weight_ih.dtype
        parts = [ag.zeros(shape, dtype=dtype) if s is None else as_tensor(s) for s in state]
        for part in parts:
            if part.shape != shape:
                raise ValueError(f"{kind}: expected a state of shape {shape} for an input of shape {x.shape}, got {part.shape}")
        return x, *parts

    @property
    def _parameters(self) -> tuple[Parameter, Parameter, Parameter | None, Parameter | None]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(_Cell):
    """One step of `RNN`: called as `cell(x, h)`, it returns the new h; (N, input_size), (N, H) → (N, H). h is 0 by default.

    Parameters
    ----------
    input_size, hidden_size, bias, nonlinearity, dtype
        as in `RNN`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> nn.RNNCell(3, 4)(ag.ones((8, 3))).shape
    (8, 4)
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: Nonlinearity = "tanh",
        *,
        dtype: DTypeLike | None = None,
    ):
        self._set_nonlinearity(nonlinearity)
        super().__init__(input_size, hidden_size, bias, dtype)

    def forward(self, x: TensorLike, hx: TensorLike | None = None) -> Tensor:
        x, h = self._prepare(x, hx)
        return ag.rnn_cell(x, h, *self._parameters, nonlinearity=self.nonlinearity)


class LSTMCell(_Cell):
    """One step of `LSTM`: called as `cell(x, (h, c))`, it returns the new (h, c), each (N, H). Both are 0 by default.

    Parameters
    ----------
    input_size, hidden_size, bias, dtype
        as in `RNN`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> h, c = nn.LSTMCell(3, 4)(ag.ones((8, 3)))
    >>> h.shape, c.shape
    ((8, 4), (8, 4))
    """

    gates = 4

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, *, dtype: DTypeLike | None = None):
        super().__init__(input_size, hidden_size, bias, dtype)

    def forward(self, x: TensorLike, hx: tuple[TensorLike, TensorLike] | None = None) -> tuple[Tensor, Tensor]:
        if hx is not None and (not isinstance(hx, (tuple, list)) or len(hx) != 2):
            raise ValueError(f"LSTMCell: expected a state (h, c), got {hx!r}")
        x, h, c = self._prepare(x, *(hx or (None, None)))
        return ag.lstm_cell(x, (h, c), *self._parameters)


class GRUCell(_Cell):
    """One step of `GRU`: called as `cell(x, h)`, it returns the new h; (N, input_size), (N, H) → (N, H). h is 0 by default.

    Parameters
    ----------
    input_size, hidden_size, bias, dtype
        as in `RNN`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> nn.GRUCell(3, 4)(ag.ones(3)).shape
    (4,)
    """

    gates = 3

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, *, dtype: DTypeLike | None = None):
        super().__init__(input_size, hidden_size, bias, dtype)

    def forward(self, x: TensorLike, hx: TensorLike | None = None) -> Tensor:
        x, h = self._prepare(x, hx)
        return ag.gru_cell(x, h, *self._parameters)
