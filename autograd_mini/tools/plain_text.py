"""Text that every reader and every stream can show: control characters are escaped, missing signs are replaced by ASCII."""

from __future__ import annotations

import codecs
import sys
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

REPLACE: Final = "autograd_mini.replace"
"""The name of the error handler that replaces what a stream cannot show; `open` and `reconfigure` accept it as `errors`."""
SIGNS: Final = str.maketrans(
    {
        "│": "|", "├": "|", "└": "`", "─": "-", "↑": "^", "—": "-", "–": "-", "−": "-", "…": "...", "±": "+-", "⋯": ">",
        "×": "x", "·": "*", "→": "->", "←": "<-", "≤": "<=", "≥": ">=", "≈": "~", "∂": "d", "∇": "grad ", "Σ": "sum",
        "‖": "||", "√": "sqrt", "½": "1/2", "¼": "1/4", "∞": "inf", "✓": "ok", "✗": "WRONG", "σ": "sigma", "λ": "lambda",
        "θ": "theta", "η": "eta", "β": "beta", "µ": "u", "μ": "mu", "δ": "delta", "′": "'", "⁽": "(", "⁾": ")", "“": '"',
        "”": '"', "’": "'",
    }
)  # fmt: skip


def escape_unprintable(text: str, keep: str = "") -> str:
    r"""Writes control characters, lone surrogates and invisible marks as Python escapes, except those in `keep`.

    >>> from autograd_mini.tools.plain_text import escape_unprintable
    >>> print(escape_unprintable("a\tb\x1b[31m"))
    a\tb\x1b[31m
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def to_ascii(text: str) -> str:
    r"""Converts to ASCII: signs by a table, letters without accents, everything else as Python escapes.

    >>> from autograd_mini.tools.plain_text import to_ascii
    >>> print(to_ascii("∂L/∂ŷ → 2 × 3, 犬"))
    dL/dy -> 2 x 3, \u72ac
    """
    if text.isascii():
        return text
    letters = unicodedata.normalize("NFKD", text.translate(SIGNS)).translate(SIGNS)
    return "".join(c for c in letters if not unicodedata.combining(c)).encode("ascii", "backslashreplace").decode()


def display_width(text: str) -> int:
    """Returns the columns of a text in a terminal: two for East Asian wide characters, none for combining marks.

    >>> from autograd_mini.tools.plain_text import display_width
    >>> display_width("犬 dog")
    6
    """
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def for_stdout(text: str) -> str:
    """Returns a text as the standard output can show it: unchanged, or with ASCII for the characters that its encoding lacks.

    >>> from autograd_mini.tools.plain_text import for_stdout
    >>> for_stdout("plain")
    'plain'
    """
    encoding = getattr(sys.stdout, "encoding", None)
    if text.isascii() or not isinstance(encoding, str):
        return text
    try:
        return text.encode(encoding, REPLACE).decode(encoding)
    except LookupError:  # an encoding that Python does not know
        return to_ascii(text)


def never_fail_to_print(streams: Iterable[Any] | None = None) -> None:
    """Makes streams, by default stdout and stderr, replace the characters that their encoding lacks.

    Otherwise printing a sign such as → raises an error in a Windows pipe. A stream may be None, as in `pythonw`.

    >>> import io
    >>> from autograd_mini.tools.plain_text import never_fail_to_print
    >>> stream = io.TextIOWrapper(io.BytesIO(), "ascii", write_through=True)
    >>> never_fail_to_print([stream])
    >>> print("a → b", file=stream)
    >>> stream.buffer.getvalue().split()
    [b'a', b'->', b'b']
    """
    for stream in (sys.stdout, sys.stderr) if streams is None else streams:
        if getattr(stream, "errors", None) == "strict" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=REPLACE)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return to_ascii(error.object[error.start : error.end]), error.end


codecs.register_error(REPLACE, _replace)
