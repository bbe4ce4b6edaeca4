"""The notation of a lecture on neural networks: u⁽ˡ⁾ = W⁽ˡ⁾ h⁽ˡ⁻¹⁾ + b⁽ˡ⁾, h⁽ˡ⁾ = f(u⁽ˡ⁾), and δ⁽ˡ⁾ = ∂L/∂u⁽ˡ⁾.

The input is layer 1, so the first weight is W⁽²⁾. Layers are found from what ran: an affine operation (linear, matmul, a
convolution, else multiplication by a parameter) makes a pre-activation, and the activation is the one operation that uses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from .record import Graph, Node

SUPERSCRIPTS: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
OPERAND: Final = re.compile(r"(?<![a-zα-ω])x(?![a-zα-ω̂])")  # the operand in the text of a derivative, not the x of exp


class Unclear(ValueError):
    """The graph has no layers that could be numbered; the message says why."""


@dataclass
class Layer:
    """Layer l by indices: its affine operation, the operand from below, its parameters, u, and h where there is one."""

    number: int
    operation: int
    signal: int
    weight: int
    weight_operand: int
    bias: int | None
    u: int
    activation: int | None = None
    h: int | None = None


def numbered(letter: str, layer: int) -> str:
    """A symbol of a layer.

    >>> from autograd_mini.viz.graph.lecture import numbered
    >>> numbered("δ", 12)
    'δ⁽¹²⁾'
    """
    return f"{letter}⁽{str(layer).translate(SUPERSCRIPTS)}⁾"


def lecture(graph: Graph) -> Graph:
    """The graph renamed: only pre-activations and parameters keep a gradient, and edges have local derivatives.

    Raises Unclear where two operations would be the same layer, a weight serves two layers, or there is no layer at all.
    """
    found = layers(graph)
    nodes = [n._replace(wants_grad=False, grad=None) if n.kind in ("tensor", "loss", "input") else n for n in graph.nodes]
    for layer in found:
        for index, changes in _names(graph, layer, last=layer is found[-1]):
            nodes[index] = nodes[index]._replace(**changes)
    for index, symbol, gradient in _input(graph, found[0]):
        name = " = ".join(filter(None, (nodes[index].name, numbered(symbol, 1))))
        nodes[index] = nodes[index]._replace(name=name, symbol=numbered(gradient, 1))
    for root in graph.roots:
        if nodes[root].kind == "loss" and not nodes[root].name:
            nodes[root] = nodes[root]._replace(name="L")
    labels = {key: label for layer in found for key, label in _derivatives(graph, layer)}
    edges = [edge._replace(label=labels.get((edge.source, edge.target), "")) for edge in graph.edges]
    return graph._replace(nodes=nodes, edges=edges)


def _input(graph: Graph, second: Layer) -> Iterator[tuple[int, str, str]]:
    """Layer 1: the input is h⁽¹⁾, or u⁽¹⁾ where an activation of its own makes h⁽¹⁾ of it."""
    yield second.signal, "h", "∇"
    operands = graph.operands()
    for operation in operands[second.signal]:
        if len(operands[operation]) == 1 and not operands[operands[operation][0]]:
            yield operands[operation][0], "u", "δ"


def layers(graph: Graph) -> list[Layer]:
    """The layers from the second on, in order. Raises Unclear."""
    operands, consumers = graph.operands(), graph.consumers()
    parameters = _parameters(graph, operands)
    affine = [i for i, node in enumerate(graph.nodes) if node.primitive and node.primitive.affine]
    affine = affine or [i for i, node in enumerate(graph.nodes) if node.name == "multiply" and node.primitive]
    found: list[Layer] = []
    level = [1] * len(graph.nodes)
    made = {layer.operation: layer for i in affine for layer in _layer(graph, i, operands, consumers, parameters)}
    for i, sources in enumerate(operands):
        level[i] = max((level[j] for j in sources), default=1)
        if i in made:
            level[i] = made[i].number = level[i] + 1
            found.append(made[i])
    if not found:
        raise Unclear("no linear layer was found in this graph")
    for one, other in pairwise(found):
        if one.number == other.number:
            names = " and ".join(f"#{graph.nodes[x.operation].number}" for x in (one, other))
            raise Unclear(f"operations {names} would both be layer {one.number}")
        if one.number > other.number:
            raise Unclear("the layers do not follow one another")
    if len({layer.weight for layer in found}) < len(found):
        raise Unclear("one weight serves several layers")
    return found


def _parameters(graph: Graph, operands: list[list[int]]) -> dict[int, int]:
    """Each parameter, and each tensor made of one alone (its transpose, a cast), with the parameter."""
    found: dict[int, int] = {}
    for i, (node, sources) in enumerate(zip(graph.nodes, operands, strict=True)):
        if node.kind == "parameter":
            found[i] = i
        elif len(sources) == 1 and sources[0] in found and (node.primitive is None or node.primitive.relayout):
            found[i] = found[sources[0]]
    return found


def _layer(
    graph: Graph, i: int, operands: list[list[int]], consumers: list[list[int]], parameters: dict[int, int]
) -> Iterator[Layer]:
    """The layer whose affine operation is i; none where no parameter meets a signal there."""
    weights = [j for j in operands[i][:2] if j in parameters]
    signals = [j for j in operands[i][:2] if j not in parameters]
    if len(weights) != 1 or len(signals) != 1:
        return
    bias = next((parameters[j] for j in operands[i][2:] if j in parameters), None)
    u = i + 1
    users = consumers[u]
    if bias is None and len(users) == 1 and graph.nodes[users[0]].name == "add":  # matmul, and the bias added after it
        bias = next((parameters[j] for j in operands[users[0]] if j in parameters), None)
        u = users[0] + 1 if bias is not None else u
    layer = Layer(0, i, signals[0], parameters[weights[0]], weights[0], bias, u)
    users = consumers[u]
    if len(users) == 1 and len(operands[users[0]]) == 1 and graph.nodes[users[0] + 1].shape == graph.nodes[u].shape:
        output = users[0] + 1
        if graph.nodes[output].kind != "loss" or graph.nodes[output].name:
            layer.activation, layer.h = users[0], output
    yield layer


def _names(graph: Graph, layer: Layer, last: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    """New names of a layer's tensors, and what their gradients are called."""
    n, y = layer.number, "ŷ = " * last
    grad = graph.nodes[layer.u].grad
    u = numbered("u", n)
    yield layer.u, {"name": u if layer.h else y + u, "symbol": numbered("δ", n), "wants_grad": True, "grad": grad}
    if layer.h is not None:
        yield layer.h, {"name": y + numbered("h", n)}
    for index, letter in ((layer.weight, "W"), (layer.bias, "b")):
        if index is not None:
            name = numbered(_letter(graph.nodes[index], letter), n)
            yield index, {"name": name, "symbol": f"∂L/∂{name}"}


def _letter(node: Node, letter: str) -> str:
    return letter.lower() if node.array is not None and node.array.ndim == 0 else letter


def _derivatives(graph: Graph, layer: Layer) -> Iterator[tuple[tuple[int, int], str]]:
    """What the gradient is multiplied with on its way back along an edge."""
    weight = graph.nodes[layer.weight]
    transposed = "" if weight.array is not None and weight.array.ndim == 0 else "ᵀ"
    w, h = numbered(_letter(weight, "W"), layer.number), numbered("h", layer.number - 1)
    yield (layer.signal, layer.operation), f"· {w}{transposed}"
    yield (layer.weight_operand, layer.operation), f"· {h}{transposed}"
    if layer.activation is not None:
        primitive = graph.nodes[layer.activation].primitive
        if primitive is not None and primitive.derivative:
            yield (layer.u, layer.activation), f"f′({numbered('u', layer.number)}) = {in_u(primitive.derivative[0])}"


def in_u(derivative: str) -> str:
    """The text of a derivative with the operand called u.

    >>> from autograd_mini.viz.graph.lecture import in_u
    >>> in_u("1 − tanh²(x)"), in_u("2x"), in_u("eˣ")
    ('1 − tanh²(u)', '2u', 'eᵘ')
    """
    return OPERAND.sub("u", derivative).replace("ˣ", "ᵘ")
