"""Multi-head attention."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

import autograd_mini as ag
from autograd_mini.apply import as_floats, as_number
from autograd_mini.ops.neural.attention import attention_weights
from autograd_mini.ops.shape import one_int
from autograd_mini.tensor import Shape, Tensor, TensorLike, as_tensor

from ... import init
from ...module import Module, Parameter
from ..base import empty
from ..linear import Linear


class MultiheadAttention(Module):
    """Attention in several heads (Vaswani et al. 2017, section 3.2.2): each query attends to the keys and averages the values.

    Called as `layer(query, key, value)` with (L, N, embed_dim), (S, N, kdim), (S, N, vdim), it returns (output, weights): the
    output (L, N, embed_dim) and the weights (N, L, S), averaged over the heads. Inputs without a batch, (L, embed_dim), work
    too. In each head: softmax(Q Kᵀ/√d) V with d = embed_dim / num_heads.

    `forward(query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, average_attn_weights=True,
    is_causal=False)` takes PyTorch's arguments. In its masks, True means *not* to attend, and floats are added to the scores;
    `key_padding_mask` is (N, S), `attn_mask` (L, S) or (N · num_heads, L, S). With `need_weights=False` the weights are None.
    With `is_causal=True` and no `attn_mask`, query i attends to the keys 0 … i only. A query without any key gets weights 0.

    Parameters
    ----------
    embed_dim      length of queries and outputs
    num_heads      number of heads, a divisor of embed_dim
    dropout        probability with which a weight becomes 0 in training
    bias           whether to add biases to the projections
    add_bias_kv    add a learnable key and value to each sequence
    add_zero_attn  add a key and a value of zeros to each sequence
    kdim, vdim     lengths of keys and values; None: embed_dim
    batch_first    inputs and outputs are (N, L, …) instead of (L, N, …)
    dtype          dtype of the parameters; None: the default dtype

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> x = ag.ones((5, 2, 8))
    >>> output, weights = nn.MultiheadAttention(8, num_heads=4)(x, x, x)
    >>> output.shape, weights.shape
    ((5, 2, 8), (2, 5, 5))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
        dtype: DTypeLike | None = None,
    ):
        sizes = {"embed_dim": embed_dim, "num_heads": num_heads}
        if min(one_int("MultiheadAttention", name, n) for name, n in sizes.items()) < 1 or embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: expected num_heads to divide embed_dim, got {embed_dim=}, {num_heads=}")
        self.embed_dim, self.num_heads, self.batch_first = embed_dim, num_heads, batch_first
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        self.dropout = as_number("MultiheadAttention: dropout", dropout, "use dropout.detach()")
        self.add_zero_attn = add_zero_attn
        self.in_proj_weight: Parameter | None = None
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = init.xavier_uniform_(Parameter(empty((3 * embed_dim, embed_dim), dtype)))
        else:
            for name, width in (("q", embed_dim), ("k", self.kdim), ("v", self.vdim)):
                setattr(self, f"{name}_proj_weight", init.xavier_uniform_(Parameter(empty((embed_dim, width), dtype))))
        self.in_proj_bias = init.zeros_(Parameter(empty((3 * embed_dim,), dtype))) if bias else None
        self.bias_k = self.bias_v = None
        if add_bias_kv:
            self.bias_k, self.bias_v = (
                init.normal_(Parameter(empty((1, 1, embed_dim), dtype)), std=math.sqrt(1 / embed_dim)) for _ in "kv"
            )
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype=dtype)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: TensorLike,
        key: TensorLike,
        value: TensorLike,
        key_padding_mask: TensorLike | None = None,
        need_weights: bool = True,
        attn_mask: TensorLike | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        shared = (key is query, value is key)
        q, k, v = as_floats(query, key, value)
        self._check_inputs(q, k, v)
        batched = q.ndim == 3
        if not batched:
            q, k, v = (ag.expand_dims(t, 1) for t in (q, k, v))
        batch_first = self.batch_first and batched
        q, k, v = self._project(q, k, v, *shared)
        k, v = self._extend(k, self.bias_k, batch_first), self._extend(v, self.bias_v, batch_first)
        # (L, N, E) or (N, L, E) -> (N, heads, L, E / heads)
        order = (0, 2, 1, 3) if batch_first else (1, 2, 0, 3)
        q, k, v = (
            ag.transpose(ag.reshape(t, (*t.shape[:2], self.num_heads, t.shape[2] // self.num_heads)), order) for t in (q, k, v)
        )
        padding = None if key_padding_mask is None else as_tensor(key_padding_mask)
        if padding is not None and not batched:
            padding = ag.expand_dims(padding, 0)
        causal = is_causal and attn_mask is None
        mask = self._mask(q.shape, k.shape[2], padding, None if attn_mask is None else as_tensor(attn_mask), causal)
        weights = attention_weights(q, k, mask)
        if self.training and self.dropout:
            weights = ag.dropout(weights, self.dropout)
        heads = ag.transpose(weights @ v, (0, 2, 1, 3) if batch_first else (2, 0, 1, 3))
        output = self.out_proj(ag.reshape(heads, (*heads.shape[:2], self.embed_dim)))
        if need_weights and average_attn_weights:
            weights = ag.mean(weights, 1)
        if batched:
            return output, weights if need_weights else None
        return ag.squeeze(output, 1), ag.squeeze(weights, 0) if need_weights else None

    def _project(self, q: Tensor, k: Tensor, v: Tensor, same_key: bool, same_value: bool) -> tuple[Tensor, ...]:
        """Projects queries, keys and values; one product serves those that are the same tensor."""
        size, bias = self.embed_dim, self.in_proj_bias
        if self.in_proj_weight is None:
            weights = [getattr(self, f"{name}_proj_weight") for name in "qkv"]
            biases = [None] * 3 if bias is None else ag.split(bias, 3)
            return tuple(ag.linear(t, w, b) for t, w, b in zip((q, k, v), weights, biases, strict=True))

        def several(x: Tensor, first: int, last: int) -> list[Tensor]:
            rows = slice(first * size, last * size)
            whole = last - first == 3
            weight, shift = self.in_proj_weight, bias
            assert weight is not None
            y = ag.linear(x, weight if whole else weight[rows], shift if whole or shift is None else shift[rows])
            return ag.split(y, last - first, -1) if last - first > 1 else [y]

        if same_key and same_value:
            q, k, v = several(q, 0, 3)
        elif same_value:
            (q,), (k, v) = several(q, 0, 1), several(k, 1, 3)
        else:
            q, k, v = (several(t, i, i + 1)[0] for i, t in enumerate((q, k, v)))
        return q, k, v

    def _extend(self, x: Tensor, bias: Parameter | None, batch_first: bool) -> Tensor:
        """Appends the learnable key or value, and zeros, to each sequence."""
        shape = (x.shape[0], 1, self.embed_dim) if batch_first else (1, x.shape[1], self.embed_dim)
        parts = [x]
        if bias is not None:
            parts.append(ag.broadcast_to(bias, shape))
        if self.add_zero_attn:
            parts.append(ag.zeros(shape, dtype=x.dtype))
        return x if len(parts) == 1 else ag.concatenate(parts, 1 if batch_first else 0)

    def _mask(self, shape: Shape, keys: int, padding: Tensor | None, mask: Tensor | None, causal: bool) -> Tensor | None:
        """Returns the sum of both masks in the form of `scaled_dot_product_attention`: (N or 1, heads or 1, L or 1, S).

        `shape` is that of the queries, (N, heads, L, d), and `keys` the number of keys with those that `_extend` appended.
        """
        n, heads, length, _ = shape
        given = keys - (self.bias_k is not None) - self.add_zero_attn
        if causal:
            mask = Tensor(~np.tri(length, given, dtype=bool))
        parts = []
        for name, part, shapes in (
            (
                "attn_mask",
                mask,
                {(length, given): (1, 1, length, given), (n * heads, length, given): (n, heads, length, given)},
            ),
            ("key_padding_mask", padding, {(n, given): (n, 1, 1, given)}),
        ):
            if part is None:
                continue
            if part.shape not in shapes:
                expected = " or ".join(map(str, shapes))
                raise ValueError(f"MultiheadAttention: expected {name} of shape {expected}, got {part.shape}")
            if part.dtype.kind not in "bf":
                raise TypeError(f"MultiheadAttention: {name} must hold bools or floats, got {part.dtype}")
            parts.append(ag.reshape(part, shapes[part.shape]))
        if not parts:
            return None
        if keys > given:
            parts = [ag.pad(part, ((0, 0),) * 3 + ((0, keys - given),), constant_values=False) for part in parts]
        return _join_masks(parts)

    def _check_inputs(self, q: Tensor, k: Tensor, v: Tensor) -> None:
        widths, axis = (self.embed_dim, self.kdim, self.vdim), 1 if self.batch_first and q.ndim == 3 else 0
        fits = q.ndim in (2, 3) and all(t.ndim == q.ndim and t.shape[-1] == w for t, w in zip((q, k, v), widths, strict=True))
        same_batch = fits and (q.ndim == 2 or q.shape[1 - axis] == k.shape[1 - axis] == v.shape[1 - axis])
        if not same_batch or k.shape[axis] != v.shape[axis]:
            lead = "(N, L, {0}), (N, S, {1}), (N, S, {2})" if self.batch_first else "(L, N, {0}), (S, N, {1}), (S, N, {2})"
            raise ValueError(
                f"MultiheadAttention: expected query, key and value of shapes {lead.format(*widths)}, or all without N, "
                f"got {q.shape}, {k.shape}, {v.shape}"
            )

    def extra_repr(self) -> str:
        return f"embed_dim={self.embed_dim}, num_heads={self.num_heads}, batch_first={self.batch_first}"


def _join_masks(masks: Sequence[Tensor]) -> Tensor:
    """Returns one mask for masks in which True means not to attend: bools with True to attend, or a sum of floats."""
    if all(mask.dtype.kind == "b" for mask in masks):
        joint = masks[0]
        for mask in masks[1:]:
            joint = ag.logical_or(joint, mask)
        return ag.logical_not(joint)
    first, *others = (ag.where(mask, -np.inf, 0.0) if mask.dtype.kind == "b" else mask for mask in masks)
    return sum(others, first)
