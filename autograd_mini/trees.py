"""Trees: nested lists, tuples and dicts of tensors, arrays and numbers, as transforms and compiled functions take them."""

from __future__ import annotations

from collections.abc import Sequence
from reprlib import repr as short
from typing import Any, TypeAlias

import numpy as np

from .apply import as_tensor_beside

Tree: TypeAlias = Any


def leaves(tree: Tree) -> list[Any]:
    """Returns the leaves of nested lists, tuples and dicts, in order."""
    if isinstance(tree, dict):
        return [x for value in tree.values() for x in leaves(value)]
    if isinstance(tree, (list, tuple)):
        return [x for value in tree for x in leaves(value)]
    return [tree]


def rebuild(tree: Tree, values: Sequence[Any]) -> Tree:
    """Returns a tree of the same structure with other leaves."""
    remaining = iter(values)

    def build(node: Tree) -> Tree:
        if isinstance(node, dict):
            return {key: build(value) for key, value in node.items()}
        if isinstance(node, tuple) and hasattr(node, "_fields"):
            return type(node)(*[build(value) for value in node])
        if isinstance(node, (list, tuple)):
            return type(node)(build(value) for value in node)
        return next(remaining)

    return build(tree)


def numbers_to_tensors(tree: Tree, dtype: np.dtype[Any]) -> Tree:
    """Converts each list or tuple of nothing but numbers to one tensor, as NumPy does; the rest of the tree stays as it is.

    Python floats get the `dtype`.
    """
    if isinstance(tree, dict):
        return {key: numbers_to_tensors(value, dtype) for key, value in tree.items()}
    if is_list_of_numbers(tree):
        return as_tensor_beside(tree, dtype)
    if not isinstance(tree, (list, tuple)) or hasattr(tree, "_fields"):
        return tree
    return type(tree)(numbers_to_tensors(value, dtype) for value in tree)


def is_list_of_numbers(tree: Tree) -> bool:
    """Whether a tree is a list or tuple of nothing but numbers, perhaps in lists of their own."""
    if not isinstance(tree, (list, tuple)) or not tree or hasattr(tree, "_fields"):
        return False
    return all(isinstance(x, (int, float, np.number)) for x in leaves(tree))


def flatten_like(name: str, values: Tree, tree: Tree, likes: Sequence[Any]) -> list[Any]:
    """Returns a tree as a flat list and checks its structure and shapes.

    Parameters
    ----------
    name : the transform, for error messages
    values : the tree to flatten
    tree : a tree of the expected structure
    likes : its leaves, which have the expected shapes
    """
    flat = _leaves_like(tree, values)
    if len(flat) != len(likes):
        raise ValueError(f"{name}: expected {len(likes)} tensors in the structure of {type(tree).__name__}, got {len(flat)}")
    for value, like in zip(flat, likes, strict=True):
        if np.shape(value) != np.shape(like):
            raise ValueError(f"{name}: expected shape {np.shape(like)}, got {np.shape(value)}")
    return [value for value, like in zip(flat, likes, strict=True) if like is not None]


def _leaves_like(tree: Tree, values: Tree) -> list[Any]:
    """Returns the values at the positions of the leaves of `tree`; a list of numbers at such a position is one value.

    It stays a list: the pass converts it to the dtype of the tensor to which it belongs.
    """
    if isinstance(tree, dict) and isinstance(values, dict) and tree.keys() == values.keys():
        return [x for key, value in tree.items() for x in _leaves_like(value, values[key])]
    if isinstance(tree, (list, tuple)) and isinstance(values, (list, tuple)) and len(tree) == len(values):
        return [x for part, value in zip(tree, values, strict=True) for x in _leaves_like(part, value)]
    one = is_list_of_numbers(values) and not isinstance(tree, (dict, list, tuple))
    return [values] if one else leaves(values)


def check_primals(name: str, *arguments: Any) -> None:
    """Raises TypeError unless primals and tangents are tuples or lists, with one entry per argument of the function."""
    for kind, values in zip(("primals", "tangents"), arguments, strict=False):
        if not isinstance(values, (tuple, list)):
            raise TypeError(
                f"{name}: {kind} must be a tuple with one entry per argument of the function, got {short(values)} of type "
                f"{type(values).__name__}; write (x,) for one argument"
            )
    if len({len(values) for values in arguments}) > 1:
        primals, tangents = arguments
        raise ValueError(f"{name}: expected one tangent for each of {len(primals)} primals, got {len(tangents)} tangents")
