"""`Optimizer`: the base class, with parameter groups and state as in PyTorch. A subclass adds one in-place kernel.

A kernel works on blocks of rows that are small enough for a parameter, its gradient and its state to stay in the cache through
all passes. So it needs scratch memory for one block only, whatever the size of the parameter. Parameters never change their
memory, and every write is counted: a backward pass through an older use of the parameter raises.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any, ClassVar, Final, TypeAlias

import numpy as np

from autograd_mini.aliases import mark_modified
from autograd_mini.apply import apply_effect
from autograd_mini.jit.c.updates import run_update, use_loops
from autograd_mini.memory.arena import allocate_like
from autograd_mini.memory.flat_group import ParamGroup, ParamUpdate
from autograd_mini.memory.threads import split_work
from autograd_mini.primitive import Primitive
from autograd_mini.state import enable_grad, modes, watched
from autograd_mini.tensor import Array, Tensor

from ..parameter import clear_gradients
from .eager_step import StepCache

Params: TypeAlias = "Iterable[Tensor] | Iterable[ParamGroup]"

_BLOCK: Final = 1 << 17  # elements; measured best between 2^15 and 2^18, from 10^5 to 10^7 parameters
_COST: Final = 1.0  # nanoseconds per element, about ten passes
_NON_NEGATIVE: Final = (0.0, math.inf)
_RANGES: Final[dict[str, tuple[float, float]]] = {
    **dict.fromkeys(
        ("lr", "momentum", "weight_decay", "eps", "lr_decay", "momentum_decay", "dampening", "beta", "l1", "l2"), _NON_NEGATIVE
    ),
    "initial_accumulator_value": _NON_NEGATIVE,
    **dict.fromkeys(("betas", "alpha", "rho"), (0.0, 1.0)),
}
"""The range of each hyperparameter: lower end included, upper end excluded."""

UPDATE: Final = Primitive(
    "update", lambda *arrays, function: function(*arrays), formula="w ← w − η Δ", effect=True, uniform=False
)  # fmt: skip
"""An update of a parameter, a mean of weights or a schedule, as a call that a compiled step repeats."""


class Optimizer(ABC):
    """Base of the optimizers, which update parameters by their gradients.

    `params` are tensors, or dicts `{"params": tensors, "lr": …}` that override the defaults for a group. `param_groups` may be
    changed between steps, as learning-rate schedules do. Parameters without a gradient and frozen parameters are not updated.
    Raises ValueError if there are no parameters, if one is the result of an operation or in two groups, or if a hyperparameter
    is unknown or out of range.

    A subclass defines `init_state`, the state of a parameter before its first step, and `update`, the step of one parameter. If
    both work element by element, it may set `elementwise = True`: parameters that are adjacent in memory are then one array.

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
    optional_state: ClassVar[Set[str]] = frozenset()
    """Names of state that starts from 0 once a hyperparameter needs it, which may be after the first step."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Resets `elementwise` for a subclass that overrides a kernel and does not set it."""
        super().__init_subclass__(**options)
        if "elementwise" not in vars(cls) and {"init_state", "update", "update_parameter"} & vars(cls).keys():
            cls.elementwise = False

    def __init__(self, params: Params, defaults: ParamGroup):
        self.defaults = defaults
        self.param_groups: list[ParamGroup] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        self._eager_steps = StepCache()
        self._scratch_arrays: dict[Any, tuple[Array, ...]] = {}
        self._state_memory: dict[str, dict[int, tuple[Array, Array]]] = {}
        if isinstance(params, (Tensor, Mapping)):
            raise TypeError(f"{self._name}: params must be an iterable of tensors or of dicts, got one {type(params).__name__}")
        groups = list(params)
        if not groups:
            raise ValueError(f"{self._name}: params is empty; expected at least one parameter")
        for group in groups if isinstance(groups[0], Mapping) else [{"params": groups}]:
            self.add_param_group(group)  # type: ignore[arg-type]

    # -- what a subclass defines -------------------------------------------------------------------------------------------

    def init_state(self, parameter: Array, group: ParamGroup) -> dict[str, Any]:
        """Returns the state of a parameter before its first step: arrays of its shape, and numbers."""
        return {}

    @abstractmethod
    def update(self, p: Array, g: Array, state: dict[str, Any], group: ParamGroup) -> None:
        """Updates the parameter `p` by its gradient `g` in place, and its state too."""

    # -- what a training loop calls ----------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates each parameter that has a gradient. With a `closure`, calls it first, and returns the loss it returns.

        >>> from autograd_mini import Tensor, nn
        >>> a, b = Tensor(1.0, requires_grad=True), Tensor(1.0, requires_grad=True)
        >>> optimizer = nn.SGD([a, b], lr=0.5)
        >>> a.backward()
        >>> optimizer.step()
        >>> a.item(), b.item()
        (0.5, 1.0)
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for index, group in enumerate(self.param_groups):
            if modes().all_default:
                self._update_group(index, group["params"])
            else:
                self._record_group(index, group["params"])
        return loss

    def _update_group(self, index: int, params: list[Tensor]) -> None:
        """Updates the parameters of a group, adjacent ones together."""
        trained = [p for p in params if p._grad is not None and p._requires_grad]
        gradients = [p._grad._data for p in trained]  # type: ignore[union-attr]
        for step in self._eager_steps.steps(self, index, trained):
            step(gradients)

    def _record_group(self, index: int, params: list[Tensor]) -> None:
        """Updates each parameter of a group by a call that a compiled step repeats."""
        for p in params:
            gradient = p.grad
            if gradient is not None and p.requires_grad:
                writes = p._data, self.state, self.state.get(p, {})
                apply_effect(UPDATE, (p, gradient), {"function": ParamUpdate(self, p, index)}, writes)

    def update_parameter(self, parameter: Tensor, group: ParamGroup, p: Array, g: Array) -> None:
        """Updates one parameter, whose array is `p`, by its gradient `g`; the first time, creates its state."""
        state = self.state.get(parameter)
        if state is None:
            state = self.state[parameter] = self._lay_out(self.init_state(p, group), p)
        self.update(p, g, state, group)
        mark_modified(parameter)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Sets the gradients to None, or to 0 unless `set_to_none`; without it, `backward` adds to them.

        >>> from autograd_mini import Tensor, nn
        >>> a = Tensor(1.0, requires_grad=True)
        >>> a.backward()
        >>> nn.SGD([a]).zero_grad()
        >>> a.grad is None
        True
        """
        clear_gradients(self._parameters(), set_to_none)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Adds parameters; hyperparameters in `group` override the defaults. Raises the same errors as the constructor.

        >>> from autograd_mini import nn
        >>> optimizer = nn.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
        >>> optimizer.add_param_group({"params": nn.Linear(2, 1).parameters(), "lr": 0.01})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.01]
        """
        params = group.get("params", ())
        unique = list({id(p): p for p in ((params,) if isinstance(params, Tensor) else params)}.values())
        known = {id(p) for p in self._parameters()}
        if not unique:
            raise ValueError(f"{self._name}: 'params' of a group is empty; expected at least one parameter")
        for p in unique:
            if not isinstance(p, Tensor):
                raise TypeError(f"{self._name}: a parameter must be a Tensor, not {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError(f"{self._name}: a parameter must not be the result of an operation, got {p._describe()}")
            if id(p) in known:
                raise ValueError(f"{self._name}: {p._describe()} is already in another group")
        settings = {key: value for key, value in group.items() if key != "params"}
        if unknown := settings.keys() - self.defaults.keys():
            names = ", ".join(sorted(unknown))
            raise ValueError(f"{self._name}: unknown hyperparameter {names}; expected one of: {', '.join(self.defaults)}")
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
        """Returns a copy of state and settings in PyTorch's form: `{"state": {number: {name: value}}, "param_groups": [...]}`.

        Parameters are numbered in order through all groups. Parameters without a step so far have no state.

        >>> from autograd_mini import Tensor, nn
        >>> nn.Adadelta([Tensor([1.0])]).state_dict()["param_groups"]
        [{'params': [0], 'lr': 1.0, 'rho': 0.9, 'eps': 1e-06, 'weight_decay': 0.0, 'maximize': False}]
        """
        if (tracer := modes().tracer) is not None:
            tracer.reject_action("state_dict", "call it outside the compiled function")
        number = {p: i for i, p in enumerate(self._parameters())}
        return {
            "state": {number[p]: {k: np.copy(v) if isinstance(v, np.ndarray) else v for k, v in self.state[p].items()}
                      for p in number if p in self.state},
            "param_groups": [{**group, "params": [number[p] for p in group["params"]]} for group in self.param_groups],
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Loads what `state_dict` returned. Raises ValueError, and loads nothing, if groups or shapes of parameters differ.

        >>> from autograd_mini import Tensor, nn
        >>> old, new = (nn.SGD([Tensor([1.0])], lr=lr) for lr in (0.1, 0.2))
        >>> new.load_state_dict(old.state_dict())
        >>> new.param_groups[0]["lr"]
        0.1
        """
        saved_groups, sizes = state["param_groups"], [len(group["params"]) for group in self.param_groups]
        if (saved_sizes := [len(group["params"]) for group in saved_groups]) != sizes:
            raise ValueError(f"{self._name}.load_state_dict: expected groups of {sizes} parameters, got {saved_sizes}")
        names = {*self.defaults, "initial_lr"}  # the start of a schedule; settings that only PyTorch has are ignored
        merged = [
            {**group, **{key: value for key, value in saved.items() if key in names}}
            for group, saved in zip(self.param_groups, saved_groups, strict=True)
        ]
        owners = [(p, group) for group in merged for p in group["params"]]
        saved_state = {int(number): values for number, values in state["state"].items()}
        if unknown := saved_state.keys() - set(range(len(owners))):
            raise ValueError(f"{self._name}.load_state_dict: state for unknown parameters {sorted(unknown)} of {len(owners)}")
        loaded = {owners[i][0]: self._copy_state(i, *owners[i], values) for i, values in saved_state.items()}
        self.state = {parameter: self._lay_out(values, parameter._data) for parameter, values in loaded.items()}
        self._eager_steps.clear()
        watched.structure_changed()
        for group, new in zip(self.param_groups, merged, strict=True):
            group.update(new)

    def _copy_state(self, number: int, parameter: Tensor, group: ParamGroup, values: Mapping[str, Any]) -> dict[str, Any]:
        """Returns a copy of a parameter's saved state. Raises ValueError if names or shapes do not fit."""
        required, where = self.init_state(parameter._data, group), f"{self._name}.load_state_dict: parameter {number}"
        known = zeros(parameter._data, *self.optional_state) | required
        if not required.keys() - self.optional_state <= values.keys() <= known.keys():
            raise ValueError(f"{where}: expected state {sorted(required)}, got {sorted(values)}")
        copied = {name: known[name] for name in values}
        for name, value in copied.items():
            if np.shape(values[name]) != np.shape(value):
                raise ValueError(f"{where}: {name}: expected shape {np.shape(value)}, got {np.shape(values[name])}")
            if isinstance(value, np.ndarray):
                value[...] = values[name]
            else:
                copied[name] = type(value)(values[name])
        return copied

    # -- helpers -----------------------------------------------------------------------------------------------------------

    def _lay_out(self, state: dict[str, Any], p: Array) -> dict[str, Any]:
        """Moves the arrays of a state to memory with the layout of the parameters: adjacent there if adjacent here."""
        for name, value in state.items():
            if isinstance(value, np.ndarray) and value.shape == p.shape and value.dtype == p.dtype:
                state[name] = allocate_like(value, p, self._state_memory.setdefault(name, {}))
        return state

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _parameters(self) -> Iterator[Tensor]:
        return (p for group in self.param_groups for p in group["params"])

    def run_in_blocks(self, kernel: Callable[..., None], *arrays: Array) -> None:
        """Runs a kernel on arrays of one shape, in blocks of rows; it also gets three scratch arrays of a block's shape."""
        whole = arrays[0]
        if use_loops.get() and run_update(kernel, arrays, scratch=3):
            return
        if whole.size <= _BLOCK:
            kernel(*arrays, *self._scratch(whole, 0))
            return
        rows = max(1, _BLOCK * len(whole) // whole.size)

        def run_rows(part: slice) -> None:
            for start in range(part.start, part.stop, rows):
                block = [a[start : min(start + rows, part.stop)] for a in arrays]
                kernel(*block, *self._scratch(block[0], part.start))

        split_work(run_rows, len(whole), whole.size * _COST)

    def _scratch(self, like: Array, part: int) -> tuple[Array, ...]:
        key = part, like.shape, like.dtype
        arrays = self._scratch_arrays.get(key)
        if arrays is None:
            arrays = self._scratch_arrays[key] = tuple(np.empty(like.shape, like.dtype) for _ in range(3))
        return arrays

    def __repr__(self) -> str:
        lines = [
            f"{len(group['params'])} parameters, " + ", ".join(f"{k}={v}" for k, v in group.items() if k != "params")
            for group in self.param_groups
        ]
        return f"{self._name}(" + "; ".join(lines) + ")"


# -- shared by the kernels ----------------------------------------------------------------------------------------------


def apply_weight_decay(w: Array, d: Array, scratch: Array, group: ParamGroup) -> Array:
    """Returns the gradient plus λ w, in `scratch`; with decoupled decay, subtracts η λ w from w and returns the gradient.

    With `maximize`, the gradient is multiplied by −1 first.
    """
    if group.get("maximize"):
        d = np.negative(d, scratch)
    decay = group["weight_decay"]
    if not decay:
        return d
    if group.get("decoupled_weight_decay"):
        w *= 1 - group["lr"] * decay
        return d
    if d is scratch:
        return np.add(d, w * decay, scratch)
    np.multiply(w, decay, scratch)
    scratch += d
    return scratch


def update_mean(mean: Array, value: Array, weight: float, scratch: Array) -> None:
    """Computes mean ← (1 − weight) mean + weight · value; `value` may lie in `scratch`."""
    np.multiply(value, weight, scratch)
    mean *= 1 - weight
    mean += scratch


def zeros(p: Array, *names: str) -> dict[str, Any]:
    """Returns state that starts from 0, by name."""
    return {name: np.zeros_like(p) for name in names}
