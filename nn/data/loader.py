"""Minibatches: rows of a data set in an order that depends only on the seed and the number of the epoch."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from numbers import Integral
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from autograd_mini.tensor import Array, Tensor

from .examples import Collate, Rows, as_batch, as_fields, by_rows, check_dataset, collate, draws_globally, load_items
from .prefetch import load_ahead
from .sampler import IndexSource, epoch_order
from .shard import Shard, count_rows
from .subsets import RowSource, TensorDataset

BatchTransform: TypeAlias = Callable[[tuple[Array, ...], np.random.Generator], Any]


class DataLoader:
    """Iterates over minibatches: tuples of Tensors with `batch_size` rows each. Each iteration is the next epoch.

    A data set has a length and is read in one of two ways. `dataset[rows]` returns whole batches for a slice or an array of
    indices; this is fast. Or `dataset[i]` returns one example, a tuple of numbers and arrays, as in PyTorch; a list of such
    tuples is a data set too. Where data or a transform return one array, the batch is a tuple of one Tensor.

    Parameters
    ----------
    data            a data set, a list of examples, or one or more arrays of equal length
    batch_size      rows per batch, 1 or more; this and `shuffle` may follow the data by position, as in PyTorch
    shuffle         whether each epoch has its own random order, drawn from `seed` and the number of the epoch
    seed            seed of the orders and of the random streams of `transform`
    drop_last       omit the last batch if it is smaller
    transform       `transform(batch, rng)` returns the new batch of arrays; `rng` is a separate stream for each batch
    sampler         row numbers of an epoch, instead of `shuffle`: a `Sampler`, or any iterable with a length
    batch_sampler   lists of row numbers, one for each batch, instead of all other options of the order
    collate_fn      makes a batch of a list of examples; None: `collate`, which stacks them
    num_workers     threads that load batches ahead; the batches are the same for any number, and 0 loads them when needed
    pin_memory, persistent_workers, prefetch_factor, timeout  have no effect; PyTorch's programs pass them
    min_batch_size  a smaller last batch is merged into the one before. `Trainer` sets this to 2 for models with `BatchNorm1d`,
                    which cannot train on a batch of one

    Raises
    ------
    ValueError  if there are no arrays, lengths differ, a number is too small, or options exclude each other
    TypeError   if `data` is a list of arrays, which may mean rows or arrays, or is not a data set

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> loader = nn.data.DataLoader(np.arange(5), np.arange(5) % 2, batch_size=2)
    >>> [labels.tolist() for _, labels in loader]
    [[0, 1], [0, 1], [0]]
    >>> len(loader)
    3
    >>> [[x.tolist(), y.tolist()] for x, y in nn.data.DataLoader([(1.0, 0), (2.0, 1), (3.0, 0)], batch_size=2)]
    [[[1.0, 2.0], [0, 1]], [[3.0], [0]]]
    """

    def __init__(
        self,
        *data: RowSource | NDArray[Any] | Tensor | Any,
        batch_size: int = 1,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        transform: BatchTransform | None = None,
        sampler: IndexSource | None = None,
        batch_sampler: IndexSource | None = None,
        collate_fn: Collate | None = None,
        num_workers: int = 0,
        pin_memory: bool = False,
        persistent_workers: bool = False,
        prefetch_factor: int | None = None,
        timeout: float = 0,
        min_batch_size: int = 1,
    ) -> None:
        data, batch_size, shuffle = _by_position(data, batch_size, shuffle)
        is_dataset = len(data) == 1 and not isinstance(data[0], (np.ndarray, Tensor))
        if is_dataset:
            check_dataset(data[0])
        self.dataset: Any = data[0] if is_dataset else TensorDataset(*cast(Any, data))
        for name, value, least in (
            ("batch_size", batch_size, 1), ("num_workers", num_workers, 0), ("min_batch_size", min_batch_size, 1),
        ):  # fmt: skip
            if not isinstance(value, Integral) or value < least:
                raise ValueError(f"DataLoader: expected {name} to be a whole number of at least {least}, got {value!r}")
        for name, source in (("sampler", sampler), ("batch_sampler", batch_sampler)):
            if source is not None and not (hasattr(source, "__len__") and hasattr(source, "__iter__")):
                raise TypeError(f"DataLoader: {name} must be a Sampler, or iterable with a length, got {type(source).__name__}")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: shuffle=True and a sampler exclude each other; use RandomSampler as the sampler")
        if batch_sampler is not None and (shuffle or drop_last or sampler is not None or batch_size != 1):
            raise ValueError("DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last")
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.transform = transform
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.collate_fn = collate_fn
        self.num_workers = num_workers
        self.min_batch_size = min_batch_size
        self._next = self._place = (0, 0)  # (epoch, batch): start of the next iteration; position after the last batch
        self._order: int | None = None  # checksum of the order of the present epoch, if there is a sampler
        self._expected_order: int | None = None  # checksum of the order of the epoch that is resumed
        self._shard = Shard()
        self._row_counts: Callable[[int], int] = lambda i: self.batch_size  # rows of each batch of the present epoch

    def __repr__(self) -> str:
        of = "" if self.batch_sampler is not None else f" of {self.batch_size}"
        return f"<DataLoader of {len(self)} batches{of}: {self.dataset!r}>"

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)
        rows = len(self.dataset if self.sampler is None else self.sampler)
        count = (rows if self.drop_last else rows + self.batch_size - 1) // self.batch_size
        return count - self._merges_last(rows)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        (number, start), self._next = self._next, (self._next[0] + 1, 0)
        return self._batches(number, start)

    def epoch(self, number: int, start: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """Yields the batches of epoch `number`, starting with batch `start`: the same in every call.

        >>> import numpy as np
        >>> from autograd_mini import nn
        >>> loader = nn.data.DataLoader(np.arange(4), batch_size=2, shuffle=True, seed=1)
        >>> [x.tolist() for x, in loader.epoch(7)][1:] == [x.tolist() for x, in loader.epoch(7, start=1)]
        True
        """
        batches, count, shard = self._rows_of_batches(number), len(self), self._shard
        self._row_counts = lambda i: count_rows(batches(i))

        def load(i: int) -> Any:
            try:
                return self._load(shard.rows_of(batches(i)), (self.seed, number, i + 1, *shard.seed))
            except Exception as error:
                error.add_note(f"DataLoader: batch {i} of epoch {number}")
                raise

        workers = self.num_workers if self.num_workers and start < count and self._workers_are_safe else 0
        for batch in load_ahead(load, range(start, count), workers) if workers else map(load, range(start, count)):
            yield as_batch(batch)

    @contextmanager
    def sharded(self, rank: int, size: int, least: int = 1) -> Iterator[None]:
        """Inside the block, each batch is the part of it that belongs to a rank; the parts of all ranks are the batch.

        Lengths, positions and orders are those of whole batches. A rank gets no rows, or at least `least`; one without rows
        gets the first rows of the batch, of which `shard_is_empty` says that they do not count.

        >>> import numpy as np
        >>> from autograd_mini import nn
        >>> loader = nn.data.DataLoader(np.arange(8), batch_size=5)
        >>> for rank in range(2):
        ...     with loader.sharded(rank, 2):
        ...         [x.tolist() for x, in loader.epoch(0)]
        [[0, 1], [5]]
        [[2, 3, 4], [6, 7]]
        """
        before, self._shard = self._shard, Shard(rank, size, least)
        try:
            yield
        finally:
            self._shard = before

    def shard_is_empty(self, number: int) -> bool:
        """Returns whether batch `number` of the present epoch has no rows for this rank."""
        part = self._shard.part(self._row_counts(number))
        return part.start == part.stop

    def state_dict(self) -> dict[str, Any]:
        """Returns the position, epoch and next batch, and the settings that determine the order of the data.

        >>> import numpy as np
        >>> from autograd_mini import nn
        >>> a, b = (nn.data.DataLoader(np.arange(9), batch_size=3, shuffle=True) for _ in range(2))
        >>> first = next(iter(a))
        >>> b.load_state_dict(a.state_dict())
        >>> len(list(b)), len(list(b))  # the rest of this epoch, then the next one
        (2, 3)
        """
        epoch, batch = self._place
        return {"epoch": epoch, "batch": batch, **self._settings()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues at the position of `state`. Raises ValueError if the length of the data or a setting differs.

        With a sampler, the order of an epoch that is resumed is compared when its first batch is loaded.
        """
        now = self._settings()
        old = {"batches": now["batches"], **state}  # older states do not have it
        changes = [f"{key} was {old.get(key)}, is {now[key]}" for key in now if key != "order" and now[key] != old.get(key)]
        if changes:
            raise ValueError(f"DataLoader.load_state_dict: the order of the data would change: {'; '.join(changes)}")
        self._next = self._place = (int(state["epoch"]), int(state["batch"]))
        self._expected_order = state.get("order") if state["batch"] else None

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {key: getattr(self, key) for key in ("batch_size", "shuffle", "seed", "drop_last")}
        settings |= {"rows": len(self.dataset), "batches": len(self)}
        return settings if self._order is None else {**settings, "order": self._order}

    def _batches(self, number: int, start: int) -> Iterator[tuple[Tensor, ...]]:
        for i, batch in enumerate(self.epoch(number, start), start + 1):
            self._place = (number + 1, 0) if i == len(self) else (number, i)
            yield batch

    # -- the rows of a batch -----------------------------------------------------------------------------------------------

    def _rows_of_batches(self, number: int) -> Callable[[int], Rows]:
        """Returns the rows of each batch of an epoch."""
        if self.batch_sampler is not None:
            lists = [self._row_numbers(entry) for entry in epoch_order(self.batch_sampler, self.seed, number)]
            self._check_order(lists)
            return lambda i: lists[i]
        order: NDArray[np.int64] | None = None
        if self.sampler is not None:
            order = self._row_numbers(epoch_order(self.sampler, self.seed, number))
            self._check_order([order])
        elif self.shuffle:
            order = np.random.default_rng((self.seed, number)).permutation(len(self.dataset))
        last, rows = len(self) - 1, len(self.dataset) if order is None else len(order)
        end = rows if self._merges_last(rows) else min(rows, len(self) * self.batch_size)

        def rows_of_batch(i: int) -> Rows:
            part = slice(i * self.batch_size, end if i == last else (i + 1) * self.batch_size)
            return part if order is None else order[part]

        return rows_of_batch

    def _merges_last(self, rows: int) -> bool:
        return not self.drop_last and 0 < rows % self.batch_size < min(self.min_batch_size, self.batch_size, rows)

    def _row_numbers(self, entries: Any) -> NDArray[np.int64]:
        """Returns the entries of a sampler as an array. Raises ValueError unless they are numbers of rows."""
        numbers, rows = np.asarray(entries), len(self.dataset)
        if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
            raise ValueError(
                f"DataLoader: a sampler must yield row numbers, a batch_sampler lists of them, got {entries!r:.80}"
            )
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < rows):
            raise IndexError(
                f"DataLoader: the sampler yields rows {numbers.min()} … {numbers.max()}, the data has 0 … {rows - 1}"
            )
        return numbers.astype(np.int64)

    def _check_order(self, order: list[NDArray[np.int64]]) -> None:
        """Notes the order of an epoch. Raises ValueError if it is not that of the epoch that is resumed."""
        self._order = zlib.crc32(repr([rows.tolist() for rows in order]).encode())
        expected, self._expected_order = self._expected_order, None
        if expected not in (None, self._order):
            raise ValueError(
                "DataLoader: the sampler has another order than before the interruption; draw it in a Sampler from the stream "
                "that `indices(rng)` gets, or in a method set_epoch(number)"
            )

    # -- loading -----------------------------------------------------------------------------------------------------------

    def _load(self, rows: Rows, seed: tuple[int, ...]) -> Any:
        if self.collate_fn is None and self._by_rows:
            batch = self.dataset[rows]
        else:
            batch = (self.collate_fn or collate)(load_items(self.dataset, rows))
        return batch if self.transform is None else self.transform(as_fields(batch), np.random.default_rng(seed))

    @cached_property
    def _by_rows(self) -> bool:
        return by_rows(self.dataset)

    @cached_property
    def _workers_are_safe(self) -> bool:
        if not (self.collate_fn is None and self._by_rows) and draws_globally(self.dataset):
            warnings.warn(
                "DataLoader: the data set draws from the random stream of the process (np.random, random or ag), which threads "
                "would share, so num_workers is ignored; draw in transform=(batch, rng), whose stream belongs to the batch",
                stacklevel=4,
            )
            return False
        return True


def _by_position(data: tuple[Any, ...], batch_size: int, shuffle: bool) -> tuple[tuple[Any, ...], int, bool]:
    """Returns data, batch size and shuffle of a call like `DataLoader(data, 32, True)`: a number is not data."""
    if len(data) < 2 or not isinstance(data[1], Integral):
        return data, batch_size, shuffle
    if len(data) > 3 or batch_size != 1 or (len(data) == 3 and (shuffle or not isinstance(data[2], bool))):
        raise TypeError(
            f"DataLoader: after the data, expected batch_size and shuffle by position or by name, got {data[1:]!r} with "
            f"batch_size={batch_size!r} and shuffle={shuffle!r}; write all others by name"
        )
    return data[:1], int(data[1]), bool(data[2]) if len(data) == 3 else shuffle
