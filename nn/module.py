"""`Module`: a part of a network that owns parameters. It finds them in its attributes; nothing is registered.

Attributes, and lists, tuples and dicts in them, are visited in order of assignment. A parameter's name is the path to it, as
in PyTorch: `encoder.0.weight`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, Self, TypeVar
from weakref import ref

import numpy as np

from autograd_mini.jit.python_state.guards import GUARDED_TYPES
from autograd_mini.state import Tracer, modes, no_grad, tick, watched
from autograd_mini.tensor import Array, Tensor
from autograd_mini.tools.calls import mark_outputs
from autograd_mini.tools.plain_text import for_stdout
from autograd_mini.tools.removable_handle import RemovableHandle

from .parameter import Buffer as Buffer
from .parameter import Parameter as Parameter
from .parameter import clear_gradients
from .parameter import parameter_list as parameter_list
from .registration import Registration

Leaf = TypeVar("Leaf", bound=Tensor)

_GUARDED: Final = frozenset(
    {"_forward_hooks", "_forward_pre_hooks", "_items"}
)  # further guards of a compiled step: replaced when they change


class IncompatibleKeys(NamedTuple):
    """The keys of a state that did not fit to a module."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module(Registration):
    """Base of layers and networks: assign parameters, buffers and modules to attributes, and define `forward`.

    Calling the module calls `forward`. `super().__init__()` is not needed. A plain `Tensor` is a constant, not part of the
    state. `training` selects the behaviour of layers such as dropout; `train` and `eval` switch it.

    >>> from autograd_mini import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         self.hidden = nn.Linear(2, 3)
    ...         self.heads = [nn.Linear(3, 1), nn.Linear(3, 4)]
    ...     def forward(self, x):
    ...         h = self.hidden(x).relu()
    ...         return [head(h) for head in self.heads]
    >>> [y.shape for y in Net()([[1.0, 2.0]])]
    [(1, 1), (1, 4)]
    >>> [name for name, _ in Net().named_parameters()]
    ['hidden.weight', 'hidden.bias', 'heads.0.weight', 'heads.0.bias', 'heads.1.weight', 'heads.1.bias']
    """

    forward: Callable[..., Any]
    _training: bool = True
    _forward_hooks: tuple[Callable[[Any, tuple[Any, ...], Any], Any], ...] = ()
    _forward_pre_hooks: tuple[Callable[[Any, tuple[Any, ...]], Any], ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls `forward`, then the forward hooks, and returns the output."""
        if (tracer := modes().tracer) is not None:
            self.guard_attributes(tracer)
        first = tick()
        if self._forward_pre_hooks:
            args = self.run_pre_hooks(args)
        now = modes()
        if now.all_default or now.profiler is None:
            output = self.forward(*args, **kwargs)
        else:
            with now.profiler.module_call(self):
                output = self.forward(*args, **kwargs)
        for hook in self._forward_hooks:
            changed = hook(self, args, output)
            output = output if changed is None else changed
        if type(output) is not Tensor:
            mark_outputs(ref(self), type(self), first, output)
        elif output._seq > first:  # as `mark_outputs` does it; an output that existed before was computed by another call
            output._calls = ref(self), type(self), first, tick(), getattr(output, "_calls", None)
        return output

    def guard_attributes(self, tracer: Tracer) -> None:
        """Makes the hooks and the attributes that are numbers, strings, None or dataclasses guards of a compiled step."""
        tracer.guard(self, "_forward_hooks")
        for name, value in vars(self).items():
            if isinstance(value, GUARDED_TYPES) or name in _GUARDED or is_dataclass(value):
                tracer.guard(self, name)

    @property
    def training(self) -> bool:
        """Whether layers such as dropout are in training mode; `train` and `eval` set it, here and in all modules inside."""
        if (tracer := modes().tracer) is not None:
            tracer.guard(self, "_training")
        return self._training

    @training.setter
    def training(self, mode: bool) -> None:
        if (tracer := modes().tracer) is not None:
            tracer.guard(self, "_training")
        self._training = mode
        watched.flag_changed()

    if not TYPE_CHECKING:  # a type checker would allow any assignment

        def __setattr__(self, name: str, value: Any) -> None:
            parts, old = (Module, Parameter, Buffer), self.__dict__.get(name)
            if isinstance(old, Parameter) and isinstance(value, Tensor) and not isinstance(value, Parameter):
                raise TypeError(
                    f"{type(self).__name__}.{name} is a Parameter, and a tensor in its place would not be trained: write "
                    f"nn.Parameter(...), or .{name}.data = ... for other values"
                )
            if type(old) is Buffer and type(value) is Tensor and not value._requires_grad and modes().tracer is None:
                value = Buffer(value)  # stays in the state, as in PyTorch
            if isinstance(old, parts) or (name in self.__dict__ and isinstance(value, parts)):
                watched.structure_changed()
            else:
                watched.flag_changed()
            super().__setattr__(name, value)

    def run_pre_hooks(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Returns the inputs after the hooks that `register_forward_pre_hook` registered."""
        for hook in self._forward_pre_hooks:
            changed = hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        return args

    def register_forward_pre_hook(self, hook: Callable[[Any, tuple[Any, ...]], Any]) -> RemovableHandle:
        """Calls `hook(module, inputs)` before each forward pass; a result that is not None replaces the inputs.

        >>> from autograd_mini import nn
        >>> layer = nn.ReLU()
        >>> handle = layer.register_forward_pre_hook(lambda module, inputs: [x + 1 for x in inputs[0]])
        >>> layer([0.0, 1.0])
        Tensor([1., 2.])
        >>> handle.remove()
        """
        entry = lambda module, inputs: hook(module, inputs)
        self._forward_pre_hooks = (*self._forward_pre_hooks, entry)

        def remove() -> None:
            self._forward_pre_hooks = tuple(other for other in self._forward_pre_hooks if other is not entry)

        return RemovableHandle(remove)

    def register_forward_hook(self, hook: Callable[[Any, tuple[Any, ...], Any], Any]) -> RemovableHandle:
        """Calls `hook(module, inputs, output)` after each forward pass; a result that is not None replaces the output.

        Returns a handle: `handle()` or `handle.remove()` removes the hook.

        >>> from autograd_mini import nn
        >>> net, seen = nn.Sequential(nn.Linear(2, 3), nn.ReLU()), []
        >>> remove = net[0].register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
        >>> y = net([[1.0, 2.0]])
        >>> remove()
        >>> y = net([[1.0, 2.0]])
        >>> seen
        [(1, 3)]
        """
        entry = lambda module, inputs, output: hook(module, inputs, output)  # unique, even if a hook is registered twice
        self._forward_hooks = (*self._forward_hooks, entry)

        def remove() -> None:
            self._forward_hooks = tuple(other for other in self._forward_hooks if other is not entry)

        return RemovableHandle(remove)

    # -- contents ---------------------------------------------------------------------------------------------------------

    def members(self) -> Iterable[tuple[Any, Any]]:
        """Returns the (name, value) pairs to search for modules, parameters and buffers: the attributes by default."""
        return vars(self).items()

    def _direct(self) -> Iterator[tuple[str, Any]]:
        """Yields the modules, parameters and buffers directly inside, also in lists, tuples and dicts, with their paths."""
        open_containers: set[int] = set()  # those being visited, so that a container inside itself ends

        def visit(path: str, value: Any) -> Iterator[tuple[str, Any]]:
            if isinstance(value, (Module, Parameter, Buffer)):
                yield path, value
            elif isinstance(value, (list, tuple, dict)) and id(value) not in open_containers:
                open_containers.add(id(value))
                for key, child in keyed_items(value):
                    yield from visit(f"{path}.{key}", child)
                open_containers.remove(id(value))

        for name, value in self.members():
            yield from visit(str(name), value)

    def _walk(self, unique: bool = True) -> Iterator[tuple[str, Any]]:
        """Yields this module and everything inside, with paths: each object once if `unique`, otherwise under each path."""
        visited = {id(self)}  # all objects so far, or, unless `unique`, the modules on the current path: both end cycles
        yield "", self
        stack = [(self, "", self._direct())]  # explicit, so that modules may be nested to any depth
        while stack:
            owner, path, parts = stack[-1]
            for key, child in parts:
                if id(child) in visited:
                    continue
                inner = f"{path}.{key}" if path else key
                yield inner, child
                if unique or isinstance(child, Module):
                    visited.add(id(child))
                if isinstance(child, Module):
                    stack.append((child, inner, child._direct()))
                    break
            else:
                stack.pop()
                if not unique:
                    visited.discard(id(owner))

    def _named(self, kind: type[Leaf], unique: bool = True) -> Iterator[tuple[str, Leaf]]:
        return ((path, value) for path, value in self._walk(unique) if isinstance(value, kind))

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """Yields each parameter once with its path, in order of assignment; a shared one has its first path.

        The paths start with `prefix`. Without `recurse`, parameters of the modules inside are left out.

        >>> from autograd_mini import nn
        >>> [(name, p.shape) for name, p in nn.Linear(2, 3).named_parameters()]
        [('weight', (3, 2)), ('bias', (3,))]
        """
        return self._prefixed(Parameter, prefix, recurse)

    def _prefixed(self, kind: type[Leaf], prefix: str, recurse: bool) -> Iterator[tuple[str, Leaf]]:
        found = self._named(kind) if recurse else ((path, t) for path, t in self._direct() if isinstance(t, kind))
        return ((f"{prefix}.{path}", t) for path, t in found) if prefix else iter(found)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yields each parameter once, in order of assignment; without `recurse`, not those of the modules inside.

        >>> from autograd_mini import nn
        >>> sum(p.size for p in nn.Linear(2, 3).parameters())
        9
        """
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Buffer]]:
        """Yields each buffer once with its path.

        >>> from autograd_mini import nn
        >>> list(nn.Linear(2, 3).named_buffers())
        []
        """
        return self._prefixed(Buffer, prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Buffer]:
        """Yields each buffer once, in order of assignment.

        >>> from autograd_mini import nn
        >>> list(nn.Linear(2, 3).buffers())
        []
        """
        return (b for _, b in self.named_buffers(recurse=recurse))

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Yields this module, with an empty path, and each module inside once with its path.

        >>> from autograd_mini import nn
        >>> list(nn.Sequential(nn.ReLU()).named_modules())[1]
        ('0', ReLU())
        """
        return ((path, value) for path, value in self._walk() if isinstance(value, Module))

    def modules(self) -> Iterator[Module]:
        """Yields this module and each module inside once.

        >>> from autograd_mini import nn
        >>> len(list(nn.Sequential(nn.ReLU(), nn.Tanh()).modules()))
        3
        """
        return (m for _, m in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yields each module directly inside once, with its path.

        >>> from autograd_mini import nn
        >>> list(nn.Sequential(nn.ReLU(), nn.Tanh()).named_children())
        [('0', ReLU()), ('1', Tanh())]
        """
        seen: dict[int, tuple[str, Module]] = {}
        for path, value in self._direct():
            if isinstance(value, Module):
                seen.setdefault(id(value), (path, value))
        return iter(seen.values())

    def children(self) -> Iterator[Module]:
        """Yields each module directly inside once.

        >>> from autograd_mini import nn
        >>> list(nn.Sequential(nn.ReLU(), nn.Tanh()).children())
        [ReLU(), Tanh()]
        """
        return (m for _, m in self.named_children())

    # -- switches ----------------------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Sets `training` here and in every module inside; returns the module.

        >>> from autograd_mini import nn
        >>> nn.Sequential(nn.ReLU()).train(False)[0].training
        False
        """
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switches to evaluation mode, like `train(False)`; returns the module.

        >>> from autograd_mini import nn
        >>> nn.ReLU().eval().training
        False
        """
        return self.train(False)

    def freeze(self) -> Self:
        """Turns the gradients of its parameters off, so that optimizers do not change them; returns the module.

        >>> from autograd_mini import nn
        >>> nn.Linear(2, 3).freeze()([[1.0, 2.0]]).requires_grad
        False
        """
        return self._set_requires_grad(False)

    def unfreeze(self) -> Self:
        """Turns the gradients of its parameters on; returns the module.

        >>> from autograd_mini import nn
        >>> nn.Linear(2, 3).freeze().unfreeze().weight.requires_grad
        True
        """
        return self._set_requires_grad(True)

    def _set_requires_grad(self, value: bool) -> Self:
        for parameter in self.parameters():
            parameter.requires_grad = value
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Turns the gradients of its parameters on or off; returns the module.

        >>> from autograd_mini import nn
        >>> nn.Linear(2, 3).requires_grad_(False).weight.requires_grad
        False
        """
        return self._set_requires_grad(requires_grad)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Deletes the gradients of its parameters: `grad` becomes None, or 0 unless `set_to_none`.

        >>> from autograd_mini import nn
        >>> layer = nn.Linear(2, 1)
        >>> layer([[1.0, 2.0]]).backward()
        >>> layer.zero_grad()
        >>> layer.weight.grad is None
        True
        """
        clear_gradients(self.parameters(), set_to_none)

    def apply(self, function: Callable[[Module], object]) -> Self:
        """Calls `function` with this module and with each module inside, once each; returns the module.

        >>> from autograd_mini import nn
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        >>> net = net.apply(lambda m: isinstance(m, nn.Linear) and nn.init.zeros_(m.bias))
        >>> net[0].bias
        Tensor([0., 0.], requires_grad=True)
        """
        for module in list(self.modules()):
            function(module)
        return self

    # -- state -------------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Returns copies of parameters and buffers by path. A shared one appears under each of its paths, as in PyTorch.

        >>> from autograd_mini import nn
        >>> list(nn.Sequential(nn.Linear(2, 3), nn.ReLU()).state_dict())
        ['0.weight', '0.bias']
        """
        return {path: tensor.data.copy() for path, tensor in self._state()}

    def load_state_dict(self, state: Mapping[str, Array | Tensor], strict: bool = True) -> IncompatibleKeys:
        """Copies `state` into the storage of the parameters and buffers; returns the keys that are missing or unexpected.

        Keys are paths as in `state_dict`; one path of a shared tensor is enough. Raises ValueError, and loads nothing, if a
        shape or kind of dtype differs, or if keys are missing or unexpected; `strict=False` ignores such keys.

        >>> from autograd_mini import nn
        >>> a, b = nn.Linear(2, 3), nn.Linear(2, 3)
        >>> b.load_state_dict(a.state_dict())
        IncompatibleKeys(missing_keys=[], unexpected_keys=[])
        >>> bool((a.weight == b.weight).all())
        True
        """
        tensors = dict(self._state())
        arrays = {key: np.asarray(value._data if isinstance(value, Tensor) else value) for key, value in state.items()}
        pairs = [(key, tensors[key], array) for key, array in arrays.items() if key in tensors]
        faults = [f"{key}: expected {t.dtype} {t.shape}, got {a.dtype} {a.shape}" for key, t, a in pairs if not _fits(a, t)]
        loaded = {id(tensor) for _, tensor, _ in pairs}
        keys = IncompatibleKeys(
            [key for key, tensor in tensors.items() if id(tensor) not in loaded], [key for key in arrays if key not in tensors]
        )
        if strict:
            faults += [f"missing {key}" for key in keys.missing_keys] + [f"unexpected {key}" for key in keys.unexpected_keys]
        if faults:
            raise ValueError(f"load_state_dict of {type(self).__name__}: {'; '.join(faults)}")
        for _, tensor, array in pairs:
            tensor.data = array
        return keys

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        return ((path, t) for path, t in self._named(Tensor, unique=False))

    # -- as text -----------------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """Returns the text between the parentheses of the module's line, such as `in_features=2`; empty by default."""
        return ""

    def __repr__(self) -> str:
        lines: list[str] = []
        opened: set[int] = set()  # modules around the current line; one of them again is a cycle
        stack: list[tuple[str, Module, bool]] = [("", self, False)]  # text before a module, the module, whether to close it
        while stack:
            before, module, close = stack.pop()
            indent = "  " * (len(opened) - close)
            if close:
                opened.remove(id(module))
                lines.append(f"{indent})")
                continue
            name, extra = type(module).__name__, module.extra_repr()
            children = [(f"({path}): ", part, False) for path, part in module._direct() if isinstance(part, Module)]
            if id(module) in opened:
                text = "(…)"
            elif module is not self and type(module).__repr__ is not Module.__repr__:
                text = repr(module)
            elif not children:
                text = f"{name}({extra})"
            else:
                text = f"{name}(" + f"\n  {extra}" * bool(extra)
                opened.add(id(module))
                stack += [("", module, True), *reversed(children)]
            lines.append(f"{indent}{before}{text}".replace("\n", f"\n{indent}"))
        return for_stdout("\n".join(lines))


class HasTrainingMode(Protocol):
    """A model that can be switched between training and evaluation, such as any Module."""

    training: bool

    def train(self, mode: bool = True) -> object: ...


@contextmanager
def evaluation(model: HasTrainingMode) -> Iterator[None]:
    """Runs the block with the model in evaluation mode and without recording gradients, then restores the mode of each module.

    >>> from autograd_mini import nn
    >>> net = nn.Sequential(nn.Dropout(0.5))
    >>> with nn.evaluation(net):
    ...     y = net([1.0, 2.0])
    >>> y, net.training
    (Tensor([1., 2.]), True)
    """
    training = model.training
    modules = [(module, module.training) for module in model.modules()] if isinstance(model, Module) else []
    try:
        with no_grad():
            model.train(False)
            yield
    finally:
        model.train(training)
        for module, mode in modules:
            module.training = mode


def keyed_items(container: Sequence[Any] | Mapping[Any, Any]) -> Iterable[tuple[Any, Any]]:
    """Returns the items of a container with their keys or indices."""
    return container.items() if isinstance(container, Mapping) else enumerate(container)


def _fits(array: Array, tensor: Tensor) -> bool:
    return array.shape == tensor._data.shape and np.can_cast(array.dtype, tensor._data.dtype, "same_kind")
