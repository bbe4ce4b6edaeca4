"""Reads the notation of the operations' records: `σ(x) σ(−x)`, `−a/b²`, `b·aᵇ⁻¹`, `δᵀ h`, `[lo < x < hi]`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from .term import FUNCTIONS, ONE, RELATIONS, Term, add, multiply, number

SUPERSCRIPTS: Final = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ᵃᵇᵖᵗᵘᵛʷˣʸᶻᵀ", "0123456789−+abptuvwxyzᵀ", strict=True))
LETTERS: Final = "A-Za-zα-ωΑ-Ωŷ"
LETTER: Final = re.compile(rf"[{LETTERS}](?:[\u0302\u0304])?")
TOKEN: Final = re.compile(
    rf"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<raised>[{''.join(SUPERSCRIPTS)}]+)|(?P<word>f′|log₂|log₁₀|[{LETTERS}]+[\u0302\u0304]?)"
    r"|(?P<sign>[-+−·/⊙⋆()\[\]|⌊⌋√∛Σ<>=½]))"
)
ENDS: Final = frozenset(")]|⌋<>=")


class NotMathematics(ValueError):
    """The text is not a formula: it contains words."""


def parse(text: str, names: Mapping[str, Term]) -> Term:
    """Returns the term of a formula, in which letters stand for the terms in `names`. Raises NotMathematics if it has words.

    >>> from autograd_mini.viz.chain_rule.markup import to_text
    >>> from autograd_mini.viz.chain_rule.parse import parse
    >>> from autograd_mini.viz.chain_rule.term import symbol
    >>> to_text(parse("1/(2√x)", {"x": symbol("u")})), to_text(parse("eˣ − 1", {"x": symbol("u")}))
    ('1/(2√u)', 'eᵘ − 1')
    """
    parser = _Parser(text, names)
    term = parser.sum()
    if parser.kind:
        raise NotMathematics(f"{text!r}: unexpected {parser.token!r}")
    return term


class _Parser:
    """Reads one formula from left to right; `kind` and `token` are those of the next token, both empty at the end."""

    def __init__(self, text: str, names: Mapping[str, Term]) -> None:
        self.text, self.names, self.at = text.rstrip(), names, 0
        self.kind = self.token = ""
        self.next()

    def next(self) -> str:
        token, self.kind, self.token = self.token, "", ""
        if self.at < len(self.text):
            match = TOKEN.match(self.text, self.at)
            if match is None:
                raise NotMathematics(f"{self.text!r}: unexpected {self.text[self.at :]!r}")
            self.at, self.kind, self.token = match.end(), match.lastgroup or "", match[match.lastgroup or 0]
        return token

    def expect(self, sign: str) -> None:
        if self.next() != sign:
            raise NotMathematics(f"{self.text!r}: expected {sign!r}")

    def sum(self) -> Term:
        terms = [self.signed()]
        while self.token and self.token in "+−-":
            terms.append(self.signed())
        return add(terms)

    def signed(self) -> Term:
        if self.token and self.token in "+−-":
            return self.product() if self.next() == "+" else Term("negative", (self.product(),))
        return self.product()

    def product(self) -> Term:
        term = self.factor()
        while self.kind and self.token not in ENDS and self.token not in "+−-":
            if self.token == "/":
                self.next()
                term = Term("quotient", (term, self.factor()))
            else:
                sign = self.next() if self.token in "·⊙⋆" else ""
                term = multiply([term, self.factor()], sign)
        return term

    def factor(self) -> Term:
        term = self.atom()
        while self.kind == "raised":
            exponent = "".join(SUPERSCRIPTS[c] for c in self.next())
            term = Term("transpose", (term,)) if exponent == "ᵀ" else Term("power", (term, parse(exponent, self.names)))
        return term

    def atom(self) -> Term:
        kind, token = self.kind, self.next()
        if kind == "number":
            return number(token)
        if token in _ENCLOSED:
            return _ENCLOSED[token](self)
        if token in FUNCTIONS:
            return self.call(token)
        if token in self.names:
            return self.names[token]
        if kind == "word" and LETTER.fullmatch(token):
            return Term("symbol", text=token)
        raise NotMathematics(f"{self.text!r}: {token!r} is not a formula")

    def call(self, name: str) -> Term:
        power = parse("".join(SUPERSCRIPTS[c] for c in self.next()), self.names) if self.kind == "raised" else None
        call = Term("call", (self.factor(),), name)
        return call if power is None else Term("power", (call, power))

    def enclosed(self, end: str) -> Term:
        term = self.sum()
        self.expect(end)
        return term

    def relation(self) -> Term:
        terms, signs = [self.sum()], ""
        while self.token in RELATIONS:
            signs += self.next()
            terms.append(self.sum())
        self.expect("]")
        if not signs:
            raise NotMathematics(f"{self.text!r}: a bracket without a comparison")
        return Term("relation", tuple(terms), signs)


_ENCLOSED: Final[Mapping[str, Callable[[_Parser], Term]]] = {
    "(": lambda p: p.enclosed(")"),
    "[": lambda p: p.relation(),
    "|": lambda p: Term("absolute", (p.enclosed("|"),)),
    "⌊": lambda p: Term("floor", (p.enclosed("⌋"),)),
    "√": lambda p: Term("root", (p.factor(),), "√"),
    "∛": lambda p: Term("root", (p.factor(),), "∛"),
    "Σ": lambda p: Term("total", (p.product(),), "Σ"),
    "½": lambda p: Term("quotient", (ONE, number("2"))),
}
