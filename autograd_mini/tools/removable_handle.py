"""What `register_hook` and its relatives return."""

from __future__ import annotations

from collections.abc import Callable


class RemovableHandle:
    """Removes a hook: `handle()`, PyTorch's `handle.remove()`, or the end of a `with` block.

    >>> from autograd_mini import Tensor
    >>> x = Tensor(3.0, requires_grad=True)
    >>> with x.register_hook(lambda g: g * 10):
    ...     (x * x).backward()
    >>> x.grad
    Tensor(60.0)
    """

    __slots__ = ("remove",)

    def __init__(self, remove: Callable[[], None]):
        self.remove = remove

    def __call__(self) -> None:
        self.remove()

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()
