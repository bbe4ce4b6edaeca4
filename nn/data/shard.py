"""`Shard`: the rows of a batch that belong to one rank of an MPI run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .examples import Rows


@dataclass(frozen=True)
class Shard:
    """The part of `rank` among `size` equal parts. A part has no rows, or at least `least`.

    >>> from autograd_mini.nn.data.shard import Shard
    >>> [Shard(rank, 3).part(64) for rank in range(3)]
    [slice(0, 21, None), slice(21, 42, None), slice(42, 64, None)]
    >>> [Shard(rank, 3, least=2).part(5) for rank in range(3)]
    [slice(0, 2, None), slice(2, 5, None), slice(5, 5, None)]
    """

    rank: int = 0
    size: int = 1
    least: int = 1

    def part(self, rows: int) -> slice:
        """Returns the part of a batch of `rows` rows."""
        ranks = max(1, min(self.size, rows // self.least))
        rank = min(self.rank, ranks)
        return slice(rows * rank // ranks, rows * min(rank + 1, ranks) // ranks)

    def rows_of(self, rows: Rows) -> Rows:
        """Returns the rows of this rank; the first `least` rows of the batch if it has none."""
        if self.size == 1:
            return rows
        part = self.part(count_rows(rows))
        part = slice(0, self.least) if part.start == part.stop else part
        if isinstance(rows, slice):
            return slice(rows.start + part.start, min(rows.start + part.stop, rows.stop))
        return rows[part]

    @property
    def seed(self) -> tuple[int, ...]:
        """What a rank adds to the seed of a batch's transform, so that ranks draw different numbers."""
        return (self.rank,) if self.rank else ()


def count_rows(rows: Any) -> int:
    """Returns the number of rows of a batch.

    >>> from autograd_mini.nn.data.shard import count_rows
    >>> count_rows(slice(4, 7)), count_rows([1, 5])
    (3, 2)
    """
    return rows.stop - rows.start if isinstance(rows, slice) else len(rows)
