"""`ag.save` and `ag.load`: PyTorch's names and order of arguments, for states and nested dicts of them, in safetensors files.

A dict of tensors by name is an ordinary safetensors file. Anything else made of dicts, lists, tuples, tensors, numbers, strings
and None is stored as its tensors, by path, and the structure as JSON in the file's metadata. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from autograd_mini.tensor import Array, Tensor

from .module import Module
from .serialize import load_contents
from .serialize import save as save_arrays

STRUCTURE: Final = "autograd_mini.structure"  # key of the metadata


def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Writes a state, a tensor, or nested dicts and lists of tensors, numbers, strings and None to a safetensors file.

    Raises TypeError for anything else; of a module, save `module.state_dict()`.

    >>> import os, tempfile
    >>> import autograd_mini as ag
    >>> path = os.path.join(tempfile.mkdtemp(), "checkpoint.safetensors")
    >>> ag.save({"epoch": 3, "model": {"w": ag.ones(2)}}, path)
    >>> ag.load(path)
    {'epoch': 3, 'model': {'w': Tensor([1., 1.])}}
    """
    if isinstance(obj, (str, os.PathLike)):
        raise TypeError(f"save: the object comes first, then the path; got {obj!r} as the object")
    if isinstance(obj, Module):
        raise TypeError(
            f"save: expected a state, got the module {type(obj).__name__}; write "
            "ag.save(model.state_dict(), path), and load it into a new model"
        )
    arrays: dict[str, Array] = {}
    structure = _encode(obj, "", arrays)
    save_arrays(path, arrays, {STRUCTURE: json.dumps(structure)})


def load(f: str | os.PathLike[str], map_location: Any = None, *, weights_only: bool = True) -> Any:
    """Returns what `save` wrote, with tensors in place of arrays. Files of other programs give a dict of tensors by name.

    `map_location` may name the CPU. Raises ValueError for files of other formats, such as PyTorch's pickles.

    >>> import os, tempfile
    >>> import autograd_mini as ag
    >>> path = os.path.join(tempfile.mkdtemp(), "layer.safetensors")
    >>> ag.save(ag.nn.Linear(2, 1).state_dict(), path)
    >>> list(ag.load(path, weights_only=True))
    ['weight', 'bias']
    """
    from autograd_mini.pytorch.devices import check_device

    check_device("load", map_location)
    if not weights_only:
        raise ValueError("load: weights_only must be True, got False: nothing is ever unpickled; leave it out")
    try:
        contents = load_contents(f)
    except ValueError as error:
        if _is_pickle(f):
            raise ValueError(
                f"load: {os.fspath(f)} is a pickle of PyTorch; write it there with safetensors.torch.save_file(state, path)"
            ) from error
        raise
    if STRUCTURE not in contents.metadata:
        return {name: Tensor(array) for name, array in contents.arrays.items()}
    return _decode(json.loads(contents.metadata[STRUCTURE]), contents.arrays)


def _is_pickle(path: str | os.PathLike[str]) -> bool:
    with open(path, "rb") as file:
        return file.read(2) in (b"PK", b"\x80\x02")


def _encode(value: Any, path: str, arrays: dict[str, Array]) -> Any:
    """Returns a value as JSON: numbers, strings, and lists whose first entry names the kind."""
    if isinstance(value, (Tensor, np.ndarray)):
        name = path or "tensor"
        if name in arrays:
            raise ValueError(f"save: two tensors have the path {name!r}; choose other keys")
        arrays[name] = value.detach().data if isinstance(value, Tensor) else value
        return ["tensor", name]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        items = [
            [_encode(key, "", {}), _encode(child, f"{path}.{key}" if path else str(key), arrays)]
            for key, child in value.items()
        ]
        return ["dict", *items]
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return [kind, *(_encode(child, f"{path}.{i}" if path else str(i), arrays) for i, child in enumerate(value))]
    raise TypeError(
        f"save: {path or 'the object'}: expected tensors, numbers, strings, None, or dicts and lists of them, got "
        f"{type(value).__name__}"
    )


def _decode(code: Any, arrays: dict[str, Array]) -> Any:
    if not isinstance(code, list):
        return code
    kind, *rest = code
    if kind == "tensor":
        return Tensor(arrays[rest[0]])
    if kind == "dict":
        return {key: _decode(child, arrays) for key, child in rest}
    children = [_decode(child, arrays) for child in rest]
    return tuple(children) if kind == "tuple" else children
