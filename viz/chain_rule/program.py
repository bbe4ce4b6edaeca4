"""The part of a recorded graph between a loss and one of its tensors: links, names, and the terms of local derivatives."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import Any, Final

import numpy as np

from autograd_mini.backward import reachable, run_vjp, unbroadcast
from autograd_mini.primitive import Primitive, arrays
from autograd_mini.tensor import Array, Shape, Tensor

from ..graph.nodes import Graph, Node
from .parse import LETTER, NotMathematics, parse
from .term import FUNCTIONS, ONE, NotEvaluable, Term, evaluate, is_one, is_scalar, multiply, negate, number, substitute, symbol

DELTA: Final = re.compile("δ(?!ᵢⱼ)")  # the gradient of the output in the text of a rule, not Kronecker's delta
INDEX: Final = re.compile(r"[ᵢⱼ]|j ≤ i|j ≥ i|ties|^none$|^by |^the ")  # a derivative that is a matrix, or only described
WORD: Final = re.compile("[A-Za-z]+[\u0302\u0304]?|[α-ωΑ-Ωŷ]")
RAISED_LETTERS: Final = str.maketrans({"ᵃ": " a ", "ᵇ": " b ", "ˣ": " x "})
INDICES: Final = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True)
class Link:
    """One use of a tensor on a path: operand number `slot` of an operation, and the output of it that leads to the loss."""

    operation: int
    slot: int
    operand: int
    output: int
    place: int


@dataclass
class Program:
    """The recorded graph with what is needed to write its chain rule; `target` is the node of the tensor."""

    graph: Graph
    loss: Tensor
    target: int
    is_lecture: bool
    gradients: Mapping[int, Array]
    used: dict[int, Term] = field(default_factory=dict)

    @cached_property
    def tensors(self) -> dict[int, Tensor]:
        return reachable([self.loss])

    @cached_property
    def links(self) -> dict[int, list[Link]]:
        """For each tensor on a path from the target to the loss: its uses on such paths, the first use first."""
        nodes, operands = self.graph.nodes, self.graph.operands()
        outputs: dict[int, list[tuple[int, int]]] = {}
        for edge in self.graph.edges:
            if nodes[edge.source].primitive is not None:
                outputs.setdefault(edge.source, []).append((edge.target, edge.slot))
        below = {self.target}
        for i, sources in enumerate(operands):
            if any(j in below for j in sources):
                below.add(i)
        above = {self.graph.roots[0]}
        for i in reversed(range(len(nodes))):
            if i in above:
                above.update(operands[i])
        found: dict[int, list[Link]] = {
            i: [] for i in sorted(above & below) if nodes[i].seq in self.tensors and nodes[i].primitive is None
        }
        for edge in self.graph.edges:
            if edge.source in found and edge.target in above and self._passes_gradient(edge.target, edge.slot):
                for output, place in outputs.get(edge.target, []):
                    if output in found:
                        found[edge.source].append(Link(edge.target, edge.slot, edge.source, output, place))
        return self._connected(found)

    def _connected(self, found: dict[int, list[Link]]) -> dict[int, list[Link]]:
        """Drops the uses from which no gradient comes: their outputs have no use on the way to the loss."""
        root = self.graph.roots[0]
        for i in sorted(found, reverse=True):
            if i != root:
                found[i] = [link for link in found[i] if link.output == root or found.get(link.output)]
        reached = {self.target}
        for i in sorted(found):
            if i in reached:
                reached.update(link.output for link in found[i])
        return {i: found[i] for i in sorted(found) if i in reached and (found[i] or i == root)}

    def _passes_gradient(self, operation: int, slot: int) -> bool:
        primitive = self.primitive(operation)
        return primitive.joint is not None or (slot < len(primitive.vjp) and primitive.vjp[slot] is not None)

    def primitive(self, operation: int) -> Primitive:
        primitive = self.graph.nodes[operation].primitive
        assert primitive is not None
        return primitive

    def pull(self, link: Link, delta: Array) -> Array:
        """Returns what the rule of the operation makes of the gradient of one output, in the operand's shape."""
        node = self.tensors[self.graph.nodes[link.operation].seq]
        operand = node._inputs[link.slot]
        several = isinstance(node._data, tuple)
        g: Any = [delta if i == link.place else None for i in range(len(node._data))] if several else delta
        with np.errstate(all="ignore"):
            raw = run_vjp(node, {operand._seq: operand}, arrays, g, False)[link.slot]
        return np.zeros(operand.shape, operand.dtype) if raw is None else np.asarray(unbroadcast(arrays, raw, operand))

    # -- names and values ---------------------------------------------------------------------------------------------------

    @cached_property
    def names(self) -> dict[int, str]:
        """A name for each tensor: its own, or v₁, v₂, … in the order of their computation."""
        root, counter = self.graph.roots[0], count(1)
        names: dict[int, str] = {}
        for i, node in enumerate(self.graph.nodes):
            if node.primitive is None:
                own = short_name(node.name) or ("L" if i == root else names.get(self.origin(i), ""))
                is_number = node.kind == "input" and node.array is not None and node.array.size == 1
                names[i] = own or f"v{str('' if is_number else next(counter)).translate(INDICES)}"
        return names

    def origin(self, i: int) -> int:
        """Returns the tensor of which tensor i is a cast or a copy, or i itself."""
        if not self.operands[i] or self.graph.nodes[i].name:
            return i
        (operation,) = self.operands[i][:1]
        sources = self.operands[operation]
        same = len(sources) == 1 and self.primitive(operation).relayout and self.graph.nodes[sources[0]].shape
        return sources[0] if same == self.graph.nodes[i].shape and not self.primitive(operation).view else i

    def gradient_name(self, i: int) -> str:
        symbol = self.graph.nodes[i].symbol
        return symbol if symbol.startswith("δ") else f"∂{self.names[self.graph.roots[0]]}/∂{self.names[i]}"

    def gradient(self, i: int) -> Array:
        return np.asarray(self.gradients[self.graph.nodes[i].seq])

    def value(self, i: int) -> Term:
        """Returns what a formula shows for a tensor: its name, its number, or the short expression that computes it."""
        i = self.origin(i)
        node = self.graph.nodes[i]
        assert node.array is not None
        if not node.name and node.kind == "input" and node.array.size == 1:
            return number(float(node.array.reshape(-1)[0]))
        term = self._inline(i) if not node.name and i != self.graph.roots[0] else None
        if term is None:
            term = symbol(self.names[i], node.array)
            self.used.setdefault(i, term)
        return term

    @cached_property
    def operands(self) -> list[list[int]]:
        return self.graph.operands()

    def _inline(self, i: int) -> Term | None:
        """Returns the expression of an unnamed tensor if it is short: an elementwise operation on named tensors."""
        if not self.operands[i] or not self.primitive(self.operands[i][0]).elementwise:
            return None
        sources = self.operands[self.operands[i][0]]
        atoms = [self.graph.nodes[j].name or not self.operands[j] for j in sources]
        return self.definition(i) if all(atoms) and len(sources) <= 2 else None

    def definition(self, i: int) -> Term | None:
        """Returns the formula that computes a tensor, or None if the record has words instead of a formula."""
        if not self.operands[i]:
            return None
        operation = self.operands[i][0]
        try:
            term = parse(self.primitive(operation).formula, self._letters(operation, i))
        except NotMathematics:
            return None
        value = self.graph.nodes[i].array
        assert value is not None
        term = substitute(term, lambda t: replace(t, shape=value.shape) if t.kind == "total" else None)
        return None if _contradicts(term, value) else self._with_matrix_products(operation, term)

    def _with_matrix_products(self, operation: int, term: Term) -> Term:
        """Returns the term with products of matrices instead of numbers, if the operation is one of matrices."""
        if not self.primitive(operation).products:
            return term
        return substitute(term, lambda t: replace(t, text="@") if t.kind == "product" and t.text == "" else None)

    def _letters(self, operation: int, output: int) -> dict[str, Term]:
        """What the letters in an operation's record stand for: operands, parameters, the output y, the count n of a mean."""
        node, sources = self.graph.nodes[operation], self.operands[operation]
        names = {name: number(float(v)) for name, v in node.params.items() if isinstance(v, (int, float)) and v is not True}
        made, first = self.graph.nodes[output].array, self.graph.nodes[sources[0]].array
        if made is not None and first is not None and made.size:
            names["n"] = number(first.size / made.size)
        names |= {letter: self.value(j) for letter, j in zip(operand_letters(self.primitive(operation)), sources, strict=False)}
        return names if len(sources) > 1 else {"x": self.value(sources[0])} | names

    # -- local derivatives ------------------------------------------------------------------------------------------------

    def slope(self, link: Link) -> Term:
        """Returns ∂output/∂operand as a symbol."""
        return symbol(f"∂{self.names[link.output]}/∂{self.names[link.operand]}")

    def apply(self, link: Link, delta: Term, value: Array, general: bool = False) -> Term:
        """Returns the contribution of a use: the gradient `delta` of the output, with this value, times the local derivative.

        The term has the value that the rule computes, or contains a symbol without a value.
        """
        shape = self.graph.nodes[link.operand].shape
        probe = self._apply(link, symbol("δ", value), general=False)
        try:
            is_broadcast = evaluate(probe).size > int(np.prod(shape))
            if _contradicts(_total(probe, shape) if is_broadcast else probe, self.pull(link, value)):
                return self._matrix(link, delta)
        except (NotEvaluable, ValueError):
            is_broadcast = False
        if is_scalar(delta) and value.size > 1 and (is_broadcast or not self._is_elementwise(link)):
            delta = multiply([delta, symbol("𝟏", np.ones_like(value))])
        term = self._apply(link, delta, general)
        return _total(term, shape) if is_broadcast else term

    def _is_elementwise(self, link: Link) -> bool:
        return self.primitive(link.operation).elementwise

    def _apply(self, link: Link, delta: Term, general: bool) -> Term:
        primitive = self.primitive(link.operation)
        texts = primitive.derivative
        text = texts[min(link.slot, len(texts) - 1)] if texts else ""
        operand, output = self.graph.nodes[link.operand], self.graph.nodes[link.output]
        if not text or INDEX.search(text):
            return self._matrix(link, delta)
        if DELTA.search(text):
            return self._linear(link, delta, text)
        if text == "1" and not primitive.elementwise and not primitive.reduction:
            return self._rearranged(link, delta)
        if primitive.reduction and delta is not ONE:
            delta = _spread(delta, output, operand, link, self.graph.nodes[link.operation])
        if general and primitive.elementwise and len(self.operands[link.operation]) == 1 and "u⁽" in operand.name:
            factor = Term("call", (symbol(_pre_activation(operand.name), operand.array),), "f′")
        else:
            factor = self._factor(link, text)
        return _times(delta, factor, sign="" if is_scalar(delta) or is_scalar(factor) else "⊙")

    def _factor(self, link: Link, text: str) -> Term:
        names = self._letters(link.operation, link.output)
        if "y" in text and "y" not in names:
            names["y"] = self.value(link.output)
        try:
            return parse(text, names)
        except NotMathematics:
            from .markup import to_text

            return Term("words", text=LETTER.sub(lambda m: _renamed(m, text, names, to_text), text))

    def _linear(self, link: Link, delta: Term, text: str) -> Term:
        """Returns the contribution of a rule whose text contains δ: `δ W`, `δᵀ h`, `Σ δ`."""
        names = self._letters(link.operation, link.output) | {"δ": delta}
        try:
            term = parse(text, names)
        except NotMathematics:
            return self._matrix(link, delta)
        if term.kind == "total":
            return _total(term.parts[0], self.graph.nodes[link.operand].shape)
        return self._with_matrix_products(link.operation, term)

    def _rearranged(self, link: Link, delta: Term) -> Term:
        """Returns the contribution of an operation that moves elements: δ itself where its elements keep their order."""
        operand, output = self.graph.nodes[link.operand], self.graph.nodes[link.output]
        order = np.arange(math.prod(output.shape), dtype=np.float64).reshape(output.shape)
        moved = self.pull(link, order.astype(output.array.dtype if output.array is not None else np.float64))
        if moved.shape == order.shape and np.array_equal(moved, order):
            return delta
        if order.ndim == 2 and moved.shape == order.T.shape and np.array_equal(moved, order.T):
            return Term("transpose", (delta,))
        if operand.shape == () and moved.size == 1 == order.size:
            return delta
        return self._matrix(link, delta)

    def _matrix(self, link: Link, delta: Term) -> Term:
        """Returns δ times the matrix ∂output/∂operand, whose entries the record describes in words."""
        return _times(delta, self.slope(link), sign="·")

    def described(self, link: Link) -> str:
        """Returns the words of the record for a local derivative that is a matrix."""
        texts = self.primitive(link.operation).derivative
        return texts[min(link.slot, len(texts) - 1)] if texts else ""


def _spread(delta: Term, output: Node, operand: Node, link: Link, operation: Node) -> Term:
    """Gives the gradient of a reduction the axes that the reduction removed."""
    if len(output.shape) == len(operand.shape) or not output.shape:
        return delta
    axis = operation.params.get("axis")
    axes = axis if isinstance(axis, tuple) else (axis,) if isinstance(axis, int) else ()
    return Term("spread", (delta,), axis=axes)


def _total(term: Term, shape: Shape) -> Term:
    """Returns the sum over the copies of a broadcast operand of this shape."""
    return Term("total", (term,), "Σ", shape=shape)


def _times(delta: Term, factor: Term, sign: str) -> Term:
    if is_one(delta) or is_one(factor):
        return factor if is_one(delta) else delta
    if factor.kind == "negative":
        return negate(_times(delta, factor.parts[0], sign))
    return multiply([delta, factor], sign)


def _pre_activation(name: str) -> str:
    """Returns the name u⁽ˡ⁾ among the names of a tensor."""
    return next(part for part in name.split(" = ") if "u⁽" in part)


def _renamed(match: re.Match[str], text: str, names: Mapping[str, Term], write: Any) -> str:
    """Replaces a letter that stands alone by the name of its operand."""
    before, after = text[max(match.start() - 1, 0) : match.start()], text[match.end() : match.end() + 1]
    alone = not (before.isalpha() or after.isalpha())
    return str(write(names[match[0]])) if alone and match[0] in names else match[0]


def _contradicts(term: Term, value: Array) -> bool:
    """Whether the term has another value than the program computed."""
    try:
        computed = evaluate(term)
    except (NotEvaluable, ValueError):
        return False
    try:
        computed = np.broadcast_to(computed.reshape(value.shape) if computed.size == value.size else computed, value.shape)
    except ValueError:
        return True
    tolerance = 1e3 * float(np.finfo(value.dtype if value.dtype.kind == "f" else np.float64).eps)
    finite = np.isfinite(computed) & np.isfinite(value)
    return bool(finite.any()) and not np.allclose(computed[finite], value[finite], rtol=tolerance, atol=tolerance)


def operand_letters(primitive: Primitive) -> tuple[str, ...]:
    """Returns the letters that the record uses for the operands: those of `letters`, else those of the formula in order.

    >>> from autograd_mini.primitive import registry
    >>> from autograd_mini.viz.chain_rule.program import operand_letters
    >>> operand_letters(registry["power"]), operand_letters(registry["linear"])
    (('a', 'b'), ('h', 'W', 'b'))
    """
    if primitive.letters:
        return tuple(primitive.letters)
    words = WORD.findall(primitive.formula.translate(RAISED_LETTERS))
    return tuple(dict.fromkeys(w for w in words if LETTER.fullmatch(w) and w not in FUNCTIONS and w not in "eπΣ"))


def short_name(name: str) -> str:
    """Returns the first of several names: `ŷ` for `ŷ = h⁽³⁾`."""
    return name.split(" = ")[0]


def paths(program: Program, i: int) -> Iterator[list[Link]]:
    """Yields every path from the loss to tensor i, as its links from the loss down; it does not recurse."""
    if i == program.graph.roots[0]:
        yield []
    stack: list[list[Link]] = [[link] for link in reversed(program.links[i])]
    while stack:
        path = stack.pop()
        if path[-1].output == program.graph.roots[0]:
            yield path[::-1]
        else:
            stack += [[*path, link] for link in reversed(program.links[path[-1].output])]


def count_paths(program: Program) -> int:
    """Returns the number of paths from the loss to the target, without listing them."""
    counts = {program.graph.roots[0]: 1}
    for i in sorted(program.links, reverse=True):
        if i not in counts:
            counts[i] = sum(counts[link.output] for link in program.links[i])
    return counts[program.target]
