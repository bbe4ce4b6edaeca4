"""Single steps of recurrent networks, with the weights of `recurrent.py`."""

from __future__ import annotations

from ...tensor import Tensor, TensorLike
from ..linalg import linear
from .recurrent import Bias, LSTMState, check_shapes, gru_step, lstm_gates, nonlinearity_named, of_one_dtype, pair_of_states

__all__ = ["gru_cell", "lstm_cell", "rnn_cell"]


def rnn_cell(
    x: TensorLike,
    h: TensorLike,
    w_ih: TensorLike,
    w_hh: TensorLike,
    b_ih: Bias = None,
    b_hh: Bias = None,
    nonlinearity: str = "tanh",
) -> Tensor:
    """One step of `rnn`: returns the new h for one input.

    Parameters
    ----------
    x : the input, (N, I) or (I,)
    h, w_ih, w_hh, b_ih, b_hh, nonlinearity : as in `rnn`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.rnn_cell([1.0], [2.0], [[1.0]], [[10.0]], nonlinearity="relu")
    Tensor([21.])
    """
    activation = nonlinearity_named("rnn_cell", nonlinearity)
    x, h, w_ih, w_hh, b_ih, b_hh = of_one_dtype(x, h, w_ih, w_hh, b_ih, b_hh)
    x, h = check_shapes("rnn_cell", x, (h,), w_ih, 1)
    return activation(linear(x, w_ih, b_ih) + linear(h, w_hh, b_hh))


def lstm_cell(
    x: TensorLike, state: LSTMState, w_ih: TensorLike, w_hh: TensorLike, b_ih: Bias = None, b_hh: Bias = None
) -> tuple[Tensor, Tensor]:
    """One step of `lstm`: returns (h, c) for one input.

    Parameters
    ----------
    x : the input, (N, I) or (I,)
    state, w_ih, w_hh, b_ih, b_hh : as in `lstm`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> h, c = ag.lstm_cell(ag.ones((2, 3)), (ag.zeros((2, 4)), ag.zeros((2, 4))), ag.ones((16, 3)), ag.ones((16, 4)))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """
    x, *both, w_ih, w_hh, b_ih, b_hh = of_one_dtype(x, *pair_of_states("lstm_cell", state), w_ih, w_hh, b_ih, b_hh)
    x, h, c = check_shapes("lstm_cell", x, both, w_ih, 4)
    return lstm_gates(linear(x, w_ih, b_ih) + linear(h, w_hh, b_hh), c)


def gru_cell(x: TensorLike, h: TensorLike, w_ih: TensorLike, w_hh: TensorLike, b_ih: Bias = None, b_hh: Bias = None) -> Tensor:
    """One step of `gru`: returns the new h for one input.

    Parameters
    ----------
    x : the input, (N, I) or (I,)
    h, w_ih, w_hh, b_ih, b_hh : as in `gru`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.gru_cell(ag.ones((2, 3)), ag.zeros((2, 4)), ag.ones((12, 3)), ag.ones((12, 4))).shape
    (2, 4)
    """
    x, h, w_ih, w_hh, b_ih, b_hh = of_one_dtype(x, h, w_ih, w_hh, b_ih, b_hh)
    x, h = check_shapes("gru_cell", x, (h,), w_ih, 3)
    return gru_step(linear(x, w_ih, b_ih), linear(h, w_hh, b_hh), h)
