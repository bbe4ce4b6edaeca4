"""Converts a plan of `jit` to node records: its steps in order, their operands, and the memory of each result."""

from __future__ import annotations

from typing import Final

from autograd_mini import nn
from autograd_mini.jit.plan import Plan
from autograd_mini.jit.report import Row
from autograd_mini.jit.trace import Call, Value

from ..language import translate
from .calls import Path
from .nodes import Edge, Graph, Kind, Names, Node, named_parameters

_NAMES: Final = {"argument": "argument", "gradient": "earlier gradient", "captured": "state"}
"""Names of values without a name of their own. A constant shows its number; the result of a call needs no name."""

_MAX_NAMED: Final = 8  # parameters listed at a step that writes them


def plan_graph(plan: Plan, params: Names = None) -> Graph:
    """Returns the graph of a plan. A joint update of many parameters is one node; views are not drawn."""
    return _Builder(plan, params).graph


def _is_write(call: Call) -> bool:
    """Whether the step writes its first operand, which its node then names."""
    return not call.outs and any(v.source == "captured" for v in call.inputs[:1])


class _Builder:
    """The graph under construction: `at` maps each value to its node, `places` the results of steps to their memory."""

    def __init__(self, plan: Plan, params: Names):
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.at: dict[Value, int] = {}
        self.places: dict[Value, str] = {}
        self.results = dict.fromkeys(plan.output.values)
        self.names = {id(t): name for name, t in named_parameters(params)}
        for step, row in enumerate(plan.rows):
            scope = (translate("step {step}, split over two threads", step=step),) if row.parts else ()
            for part in row.parts or (row,):
                if part.call.outs or not part.labels:  # slices of an argument are drawn as the argument
                    self._step(step, part, scope)
        roots = [self.at[v.owner if v not in self.at else v] for v in self.results if v in self.at or v.owner in self.at]
        self.graph = Graph(self.nodes, self.edges, roots)

    def _add(self, node: Node) -> int:
        self.nodes.append(node._replace(number=len(self.nodes), seq=len(self.nodes)))
        return len(self.nodes) - 1

    def _step(self, step: int, row: Row, scope: Path) -> None:
        calls, call = (row.call, *row.fused), row.call
        written = [call.inputs[0] for call in calls if _is_write(call)]
        sources = [(v, self._source(v)) for call in calls for v in call.inputs[_is_write(call) :]]
        kind: Kind = "operation" if call.outs else "write"
        name = call.primitive.name
        if len(written) > 1:
            name = translate("{operation} of {count} parameters", operation=name, count=len(written))
        targets = "\n".join([f"→ {self._leaf(v).name}" for v in written[:_MAX_NAMED]] + ["…"] * (len(written) > _MAX_NAMED))
        operation = self._add(
            Node(kind, name, primitive=call.primitive, params=call.params, scope=scope, step=step, memory=targets)
        )
        self.edges += [Edge(i, operation, slot, "" if v in self.at else "view") for slot, (v, i) in enumerate(sources)]
        for slot, (out, place) in enumerate(zip(call.outs, row.labels, strict=True)):
            self._result(operation, slot, call, out, place)

    def _result(self, operation: int, slot: int, call: Call, out: Value, place: str) -> None:
        in_place = place.startswith("buffer") and any(self.places.get(v.owner) == place for v in call.inputs)
        is_result = out in self.results
        kind: Kind = "loss" if is_result and out.array.size == 1 else "tensor"
        self.places[out] = place
        scope = self.nodes[operation].scope
        self.at[out] = self._add(Node(kind, translate("result") if is_result else "", out.array, scope=scope, memory=place))
        self.edges.append(Edge(operation, self.at[out], slot, "in place" if in_place else ""))

    def _source(self, value: Value) -> int:
        """Returns the node of an operand: its own, or that of the value of which it is a view."""
        if value in self.at:
            return self.at[value]
        owner = value.owner
        if owner not in self.at:
            self.at[owner] = self._add(self._leaf(owner))
        return self.at[owner]

    def _leaf(self, value: Value) -> Node:
        """Returns the node of a value that exists before the first step."""
        tensor = value.tensor
        name = translate(_NAMES.get(value.source, ""))
        if tensor is not None:
            name = self.names.get(id(tensor)) or tensor.name or name
        trained = isinstance(tensor, nn.Parameter) or (tensor is not None and tensor._requires_grad)
        return Node("parameter" if trained and value.source == "captured" else "input", name, value.array)
