"""Transformers (Vaswani et al. 2017): layers of attention and small networks, stacks of them, and both stacks together."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

import autograd_mini as ag
from autograd_mini.apply import as_number
from autograd_mini.dtypes import default_dtype
from autograd_mini.tensor import Tensor, TensorLike

from ... import init
from ...module import Module
from ..container import ModuleList
from ..linear import Linear
from ..noise import Dropout
from ..normalization import LayerNorm
from .attention import MultiheadAttention

Activation: TypeAlias = "str | Callable[[Tensor], Tensor]"
Mask: TypeAlias = "TensorLike | None"

_ACTIVATIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {"relu": ag.relu, "gelu": ag.gelu}


def _as_numbers(kind: str, dropout: Any, layer_norm_eps: Any) -> tuple[float, float]:
    """Returns both settings as floats, and raises errors that name the layer with these settings."""
    return (
        as_number(f"{kind}: dropout", dropout, "use dropout.detach()"),
        as_number(f"{kind}: layer_norm_eps", layer_norm_eps, "use layer_norm_eps.detach()"),
    )


class _TransformerLayer(Module):
    """Base of both layers: the small network, and sums with the input."""

    linear1: Linear
    linear2: Linear
    dropout: Dropout
    norm_first: bool

    def _set_activation(self, activation: Activation) -> None:
        if isinstance(activation, str) and activation not in _ACTIVATIONS:
            raise ValueError(
                f'{type(self).__name__}: activation must be "relu", "gelu" or a function of a tensor, got {activation!r}'
            )
        self.activation = _ACTIVATIONS[activation] if isinstance(activation, str) else activation

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def _add(self, x: Tensor, part: Callable[[Tensor], Tensor], norm: LayerNorm, dropout: Dropout) -> Tensor:
        """Returns x plus the output of a part; the normalisation is before the part or after the sum."""
        if self.norm_first:
            return x + dropout(part(norm(x)))
        return norm(x + dropout(part(x)))


class TransformerEncoderLayer(_TransformerLayer):
    """Self-attention and a network of two layers, each with a sum and a normalisation: (L, N, d_model) → (L, N, d_model).

    `forward(src, src_mask=None, src_key_padding_mask=None, is_causal=False)` takes the masks of `MultiheadAttention`.

    Parameters
    ----------
    d_model          length of inputs and outputs
    nhead            number of heads, a divisor of d_model
    dim_feedforward  units of the hidden layer
    dropout          probability of dropout in training
    activation       "relu", "gelu" or a function
    layer_norm_eps   ε of the normalisations
    batch_first      inputs and outputs are (N, L, d_model)
    norm_first       normalise the input of each part, instead of the sum
    bias             whether linear layers and normalisations have a bias
    dtype            dtype of the parameters; None: the default dtype

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> layer = nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16, batch_first=True)
    >>> layer(ag.ones((3, 5, 8))).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ):
        dropout, layer_norm_eps = _as_numbers("TransformerEncoderLayer", dropout, layer_norm_eps)
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype)
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype)
        self.norm1, self.norm2 = (LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype) for _ in range(2))
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)
        self.norm_first = norm_first
        self._set_activation(activation)

    def forward(self, src: Tensor, src_mask: Mask = None, src_key_padding_mask: Mask = None, is_causal: bool = False) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            return self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)[0]

        x = self._add(src, attend, self.norm1, self.dropout1)
        return self._add(x, self._feed_forward, self.norm2, self.dropout2)


class TransformerDecoderLayer(_TransformerLayer):
    """A `TransformerEncoderLayer` that also attends to a `memory`, the output of an encoder: (T, N, d_model) → (T, N, d_model).

    `forward(tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None,
    tgt_is_causal=False, memory_is_causal=False)` takes the masks of `MultiheadAttention` for both.

    Parameters
    ----------
    d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, dtype
        as in `TransformerEncoderLayer`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> layer = nn.TransformerDecoderLayer(8, nhead=2, dim_feedforward=16)
    >>> layer(ag.ones((4, 3, 8)), ag.ones((5, 3, 8)), tgt_is_causal=True).shape
    (4, 3, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ):
        dropout, layer_norm_eps = _as_numbers("TransformerDecoderLayer", dropout, layer_norm_eps)
        self.self_attn, self.multihead_attn = (
            MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype) for _ in range(2)
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype)
        self.norm1, self.norm2, self.norm3 = (LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype) for _ in range(3))
        self.dropout1, self.dropout2, self.dropout3 = (Dropout(dropout) for _ in range(3))
        self.norm_first = norm_first
        self._set_activation(activation)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Mask = None,
        memory_mask: Mask = None,
        tgt_key_padding_mask: Mask = None,
        memory_key_padding_mask: Mask = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            return self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)[0]

        def attend_to_memory(x: Tensor) -> Tensor:
            masks = (memory_key_padding_mask, False, memory_mask)
            return self.multihead_attn(x, memory, memory, *masks, is_causal=memory_is_causal)[0]

        x = self._add(tgt, attend, self.norm1, self.dropout1)
        x = self._add(x, attend_to_memory, self.norm2, self.dropout2)
        return self._add(x, self._feed_forward, self.norm3, self.dropout3)


def _copies(kind: str, layer: Module, num_layers: int) -> ModuleList[Any]:
    """Returns copies of a layer, which start from the same values. Raises ValueError without any."""
    if num_layers < 1:
        raise ValueError(f"{kind}: expected num_layers ≥ 1, got num_layers={num_layers}")
    return ModuleList([copy.deepcopy(layer) for _ in range(num_layers)])


class TransformerEncoder(Module):
    """Applies `num_layers` copies of `encoder_layer` one after the other, and then `norm`, if it is not None.

    `forward(src, mask=None, src_key_padding_mask=None, is_causal=False)` passes the masks to each layer. The copies start from
    the same values, as in PyTorch.

    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), num_layers=3, norm=nn.LayerNorm(8))
    >>> encoder(ag.ones((5, 2, 8))).shape
    (5, 2, 8)
    """

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None):
        self.layers = _copies("TransformerEncoder", encoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self, src: Tensor, mask: Mask = None, src_key_padding_mask: Mask = None, is_causal: bool | None = None
    ) -> Tensor:
        for layer in self.layers:
            src = layer(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=bool(is_causal))
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """Applies `num_layers` copies of `decoder_layer` one after the other, and then `norm`, if it is not None.

    `forward(tgt, memory, ...)` takes the masks of `TransformerDecoderLayer`. The copies start from the same values.

    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), num_layers=3)
    >>> decoder(ag.ones((4, 2, 8)), ag.ones((5, 2, 8))).shape
    (4, 2, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None):
        self.layers = _copies("TransformerDecoder", decoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Mask = None,
        memory_mask: Mask = None,
        tgt_key_padding_mask: Mask = None,
        memory_key_padding_mask: Mask = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        masks = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask, bool(tgt_is_causal), memory_is_causal)
        for layer in self.layers:
            tgt = layer(tgt, memory, *masks)
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder and a decoder, each with a normalisation at the end: called as `model(src, tgt)`, it returns (T, N, d_model).

    The arguments of `forward` are those of PyTorch: `src_mask`, `tgt_mask`, `memory_mask`, a `..._key_padding_mask` and an
    `..._is_causal` for each. Matrices start from Xavier's uniform distribution.

    Parameters
    ----------
    d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, dtype
        as in `TransformerEncoderLayer`
    num_encoder_layers, num_decoder_layers
        number of layers
    custom_encoder, custom_decoder
        modules to use instead

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> model = nn.Transformer(8, 2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=16)
    >>> model(ag.ones((5, 3, 8)), ag.ones((4, 3, 8)), tgt_mask=model.generate_square_subsequent_mask(4)).shape
    (4, 3, 8)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ):
        dropout, layer_norm_eps = _as_numbers("Transformer", dropout, layer_norm_eps)
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        settings: Any = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)

        self.encoder: Module = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*settings, dtype=dtype), num_encoder_layers, norm()
        )
        self.decoder: Module = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*settings, dtype=dtype), num_decoder_layers, norm()
        )
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Mask = None,
        tgt_mask: Mask = None,
        memory_mask: Mask = None,
        src_key_padding_mask: Mask = None,
        tgt_key_padding_mask: Mask = None,
        memory_key_padding_mask: Mask = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, dtype: DTypeLike | None = None) -> Tensor:
        """Returns a mask (sz, sz) with −∞ above the diagonal and 0 elsewhere: element i may attend to 0 … i.

        >>> from autograd_mini import nn
        >>> nn.Transformer.generate_square_subsequent_mask(2).tolist()
        [[0.0, -inf], [0.0, 0.0]]
        """
        return Tensor(np.triu(np.full((sz, sz), -np.inf), 1), dtype=default_dtype() if dtype is None else dtype)
