"""`summary`: the layers of a network as a table, in the order of their calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import autograd_mini as ag
from autograd_mini.primitive import Primitive
from autograd_mini.state import mode
from autograd_mini.tensor import Tensor
from autograd_mini.tools.profile import Profile
from autograd_mini.tools.text_table import format_table, html_table

from .module import Module, Parameter, evaluation

_HEAD: Final = ("name", "layer", "output shape", "parameters", "FLOPs")
_LEFT: Final = (0, 1, 2)  # columns of text


@dataclass(frozen=True)
class Row:
    """One call of a layer: path, class, shape of the output, number of parameters not counted before, and FLOPs."""

    name: str
    layer: str
    output_shape: Any
    parameters: int
    flops: int


@dataclass(frozen=True)
class Summary:
    """The rows, and the totals of the network: parameters, trainable parameters and FLOPs. `str` returns a table.

    A notebook shows the table as HTML.
    """

    rows: tuple[Row, ...]
    parameters: int
    trainable: int
    flops: int

    def __str__(self) -> str:
        return format_table(_HEAD, self._body(), _LEFT, self._total())

    def _repr_html_(self) -> str:
        return html_table(_HEAD, [*self._body(), self._total()], _LEFT)

    def _body(self) -> list[tuple[str, ...]]:
        return [(r.name, r.layer, str(r.output_shape), f"{r.parameters:,}", f"{r.flops:,}") for r in self.rows]

    def _total(self) -> tuple[str, ...]:
        return "total", "", f"{self.trainable:,} trainable", f"{self.parameters:,}", f"{self.flops:,}"


class _FlopCounter(Profile):
    """A profile that only adds up FLOPs: those of an operation belong to the innermost listed layer that is running."""

    def __init__(self, layers: Iterable[Module]):
        super().__init__(lambda: 0)
        self._layers = set(map(id, layers))
        self._running = [0]
        self.finished = 0  # FLOPs of the call that ended last

    @property
    def outside(self) -> int:
        """FLOPs of operations outside all listed layers."""
        return self._running[0]

    def record_operation(self, primitive: Primitive, inputs: Sequence[Tensor], params: dict[str, Any], out: Tensor) -> None:
        results = out._data if isinstance(out._data, tuple) else (out._data,)
        self._running[-1] += primitive.count_flops([x._data for x in inputs], results, params)

    @contextmanager
    def module_call(self, module: Module) -> Iterator[None]:
        if id(module) not in self._layers:
            yield
            return
        self._running.append(0)
        try:
            yield
        finally:
            self.finished = self._running.pop()


def summary(model: Module, *inputs: Any) -> Summary:
    """Runs the model once, in evaluation mode and without a graph, and lists its layers; modes and random stream do not change.

    A layer is a module without modules inside, or with direct parameters. FLOPs are the floating-point operations of this
    forward pass, batch included, as the records of the primitives count them: a multiplication and an addition for each
    weight that an output uses, and one for each element of an elementwise result. Operations between layers have a row too.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 28 * 28, 10))
    >>> print(nn.summary(net, np.zeros((1, 1, 28, 28), np.float32)))
    name   layer    output shape      parameters    FLOPs
    -----  -------  ----------------  ----------  -------
    0      Conv2d   (1, 8, 28, 28)            80  119,168
    1      ReLU     (1, 8, 28, 28)             0    6,272
    2      Flatten  (1, 6272)                  0        0
    3      Linear   (1, 10)               62,730  125,450
    -----  -------  ----------------  ----------  -------
    total           62,810 trainable      62,810  250,890
    """
    rows: list[Row] = []
    counted: set[int] = set()
    layers = {name: m for name, m in model.named_modules() if _direct_parameters(m) or not list(m.children())}
    counter = _FlopCounter(layers.values())

    def hook_for(name: str) -> Callable[[Module, Any, Any], None]:
        def hook(module: Module, inputs: Any, output: Any) -> None:
            new = [p for p in _direct_parameters(module) if id(p) not in counted]
            counted.update(map(id, new))
            rows.append(Row(name, type(module).__name__, _shape(output), sum(p.size for p in new), counter.finished))

        return hook

    removers = [module.register_forward_hook(hook_for(name)) for name, module in layers.items()]
    try:
        with evaluation(model), ag.fork_rng(), mode("profiler", counter):
            model(*inputs)
    finally:
        for remove in removers:
            remove()
    if counter.outside:
        rows.append(Row("", "between layers", (), 0, counter.outside))
    sizes = [(p.size, p.size * p.requires_grad) for p in model.parameters()]
    return Summary(tuple(rows), sum(n for n, _ in sizes), sum(n for _, n in sizes), sum(row.flops for row in rows))


def _direct_parameters(module: Module) -> list[Tensor]:
    """Returns the parameters of a module that do not belong to a module inside it."""
    direct = {id(part): part for _, part in module._direct() if isinstance(part, Parameter)}
    below = {id(p) for child in module.children() for p in child.parameters()} if direct else set()
    return [p for key, p in direct.items() if key not in below]


def _shape(output: Any) -> Any:
    if isinstance(output, (tuple, list)):
        return tuple(map(_shape, output))
    return output.shape if isinstance(output, Tensor) else None
