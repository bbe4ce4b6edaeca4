"""PyTorch's `torch.nn.utils.rnn`: sequences of different lengths in one tensor. Packed sequences do not exist."""

from __future__ import annotations

from collections.abc import Iterable

import autograd_mini as ag
from autograd_mini.tensor import Tensor, TensorLike, as_tensor

__all__ = ["pad_sequence"]


def pad_sequence(
    sequences: Iterable[TensorLike], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Stacks sequences (length, …) after padding them to the longest: (T, N, …), or (N, T, …) with `batch_first`.

    Parameters
    ----------
    sequences      tensors that differ in their first axis only
    batch_first    whether the batch is the first axis
    padding_value  the value of the additional steps
    padding_side   "right": they come after the sequence; "left": before it

    Raises
    ------
    ValueError  if there are no sequences, if their other axes differ, or for another `padding_side`

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.utils.rnn.pad_sequence([[1, 2, 3], [4]], batch_first=True, padding_value=-1)
    Tensor([[ 1,  2,  3],
            [ 4, -1, -1]], shape=(2, 3))
    """
    rows = [as_tensor(sequence) for sequence in sequences]
    if padding_side not in ("left", "right"):
        raise ValueError(f'pad_sequence: padding_side must be "left" or "right", got {padding_side!r}')
    if not rows or any(not row.ndim or row.shape[1:] != rows[0].shape[1:] for row in rows):
        got = ", ".join(str(row.shape) for row in rows) or "none"
        raise ValueError(f"pad_sequence: expected sequences that differ in their first axis only, got shapes {got}")
    longest = max(len(row) for row in rows)

    def pad(row: Tensor) -> Tensor:
        more = ag.full((longest - len(row), *row.shape[1:]), padding_value, dtype=row.dtype)
        return ag.concatenate([row, more] if padding_side == "right" else [more, row])

    return ag.stack([pad(row) for row in rows], axis=0 if batch_first else 1)
