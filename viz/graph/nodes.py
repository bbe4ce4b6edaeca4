"""The recorded graph as plain nodes and edges, from which pictures, text trees and steppers are made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from autograd_mini import nn
from autograd_mini.apply import ITEM
from autograd_mini.primitive import Primitive
from autograd_mini.tensor import Array, Shape, Tensor

from .calls import (
    FUNCTION,
    Box,
    Origin,
    Path,
    Roots,
    find_origin,
    make_boxes,
    outermost_modules,
    paths_of,
    recorded_calls,
    scopes_at,
)

Kind: TypeAlias = Literal[
    "input", "parameter", "frozen", "detached", "outside", "operation", "write", "tensor", "loss", "collapsed"
]


CUT, NO_GRADIENT = "✂ detach", "✂ no_grad"  # labels of edges along which no gradient flows
LOSS_NAME: Final = re.compile(r"loss|elbo|cost|objective|risk|energy|nll|^L$|^L[_₀-₉A-Z]|^[ℒJE]$", re.I)


class HasParameters(Protocol):
    """An object that can name its parameters, such as a module."""

    def named_parameters(self) -> Iterable[tuple[str, Tensor]]: ...


Outputs: TypeAlias = Tensor | Sequence[Tensor] | Mapping[str, Tensor]
Names: TypeAlias = HasParameters | Mapping[str, "Tensor | HasParameters"] | None


class Node(NamedTuple):
    """An operation (with a `primitive`), a tensor (with an `array`), or a collapsed group of both.

    kind        input (a leaf without gradient), parameter (a leaf with gradient, or a frozen nn.Parameter), operation,
                write (an operation that modifies an operand), tensor (an intermediate), loss (a scalar output), or collapsed
    name        the name of the operation or tensor; may be empty
    array       the tensor's values, not a copy
    grad        the tensor's gradient; None if not computed
    wants_grad  whether the tensor can have a gradient
    changed     whether a leaf was modified after an operation had used it
    primitive   the record of the operation; `params` are its keyword arguments
    number      the index in the whole graph, which collapsing does not change
    seq         the engine's creation number of the tensor, or of the operation's call
    scope       the path of its module; None if not known yet
    hidden      number of nodes that a collapsed one replaces
    folds       the path of the module that a collapsed one replaces
    symbol      symbol of its gradient
    badge       a short verdict shown at the node
    step        in a compiled plan, the number of the step
    via         the operation that computed the tensor, if it is drawn inside of it
    where       file and line of the operation, if it ran inside of `ag.detect_anomaly()`
    memory      in a compiled plan, the tensor's memory ("buffer 3", "gradient", "new"), or what the operation writes
    """

    kind: Kind
    name: str
    array: Array | None = None
    grad: Array | None = None
    wants_grad: bool = False
    changed: bool = False
    primitive: Primitive | None = None
    params: Mapping[str, Any] = {}
    number: int = 0
    seq: int = 0
    scope: Path | None = None
    hidden: int = 0
    symbol: str = "∇"
    badge: str = ""
    step: int | None = None
    memory: str = ""
    via: str = ""
    folds: Path = ()
    where: str = ""

    @property
    def shape(self) -> Shape:
        return () if self.array is None else self.array.shape


class Edge(NamedTuple):
    """From a tensor to an operation, as operand number `slot`, or from an operation to its output number `slot`.

    `label` is shown beside it; `heat` is log₁₀ of the root mean square of its gradient.
    """

    source: int
    target: int
    slot: int
    label: str = ""
    heat: float | None = None


class Graph(NamedTuple):
    """Nodes in order of creation, which is a topological order; edges and roots are indices of nodes.

    `titles` maps paths of modules to what their boxes show; `boxes` are the calls that were recorded.
    """

    nodes: list[Node]
    edges: list[Edge]
    roots: list[int]
    titles: Mapping[Path, str] = {}
    boxes: Sequence[Box] = ()

    def operands(self) -> list[list[int]]:
        """Returns the sources of every node: an operation's operands in the order of its call, a tensor's operation."""
        sources: list[list[int]] = [[] for _ in self.nodes]
        for source, target, *_ in self.edges:
            sources[target].append(source)
        return sources

    def consumers(self) -> list[list[int]]:
        """Returns the targets of every node: the operations that use a tensor, the outputs of an operation."""
        targets: list[list[int]] = [[] for _ in self.nodes]
        for source, target, *_ in self.edges:
            targets[source].append(target)
        return targets


def build_graph(outputs: Outputs, params: Names = None) -> Graph:
    """Returns the graph that computed `outputs`. A call with several outputs is one operation with all outputs that are used.

    It does not recurse, so graphs may be arbitrarily deep. Without `params`, parameters are named by the modules that were
    called. Raises TypeError if an output is not a Tensor.
    """
    roots = named_outputs(outputs)
    reached = _reachable(t for _, t in roots)
    calls = recorded_calls(reached)
    if params is None:
        found = outermost_modules(calls)
        params = found.get("", found)
    owned = {id(t): name for name, t in named_parameters(params)}
    names = {id(t): name for name, t in roots if name} | owned
    tensors = _in_order(reached, owned)
    changed = {id(x) for t in tensors for x in t._inputs if x._seq > t._seq}
    ends = {id(t) for _, t in roots}
    nodes: list[Node] = []
    made_by: dict[int, int] = {}  # id of a call's tensor -> its operation's index
    at: dict[int, int] = {}  # id of a tensor -> its index
    outside: dict[int, int] = {}  # key of a call without gradient -> its index
    cuts: list[Edge] = []
    modules = _modules(params)
    paths = paths_of(modules)
    in_losses = scopes_at(make_boxes(calls, modules), {t._seq for _, t in roots})
    for t in tensors:
        key = id(t)
        if t._primitive is not None and t._primitive is not ITEM:
            made_by[key] = len(nodes)
            nodes.append(
                Node(
                    "operation", t._primitive.name, primitive=t._primitive, params=t._params, number=len(nodes), seq=t._seq,
                    where=t._where or "",
                )
            )  # fmt: skip
        origin = find_origin(t, paths) if t._primitive is None else None
        if origin and origin.title and origin.key not in outside:
            outside[origin.key] = len(nodes)
            nodes.append(Node("outside", origin.title, number=len(nodes), seq=t._seq))
        if origin and origin.title:
            cuts.append(Edge(outside[origin.key], len(nodes), 0, CUT if origin.is_detached else NO_GRADIENT))
        if not _is_multi_output(t):
            at[key] = len(nodes)
            grad = None if t.grad is None else t.grad._data
            name = names.get(key) or t.name or ""
            scope = tuple(owned[key].split(".")[:-1]) if key in owned and t._primitive is None else None
            minimised = key in ends and is_loss(name, in_losses[t._seq], len(roots))
            nodes.append(
                Node(
                    _kind(t, minimised, origin), name, t._data, grad, t._requires_grad, key in changed,
                    number=len(nodes), seq=t._seq, scope=scope,
                )
            )  # fmt: skip
    edges, ends_at = [*cuts, *_edges(tensors, made_by, at)], [at[id(t)] for _, t in roots]
    return Graph(nodes, edges, ends_at, _titles(modules), make_boxes(calls, modules))


def _edges(tensors: Iterable[Tensor], made_by: Mapping[int, int], at: Mapping[int, int]) -> list[Edge]:
    edges: list[Edge] = []
    for t in tensors:
        if t._primitive is ITEM:
            edges.append(Edge(made_by[id(t._inputs[0])], at[id(t)], t._params["index"]))
        elif t._primitive is not None:
            call = made_by[id(t)]
            edges += [Edge(at[id(x)], call, slot) for slot, x in enumerate(t._inputs)]
            if not _is_multi_output(t):
                edges.append(Edge(call, at[id(t)], 0))
    return edges


def _is_multi_output(t: Tensor) -> bool:
    """Whether `t` holds the tuple of all outputs of a call and is therefore not drawn."""
    return isinstance(t._data, tuple)


def _kind(t: Tensor, is_minimised: bool, origin: Origin | None) -> Kind:
    if t._primitive is None:
        if t._requires_grad:
            return "parameter"
        return "frozen" if isinstance(t, nn.Parameter) else "detached" if origin else "input"
    return "loss" if is_minimised and t._data.size == 1 else "tensor"


def is_loss(name: str, scope: Path, outputs: int) -> bool:
    """Whether a scalar output is a loss: by its name, as the result of a recorded loss, or as the only output without a name.

    >>> from autograd_mini.viz.graph.nodes import is_loss
    >>> [is_loss(name, (), 2) for name in ("L", "L_D", "d_loss", "accuracy", "y", "dy/dx")]
    [True, True, True, False, False, False]
    """
    if name:
        return bool(LOSS_NAME.search(name)) or bool(scope and "loss" in scope[0].lower())
    return outputs == 1 or bool(scope and scope[-1].endswith(FUNCTION))


def _in_order(tensors: Iterable[Tensor], owned: Iterable[int]) -> list[Tensor]:
    """Returns tensors in order of creation, after the parameters of modules in the modules' order.

    The creation number of a parameter depends on when it was last updated, and with which others. What an operation has
    computed stays behind its operands, also if it is named as a parameter.
    """
    place = {key: i for i, key in enumerate(owned)}
    return sorted(tensors, key=lambda t: (len(place) if t._primitive else place.get(id(t), len(place)), t._seq))


def _reachable(roots: Iterable[Tensor]) -> Iterable[Tensor]:
    """Returns `roots` and every tensor that they depend on."""
    reached = {id(t): t for t in roots}
    stack = list(reached.values())
    while stack:
        for x in stack.pop()._inputs:
            if id(x) not in reached:
                reached[id(x)] = x
                stack.append(x)
    return reached.values()


def named_outputs(outputs: Outputs) -> list[tuple[str, Tensor]]:
    """Returns pairs of name and output; the name is "" if there is none."""
    if isinstance(outputs, Tensor):
        return [("", outputs)]
    several: Iterable[Any] = outputs if isinstance(outputs, Iterable) else [outputs]
    pairs = list(outputs.items()) if isinstance(outputs, Mapping) else [("", t) for t in several]
    for _, t in pairs:
        if not isinstance(t, Tensor):
            raise TypeError(f"outputs: expected a Tensor, or a list or dict of Tensors, got {type(t).__name__}")
    return pairs


def named_parameters(params: Names) -> Iterator[tuple[str, Tensor]]:
    """Yields every parameter with its path; in a dict, paths of a module's parameters start with its key."""
    if isinstance(params, Mapping):
        for key, value in params.items():
            if isinstance(value, Tensor):
                yield key, value
            else:
                yield from ((f"{key}.{path}", t) for path, t in value.named_parameters())
    elif params is not None:
        yield from params.named_parameters()


def _modules(params: Names) -> Roots:
    modules = params if isinstance(params, Mapping) else {"": params}
    return {key: root for key, root in modules.items() if isinstance(root, nn.Module)}


def _titles(modules: Roots) -> dict[Path, str]:
    """Returns what a box shows of a module that is known by the names of its parameters alone: path and class."""
    titles: dict[Path, str] = {}
    for key, root in modules.items():
        for path, module in root.named_modules():
            name = ".".join(filter(None, (key, path)))
            titles[tuple(filter(None, name.split(".")))] = " · ".join(filter(None, (name, type(module).__name__)))
    return titles
