"""The recorded graph as plain records. Pictures, text trees and steppers are all made from these; nothing here draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from autograd_mini import nn
from autograd_mini.apply import ITEM
from autograd_mini.primitive import Primitive
from autograd_mini.tensor import Array, Shape, Tensor

Kind: TypeAlias = Literal["input", "parameter", "operation", "write", "tensor", "loss", "folded"]
Path: TypeAlias = tuple[str, ...]


class HasParameters(Protocol):
    """Whatever can name its parameters, as a module can."""

    def named_parameters(self) -> Iterable[tuple[str, Tensor]]: ...


Outputs: TypeAlias = Tensor | Sequence[Tensor] | Mapping[str, Tensor]
Names: TypeAlias = HasParameters | Mapping[str, "Tensor | HasParameters"] | None


class Node(NamedTuple):
    """One thing to draw: an operation (it has a `primitive`), a tensor (it has an `array`), or many of both, folded.

    kind        input (a leaf without a gradient), parameter (a leaf with one, or a frozen nn.Parameter), operation,
                write (an operation that changes what is there), tensor (an intermediate), loss (a scalar output), or folded
    name        the operation's name, or the tensor's; empty where nobody gave one
    array       the tensor's values, not a copy
    grad        its gradient; None where it has not been computed
    wants_grad  whether a gradient is defined for it at all
    changed     a leaf that was written after an operation had used it
    primitive   the record of the operation, and `params` what it was called with
    number      its place in the whole graph, which folding does not change
    seq         the engine's creation number of the tensor, or of the operation's call
    scope       the path of the module that it belongs to; None until that is known
    hidden      how many nodes a folded one stands for
    symbol      what its gradient is called
    badge       a verdict on it, to be seen at a glance
    step        of a compiled plan, which step the operation is
    memory      of a compiled plan, where the tensor lies ("buffer 3", "gradient", "new"), or what the operation writes
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

    @property
    def shape(self) -> Shape:
        return () if self.array is None else self.array.shape


class Edge(NamedTuple):
    """From a tensor into an operation, as its operand number `slot`, or from an operation to its output number `slot`.

    `label` stands beside it; `heat` is log₁₀ of the root mean square of the gradient that flows back along it.
    """

    source: int
    target: int
    slot: int
    label: str = ""
    heat: float | None = None


class Graph(NamedTuple):
    """Nodes in order of creation, which sorts the operations topologically; edges and roots hold indices into them.

    `titles` has the class names of modules by path.
    """

    nodes: list[Node]
    edges: list[Edge]
    roots: list[int]
    titles: Mapping[Path, str] = {}

    def operands(self) -> list[list[int]]:
        """For every node, the nodes it was made from: an operation's tensors in the order of its call, a tensor's operation."""
        found: list[list[int]] = [[] for _ in self.nodes]
        for source, target, *_ in self.edges:
            found[target].append(source)
        return found

    def consumers(self) -> list[list[int]]:
        """For every node, the nodes made from it: a tensor's operations, an operation's tensors."""
        found: list[list[int]] = [[] for _ in self.nodes]
        for source, target, *_ in self.edges:
            found[source].append(target)
        return found


def record(outputs: Outputs, params: Names = None) -> Graph:
    """The graph that `outputs` were made by. A call with several outputs is one operation with all that are in use.

    TypeError where an output is no tensor. Nothing recurses, so the depth of the graph does not matter.
    """
    roots = named(outputs)
    owned = {id(t): name for name, t in named_parameters(params)}
    names = {id(t): name for name, t in roots if name} | owned
    tensors = _reachable(t for _, t in roots)
    changed = {id(x) for t in tensors for x in t._inputs if x._seq > t._seq}
    ends = {id(t) for _, t in roots}
    nodes: list[Node] = []
    made_by: dict[int, int] = {}  # id of a call's tensor -> its operation's index
    at: dict[int, int] = {}  # id of a tensor -> its index
    for t in tensors:
        key = id(t)
        if t._primitive is not None and t._primitive is not ITEM:
            made_by[key] = len(nodes)
            made = Node("operation", t._primitive.name, primitive=t._primitive, params=t._params, number=len(nodes), seq=t._seq)
            nodes.append(made)
        if not _hidden(t):
            at[key] = len(nodes)
            grad = None if t.grad is None else t.grad._data
            name = names.get(key) or t.name or ""
            scope = tuple(owned[key].split(".")[:-1]) if key in owned and t._primitive is None else None
            nodes.append(
                Node(
                    _kind(t, key in ends), name, t._data, grad, t._requires_grad, key in changed,
                    number=len(nodes), seq=t._seq, scope=scope,
                )
            )  # fmt: skip
    return Graph(nodes, _edges(tensors, made_by, at), [at[id(t)] for _, t in roots], _titles(params))


def _edges(tensors: Iterable[Tensor], made_by: Mapping[int, int], at: Mapping[int, int]) -> list[Edge]:
    edges: list[Edge] = []
    for t in tensors:
        if t._primitive is ITEM:
            edges.append(Edge(made_by[id(t._inputs[0])], at[id(t)], t._params["index"]))
        elif t._primitive is not None:
            call = made_by[id(t)]
            edges += [Edge(at[id(x)], call, slot) for slot, x in enumerate(t._inputs)]
            if not _hidden(t):
                edges.append(Edge(call, at[id(t)], 0))
    return edges


def _hidden(t: Tensor) -> bool:
    """Whether `t` only stands for a call with several outputs: it then holds the tuple of them."""
    return isinstance(t._data, tuple)


def _kind(t: Tensor, is_root: bool) -> Kind:
    if t._primitive is None:
        return "parameter" if t._requires_grad or isinstance(t, nn.Parameter) else "input"
    return "loss" if is_root and t._data.size == 1 else "tensor"


def _reachable(roots: Iterable[Tensor]) -> list[Tensor]:
    """Every tensor behind `roots`, themselves included, in order of creation."""
    found = {id(t): t for t in roots}
    stack = list(found.values())
    while stack:
        for x in stack.pop()._inputs:
            if id(x) not in found:
                found[id(x)] = x
                stack.append(x)
    return sorted(found.values(), key=lambda t: t._seq)


def named(outputs: Outputs) -> list[tuple[str, Tensor]]:
    """Outputs with their names, "" where they have none."""
    if isinstance(outputs, Tensor):
        return [("", outputs)]
    several: Iterable[Any] = outputs if isinstance(outputs, Iterable) else [outputs]
    pairs = list(outputs.items()) if isinstance(outputs, Mapping) else [("", t) for t in several]
    for _, t in pairs:
        if not isinstance(t, Tensor):
            raise TypeError(f"outputs: expected a Tensor, or a list or dict of them, got {type(t).__name__}")
    return pairs


def named_parameters(params: Names) -> Iterator[tuple[str, Tensor]]:
    """Every parameter with its path; those of a module in a dict come under its key."""
    if isinstance(params, Mapping):
        for key, value in params.items():
            if isinstance(value, Tensor):
                yield key, value
            else:
                yield from ((f"{key}.{path}", t) for path, t in value.named_parameters())
    elif params is not None:
        yield from params.named_parameters()


def _titles(params: Names) -> dict[Path, str]:
    modules = params if isinstance(params, Mapping) else {"": params}
    return {
        tuple(part for part in (*key.split("."), *path.split(".")) if part): type(module).__name__
        for key, root in modules.items()
        if isinstance(root, nn.Module)
        for path, module in root.named_modules()
    }
