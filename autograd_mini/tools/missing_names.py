"""What to write instead of a name that other libraries have: for the errors of missing attributes."""

from __future__ import annotations

from importlib import import_module
from typing import Final

ON_CPU: Final = "nothing: tensors are always on the CPU"

INSTEAD: Final = {
    "functional": "nn.functional",
    "clip_grad_norm_": "nn.utils.clip_grad_norm_",
    "clip_grad_value_": "nn.utils.clip_grad_value_",
    "utils": "nn.utils for gradients and nn.data for data sets and DataLoader",
    "Variable": "ag.Tensor(value, requires_grad=True)",
    "Generator": "seed= of nn.data.DataLoader and random_split, and ag.manual_seed",
    "FloatTensor": "ag.tensor(values, dtype=ag.float32)",
    "LongTensor": "ag.tensor(values, dtype=ag.int64)",
    "allclose": "np.allclose(a.detach(), b.detach())",
    "asarray": "ag.as_tensor",
    "autograd": "ag.grad, ag.jvp, ag.primitive for Function, and ag.detect_anomaly",
    "bincount": "np.bincount(x)",
    "finfo": "np.finfo",
    "iinfo": "np.iinfo",
    "inf": 'float("inf")',
    "linalg": "ag.norm, ag.inv, ag.solve, ag.det, ag.svd, ag.qr, ag.cholesky and ag.eigh",
    "nan": 'float("nan")',
    "pi": "math.pi",
    "unique": "np.unique(x)",
    "device_put": ON_CPU,
    "from_array": "ag.from_numpy",
    "random": "ag.randn, ag.rand, ag.randint, ag.permutation and ag.bernoulli",
    "seed": "ag.manual_seed",
}
"""PyTorch's and JAX's names, and what does the same here."""


class MissingNameError(AttributeError):
    """An AttributeError that says what to write instead. It looks for that only when it is printed: `hasattr` stays fast."""

    def __init__(self, owner: str, name: str):
        super().__init__(owner, name, name=name)

    def __str__(self) -> str:
        return explain_missing(*self.args)


def explain_missing(owner: str, name: str) -> str:
    """Returns the message for a missing attribute of the module `owner`: "autograd_mini" or "autograd_mini.nn"."""
    message = f"module {owner!r} has no attribute {name!r}"
    if name.startswith("_"):
        return message
    instead = INSTEAD.get(name) or " or ".join(_same_name(owner, name))
    return f"{message}; use {instead}" if instead else message


def _same_name(owner: str, name: str) -> list[str]:
    """Returns functions and layers whose names differ from `name` by capitals and underscores at most."""
    return [
        f"{short}.{public}"
        for short, module in (("ag", "autograd_mini"), ("nn", "autograd_mini.nn"))
        for public in dir(import_module(module))
        if _plain(public) == _plain(name) and not (module == owner and public == name)
    ]


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
