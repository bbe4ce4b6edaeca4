"""`ExampleTrace`: records the run of a function on one example, or of the body of a loop on one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NoReturn

import numpy as np

from ..apply import ITEM
from ..jit.trace import Trace
from ..primitive import Primitive
from ..tensor import Tensor

_DRAW_OUTSIDE: Final = "draw outside, with a leading axis, and pass the numbers as another argument"


class ExampleTrace(Trace):
    """A trace that also remembers how each operand depends on what exists outside of the run.

    operands   for each call its operands as tensors
    connected  for each call whether each operand passes a gradient to an argument or to a tensor from outside; `detach` and
               `no_grad` inside the function end that

    Errors begin with `name`, and say by `once` that the function runs once: "but the function runs once for all examples".
    """

    def __init__(self, arguments: Sequence[Tensor], name: str, once: str):
        self._name, self._once, self._running = name, once, False
        super().__init__(arguments, _NothingRead())  # type: ignore[arg-type]
        self._running = True
        self.operands: list[tuple[Tensor, ...]] = []
        self.connected: list[tuple[bool, ...]] = []
        self._connected_results: dict[int, bool] = {}  # by the id of a tensor in `_results`
        self._results: list[Tensor] = [*arguments]

    def record(self, primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, Any], out: Tensor) -> None:
        super().record(primitive, inputs, params, out)
        flags = tuple(self.is_connected(x) for x in inputs)
        self.operands.append(inputs)
        self.connected.append(flags)
        self._results.append(out)
        self._connected_results[id(out)] = out._requires_grad and any(flags)

    def check_call(self, primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, Any]) -> None:
        """Raises RuntimeError for an effect, unless the record says how to have it for a batch."""
        if primitive.effect and primitive.batch is None:
            raise RuntimeError(f"{self._name}: {primitive.name} has an effect, {self._once}; call it outside")

    def is_connected(self, x: Tensor) -> bool:
        """Returns whether a tensor passes a gradient to an argument, or to a tensor from outside of the run."""
        if not x._requires_grad:
            return False
        if x._primitive is ITEM:
            return self.is_connected(x._inputs[0])
        if x._primitive is None or x._seq < self._start:
            return self.is_outside(x)
        return self._connected_results.get(id(x), True)

    def is_outside(self, x: Tensor) -> bool:
        """Returns whether a tensor existed before the run, or is an argument."""
        return x._seq < self._start or any(x is value.tensor for value in self.arguments)

    def record_effect(
        self, primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, Any], writes: tuple[Any, ...]
    ) -> None:
        raise RuntimeError(
            f"{self._name}: {primitive.name} modifies a tensor in place, {self._once}; compute a new tensor, "
            "and call .eval() on modules that keep running statistics, such as batch normalization"
        )

    def will_draw(self, stream: np.random.Generator) -> None:
        if self._running:
            raise RuntimeError(f"{self._name}: the function draws random numbers, {self._once}; {_DRAW_OUTSIDE}")

    def will_write_grad(self, tensor: Tensor) -> None:
        raise RuntimeError(f"{self._name}: .backward() and `.grad = …` write one gradient, {self._once}; use ag.grad inside it")

    def guard(self, owner: Any, name: str) -> None:
        """Does nothing: the function is traced in each call."""

    def reject_action(self, action: str, instead: str) -> NoReturn:
        raise RuntimeError(f"{self._name}: {action} cannot be used inside the function, {self._once}: {instead}")

    def reject_value(self, use: str, tensor: Tensor) -> NoReturn:
        raise RuntimeError(
            f"{self._name}: {use} needs one concrete value, {self._once}; return the tensor and read it outside, or choose "
            "with ag.where instead of `if`"
        )


class _NothingRead:
    """Takes the place of the Python state that a compiled function reads."""

    def restore(self) -> None:
        """Does nothing."""
