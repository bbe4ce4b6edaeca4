"""`functional_call`: a module as a function of its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from reprlib import repr as short
from typing import Any

from ..tensor import Tensor, as_tensor
from .module import Module


def functional_call(
    module: Module, tensors: Mapping[str, Tensor], args: Any = (), kwargs: Mapping[str, Any] | None = None
) -> Any:
    """Calls a module with other tensors in the place of parameters and buffers; the module itself does not change.

    With `ag.grad` and `ag.vmap` it gives, for example, the gradient of each example's loss.

    Parameters
    ----------
    module : the module to call
    tensors : the tensors by the path of the parameter or buffer, such as "0.weight"; those that are missing stay as they are
    args : the positional arguments as a tuple, or one argument
    kwargs : the keyword arguments

    Raises
    ------
    KeyError
        if the module has no parameter or buffer of such a path
    ValueError
        if a tensor has another shape

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> net = nn.Linear(3, 1)
    >>> loss = lambda weights, x: (nn.functional_call(net, weights, x) ** 2).sum()
    >>> gradients = ag.vmap(ag.grad(loss), in_axes=(None, 0))(dict(net.named_parameters()), ag.ones((5, 3)))
    >>> gradients["weight"].shape  # one gradient for each of five examples
    (5, 1, 3)
    """
    with _replaced(module, tensors):
        return module(*(args if isinstance(args, tuple) else (args,)), **(kwargs or {}))


@contextmanager
def _replaced(module: Module, tensors: Mapping[str, Any]) -> Iterator[None]:
    """Replaces parameters and buffers in the attributes of their modules, past `__setattr__`, which would report a change."""
    known = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    modules = dict(module.named_modules())
    saved: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for path, value in tensors.items():
            if path not in known:
                raise KeyError(f"functional_call: {type(module).__name__} has no parameter {path!r}, but {short(list(known))}")
            tensor = as_tensor(value)
            if tensor.shape != known[path].shape:
                raise ValueError(f"functional_call: {path} has shape {known[path].shape}, got a tensor of shape {tensor.shape}")
            prefix, _, name = path.rpartition(".")
            attributes = vars(modules[prefix])
            if name in attributes:
                saved.append((attributes, name, attributes[name]))
                attributes[name] = tensor
            else:  # an entry of a list or dict of parameters
                items = attributes["_items"]
                saved.append((attributes, "_items", items))
                keyed = items.items() if isinstance(items, dict) else enumerate(items)
                changed = {key: tensor if str(key) == name else item for key, item in keyed}
                attributes["_items"] = changed if isinstance(items, dict) else list(changed.values())
        yield
    finally:
        for attributes, name, old in reversed(saved):
            attributes[name] = old
