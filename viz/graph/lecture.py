"""The notation of a lecture on neural networks: u⁽ˡ⁾ = W⁽ˡ⁾ h⁽ˡ⁻¹⁾ + b⁽ˡ⁾, h⁽ˡ⁾ = f(u⁽ˡ⁾), and δ⁽ˡ⁾ = ∂L/∂u⁽ˡ⁾.

The input is layer 1, so the first weight is W⁽²⁾. Layers are found in the recorded graph: an affine operation (linear, matmul,
a convolution, else multiplication by a parameter) computes a pre-activation; its only consumer is the activation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from autograd_mini.tensor import Array

from ..language import translate
from .nodes import Edge, Graph, Node

SUPERSCRIPTS: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
OPERAND: Final = re.compile(r"(?<![a-zα-ω])x(?![a-zα-ω̂])")  # the operand in the text of a derivative, not the x of exp


class UnclearLayers(ValueError):
    """The layers of the graph cannot be numbered; the message says why."""


@dataclass
class Layer:
    """Node indices of layer l: affine operation, input signal, parameters, pre-activation u, and activation h if any."""

    number: int
    operation: int
    signal: int
    weight: int
    weight_operand: int
    bias: int | None
    u: int
    activation: int | None = None
    h: int | None = None


def layer_symbol(letter: str, layer: int) -> str:
    """Returns the symbol of a quantity of a layer.

    >>> from autograd_mini.viz.graph.lecture import layer_symbol
    >>> layer_symbol("δ", 12)
    'δ⁽¹²⁾'
    """
    return f"{letter}⁽{str(layer).translate(SUPERSCRIPTS)}⁾"


def use_lecture_notation(graph: Graph) -> Graph:
    """Renames nodes, keeps gradients only at pre-activations and parameters, and labels edges with local derivatives.

    Raises UnclearLayers if two operations would be the same layer, two layers share a weight, or there is no layer.
    """
    layers = find_layers(graph)
    nodes = [n._replace(wants_grad=False, grad=None) if n.kind in ("tensor", "loss", "input") else n for n in graph.nodes]
    for layer in layers:
        for index, changes in _layer_names(graph, layer, last=layer is layers[-1]):
            nodes[index] = nodes[index]._replace(**changes)
    for index, symbol, gradient in _input_names(graph, layers[0]):
        name = " = ".join(filter(None, (nodes[index].name, layer_symbol(symbol, 1))))
        nodes[index] = nodes[index]._replace(name=name, symbol=layer_symbol(gradient, 1))
    for root in graph.roots:
        if nodes[root].kind == "loss" and not nodes[root].name:
            nodes[root] = nodes[root]._replace(name="L")
    labels = {key: label for layer in layers for key, label in _edge_factors(graph, layer)}
    labels |= dict(_outer_factors(graph, layers))
    edges = [edge._replace(label=labels.get((edge.source, edge.target), "")) for edge in graph.edges]
    return graph._replace(nodes=nodes, edges=edges)


def _input_names(graph: Graph, second: Layer) -> Iterator[tuple[int, str, str]]:
    """Layer 1: the input is h⁽¹⁾, or u⁽¹⁾ if an activation follows it directly. A cast is no activation."""
    operands = graph.operands()
    signal = second.signal
    while operands[signal] and graph.nodes[operands[signal][0]].name == "cast":
        signal = operands[operands[signal][0]][0]
    yield signal, "h", "∇"
    for operation in operands[signal]:
        if len(operands[operation]) == 1 and not operands[operands[operation][0]]:
            yield operands[operation][0], "u", "δ"


def _outer_factors(graph: Graph, layers: list[Layer]) -> Iterator[tuple[tuple[int, int], str]]:
    """Yields the first and the last factor of the chain: f′(u⁽¹⁾), and the derivative of the loss by ŷ, such as 2ŷ."""
    operands, consumers = graph.operands(), graph.consumers()
    for index, symbol, _ in _input_names(graph, layers[0]):
        primitive = graph.nodes[consumers[index][0]].primitive
        if symbol == "u" and primitive is not None and primitive.derivative:
            yield (index, consumers[index][0]), f"f′({layer_symbol('u', 1)}) = {rename_operand(primitive.derivative[0])}"
    y = layers[-1].u if layers[-1].h is None else layers[-1].h
    if len(consumers[y]) == 1 and len(operands[consumers[y][0]]) == 1:
        primitive = graph.nodes[consumers[y][0]].primitive
        is_last = any(j in graph.roots for j in consumers[consumers[y][0]])
        if is_last and primitive is not None and primitive.derivative:
            yield (y, consumers[y][0]), OPERAND.sub("ŷ", primitive.derivative[0]).replace("ˣ", "^ŷ")


def show_fused_loss(graph: Graph) -> Graph:
    """Returns the graph with ŷ between u⁽ᴸ⁾ and a loss of logits, which computes ŷ = softmax(u⁽ᴸ⁾) or σ(u⁽ᴸ⁾) itself."""
    operands = graph.operands()
    for i, node in enumerate(graph.nodes):
        function = FUSED.get(node.name) if node.primitive is not None else None
        u = operands[i][0] if operands[i] else -1
        name, logits = graph.nodes[u].name, graph.nodes[u].array
        if function is None or logits is None or not name.startswith("ŷ = u"):
            continue
        symbol, compute = function
        nodes, edges, count = list(graph.nodes), list(graph.edges), max(n.number for n in graph.nodes)
        nodes[u] = nodes[u]._replace(name=name.removeprefix("ŷ = "))
        scope = nodes[u].scope
        nodes += [
            Node("operation", symbol, number=count + 1, seq=-1, scope=scope),
            Node("tensor", "ŷ", compute(logits), number=count + 2, seq=-2, scope=scope),
        ]
        at = len(graph.nodes)
        edges = [e._replace(source=at + 1) if (e.source, e.target) == (u, i) else e for e in edges]
        return graph._replace(nodes=nodes, edges=[*edges, Edge(u, at, 0), Edge(at, at + 1, 0)])
    return graph


def _softmax(u: Array) -> Array:
    exponentials = np.exp(u - u.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def _sigmoid(u: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(u / 2)))


FUSED: Final[dict[str, tuple[str, Callable[[Array], Array]]]] = {
    "softmax_cross_entropy": ("softmax", _softmax),
    "binary_cross_entropy_with_logits": ("σ", _sigmoid),
}
"""For each loss of logits, the activation that it contains."""


def find_layers(graph: Graph) -> list[Layer]:
    """Returns the layers in order, from layer 2 on. Raises UnclearLayers."""
    operands, consumers = graph.operands(), graph.consumers()
    parameters = _parameters(graph, operands)
    affine = [i for i, node in enumerate(graph.nodes) if _role(node) == "affine"]
    affine = affine or [i for i, node in enumerate(graph.nodes) if _role(node) == "product"]
    ordered: list[Layer] = []
    level = [1] * len(graph.nodes)
    layers = {layer.operation: layer for i in affine for layer in _match_layer(graph, i, operands, consumers, parameters)}
    for i, sources in enumerate(operands):
        level[i] = max((level[j] for j in sources), default=1)
        if i in layers:
            level[i] = layers[i].number = level[i] + 1
            ordered.append(layers[i])
    if not ordered:
        raise UnclearLayers(translate("no linear layer was found in this graph"))
    for first, second in pairwise(ordered):
        if first.number == second.number:
            names = {key: f"#{graph.nodes[x.operation].number}" for key, x in (("first", first), ("second", second))}
            text = "operations {first} and {second} would both be layer {layer}"
            raise UnclearLayers(translate(text, layer=first.number, **names))
        if first.number > second.number:
            raise UnclearLayers(translate("the layers are not in one sequence"))
    if len({layer.weight for layer in ordered}) < len(ordered):
        raise UnclearLayers(translate("several layers share one weight"))
    if _depends_on(operands, ordered[0].signal, ordered[0].weight):
        raise UnclearLayers(translate("the input of the first layer is computed from its weight"))
    for first, second in pairwise(ordered):
        _follow_signal(graph, first, second, operands)
    return ordered


def _depends_on(operands: list[list[int]], node: int, other: int) -> bool:
    """Whether a node was computed from another one, or is it."""
    todo, seen = [node], {node}
    while todo:
        new = {j for j in operands[todo.pop()] if j not in seen}
        seen |= new
        todo += new
    return other in seen


def _follow_signal(graph: Graph, first: Layer, second: Layer, operands: list[list[int]]) -> None:
    """Makes the signal of the next layer the h of a layer, if a pool or a reshape follows its activation.

    Raises UnclearLayers if the signal is not a function of u alone: then another value enters, as in a residual connection.
    """
    at = second.signal
    while at not in (first.u, first.h):
        maker = operands[at][0] if operands[at] else -1
        values = [j for j in operands[maker] if graph.nodes[j].kind not in ("parameter", "frozen")] if maker >= 0 else []
        values = [j for j in values if operands[j] or graph.nodes[j].shape]
        if len(values) != 1:
            text = "the input of layer {layer} depends on more than the layer before, as in a residual connection"
            raise UnclearLayers(translate(text, layer=second.number))
        at = values[0]
    if second.signal not in (first.u, first.h):
        first.h = second.signal


def _role(node: Node) -> str:
    return node.primitive.role if node.primitive else ""


def _parameters(graph: Graph, operands: list[list[int]]) -> dict[int, int]:
    """Maps each parameter, and each tensor computed from it alone (its transpose, a cast), to the parameter."""
    parameter_of: dict[int, int] = {}
    for i, (node, sources) in enumerate(zip(graph.nodes, operands, strict=True)):
        if node.kind in ("parameter", "frozen"):
            parameter_of[i] = i
        elif len(sources) == 1 and sources[0] in parameter_of and (node.primitive is None or node.primitive.relayout):
            parameter_of[i] = parameter_of[sources[0]]
    return parameter_of


def _match_layer(
    graph: Graph, i: int, operands: list[list[int]], consumers: list[list[int]], parameters: dict[int, int]
) -> Iterator[Layer]:
    """Yields the layer with the affine operation i, or nothing if i does not combine one parameter with one signal."""
    weights = [j for j in operands[i][:2] if j in parameters]
    signals = [j for j in operands[i][:2] if j not in parameters]
    if len(weights) != 1 or len(signals) != 1:
        return
    bias = next((parameters[j] for j in operands[i][2:] if j in parameters), None)
    u = i + 1
    uses = consumers[u]
    if bias is None and len(uses) == 1 and _role(graph.nodes[uses[0]]) == "sum":  # a matmul followed by the addition of a bias
        bias = next((parameters[j] for j in operands[uses[0]] if j in parameters), None)
        u = uses[0] + 1 if bias is not None else u
    layer = Layer(0, i, signals[0], parameters[weights[0]], weights[0], bias, u)
    uses = consumers[u]
    if len(uses) == 1 and len(operands[uses[0]]) == 1 and graph.nodes[uses[0] + 1].shape == graph.nodes[u].shape:
        output = uses[0] + 1
        if graph.nodes[output].kind != "loss" or graph.nodes[output].name:
            layer.activation, layer.h = uses[0], output
    yield layer


def _layer_names(graph: Graph, layer: Layer, last: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields new names and gradient symbols for the tensors of a layer."""
    n, y = layer.number, "ŷ = " if last else ""
    grad = graph.nodes[layer.u].grad
    u = layer_symbol("u", n)
    yield layer.u, {"name": u if layer.h else y + u, "symbol": layer_symbol("δ", n), "wants_grad": True, "grad": grad}
    if layer.h is not None:
        yield layer.h, {"name": y + layer_symbol("h", n)}
    for index, letter in ((layer.weight, "W"), (layer.bias, "b")):
        if index is not None:
            name = layer_symbol(_letter(graph.nodes[index], letter), n)
            yield index, {"name": name, "symbol": f"∂L/∂{name}"}


def _letter(node: Node, letter: str) -> str:
    return letter.lower() if node.array is not None and node.array.ndim == 0 else letter


def _edge_factors(graph: Graph, layer: Layer) -> Iterator[tuple[tuple[int, int], str]]:
    """Yields the factor that multiplies the gradient along each edge."""
    weight = graph.nodes[layer.weight]
    transposed = "" if weight.array is not None and weight.array.ndim == 0 else "ᵀ"
    w, h = layer_symbol(_letter(weight, "W"), layer.number), layer_symbol("h", layer.number - 1)
    if "conv" in graph.nodes[layer.operation].name:
        yield (layer.signal, layer.operation), f"∗ᵀ {w}"  # the transposed convolution with w
        yield (layer.weight_operand, layer.operation), f"∗ {h}"
    else:
        yield (layer.signal, layer.operation), f"· {w}{transposed}"
        yield (layer.weight_operand, layer.operation), f"· {h}{transposed}"
    if layer.activation is not None:
        primitive = graph.nodes[layer.activation].primitive
        if primitive is not None and primitive.derivative:
            u = layer_symbol("u", layer.number)
            yield (layer.u, layer.activation), f"f′({u}) = {rename_operand(primitive.derivative[0])}"


def rename_operand(derivative: str) -> str:
    """Renames the operand x in the text of a derivative to u.

    >>> from autograd_mini.viz.graph.lecture import rename_operand
    >>> rename_operand("1 − tanh²(x)"), rename_operand("2x"), rename_operand("eˣ")
    ('1 − tanh²(u)', '2u', 'eᵘ')
    """
    return OPERAND.sub("u", derivative).replace("ˣ", "ᵘ")
