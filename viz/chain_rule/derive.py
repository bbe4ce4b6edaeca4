"""`derive`: the chain rule of a recorded program as mathematics, with the numbers that `backward` computes."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, Final

import numpy as np

from autograd_mini.tensor import Array, Tensor
from autograd_mini.tools.plain_text import for_stdout

from ..graph.gradients import compute_gradients
from ..graph.lecture import UnclearLayers, use_lecture_notation
from ..graph.nodes import Graph, Names, build_graph
from ..graph.picture import Notation
from ..language import translate
from . import closed_form
from .markup import equal_terms, to_latex, to_mathml, to_text
from .program import Link, Program, count_paths, paths, short_name
from .term import ONE, NotEvaluable, Term, add, as_value, evaluate, insert_numbers, is_one, is_scalar, multiply, symbol, symbols

MAX_FACTORS: Final = 6  # a longer product is split, and its first part gets a name
MAX_DEFINITIONS: Final = 30
MAX_SCALARS: Final = 300  # nodes of a program whose derivative is expanded
MAX_LINKS: Final = 24  # the product along a longer path is not written out
LOWERED: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "₀₁₂₃₄₅₆₇₈₉", "⁽⁾")


@dataclass(frozen=True)
class Equation:
    """A quantity, its formulas from the general one to the numbers, and its value."""

    left: Term
    sides: tuple[Term, ...]
    value: Array

    def __str__(self) -> str:
        return " = ".join(map(to_text, (self.left, *self.sides)))


@dataclass(frozen=True)
class Path:
    """One path from the loss to the tensor: the names of its tensors, and the product of its local derivatives."""

    names: tuple[str, ...]
    equation: Equation

    @property
    def value(self) -> Array:
        """What this path contributes to the gradient."""
        return self.equation.value

    def __str__(self) -> str:
        return " ← ".join(self.names)


@dataclass(frozen=True)
class Derivation:
    """The derivation of one gradient. It prints as text; a notebook shows it as mathematics.

    name         the name of the tensor
    gradient     the gradient that `backward` computes
    paths        the paths from the loss to the tensor; `path_count` is the number of all paths, listed or not
    equations    the shared factors, each used by a later one, and at the end the gradient
    definitions  how the program computed the values in the formulas
    closed_form  for a program of scalars, the derivative in terms of its inputs, if it is short
    notes        what is missing, and why
    """

    name: str
    gradient: Array
    paths: tuple[Path, ...]
    path_count: int
    equations: tuple[Equation, ...]
    definitions: tuple[Equation, ...]
    closed_form: Equation | None
    notes: tuple[str, ...] = ()

    @property
    def latex(self) -> str:
        r"""The equations as LaTeX: an `aligned` block for math mode.

        >>> import autograd_mini as ag
        >>> from autograd_mini import viz
        >>> w = ag.Tensor(3.0, requires_grad=True, name="w")
        >>> print(viz.derive(ag.square(w), w).latex.splitlines()[1])
        \frac{\partial L}{\partial w} &= 2\,w = 2 \cdot 3 = 6 \\
        """
        rows = [f"{to_latex(e.left)} &= {' = '.join(map(to_latex, e.sides))}" for e in self._all_equations()]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    @property
    def mathml(self) -> str:
        """The equations as one MathML element, which browsers draw without any script."""
        return equations_mathml(self._all_equations())

    @property
    def html(self) -> str:
        """The whole derivation as HTML: the paths, the shared factors, the values and the closed form."""
        return "".join(f"<p>{html.escape(head)}</p>{body}" for head, body in self._html_sections())

    def _all_equations(self) -> list[Equation]:
        return [*self.equations, *([self.closed_form] if self.closed_form else [])]

    def _sections(self) -> Iterator[tuple[str, list[str], list[Equation]]]:
        """Yields a heading, lines of text and equations for each part."""
        ends = {"start": self.paths[0].names[0], "end": self.name}
        one, several = (
            "One path leads from {start} to {end}:",
            "{count} paths lead from {start} to {end}; their contributions add up:",
        )
        rest = self.path_count - len(self.paths)
        yield translate(one if self.path_count == 1 else several, **ends, count=self.path_count), [], []
        for path in self.paths:
            yield str(path), [], [path.equation]
        if rest:
            yield translate("… and {count} more paths", count=rest), [], []
        together = "With the shared factors named:" if len(self.equations) > 1 else "Together:"
        yield translate(together), [], list(self.equations)
        if self.closed_form:
            yield translate("Expanded:"), [], [self.closed_form]
        if self.definitions:
            yield translate("where"), [], list(self.definitions)
        for note in self.notes:
            yield note, [], []

    def _html_sections(self) -> Iterator[tuple[str, str]]:
        for head, _, equations in self._sections():
            yield head, equations_mathml(equations) if equations else ""

    def __str__(self) -> str:
        lines: list[str] = []
        for head, _, equations in self._sections():
            lines += [head, *(f"    {equation}" for equation in equations)]
        return for_stdout("\n".join(lines))

    def __repr__(self) -> str:
        return str(self)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """Returns what a notebook shows: MathML in a page, LaTeX in a PDF, and text elsewhere."""
        return {"text/html": self.html, "text/latex": f"$\\displaystyle {self.latex}$", "text/plain": str(self)}


def gradient_equations(graph: Graph, loss: Tensor, target: int, gradients: Mapping[int, Array]) -> list[Equation]:
    """Returns the equations of the gradient of one node, shared factors first; empty if it has no gradient."""
    is_lecture = any(node.symbol.startswith("δ") for node in graph.nodes)
    program = Program(graph, loss, target, is_lecture, gradients)
    if target not in program.links:
        return []
    stations = _stations(program)
    return [_equation(program, i, set(stations)) for i in stations]


def equations_mathml(equations: Iterable[Equation], sign: str = "=") -> str:
    """Returns equations as one MathML table, aligned at their first sign."""
    rows = "".join(row for equation in equations for row in _mathml_rows(equation, sign))
    return f'<math display="block" style="text-align:left;width:fit-content"><mtable>{rows}</mtable></math>'


def _mathml_rows(equation: Equation, sign: str) -> Iterator[str]:
    """Yields one row, or one for each side if there are matrices."""
    left = f'<mtd style="text-align:right" displaystyle="true">{to_mathml(equation.left)}</mtd>'
    for sides in [[side] for side in equation.sides] if equation.value.size > 1 else [equation.sides]:
        right = "<mo>=</mo>".join(map(to_mathml, sides))
        yield f'<mtr>{left}<mtd style="text-align:left" displaystyle="true"><mo>{sign}</mo>{right}</mtd></mtr>'
        left, sign = "<mtd></mtd>", "="


def derive(
    loss: Tensor, w: Tensor | str, *, params: Names = None, notation: Notation = "lecture", max_paths: int = 8
) -> Derivation:
    """Writes the chain rule from `loss` to `w` for the program that ran: every path as a product of local derivatives.

    Factors that several paths share get a name: δ⁽ˡ⁾ = ∂L/∂u⁽ˡ⁾ in the notation of the lecture. Each formula comes from the
    record of an operation and is checked against the gradient that `backward` computes; where a record has words instead of a
    formula, the derivative is written ∂v/∂u. `.grad` does not change.

    Parameters
    ----------
    loss : a scalar Tensor
    w : the tensor to differentiate with respect to, or its name in the picture, such as "W⁽²⁾"
    params : names of the parameters, as in `viz.draw`
    notation : "lecture" for u⁽ˡ⁾, h⁽ˡ⁾, W⁽ˡ⁾ and δ⁽ˡ⁾ where layers can be identified, else, or with "code", the program's names
    max_paths : the number of paths to list; the equations always cover all of them

    Raises
    ------
    TypeError
        if `loss` is not a Tensor, or `w` is neither a Tensor nor a name
    ValueError
        if `loss` is not a scalar, no gradient flows from it to `w`, or there is no tensor of that name

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import viz
    >>> w = ag.Tensor(3.0, requires_grad=True, name="w")
    >>> x = ag.Tensor(2.0, name="x")
    >>> print(viz.derive(ag.square(w * x + 1), w, notation="code"))
    One path leads from L to w:
    L ← v₂ ← v₁ ← w
        ∂L/∂v₂ · ∂v₂/∂v₁ · ∂v₁/∂w = 2v₂ x = 2 · 7 · 2 = 28
    Together:
        ∂L/∂w = 2v₂ x = 2 · 7 · 2 = 28
    Expanded:
        ∂L/∂w = 2x² w + 2x = 28
    where
        v₂ = w · x + 1 = 3 · 2 + 1 = 7
    """
    program, notes = _record(loss, w, params, notation)
    total = count_paths(program)
    listed = [_path(program, links) for links in islice(paths(program, program.target), max_paths)]
    stations = _stations(program)
    equations = [_equation(program, i, set(stations)) for i in stations]
    closed = _closed_form(program)
    definitions = list(_definitions(program))
    notes += [f"{to_text(program.slope(link))}: {text}" for link, text in _described(program, equations)]
    notes += _hooked(program)
    return Derivation(
        program.names[program.target], program.gradient(program.target), tuple(listed), total, tuple(equations),
        tuple(definitions), closed, tuple(notes),
    )  # fmt: skip


def _record(loss: Tensor, w: Tensor | str, params: Names, notation: Notation) -> tuple[Program, list[str]]:
    """Checks the arguments and returns the program between `w` and `loss`, and notes about its notation."""
    if not isinstance(loss, Tensor):
        raise TypeError(f"derive: expected a scalar Tensor as loss, got {loss!r} of type {type(loss).__name__}")
    if loss._data.size != 1:
        raise ValueError(f"derive: expected a scalar loss, got shape {loss.shape}; derive from loss.sum() or loss.mean()")
    if not isinstance(w, (Tensor, str)):
        raise TypeError(f"derive: expected a Tensor or a name as w, got {w!r} of type {type(w).__name__}")
    if notation not in ("lecture", "code"):
        raise ValueError(f"derive: notation must be 'lecture' or 'code', got {notation!r}")
    if not loss._requires_grad:
        raise ValueError("derive: the loss requires no gradient; create its parameters with requires_grad=True")
    graph, notes, is_lecture = build_graph(loss, params), [], notation == "lecture"
    plain = graph
    if is_lecture:
        try:
            graph = use_lecture_notation(graph)
        except UnclearLayers as error:
            is_lecture = False
            if any(node.primitive and node.primitive.role == "affine" for node in graph.nodes):
                notes.append(translate("In the program's own names, not in lecture notation: {reason}", reason=error))
    program = Program(graph, loss, _find(graph, plain, w), is_lecture, compute_gradients(loss))
    if program.target not in program.links:
        name = program.names[program.target]
        raise ValueError(f"derive: no gradient flows from the loss to {name}; create it with requires_grad=True")
    return program, notes


def _find(graph: Graph, plain: Graph, w: Tensor | str) -> int:
    """Returns the node of a tensor, or of the only tensor with this name in the notation or in the program."""
    if isinstance(w, Tensor):
        found = [i for i, node in enumerate(graph.nodes) if node.array is w._data and node.seq == w._seq]
        if not found:
            raise ValueError(f"derive: the loss does not depend on {w!r}; pass a tensor that the loss was computed from")
        return found[0]
    found = [
        i for i, (node, own) in enumerate(zip(graph.nodes, plain.nodes, strict=True))
        if node.array is not None and w in (own.name, *node.name.split(" = "))
    ]  # fmt: skip
    if len(found) != 1:
        known = ", ".join(dict.fromkeys(short_name(n.name) for n in graph.nodes if n.array is not None and n.name)) or "none"
        raise ValueError(f"derive: {'several tensors are' if found else 'no tensor is'} named {w!r}; the names are: {known}")
    return found[0]


def _stations(program: Program) -> list[int]:
    """Returns the tensors whose gradient gets a name, from the loss to the target, each used by the next ones.

    These are pre-activations, tensors that are used several times, and those whose gradient several products need.
    """
    root, nodes = program.graph.roots[0], program.graph.nodes
    needed: dict[int, int] = {}
    for links in program.links.values():
        for link in links:
            needed[link.output] = needed.get(link.output, 0) + 1
    stations, length = [], {root: 0}
    for i in sorted(program.links, reverse=True):
        if i == root and i != program.target:
            continue
        links = program.links[i]
        length[i] = max((length[link.output] for link in links), default=0) + 1
        if len(links) == 1 and links[0].output == root and i != program.target and _is_copy(program, links[0]):
            continue
        named = nodes[i].symbol.startswith("δ") or len(links) > 1 or needed.get(i, 0) > 1 or length[i] >= MAX_FACTORS
        if named or i == program.target:
            stations.append(i)
            length[i] = 0
    return stations


def _is_copy(program: Program, link: Link) -> bool:
    """Whether the gradient of the loss passes unchanged, as through a sum of two terms."""
    array = program.graph.nodes[link.output].array
    assert array is not None
    return is_one(program.apply(link, ONE, np.ones_like(array)))


def _equation(program: Program, i: int, named: set[int]) -> Equation:
    """Returns the equation of one named gradient: the sum over the uses of the tensor."""
    chains = [_chain(program, link, named) for link in program.links[i]]
    left = symbol(program.gradient_name(i), program.gradient(i))
    if not chains:
        return Equation(left, (ONE,), program.gradient(i))
    value = np.asarray(sum(_value_along(program, chain) for chain in chains))
    general, exact = (add([_contribution(program, chain, g) for chain in chains]) for g in (True, False))
    return with_numbers(left, [general, exact], value)


def _value_along(program: Program, chain: Sequence[Link]) -> Array:
    """Returns what a chain contributes, by the rules of its operations."""
    top = chain[0].output
    is_root = top == program.graph.roots[0]
    value = np.ones(program.loss.shape, program.loss.dtype) if is_root else program.gradient(top)
    for link in chain:
        value = program.pull(link, value)
    return value


def _hooked(program: Program) -> Iterator[str]:
    """Yields a note for each tensor whose gradient a hook may have changed."""
    for i in program.links:
        watch = program.tensors[program.graph.nodes[i].seq]._watch
        if watch is not None and watch.hooks:
            name, value = program.gradient_name(i), to_text(as_value(program.gradient(i)))
            yield translate("a hook is called with {name} and makes it {value}", name=name, value=value)


def _chain(program: Program, link: Link, named: set[int]) -> list[Link]:
    """Returns the links from the next named gradient, or from the loss, down to `link`."""
    chain = [link]
    while chain[-1].output not in named and chain[-1].output != program.graph.roots[0]:
        chain.append(program.links[chain[-1].output][0])
    return chain[::-1]


def _contribution(program: Program, chain: Sequence[Link], general: bool) -> Term:
    """Returns the product along a chain. The general form writes ∂L/∂ŷ and f′(u⁽ˡ⁾) as the lecture does."""
    top = chain[0].output
    is_root = top == program.graph.roots[0]
    value = np.ones(program.graph.nodes[top].shape) if is_root else program.gradient(top)
    term = ONE if is_root else symbol(program.gradient_name(top), value)
    for k, link in enumerate(chain):
        term = program.apply(link, term, value.astype(program.graph.nodes[link.output].array.dtype), general)  # type: ignore[union-attr]
        value = program.pull(link, value)
        if general and program.is_lecture and k + 1 < len(chain) and program.graph.nodes[link.operand].name.startswith("ŷ"):
            term = symbol(program.gradient_name(link.operand), value)
    return term


def with_numbers(left: Term, forms: Iterable[Term], value: Array) -> Equation:
    """Returns the equation with the different forms, the numbers put in, and the value."""
    sides = list(forms)
    with suppress(NotEvaluable):  # a derivative that the record describes in words
        sides.append(insert_numbers(sides[-1]))
    sides.append(as_value(value))
    distinct = [side for k, side in enumerate(sides) if not k or not equal_terms(side, sides[k - 1])]
    return Equation(left, tuple(distinct), value)


def _path(program: Program, links: Sequence[Link]) -> Path:
    """Returns a path with its product; of a long path only the ends and the value."""
    value = np.ones(program.loss.shape, program.loss.dtype)
    is_short = len(links) <= MAX_LINKS
    exact = ONE
    for link in links:
        exact = program.apply(link, exact, value) if is_short else exact
        value = program.pull(link, value)
    names = [name for name, _ in groupby([*(program.names[link.output] for link in links), program.names[program.target]])]
    slopes = [program.slope(link) for link in links if program.names[link.output] != program.names[link.operand]]
    if not is_short:
        names[MAX_LINKS // 2 : -MAX_LINKS // 2] = ["…"]
        slopes[MAX_LINKS // 2 : -MAX_LINKS // 2] = [symbol("…")]
    left = multiply(slopes, "·")
    if is_short and is_scalar(exact):
        return Path(tuple(names), with_numbers(left, [exact], value))
    return Path(tuple(names), Equation(left, (exact, as_value(value)) if is_short else (as_value(value),), value))


def _definitions(program: Program) -> Iterator[Equation]:
    """Yields how the program computed the values that the formulas use, the first one first."""
    todo, done = list(program.used), set[int]()
    while todo and len(done) < MAX_DEFINITIONS:  # a definition may use earlier values
        i = todo.pop()
        if i not in done:
            done.add(i)
            before = len(program.used)
            program.definition(i)
            todo += list(program.used)[before:]
    for i in sorted(done):
        term, value = program.definition(i), program.graph.nodes[i].array
        if value is None:
            continue
        if term is not None:
            yield with_numbers(program.used[i], [term], value)
        elif not program.operands[i] and value.size > 1 and not program.graph.nodes[i].name:  # such as targets
            yield Equation(program.used[i], (as_value(value),), value)


def _described(program: Program, equations: Iterable[Equation]) -> Iterator[tuple[Link, str]]:
    """Yields the links whose local derivative is written ∂v/∂u, with the words of the record."""
    written = {s.text for e in equations for side in e.sides for s in symbols(side) if s.value is None}
    for links in program.links.values():
        for link in links:
            if program.slope(link).text in written and program.described(link):
                yield link, f"{program.primitive(link.operation).name}, {program.described(link)}"


def _closed_form(program: Program) -> Equation | None:
    """Returns the derivative in terms of the inputs, for a program of scalars whose expanded form is short."""
    nodes = program.graph.nodes
    if len(nodes) > MAX_SCALARS or any(node.array is not None and node.array.size != 1 for node in nodes):
        return None
    try:
        term = _expand(program)
    except (closed_form.TooLong, NotEvaluable, ZeroDivisionError, OverflowError):
        return None
    value, names = program.gradient(program.target), program.names
    left = symbol(_lowered(f"∂{names[program.graph.roots[0]]}/∂{names[program.target]}"))
    return Equation(left, (term,) if equal_terms(term, as_value(value)) else (term, as_value(value)), value)


def _expand(program: Program) -> Term:
    """Multiplies the polynomials of the local derivatives along all paths."""
    nodes = program.graph.nodes
    known: dict[str, closed_form.Polynomial] = {}
    order: dict[str, int] = {}
    atoms: dict[int, Term] = {}
    for i, node in enumerate(nodes):
        if node.primitive is not None:
            continue
        if not program.operands[i]:
            if not node.name and i != program.target:
                continue
            atoms[i] = symbol(_lowered(program.names[i]), node.array)
            order[atoms[i].text] = -i
            known[program.names[i]] = closed_form.variable(atoms[i])
        else:
            term = program.definition(i)
            if term is None:
                raise closed_form.TooLong(f"{node.name} has no formula")
            known[program.names[i]] = closed_form.expand(term, known)
    root = program.graph.roots[0]
    gradients: dict[int, closed_form.Polynomial] = {root: closed_form.constant(1)}
    for i in sorted(program.links, reverse=True):
        for link in program.links[i]:
            term = program.apply(link, ONE, np.ones((), nodes[link.output].array.dtype))  # type: ignore[union-attr]
            local = closed_form.times(gradients[link.output], closed_form.expand(term, known))
            gradients[i] = closed_form.plus(gradients[i], local) if i in gradients else local
    term = closed_form.to_term(gradients[program.target], order)
    if not np.allclose(evaluate(term), program.gradient(program.target), rtol=1e-4):
        raise closed_form.TooLong("rounding of a constant changes the expanded form")
    return term


def _lowered(name: str) -> str:
    """Writes layers as indices, so that powers cannot be mistaken for them: w₂ for w⁽²⁾."""
    return name.translate(LOWERED)
