"""From examples to batches: which data sets return whole batches, and how single examples are stacked to one."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from autograd_mini.create import from_numpy
from autograd_mini.dtypes import default_dtype
from autograd_mini.ops.random import get_rng_state
from autograd_mini.tensor import Array, Tensor
from autograd_mini.trees import leaves

Collate: TypeAlias = Callable[[list[Any]], Any]
Rows: TypeAlias = "slice | NDArray[np.integer[Any]] | Sequence[int]"

_NOT_EXAMPLES = (str, bytes, dict, set, frozenset)


def collate(items: Sequence[Any]) -> Any:
    """Stacks examples to a batch: arrays and numbers along a new first axis, fields of tuples and dicts each on their own.

    Python floats get the default dtype, arrays keep theirs, strings stay a list. Raises ValueError if shapes or numbers of
    fields differ, and TypeError for what is not a number; the message names the example and the field.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.data.collate([(np.zeros(2), 7), (np.ones(2), 8)])
    (array([[0., 0.],
           [1., 1.]]), array([7, 8]))
    """
    return _collate(items, "")


def _collate(items: Sequence[Any], field: str) -> Any:
    first = items[0]
    if isinstance(first, Mapping):
        if strange := next((i for i, item in enumerate(items) if item.keys() != first.keys()), None):
            raise ValueError(
                f"collate: example 0 of the batch has the keys {[*first]}, example {strange} has {[*items[strange]]}"
            )
        return {key: _collate([item[key] for item in items], f"{field}[{key!r}]") for key in first}
    if isinstance(first, (tuple, list)):
        if strange := next((i for i, item in enumerate(items) if len(item) != len(first)), None):
            raise ValueError(
                f"collate: example 0 of the batch has {len(first)} fields, example {strange} has {len(items[strange])}"
                + (f", in field {field}" if field else "")
            )
        return tuple(_collate(column, f"{field}[{k}]") for k, column in enumerate(zip(*items, strict=True)))
    if isinstance(first, (str, bytes)):
        return list(items)
    arrays = [_as_array(item, field) for item in items]
    if strange := next((i for i, array in enumerate(arrays) if array.shape != arrays[0].shape), None):
        raise ValueError(
            f"collate: examples of one batch must have one shape, but{f' field {field} of' if field else ''} example 0 has "
            f"{arrays[0].shape} and example {strange} has {arrays[strange].shape}; resize them, or pass your own collate_fn"
        )
    return np.stack(arrays)


def _as_array(value: Any, field: str) -> Array:
    array: Array = value.numpy() if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"collate: an example must consist of numbers and arrays, got {type(value).__name__}"
            f"{f' in field {field}' if field else ''}; convert it in the data set, or pass your own collate_fn"
        )
    return array.astype(default_dtype()) if type(value) is float else array


def as_batch(value: Any) -> Any:
    """Returns what a loader yields: arrays as Tensors, one array as a tuple of one, other values unchanged.

    >>> import numpy as np
    >>> from autograd_mini.nn.data.examples import as_batch
    >>> as_batch(np.zeros(2))
    (Tensor([0., 0.], dtype=float64),)
    """
    if isinstance(value, (np.ndarray, Tensor)):
        return (_to_tensors(value),)
    return _to_tensors(tuple(value) if isinstance(value, list) else value)


def as_fields(value: Any) -> Any:
    """Returns the batch of a data set or transform as a transform gets it: one array as a tuple of one, a list as a tuple."""
    if isinstance(value, (np.ndarray, Tensor)):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _to_tensors(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return from_numpy(value)
    if isinstance(value, Mapping):
        return {key: _to_tensors(entry) for key, entry in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_to_tensors, value))
    if isinstance(value, (tuple, list)):
        return type(value)(map(_to_tensors, value))
    return value


def batch_length(batch: Any) -> int:
    """Returns the number of examples in a batch: the length of its first tensor. Raises TypeError if there is none.

    >>> import autograd_mini as ag
    >>> from autograd_mini.nn.data.examples import batch_length
    >>> batch_length({"image": ag.zeros((5, 2)), "label": ag.zeros(5)})
    5
    """
    for leaf in leaves(batch):
        if isinstance(leaf, Tensor) and leaf.ndim:
            return len(leaf)
    raise TypeError(f"expected a batch with at least one tensor whose first axis counts examples, got {batch!r:.80}")


# -- data sets of examples -------------------------------------------------------------------------------------------------


def load_rows(dataset: Any, rows: Rows) -> Any:
    """Returns a batch of a data set of either kind; see `by_rows`."""
    return dataset[rows] if by_rows(dataset) else collate(load_items(dataset, rows))


def load_items(dataset: Any, rows: Rows) -> list[Any]:
    """Returns the examples of some rows. A note on an error says which example it was."""
    indices = range(len(dataset))[rows] if isinstance(rows, slice) else [int(i) for i in rows]
    if hasattr(dataset, "__getitems__"):
        return list(dataset.__getitems__(list(indices)))
    items = []
    for i in indices:
        try:
            items.append(dataset[i])
        except Exception as error:
            error.add_note(f"example {i} of {type(dataset).__name__}")
            raise
    return items


def by_rows(dataset: Any) -> bool:
    """Returns whether `dataset[rows]` is a whole batch for a slice or an array of indices; else `dataset[i]` is an example.

    A class says so by an attribute `by_rows`. Without it, a few examples are read: the data set is read by rows if it cannot
    be read by single numbers, or if the row 0, several times, is the example 0, several times. Raises the error of `dataset[0]`
    if both fail.

    >>> from autograd_mini import nn
    >>> from autograd_mini.nn.data.examples import by_rows
    >>> by_rows(nn.data.digits().train), by_rows([(1.0, 0), (2.0, 1)])
    (True, False)
    """
    declared = getattr(dataset, "by_rows", None)
    if isinstance(declared, bool):
        return declared
    if isinstance(dataset, (list, tuple)) or hasattr(dataset, "__getitems__"):
        return False
    return not len(dataset) or _reads_rows(dataset)


def _reads_rows(dataset: Any) -> bool:
    try:
        item = dataset[0]
    except Exception as error:
        try:
            dataset[np.zeros(2, np.int64)]
        except Exception:
            error.add_note(f"example 0 of {type(dataset).__name__}")
            raise error from None
        return True
    try:
        shapes = [np.shape(leaf) for leaf in leaves(as_fields(item))]
        taken = {length for shape in shapes for length in shape} | {len(shapes)}
        count = next(n for n in range(2, len(taken) + 3) if n not in taken)  # a length that no other axis has
        found = leaves(as_fields(dataset[np.zeros(count, np.int64)]))
        repeated = leaves(as_fields(collate([item] * count)))
        return len(found) == len(repeated) and all(
            np.array_equal(_as_array(a, ""), b, equal_nan=b.dtype.kind == "f") for a, b in zip(found, repeated, strict=True)
        )
    except Exception:
        return False


def draws_globally(dataset: Any) -> bool:
    """Returns whether reading example 0 draws from a random stream of the process, which threads would share.

    >>> from autograd_mini.nn.data.examples import draws_globally
    >>> draws_globally([1.0, 2.0])
    False
    """
    before = _streams()
    dataset[0]
    return _streams() != before


def _streams() -> tuple[Any, ...]:
    numpy: Any = np.random.get_state(legacy=False)  # noqa: NPY002
    return numpy["state"]["key"].tobytes(), numpy["state"]["pos"], random.getstate(), str(get_rng_state())


def check_dataset(data: Any) -> None:
    """Raises TypeError unless `data` is a data set: something with a length and entries."""
    kind = type(data).__name__
    if isinstance(data, (list, tuple)) and (not data or isinstance(data[0], (np.ndarray, Tensor)) or isinstance(data, tuple)):
        raise TypeError(
            f"DataLoader: expected a data set or arrays, got one {kind} of {len(data)} items; for arrays pass them one by one, "
            "DataLoader(images, labels); for examples stack them first, DataLoader(np.stack(images), np.array(labels)), or "
            "make each a tuple of its fields, [(image, label), …]"
        )
    if isinstance(data, _NOT_EXAMPLES) or not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        raise TypeError(
            f"DataLoader: expected a data set with a length and dataset[rows] or dataset[i], a list of examples, or arrays, "
            f"got {kind}"
        )
