"""Methods of `Module` under PyTorch's names: parts that are registered by name, look-up by path, dtypes and devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from autograd_mini.dtypes import supported
from autograd_mini.memory.arena import allocate
from autograd_mini.pytorch.devices import check_device, is_cpu
from autograd_mini.pytorch.dtype_names import float16, float32, float64
from autograd_mini.state import modes, tick, watched
from autograd_mini.tensor import Tensor, TensorLike

from .nesting import Nesting
from .parameter import Buffer, Parameter

if TYPE_CHECKING:
    from .module import Module


class Registration(Nesting):
    """What PyTorch's programs call on a module, in terms of attributes."""

    # -- by name -----------------------------------------------------------------------------------------------------------

    def register_buffer(self, name: str, tensor: TensorLike | None, persistent: bool = True) -> None:
        """Sets the attribute `name` to a buffer: part of the state, but not trained. Without `persistent`, not in the state.

        >>> import autograd_mini as ag
        >>> from autograd_mini import nn
        >>> layer = nn.Identity()
        >>> layer.register_buffer("mean", ag.zeros(2))
        >>> list(layer.state_dict())
        ['mean']
        """
        value = tensor
        if tensor is not None:
            value = Buffer(tensor) if persistent else Tensor(tensor)
        self._register("register_buffer", name, value)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Sets the attribute `name` to a parameter, or to None.

        >>> import autograd_mini as ag
        >>> from autograd_mini import nn
        >>> layer = nn.Identity()
        >>> layer.register_parameter("scale", nn.Parameter(ag.ones(2)))
        >>> [name for name, _ in layer.named_parameters()]
        ['scale']
        """
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"register_parameter: {name!r} must be an nn.Parameter or None, got {type(param).__name__}; write "
                "nn.Parameter(tensor)"
            )
        self._register("register_parameter", name, param)

    def add_module(self, name: str, module: Module | None) -> None:
        """Sets the attribute `name` to a module, or to None.

        >>> from autograd_mini import nn
        >>> net = nn.Identity()
        >>> net.add_module("head", nn.ReLU())
        >>> net.head
        ReLU()
        """
        from .module import Module

        if module is not None and not isinstance(module, Module):
            raise TypeError(f"add_module: {name!r} must be a Module or None, got {type(module).__name__}")
        self._register("add_module", name, module)

    register_module = add_module

    def _register(self, caller: str, name: str, value: Any) -> None:
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"{caller}: a name must be a string without dots that is not empty, got {name!r}")
        setattr(self, name, value)

    def get_submodule(self, target: str) -> Module:
        """Returns the module at a path such as "encoder.0"; an empty path is the module itself.

        >>> from autograd_mini import nn
        >>> nn.Sequential(nn.ReLU()).get_submodule("0")
        ReLU()
        """
        return _at(self, "get_submodule", "module", target, dict(self.named_modules()))  # type: ignore[attr-defined]

    def get_parameter(self, target: str) -> Parameter:
        """Returns the parameter at a path such as "0.weight".

        >>> from autograd_mini import nn
        >>> nn.Sequential(nn.Linear(2, 1)).get_parameter("0.weight").shape
        (1, 2)
        """
        return _at(self, "get_parameter", "parameter", target, dict(self.named_parameters()))  # type: ignore[attr-defined]

    # -- dtypes and devices ------------------------------------------------------------------------------------------------

    def to(self, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False) -> Self:
        """Converts its floating parameters and buffers to a dtype; the CPU may be named too. Returns the module.

        Gradients are deleted. The state of an optimizer keeps its dtype, so convert the module before creating the optimizer.

        >>> import autograd_mini as ag
        >>> from autograd_mini import nn
        >>> nn.Linear(2, 1).to("cpu").to(ag.float64).weight.dtype
        dtype('float64')
        """
        for value in (device, *args):
            if value is None or isinstance(value, bool) or is_cpu(value):
                continue
            if isinstance(value, Tensor):
                dtype = value.dtype
            elif isinstance(value, str) and value not in np.sctypeDict:
                check_device("to", value)
            else:
                dtype = value
        return self if dtype is None else self._convert(supported(dtype))

    def cpu(self) -> Self:
        """Returns the module, which is on the CPU anyway.

        >>> from autograd_mini import nn
        >>> nn.ReLU().cpu()
        ReLU()
        """
        return self

    def cuda(self, device: Any = "cuda") -> Self:
        """Raises RuntimeError: tensors are always on the CPU.

        >>> from autograd_mini import nn
        >>> nn.ReLU().cuda()
        Traceback (most recent call last):
        RuntimeError: cuda: device must be 'cpu', got 'cuda': tensors are always on the CPU; leave the device out
        """
        check_device("cuda", "cuda" if device is None else device)
        return self

    def float(self) -> Self:
        """Converts its floating parameters and buffers to float32, like `to`.

        >>> from autograd_mini import nn
        >>> nn.Linear(2, 1).float().weight.dtype
        dtype('float32')
        """
        return self._convert(float32)

    def double(self) -> Self:
        """Converts its floating parameters and buffers to float64, like `to`.

        >>> from autograd_mini import nn
        >>> nn.Linear(2, 1).double()([[1.0, 2.0]]).dtype
        dtype('float64')
        """
        return self._convert(float64)

    def half(self) -> Self:
        """Converts its floating parameters and buffers to float16, like `to`.

        >>> from autograd_mini import nn
        >>> nn.Linear(2, 1).half().weight.dtype
        dtype('float16')
        """
        return self._convert(float16)

    def _convert(self, dtype: np.dtype[Any]) -> Self:
        if dtype.kind != "f":
            raise TypeError(f"{type(self).__name__}.to: expected a floating dtype, got {dtype}")
        if (tracer := modes().tracer) is not None:
            tracer.reject_action("a conversion of a module", "do it outside the compiled function")
        changed = [t for _, t in self._state() if t._data.dtype.kind == "f" and t._data.dtype != dtype]  # type: ignore[attr-defined]
        for tensor in changed:
            array = tensor._data.astype(dtype)
            tensor._data = allocate(array) if tensor._requires_grad else array
            tensor._grad = None
            tensor._seq = tick()
        if changed:
            watched.structure_changed()
        return self


def _at(owner: object, caller: str, kind: str, target: str, found: dict[str, Any]) -> Any:
    if target not in found:
        raise AttributeError(f"{caller}: {type(owner).__name__} has no {kind} {target!r}; it has {', '.join(found) or 'none'}")
    return found[target]
