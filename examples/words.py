"""`in_words`: texts of the exercises in the language of pictures; a sentence with numbers is found by the text around them."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from autograd_mini.viz.language import get_language, translate

from .japanese import JAPANESE

CATALOGUES: Final[dict[str, dict[str, str]]] = {"en": {}, "ja": JAPANESE}


def in_words(text: str) -> str:
    """Returns a text in the chosen language; one that the table lacks stays as it is.

    >>> from autograd_mini.examples.words import in_words
    >>> from autograd_mini.viz.language import in_language
    >>> with in_language("ja"):
    ...     in_words("accuracy on test images after 600 steps"), in_words("x")
    ('600ステップ後のテスト画像の正解率', 'x')
    """
    table = CATALOGUES.get(get_language(), {})
    if text in table:
        return table[text]
    for pattern, translation in _patterns(get_language()):
        if found := pattern.fullmatch(text):
            return translation.format(*map(in_words, found.groups()))
    return translate(text)


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """Returns the sentences with numbers as patterns, the longest first."""
    table = CATALOGUES.get(language, {})
    templates = sorted((text for text in table if "{0}" in text), key=len, reverse=True)
    return [(_pattern(text), table[text]) for text in templates]


def _pattern(template: str) -> re.Pattern[str]:
    """Returns the pattern of a sentence whose numbers are {0}, {1}, … in this order."""
    return re.compile("(.*?)".join(map(re.escape, re.split(r"{\d+}", template))), re.DOTALL)
