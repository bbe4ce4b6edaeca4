"""Modules that contain modules: `Sequential`, `ModuleList`, `ModuleDict`; and `Identity` and `Lambda`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from copy import copy
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from autograd_mini.state import modes
from autograd_mini.tensor import Tensor

from ..module import Module, Parameter, keyed_items

M = TypeVar("M", bound=Module)


def _check_module(owner: object, key: object, value: M) -> M:
    if not isinstance(value, Module):
        raise TypeError(
            f"{type(owner).__name__}: item {key!r} must be a Module, got {type(value).__name__}; nn.Lambda wraps a function"
        )
    return value


class _Container(Module):
    """A module whose items are named by key or index, without a prefix; other attributes follow them."""

    _names: tuple[str, ...] = ()  # of items that are attributes too
    _items: Any  # replaced, not mutated, by a change: this is how a compiled step notices it

    @property
    def _current(self) -> Any:
        """The items; a step that is being compiled then depends on them."""
        if (tracer := modes().tracer) is not None:
            self.guard_attributes(tracer)
        return self._items

    def members(self) -> Iterator[tuple[Any, Any]]:
        attributes = dict(vars(self))
        yield from self._keyed(attributes.pop("_items", ()))
        yield from ((name, value) for name, value in attributes.items() if name not in self._names)

    def _keyed(self, items: Any) -> Iterable[tuple[Any, Any]]:
        return keyed_items(items)

    def __len__(self) -> int:
        return len(self._current)

    if not TYPE_CHECKING:  # a type checker would allow any attribute

        def __getattr__(self, name):
            """Returns an item by its name, as in PyTorch: `blocks.hidden`, or `getattr(blocks, "0")`."""
            for key, _ in self._keyed(vars(self).get("_items", ())):
                if str(key) == name:
                    return self._current[key]
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

        def __setattr__(self, name, value):
            if isinstance(value, Module):
                self._set_named(name, value)
            else:
                super().__setattr__(name, value)

    def _set_named(self, name: str, module: Module) -> None:
        """Makes a module that is assigned to an attribute an item, as in PyTorch."""
        super().__setattr__(name, module)


class _List(_Container, Generic[M]):
    """A container with consecutive indices."""

    def __init__(self, modules: Iterable[M]):
        self._items: list[M] = []
        self.extend(modules)

    def _keyed(self, items: Any) -> Iterable[tuple[Any, Any]]:
        return zip((*self._names, *range(len(self._names), len(items))), items, strict=True)

    def append(self, module: M) -> Self:
        """Adds a module at the end and returns the container. Raises TypeError if it is not a Module."""
        self._items = [*self._items, _check_module(self, len(self._items), module)]
        return self

    def extend(self, modules: Iterable[M]) -> Self:
        """Adds modules at the end and returns the container."""
        for module in modules:
            self.append(module)
        return self

    def _set_named(self, name: str, module: Any) -> None:
        keys = [str(key) for key, _ in self._keyed(self._items)]
        if name in keys:
            self._items = [module if key == name else item for key, item in zip(keys, self._items, strict=True)]
        else:
            self._items, self._names = [*self._items, module], (*keys, name)
        vars(self).update(zip(self._names, self._items, strict=False))

    def insert(self, index: int, module: M) -> None:
        """Adds a module before the one at `index`."""
        self._replace([*self._items[:index], _check_module(self, index, module), *self._items[index:]])

    def pop(self, index: int = -1) -> M:
        """Removes a module and returns it."""
        module = self._items[index]
        del self[index]
        return module

    def __delitem__(self, index: int | slice) -> None:
        items = list(self._items)
        del items[index]
        self._replace(items)

    def __iadd__(self, modules: Iterable[M]) -> Self:
        return self.extend(modules)

    def _replace(self, items: list[M]) -> None:
        """Sets other items; those that move get new numbers. Raises TypeError if they have names."""
        if self._names:
            raise TypeError(f"{type(self).__name__}: items with names cannot move; make a new container of the modules")
        self._items = items

    def __iter__(self) -> Iterator[M]:
        return iter(self._current)

    @overload
    def __getitem__(self, index: int) -> M: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> M | Self:
        if not isinstance(index, slice):
            return self._current[index]
        part = copy(self)
        part._items = self._current[index]
        if self._names:
            kept = [key for key, _ in self._keyed(self._current)][index]
            part._names = tuple(key for key in kept if key in self._names)
            for name in set(self._names) - set(kept):
                del vars(part)[name]
        return part

    def __setitem__(self, index: int, module: M) -> None:
        items = list(self._items)
        items[index] = _check_module(self, index, module)
        self._items = items
        if self._names:
            vars(self).update(zip(self._names, items, strict=False))


class Sequential(_List[Any]):
    """Applies `modules` one after the other. It can be iterated, indexed and sliced; a slice contains the same modules.

    A dict of modules, such as an OrderedDict, gives them names: `net.hidden`, and "hidden.weight" in the state. So does
    `net.add_module("hidden", module)`, which adds a module at the end.

    >>> from autograd_mini import nn
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> net([[1.0, 2.0]]).shape, net[:2]([[1.0, 2.0]]).shape
    ((1, 1), (1, 3))
    >>> net
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): ReLU()
      (2): Linear(in_features=3, out_features=1, bias=True)
    )
    """

    def __init__(self, *modules: Module | Mapping[str, Module]):
        named = modules[0] if len(modules) == 1 and isinstance(modules[0], Mapping) else None
        if named is not None:
            self._names = tuple(named)
            vars(self).update(named)  # for `net.hidden`
        super().__init__(modules if named is None else named.values())

    def forward(self, x: Any) -> Any:
        for module in self._items:
            nested = type(module) is Sequential and "forward" not in module.__dict__
            x = module._apply_nested(x) if nested else module(x)
        return x

    def _apply_nested(self, x: Any) -> Any:
        """Does what calling it does, with an explicit stack, so that containers may be nested to any depth."""
        with ExitStack() as opened:
            stack = [self._enter(x, opened)]
            x = stack[-1][1]
            while True:
                container, given, rest, region = stack[-1]
                for module in rest:
                    if type(module) is Sequential and "forward" not in module.__dict__:
                        stack.append(module._enter(x, opened))
                        x = stack[-1][1]
                        break
                    x = module(x)
                else:
                    region.close()
                    stack.pop()
                    for hook in container._forward_hooks:
                        changed = hook(container, (given,), x)
                        x = x if changed is None else changed
                    if not stack:
                        return x

    def _enter(self, x: Any, opened: ExitStack) -> tuple[Sequential, Any, Iterator[Any], ExitStack]:
        """Returns the container, its input, its modules and what ends its call: its region of a profile."""
        if self._forward_pre_hooks:
            (x,) = self.run_pre_hooks((x,))
        region = opened.enter_context(ExitStack())
        if (tracer := modes().tracer) is not None:
            self.guard_attributes(tracer)
        if (profiler := modes().profiler) is not None:
            region.enter_context(profiler.module_call(self))
        return self, x, iter(self._items), region


class ModuleList(_List[M]):
    """A list of `modules` without a `forward`. A Python list as an attribute of a module works too.

    >>> from autograd_mini import nn
    >>> layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    def __init__(self, modules: Iterable[M] = ()):
        super().__init__(modules)


class ParameterList(_Container):
    """A list of `parameters`; tensors become parameters. A Python list as an attribute of a module works too.

    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> weights = nn.ParameterList([ag.ones(2), nn.Parameter(ag.zeros(3))])
    >>> [(name, p.shape) for name, p in weights.named_parameters()]
    [('0', (2,)), ('1', (3,))]
    """

    def __init__(self, parameters: Iterable[Any] = ()):
        self._items: list[Parameter] = [_as_parameter(p) for p in parameters]

    def extend(self, parameters: Iterable[Any]) -> Self:
        """Adds parameters at the end and returns the list."""
        self._items = [*self._items, *map(_as_parameter, parameters)]
        return self

    def append(self, parameter: Any) -> Self:
        """Adds a parameter at the end and returns the list."""
        self._items = [*self._items, _as_parameter(parameter)]
        return self

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._current)

    def __getitem__(self, index: int) -> Parameter:
        return self._current[index]


class ParameterDict(_Container):
    """A dict of `parameters`, whose names are the keys; tensors become parameters.

    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> list(nn.ParameterDict({"scale": ag.ones(2)}).state_dict())
    ['scale']
    """

    def __init__(self, parameters: Mapping[str, Any] | None = None):
        self._items: dict[str, Parameter] = {key: _as_parameter(p) for key, p in (parameters or {}).items()}

    def __getitem__(self, key: str) -> Parameter:
        return self._current[key]

    def __setitem__(self, key: str, parameter: Any) -> None:
        self._items = {**self._items, key: _as_parameter(parameter)}

    def __contains__(self, key: object) -> bool:
        return key in self._current

    def __iter__(self) -> Iterator[str]:
        return iter(self._current)

    def keys(self) -> Iterable[str]:
        """Returns the names."""
        return self._current.keys()

    def values(self) -> Iterable[Parameter]:
        """Returns the parameters."""
        return self._current.values()

    def items(self) -> Iterable[tuple[str, Parameter]]:
        """Returns the (name, parameter) pairs."""
        return self._current.items()


def _as_parameter(value: Any) -> Parameter:
    return value if isinstance(value, Parameter) else Parameter(value)


class ModuleDict(_Container, Generic[M]):
    """A dict of `modules`, whose names are the keys. A Python dict as an attribute of a module works too.

    >>> from autograd_mini import nn
    >>> heads = nn.ModuleDict({"mu": nn.Linear(4, 2), "logvar": nn.Linear(4, 2)})
    >>> list(heads.state_dict())
    ['mu.weight', 'mu.bias', 'logvar.weight', 'logvar.bias']
    """

    def __init__(self, modules: Mapping[str, M] | None = None):
        self._items: dict[str, M] = {}
        for key, module in (modules or {}).items():
            self[key] = module

    def __getitem__(self, key: str) -> M:
        return self._current[key]

    def __setitem__(self, key: str, module: M) -> None:
        self._items = {**self._items, key: _check_module(self, key, module)}

    def _set_named(self, name: str, module: Any) -> None:
        self[name] = module

    def update(self, modules: Mapping[str, M]) -> None:
        """Adds modules, or replaces those with the same names."""
        for key, module in modules.items():
            self[key] = module

    def __contains__(self, key: object) -> bool:
        return key in self._current

    def __iter__(self) -> Iterator[str]:
        return iter(self._current)

    def keys(self) -> Iterable[str]:
        """Returns the names."""
        return self._current.keys()

    def values(self) -> Iterable[M]:
        """Returns the modules."""
        return self._current.values()

    def items(self) -> Iterable[tuple[str, M]]:
        """Returns the (name, module) pairs."""
        return self._current.items()


class Identity(Module):
    """Returns its input.

    >>> from autograd_mini import Tensor, nn
    >>> nn.Identity()(Tensor(2.0))
    Tensor(2.0)
    """

    def forward(self, x: Tensor) -> Tensor:
        return x


class Lambda(Module):
    """Wraps a `function` of tensors as a module.

    >>> import autograd_mini as ag
    >>> ag.nn.Lambda(ag.square)([3.0])
    Tensor([9.])
    """

    def __init__(self, function: Callable[..., Any]):
        self.function = function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def extra_repr(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))
