"""The language of pictures: `set_language` chooses it, and `translate` looks up each text that a reader sees.

The English text is the key, so the code can be read without a table. `japanese.py` holds the Japanese texts. A text that a
table lacks is shown in English. Names of operations, formulas and the reader's own names are the same in every language, and
error messages are English.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from .japanese import JAPANESE

VARIABLE: Final = "AUTOGRAD_MINI_LANG"
CATALOGUES: Final[dict[str, Mapping[str, str]]] = {"en": {}, "ja": JAPANESE}
"""For each language: English text -> text. Texts may contain names in braces, which `translate` replaces by values."""

_chosen: str | None = None  # not a context variable: each cell of a notebook may run in a context of its own
_inside: ContextVar[str | None] = ContextVar("language", default=None)


def set_language(language: str | None) -> None:
    """Chooses the language of pictures, steppers, tables and plots: "en" or "ja".

    None returns to the language that the environment variable AUTOGRAD_MINI_LANG names, or to English if it is not set.
    Raises ValueError for another language.

    >>> import autograd_mini as ag
    >>> from autograd_mini import viz
    >>> viz.set_language("ja")
    >>> viz.plot_losses({"train": [1.0, 0.5]}, title="MNIST").axes[0].get_xlabel()
    'エポック'
    >>> viz.set_language(None)
    """
    global _chosen
    _chosen = None if language is None else _known(language, "set_language")


def get_language() -> str:
    """Returns the language of pictures. Raises ValueError if AUTOGRAD_MINI_LANG names an unknown one.

    >>> from autograd_mini import viz
    >>> viz.get_language()
    'en'
    """
    if language := _inside.get() or _chosen:
        return language
    named = os.environ.get(VARIABLE, "")
    return _known(re.split(r"[-_.]", named)[0], VARIABLE, named) if named else "en"


def _known(language: str, where: str, given: str | None = None) -> str:
    if language not in CATALOGUES:
        known = " or ".join(map(repr, CATALOGUES))
        raise ValueError(f"{where}: expected {known}, got {language if given is None else given!r}")
    return language


@contextmanager
def in_language(language: str) -> Iterator[None]:
    """Uses a language inside a `with` block.

    >>> from autograd_mini.viz.language import in_language, translate
    >>> with in_language("ja"):
    ...     translate("{count} nodes hidden", count=3)
    '3個のノードを省略'
    """
    token = _inside.set(_known(language, "in_language"))
    try:
        yield
    finally:
        _inside.reset(token)


def translate(text: str, /, **values: Any) -> str:
    """Returns a text in the language of pictures, with `values` in place of the names in braces.

    >>> from autograd_mini.viz.language import translate
    >>> translate("{count} nodes hidden", count=3)
    '3 nodes hidden'
    """
    template = CATALOGUES[get_language()].get(text, text)
    return template.format(**values) if values else template
