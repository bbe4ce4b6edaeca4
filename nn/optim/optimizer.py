"""`Optimizer`: a base that keeps groups and state as PyTorch does. A kind of optimizer is one in-place kernel on it.

A kernel works on blocks of rows, small enough that a parameter, its gradient and its state stay in cache through all passes; so
it needs scratch of one block only, whatever the size of the parameter. Storage never moves, and every write is stamped: a
backward pass through an older use of the parameter raises.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any, ClassVar, Final, TypeAlias

import numpy as np

from autograd_mini.apply import apply_effect
from autograd_mini.memory.arena import allocate_like
from autograd_mini.memory.threads import split_work
from autograd_mini.primitive import Primitive
from autograd_mini.state import modes, watched
from autograd_mini.tensor import Array, Tensor, mark_modified

from .joint import Arrangements, Group, Move

Params: TypeAlias = "Iterable[Tensor] | Iterable[Group]"

_BLOCK: Final = 1 << 17  # elements; measured best between 2^15 and 2^18, from 10^5 to 10^7 parameters
_COST: Final = 1.0  # nanoseconds for an element, about: ten passes or so
_POSITIVE: Final = (0.0, math.inf)
_RANGES: Final[dict[str, tuple[float, float]]] = {
    **dict.fromkeys(("lr", "momentum", "weight_decay", "eps", "lr_decay", "momentum_decay", "beta", "l1", "l2"), _POSITIVE),
    "initial_accumulator_value": _POSITIVE,
    **dict.fromkeys(("betas", "alpha", "rho"), (0.0, 1.0)),
}
"""Where each hyperparameter must lie: the lower end included, the upper one not."""

UPDATE: Final = Primitive("update", lambda *arrays, move: move(*arrays), formula="w ← w − η Δ", effect=True, uniform=False)
"""A step of an optimizer, or of a mean of weights, as a call that a compiled step repeats."""


class Optimizer(ABC):
    """Base of the optimizers, which move parameters by their gradients.

    `params` are tensors, or dicts `{"params": tensors, "lr": …}` that override the defaults for a group. `param_groups` may
    be changed between steps, as learning-rate schedules do. Parameters without a gradient, and frozen ones, do not move.
    ValueError for no parameters at all, one that an operation made, one in two groups, a hyperparameter that is unknown or
    out of its range.

    A subclass gives `begin`, the state of a parameter before its first step, and `update`, the step of one parameter. Where
    both work element by element it may say so, `elementwise = True`, and parameters side by side are moved as one array.

    >>> from autograd_mini import Tensor, nn
    >>> class SignDescent(nn.Optimizer):
    ...     def update(self, p, g, state, group):
    ...         p -= group["lr"] * (g > 0) - group["lr"] * (g < 0)
    >>> w = Tensor([3.0, -4.0], requires_grad=True)
    >>> optimizer = SignDescent([w], {"lr": 0.5})
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([ 2.5, -3.5], requires_grad=True)
    """

    elementwise = False
    switchable: ClassVar[Set[str]] = frozenset()
    """State from 0 that a parameter has once a hyperparameter asked for it, which may be after its first step."""

    def __init_subclass__(cls, **options: Any) -> None:
        """What gives a kernel of its own must say anew whether it works element by element."""
        super().__init_subclass__(**options)
        if "elementwise" not in vars(cls) and {"begin", "update", "move"} & vars(cls).keys():
            cls.elementwise = False

    def __init__(self, params: Params, defaults: Group):
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        self._arrangements = Arrangements()
        self._scratches: dict[Any, tuple[Array, ...]] = {}
        self._mirrors: dict[str, dict[int, tuple[Array, Array]]] = {}
        if isinstance(params, (Tensor, Mapping)):
            raise TypeError(f"{self._name}: params must be an iterable of tensors or of dicts, not one {type(params).__name__}")
        given = list(params)
        if not given:
            raise ValueError(f"{self._name}: got no parameters")
        for group in given if isinstance(given[0], Mapping) else [{"params": given}]:
            self.add_param_group(group)  # type: ignore[arg-type]

    # -- what a subclass gives ---------------------------------------------------------------------------------------------

    def begin(self, parameter: Array, group: Group) -> dict[str, Any]:
        """The state of a parameter that has not been stepped yet: arrays of its shape, and numbers."""
        return {}

    @abstractmethod
    def update(self, p: Array, g: Array, state: dict[str, Any], group: Group) -> None:
        """Moves the parameter `p` by its gradient `g`, in place, and its state along with it."""

    # -- what a training loop calls ----------------------------------------------------------------------------------------

    def step(self) -> None:
        """Moves each parameter that has a gradient.

        >>> from autograd_mini import Tensor, nn
        >>> a, b = Tensor(1.0, requires_grad=True), Tensor(1.0, requires_grad=True)
        >>> optimizer = nn.SGD([a, b], lr=0.5)
        >>> a.backward()
        >>> optimizer.step()
        >>> a.item(), b.item()
        (0.5, 1.0)
        """
        for number, group in enumerate(self.param_groups):
            if modes.all_default:
                self._move_all(number, group["params"])
            else:
                self._act_all(number, group["params"])

    def _move_all(self, number: int, params: list[Tensor]) -> None:
        moving = [p for p in params if p._grad is not None and p._requires_grad]
        gradients = [p._grad._data for p in moving]  # type: ignore[union-attr]
        for step in self._arrangements.steps(self, number, moving):
            step(gradients)

    def _act_all(self, number: int, params: list[Tensor]) -> None:
        """Moves each parameter by a call that a compiled step repeats."""
        for p in params:
            gradient = p.grad
            if gradient is not None and p.requires_grad:
                written = p._data, self.state, self.state.get(p, {})
                apply_effect(UPDATE, (p, gradient), {"move": Move(self, p, number)}, written)

    def move(self, parameter: Tensor, group: Group, p: Array, g: Array) -> None:
        """Moves one parameter, whose array is `p`, by its gradient."""
        state = self.state.get(parameter)
        if state is None:
            state = self.state[parameter] = self._mirrored(self.begin(p, group), p)
        self.update(p, g, state, group)
        mark_modified(parameter)

    def zero_grad(self) -> None:
        """Forgets the gradients (`grad` becomes None); gradients add up until then.

        >>> from autograd_mini import Tensor, nn
        >>> a = Tensor(1.0, requires_grad=True)
        >>> a.backward()
        >>> nn.SGD([a]).zero_grad()
        >>> a.grad is None
        True
        """
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Adds parameters, with hyperparameters of their own where `group` names them; errors as in the constructor.

        >>> from autograd_mini import nn
        >>> optimizer = nn.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
        >>> optimizer.add_param_group({"params": nn.Linear(2, 1).parameters(), "lr": 0.01})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.01]
        """
        params = group.get("params", ())
        unique = list({id(p): p for p in ((params,) if isinstance(params, Tensor) else params)}.values())
        known = {id(p) for other in self.param_groups for p in other["params"]}
        if not unique:
            raise ValueError(f"{self._name}: a group has no parameters")
        for p in unique:
            if not isinstance(p, Tensor):
                raise TypeError(f"{self._name}: a parameter must be a Tensor, not {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError(f"{self._name}: can only move leaves, not {p._describe()}")
            if id(p) in known:
                raise ValueError(f"{self._name}: {p._describe()} is in another group already")
        settings = {key: value for key, value in group.items() if key != "params"}
        if unknown := settings.keys() - self.defaults.keys():
            raise ValueError(f"{self._name}: knows {', '.join(self.defaults)}, not {', '.join(sorted(unknown))}")
        settings = {**self.defaults, **settings}
        for key in settings.keys() & _RANGES.keys():
            low, high = _RANGES[key]
            values, shape = np.asarray(settings[key]), (2,) if key == "betas" else ()
            if values.shape != shape or values.dtype.kind not in "iuf":
                raise ValueError(f"{self._name}: {key} must be {'two numbers' if shape else 'a number'}, got {settings[key]!r}")
            if not ((low <= values) & (values < high)).all():
                raise ValueError(f"{self._name}: {key} must lie in [{low:g}, {high:g}), got {settings[key]}")
        if self.param_groups:
            watched.structure_changed()
        self.param_groups.append({"params": unique, **settings})

    # -- saving ------------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """A copy of state and hyperparameters in PyTorch's form: `{"state": {number: {name: value}}, "param_groups": [...]}`.

        Parameters are numbered in order, through all groups; those that were never stepped have no state.

        >>> from autograd_mini import Tensor, nn
        >>> nn.Adagrad([Tensor([1.0])], lr=0.1).state_dict()["param_groups"]
        [{'params': [0], 'lr': 0.1, 'lr_decay': 0.0, 'weight_decay': 0.0, 'initial_accumulator_value': 0.0, 'eps': 1e-10}]
        """
        if modes.tracer is not None:
            modes.tracer.reject_action("state_dict", "call it outside the compiled function")
        number = {p: i for i, p in enumerate(self._parameters())}
        return {
            "state": {number[p]: {k: np.copy(v) if isinstance(v, np.ndarray) else v for k, v in self.state[p].items()}
                      for p in number if p in self.state},
            "param_groups": [{**group, "params": [number[p] for p in group["params"]]} for group in self.param_groups],
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave: the same groups of as many parameters of the same shapes, else ValueError.

        Nothing is loaded when anything is wrong.

        >>> from autograd_mini import Tensor, nn
        >>> old, new = (nn.SGD([Tensor([1.0])], lr=lr) for lr in (0.1, 0.2))
        >>> new.load_state_dict(old.state_dict())
        >>> new.param_groups[0]["lr"]
        0.1
        """
        groups, sizes = state["param_groups"], [len(group["params"]) for group in self.param_groups]
        if (given := [len(group["params"]) for group in groups]) != sizes:
            raise ValueError(f"{self._name}.load_state_dict: expected groups of {sizes} parameters, got {given}")
        ours = {*self.defaults, "initial_lr"}  # the rate that a schedule started from; PyTorch's own settings stay behind
        merged = [
            {**own, **{key: value for key, value in group.items() if key in ours}}
            for own, group in zip(self.param_groups, groups, strict=True)
        ]
        owners = [(p, group) for group in merged for p in group["params"]]
        stepped = {int(number): values for number, values in state["state"].items()}
        if unknown := stepped.keys() - set(range(len(owners))):
            raise ValueError(f"{self._name}.load_state_dict: state for unknown parameters {sorted(unknown)} of {len(owners)}")
        loaded = {owners[i][0]: self._loaded(i, *owners[i], values) for i, values in stepped.items()}
        self.state = {parameter: self._mirrored(values, parameter._data) for parameter, values in loaded.items()}
        self._arrangements.clear()
        watched.structure_changed()
        for own, group in zip(self.param_groups, merged, strict=True):
            own.update(group)

    def _loaded(self, number: int, parameter: Tensor, group: Group, values: Mapping[str, Any]) -> dict[str, Any]:
        """The state of a parameter from what was saved, in memory of its own; ValueError where it does not fit."""
        begun, where = self.begin(parameter._data, group), f"{self._name}.load_state_dict: parameter {number}"
        known = zeros(parameter._data, *self.switchable) | begun
        if not begun.keys() - self.switchable <= values.keys() <= known.keys():
            raise ValueError(f"{where}: expected state {sorted(begun)}, got {sorted(values)}")
        start = {name: known[name] for name in values}
        for name, value in start.items():
            if np.shape(values[name]) != np.shape(value):
                raise ValueError(f"{where}: {name}: expected shape {np.shape(value)}, got {np.shape(values[name])}")
            if isinstance(value, np.ndarray):
                value[...] = values[name]
            else:
                start[name] = type(value)(values[name])
        return start

    # -- below -------------------------------------------------------------------------------------------------------------

    def _mirrored(self, state: dict[str, Any], p: Array) -> dict[str, Any]:
        """A state whose arrays lie in memory as their parameters do: neighbours are neighbours there too."""
        for name, value in state.items():
            if isinstance(value, np.ndarray) and value.shape == p.shape and value.dtype == p.dtype:
                state[name] = allocate_like(value, p, self._mirrors.setdefault(name, {}))
        return state

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _parameters(self) -> Iterator[Tensor]:
        return (p for group in self.param_groups for p in group["params"])

    def blockwise(self, kernel: Callable[..., None], *arrays: Array) -> None:
        """Runs a kernel on arrays of one shape, by blocks of rows; three scratch arrays of a block's shape go with them."""
        whole = arrays[0]
        if whole.size <= _BLOCK:
            kernel(*arrays, *self._scratch(whole, 0))
            return
        rows = max(1, _BLOCK * len(whole) // whole.size)

        def half(part: slice) -> None:
            for start in range(part.start, part.stop, rows):
                block = [a[start : min(start + rows, part.stop)] for a in arrays]
                kernel(*block, *self._scratch(block[0], part.start))

        split_work(half, len(whole), whole.size * _COST)

    def _scratch(self, like: Array, part: int) -> tuple[Array, ...]:
        key = part, like.shape, like.dtype
        found = self._scratches.get(key)
        if found is None:
            found = self._scratches[key] = tuple(np.empty(like.shape, like.dtype) for _ in range(3))
        return found

    def __repr__(self) -> str:
        lines = [
            f"{len(group['params'])} parameters, " + ", ".join(f"{k}={v}" for k, v in group.items() if k != "params")
            for group in self.param_groups
        ]
        return f"{self._name}(" + "; ".join(lines) + ")"


# -- what kernels share -------------------------------------------------------------------------------------------------


def decayed(w: Array, d: Array, scratch: Array, group: Group) -> Array:
    """The gradient with λ w added, in `scratch`; where decay is decoupled, w itself shrinks by η λ w and the gradient stays."""
    decay = group["weight_decay"]
    if not decay:
        return d
    if group.get("decoupled_weight_decay"):
        w *= 1 - group["lr"] * decay
        return d
    np.multiply(w, decay, scratch)
    scratch += d
    return scratch


def averaged(mean: Array, value: Array, share: float, scratch: Array) -> None:
    """mean ← (1 − share) mean + share · value; `value` may lie in `scratch`."""
    np.multiply(value, share, scratch)
    mean *= 1 - share
    mean += scratch


def zeros(p: Array, *names: str) -> dict[str, Any]:
    """State that starts at 0, by name."""
    return {name: np.zeros_like(p) for name in names}
