"""Devices: tensors are always on the CPU. A program may name it; every other device is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final

__all__ = ["accelerator", "backends", "cuda", "device"]


class device:
    """The CPU, as PyTorch's programs name it. Raises RuntimeError for every other device.

    >>> import autograd_mini as ag
    >>> ag.device("cuda:0" if ag.cuda.is_available() else "cpu")
    device(type='cpu')
    """

    type: str = "cpu"
    index: int | None = None

    def __init__(self, name: Any = "cpu", index: int | None = None):
        check_device("device", name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) or other == "cpu"

    def __hash__(self) -> int:
        return hash("cpu")

    def __str__(self) -> str:
        return "cpu"

    def __repr__(self) -> str:
        return "device(type='cpu')"


def is_cpu(value: Any) -> bool:
    """Returns whether `value` names the CPU."""
    return isinstance(value, device) or (isinstance(value, str) and value.partition(":")[0] == "cpu")


def check_device(name: str, value: Any) -> None:
    """Raises RuntimeError unless `value` is None or names the CPU; `name` is the function, for the message."""
    if value is not None and not is_cpu(value):
        raise RuntimeError(f"{name}: device must be 'cpu', got {value!r}: tensors are always on the CPU; leave the device out")


def _no(*_: Any) -> bool:
    return False


cuda: Final = SimpleNamespace(is_available=_no, device_count=lambda: 0, manual_seed=lambda seed: None,
                              manual_seed_all=lambda seed: None)  # fmt: skip
"""Says that there is no GPU."""
accelerator: Final = SimpleNamespace(is_available=_no, device_count=lambda: 0)
backends: Final = SimpleNamespace(
    mps=SimpleNamespace(is_available=_no, is_built=_no),
    cudnn=SimpleNamespace(is_available=_no, benchmark=False, deterministic=True, enabled=False),
)
