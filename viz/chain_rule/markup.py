"""Writes a term as text, LaTeX or MathML. Each format is a table of templates, one for each kind of term."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from autograd_mini.tensor import Array
from autograd_mini.tools.plain_text import escape_unprintable

from ..graph.summary import format_number
from .term import Term, is_one

MAX_ELEMENTS: Final = 36  # larger matrices are shown by their shape

RAISED: Final = str.maketrans("0123456789-−+()abnptuvwxyz,", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻⁺⁽⁾ᵃᵇⁿᵖᵗᵘᵛʷˣʸᶻ,")
LOWERED: Final = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
LAYER: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
NAME: Final = re.compile(r"(?P<base>.+?)(?:⁽(?P<layer>[⁰¹²³⁴⁵⁶⁷⁸⁹]+)⁾)?(?P<index>[₀₁₂₃₄₅₆₇₈₉]+)?", re.DOTALL)
SLOPE: Final = re.compile(r"∂(?P<above>.+)/∂(?P<below>.+)", re.DOTALL)
GREEK: Final = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "η": "eta", "λ": "lambda", "μ": "mu", "π": "pi",
    "σ": "sigma", "φ": "varphi", "Φ": "Phi", "θ": "theta", "Λ": "Lambda", "Σ": "Sigma",
}  # fmt: skip
HATS: Final = {"𝟏": r"\mathbf{1}", "ŷ": r"\hat{y}", "x̂": r"\hat{x}", "x̄": r"\bar{x}"}
TEX_SIGNS: Final = {"": r"\,", "@": r"\,", "·": r" \cdot ", "⊙": r" \odot ", "⋆": r" \star "}
TEXT_SIGNS: Final = {"": " ", "@": " ", "·": " · ", "⊙": " ⊙ ", "⋆": " ⋆ "}
PRECEDENCE: Final = {
    "sum": 1, "negative": 2, "product": 3, "quotient": 3, "total": 4, "call": 5, "root": 6, "power": 7, "transpose": 7,
}  # fmt: skip
SIGN_PRECEDENCE: Final = {"⊙": 3.0, "·": 3.2, "": 3.2, "@": 3.4, "⋆": 3.4}
ATOM: Final = 9.0


def precedence(term: Term) -> float:
    if term.kind == "product":
        return SIGN_PRECEDENCE[term.text]
    if term.kind == "spread":
        return precedence(term.parts[0])
    if term.kind == "number" and term.text.startswith("−"):
        return 1.5
    return PRECEDENCE.get(term.kind, ATOM)


class Format(NamedTuple):
    """How one format writes terms: a function for each kind, a pair of parentheses, and the signs of products."""

    write: Mapping[str, Callable[[Format, Term, Sequence[str]], str]]
    parentheses: tuple[str, str]

    def __call__(self, term: Term, least: float = 0) -> str:
        """Writes a term, in parentheses if it binds less than `least`."""
        parts = [self(part, least) for part, least in zip(term.parts, self.needs(term), strict=True)]
        text = self.write[term.kind](self, term, parts)
        return text if precedence(term) >= least else text.join(self.parentheses)

    def needs(self, term: Term) -> list[float]:
        """Returns how strongly each part must bind to be written without parentheses."""
        return [_need(self, term, i) for i in range(len(term.parts))]


def _need(format: Format, term: Term, i: int) -> float:
    """Sums and arguments need nothing; a quotient needs nothing where a fraction line separates its parts."""
    if term.kind == "product":
        tall = format is not TEXT and term.parts[i].kind == "quotient"
        return (
            0 if tall else SIGN_PRECEDENCE[term.text] + (0.1 if i else 0) if term.text in "·⊙" else SIGN_PRECEDENCE[term.text]
        )
    if term.kind == "quotient":
        return (3, 3.5)[i] if format is TEXT else 0
    if term.kind == "power":
        return 8 if i == 0 and term.parts[0].kind != "call" else 0
    if term.kind == "root":
        return 7 if format is TEXT else 0
    return {"negative": 2.5, "transpose": 8, "total": 3.9, "sum": 1.6 if i else 0}.get(term.kind, 0)


# -- text -------------------------------------------------------------------------------------------------------------------


def _text_product(format: Format, term: Term, parts: Sequence[str]) -> str:
    """Joins factors by their sign; numbers are separated by a dot, a number and a letter by nothing."""
    factors = [_close_call(x) if not _begins_with_call(y) else x for x, y in pairwise(term.parts)]
    parts = [*(format(x, least) for x, least in zip(factors, format.needs(term), strict=False)), parts[-1]]
    sign, text = TEXT_SIGNS[term.text], parts[0]
    for before, part, written in zip(term.parts, term.parts[1:], parts[1:], strict=False):
        exponent = "." in before.text and written.startswith("e")  # 0.4e³ would be read as 400
        fraction = before.kind == "quotient" or part.kind == "quotient"
        dot = term.text == "" and (_starts_with_digit(written) or fraction or exponent)
        tight = part.kind in ("symbol", "root", "power") or written.startswith("(")
        close = term.text == "" and before.kind == "number" and tight and not dot
        text += (" · " if dot else "" if close else sign) + written
    return text


def _close_call(term: Term) -> Term:
    """Puts the argument of a function at the end of a term in parentheses, so that sin(w) w cannot be read as sin(w w)."""
    if term.kind == "call":
        return replace(term, parts=(Term("spread", term.parts),))
    if term.kind == "power":
        return replace(term, parts=(_close_call(term.parts[0]), *term.parts[1:]))
    return replace(term, parts=(*term.parts[:-1], _close_call(term.parts[-1]))) if term.kind == "product" else term


def _begins_with_call(term: Term) -> bool:
    """Whether a term begins with a function, as in cos w sin w, which nobody reads as cos(w sin w)."""
    return term.kind == "call" or (term.kind in ("power", "product") and _begins_with_call(term.parts[0]))


def _starts_with_digit(written: str) -> bool:
    return written[:1].isdigit() or written.startswith(("(−", "−"))


def _text_power(format: Format, term: Term, parts: Sequence[str]) -> str:
    raised = parts[1].replace(" ", "").translate(RAISED)
    simple = all(c not in parts[1] or c.translate(RAISED) != c for c in parts[1] if not c.isspace())
    if term.parts[1].kind == "number" or simple:
        return _before_arguments(term.parts[0], parts[0], raised)
    return f"{parts[0]}^({parts[1]})"


def _before_arguments(base: Term, written: str, raised: str) -> str:
    """Writes tanh²(x), not tanh(x)², and (u⁽²⁾)², not u⁽²⁾²."""
    if base.kind == "symbol" and written.endswith("⁾"):
        return f"({written}){raised}"
    if base.kind == "call":
        return base.text + raised + written[len(base.text) :]
    return written + raised


def _text_call(format: Format, term: Term, parts: Sequence[str]) -> str:
    is_word = term.text.isalpha() and len(term.text) > 1 and term.text not in ("softmax", "softplus", "exp", "trunc")
    space = is_word and (term.parts[0].kind == "symbol" or (term.parts[0].kind == "number" and parts[0][:1].isdigit()))
    return f"{term.text} {parts[0]}" if space else f"{term.text}({parts[0]})"


def _text_sum(format: Format, term: Term, parts: Sequence[str]) -> str:
    text = parts[0]
    for part in parts[1:]:
        text += f" − {part[1:]}" if part.startswith("−") else f" + {part}"
    return text


def _text_relation(format: Format, term: Term, parts: Sequence[str]) -> str:
    return "[" + parts[0] + "".join(f" {sign} {part}" for sign, part in zip(term.text, parts[1:], strict=True)) + "]"


def _matrix_rows(array: Array) -> list[list[str]]:
    return [[format_number(float(v), 3).replace("-", "−") for v in row] for row in np.atleast_2d(array)]


def _is_shown(array: Array) -> bool:
    return 0 < array.size <= MAX_ELEMENTS and array.ndim <= 2


def _shape_text(array: Array) -> str:
    return "×".join(map(str, array.shape))


def _text_matrix(format: Format, term: Term, parts: Sequence[str]) -> str:
    assert term.value is not None
    if not _is_shown(term.value):
        return f"[{_shape_text(term.value)}]"
    rows = [" ".join(row) for row in _matrix_rows(term.value)]
    return f"[{'; '.join(rows)}]"


TEXT: Final = Format(
    {
        "number": lambda f, t, p: t.text,
        "symbol": lambda f, t, p: escape_unprintable(t.text),
        "words": lambda f, t, p: f"({escape_unprintable(t.text)})",
        "matrix": _text_matrix,
        "sum": _text_sum,
        "negative": lambda f, t, p: f"−{p[0]}",
        "product": _text_product,
        "quotient": lambda f, t, p: f"{p[0]}/{p[1]}",
        "power": _text_power,
        "transpose": lambda f, t, p: f"{p[0]}ᵀ",
        "call": _text_call,
        "root": lambda f, t, p: t.text + p[0],
        "relation": _text_relation,
        "absolute": lambda f, t, p: f"|{p[0]}|",
        "floor": lambda f, t, p: f"⌊{p[0]}⌋",
        "total": lambda f, t, p: f"Σ {p[0]}",
        "spread": lambda f, t, p: p[0],
    },
    ("(", ")"),
)

# -- LaTeX ----------------------------------------------------------------------------------------------------------------

TEX_ESCAPES: Final = {
    "\\": r"\textbackslash ", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum ", "~": r"\textasciitilde ",
}  # fmt: skip


def escape_tex(text: str) -> str:
    """Escapes text for LaTeX, so that a name cannot start a command.

    >>> from autograd_mini.viz.chain_rule.markup import escape_tex
    >>> print(escape_tex("a_b$"))
    a\\_b\\$
    """
    return "".join(TEX_ESCAPES.get(c, c) for c in escape_unprintable(text))


def _tex_base(base: str) -> str:
    if base in GREEK:
        return rf"\{GREEK[base]}"
    if base in HATS:
        return HATS[base]
    return base if base.isalpha() and base.isascii() and len(base) == 1 else rf"\mathrm{{{escape_tex(base)}}}"


def tex_name(name: str) -> str:
    """Writes a name: `w⁽²⁾` as w^{(2)}, `w₂` as w_{2}, `∂L/∂w` as a fraction."""
    if slope := SLOPE.fullmatch(name):
        return rf"\frac{{\partial {tex_name(slope['above'])}}}{{\partial {tex_name(slope['below'])}}}"
    match = NAME.fullmatch(name)
    assert match
    layer = f"^{{({match['layer'].translate(LAYER)})}}" if match["layer"] else ""
    index = f"_{{{match['index'].translate(LOWERED)}}}" if match["index"] else ""
    return _tex_base(match["base"]) + layer + index


def _tex_product(format: Format, term: Term, parts: Sequence[str]) -> str:
    text = parts[0]
    for part, written in zip(term.parts[1:], parts[1:], strict=True):
        digits = term.text == "" and (part.kind == "number" or written[:1].isdigit() or written.startswith(r"\left(-"))
        text += (r" \cdot " if digits else TEX_SIGNS[term.text]) + written
    return text


def _is_layered(term: Term) -> bool:
    """Whether a name has a layer, whose place the sign of a transpose shares."""
    return term.kind == "symbol" and term.text.endswith("⁾") and not SLOPE.fullmatch(term.text)


def _tex_power(format: Format, term: Term, parts: Sequence[str]) -> str:
    if term.parts[0].kind == "call":
        name = _tex_function(term.parts[0].text)
        return f"{name}^{{{parts[1]}}}{parts[0][len(name) :]}"
    layered = term.parts[0].kind == "symbol" and "⁽" in term.parts[0].text
    base = rf"\left({parts[0]}\right)" if layered else parts[0]
    return f"{{{base}}}^{{{parts[1]}}}"


def _tex_matrix(format: Format, term: Term, parts: Sequence[str]) -> str:
    assert term.value is not None
    if not _is_shown(term.value):
        shape = r" \times ".join(map(str, term.value.shape))
        return rf"\left[{shape}\right]"
    rows = r" \\ ".join(" & ".join(row) for row in _matrix_rows(term.value)).replace("−", "-")
    return rf"\begin{{bmatrix}} {rows} \end{{bmatrix}}"


def _tex_function(name: str) -> str:
    known = {"sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "ln", "arcsin", "arccos", "arctan"}
    return rf"\{name}" if name in known else "f'" if name == "f′" else _tex_base(name)


def _tex_call(format: Format, term: Term, parts: Sequence[str]) -> str:
    return rf"{_tex_function(term.text)}\left({parts[0]}\right)"


LATEX: Final = Format(
    {
        "number": lambda f, t, p: t.text.replace("−", "-"),
        "symbol": lambda f, t, p: tex_name(t.text),
        "words": lambda f, t, p: rf"\left(\text{{{escape_tex(t.text)}}}\right)",
        "matrix": _tex_matrix,
        "sum": lambda f, t, p: p[0] + "".join(f" - {x[1:]}" if x.startswith("-") else f" + {x}" for x in p[1:]),
        "negative": lambda f, t, p: f"-{p[0]}",
        "product": _tex_product,
        "quotient": lambda f, t, p: rf"\frac{{{p[0]}}}{{{p[1]}}}",
        "power": _tex_power,
        "transpose": lambda f, t, p: f"{p[0][:-1]}\\top}}" if _is_layered(t.parts[0]) else rf"{{{p[0]}}}^{{\top}}",
        "call": _tex_call,
        "root": lambda f, t, p: rf"\sqrt{'[3]' * (t.text == '∛')}{{{p[0]}}}",
        "relation": lambda f, t, p: rf"\left[{p[0]}{''.join(f' {s} {x}' for s, x in zip(t.text, p[1:], strict=True))}\right]",
        "absolute": lambda f, t, p: rf"\left|{p[0]}\right|",
        "floor": lambda f, t, p: rf"\left\lfloor {p[0]} \right\rfloor",
        "total": lambda f, t, p: rf"\sum {p[0]}",
        "spread": lambda f, t, p: p[0],
    },
    (r"\left(", r"\right)"),
)

# -- MathML ---------------------------------------------------------------------------------------------------------------


def _mi(text: str) -> str:
    return f"<mi>{html.escape(escape_unprintable(text))}</mi>"


def _mo(text: str) -> str:
    return f"<mo>{html.escape(text)}</mo>"


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def mathml_name(name: str) -> str:
    """Writes a name as MathML: layers raised, numbers lowered, ∂L/∂w as a fraction."""
    if slope := SLOPE.fullmatch(name):
        above, below = (_row(_mo("∂"), mathml_name(slope[part])) for part in ("above", "below"))
        return f"<mfrac>{above}{below}</mfrac>"
    match = NAME.fullmatch(name)
    assert match
    opened, closed = '<mo stretchy="false">(</mo>', '<mo stretchy="false">)</mo>'
    layer = f"<mrow>{opened}<mn>{match['layer'].translate(LAYER)}</mn>{closed}</mrow>" if match["layer"] else ""
    index = f"<mn>{match['index'].translate(LOWERED)}</mn>" if match["index"] else ""
    kind = "msubsup" if layer and index else "msup" if layer else "msub" if index else ""
    base = _mi(match["base"])
    return f"<{kind}>{base}{index}{layer}</{kind}>" if kind else base


def _mathml_number(format: Format, term: Term, parts: Sequence[str]) -> str:
    return _row(_mo("−"), f"<mn>{term.text[1:]}</mn>") if term.text.startswith("−") else f"<mn>{html.escape(term.text)}</mn>"


def _mathml_product(format: Format, term: Term, parts: Sequence[str]) -> str:
    written = [parts[0]]
    for before, part, text in zip(term.parts, term.parts[1:], parts[1:], strict=False):
        numbers = "number" in (part.kind,) or (before.kind == "number" and part.kind in ("matrix", "product"))
        sign = {"": "·" if numbers else "\u2062", "@": "\u2062"}.get(term.text, term.text)
        written += [_mo(sign), text]
    return _row(*written)


def _mathml_matrix(format: Format, term: Term, parts: Sequence[str]) -> str:
    assert term.value is not None
    if not _is_shown(term.value):
        return f"<mrow><mo>[</mo><mtext>{_shape_text(term.value)}</mtext><mo>]</mo></mrow>"
    rows = "".join(f"<mtr>{''.join(f'<mtd><mn>{cell}</mn></mtd>' for cell in row)}</mtr>" for row in _matrix_rows(term.value))
    return f"<mrow><mo>[</mo><mtable>{rows}</mtable><mo>]</mo></mrow>"


def _mathml_sum(format: Format, term: Term, parts: Sequence[str]) -> str:
    """Joins terms by + or −; the minus of a term is taken out of its row, so that it has space on both sides."""
    start = f"<mrow>{_mo('−')}"
    written = [parts[0]]
    for text in parts[1:]:
        written += [_mo("−"), f"<mrow>{text[len(start) :]}"] if text.startswith(start) else [_mo("+"), text]
    return _row(*written)


def _mathml_power(format: Format, term: Term, parts: Sequence[str]) -> str:
    if term.parts[0].kind == "call":
        name = _mi(term.parts[0].text)
        return parts[0].replace(name, f"<msup>{name}{parts[1]}</msup>", 1)
    layered = term.parts[0].kind == "symbol" and "⁽" in term.parts[0].text
    base = _row(_mo("("), parts[0], _mo(")")) if layered else parts[0]
    return f"<msup>{base}{parts[1]}</msup>"


def _mathml_transpose(format: Format, term: Term, parts: Sequence[str]) -> str:
    end = "</mrow></msup>"
    if _is_layered(term.parts[0]) and parts[0].endswith(end):
        return f"{parts[0][: -len(end)]}<mo>⊤</mo>{end}"
    return f"<msup>{parts[0]}<mo>⊤</mo></msup>"


def _mathml_call(format: Format, term: Term, parts: Sequence[str]) -> str:
    small = ' stretchy="false"' if term.parts[0].kind == "symbol" else ""
    return _row(_mi(term.text), _mo("\u2061"), f"<mo{small}>(</mo>", parts[0], f"<mo{small}>)</mo>")


MATHML: Final = Format(
    {
        "number": _mathml_number,
        "symbol": lambda f, t, p: mathml_name(t.text),
        "words": lambda f, t, p: f"<mtext>({html.escape(escape_unprintable(t.text))})</mtext>",
        "matrix": _mathml_matrix,
        "sum": _mathml_sum,
        "negative": lambda f, t, p: _row(_mo("−"), p[0]),
        "product": _mathml_product,
        "quotient": lambda f, t, p: f"<mfrac>{p[0]}{p[1]}</mfrac>",
        "power": _mathml_power,
        "transpose": _mathml_transpose,
        "call": _mathml_call,
        "root": lambda f, t, p: f"<msqrt>{p[0]}</msqrt>" if t.text == "√" else f"<mroot>{p[0]}<mn>3</mn></mroot>",
        "relation": lambda f, t, p: _row(_mo("["), p[0], *(_mo(s) + x for s, x in zip(t.text, p[1:], strict=True)), _mo("]")),
        "absolute": lambda f, t, p: _row(_mo("|"), p[0], _mo("|")),
        "floor": lambda f, t, p: _row(_mo("⌊"), p[0], _mo("⌋")),
        "total": lambda f, t, p: _row(_mo("∑"), p[0]),
        "spread": lambda f, t, p: p[0],
    },
    ("<mrow><mo>(</mo>", "<mo>)</mo></mrow>"),
)


def to_text(term: Term) -> str:
    """Returns the term as plain text with Unicode signs."""
    return TEXT(term)


def to_latex(term: Term) -> str:
    """Returns the term as LaTeX for math mode."""
    return LATEX(term)


def to_mathml(term: Term) -> str:
    """Returns the term as MathML, without the surrounding `math` element."""
    return MATHML(term)


def equal_terms(a: Term, b: Term) -> bool:
    """Whether two terms are written in the same way."""
    return a == b or (is_one(a) and is_one(b)) or to_text(a) == to_text(b)
