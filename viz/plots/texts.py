"""Texts in plots: names are literal, characters that cannot be shown are escaped, and other scripts get an installed font.

matplotlib reads the text between two `$` as mathematics. So a title such as `$z_1$` may contain some; a name never does.
"""

from __future__ import annotations

import importlib.util
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from autograd_mini.tools.plain_text import escape_unprintable

from ..language import get_language, in_language, translate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FONTS: Final = (
    "Noto Sans CJK JP", "Noto Sans JP", "IPAexGothic", "IPAGothic", "IPAPGothic", "TakaoGothic", "VL Gothic", "Hiragino Sans",
    "Hiragino Kaku Gothic ProN", "Hiragino Maru Gothic Pro", "Yu Gothic", "Meiryo", "MS Gothic", "Source Han Sans JP",
    "Noto Sans CJK SC", "Noto Sans CJK KR", "PingFang SC", "Microsoft YaHei", "SimHei", "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei", "Apple SD Gothic Neo", "Malgun Gothic", "Droid Sans Fallback", "Arial Unicode MS",
)  # fmt: skip
"""Fonts that are tried first for characters that the default font lacks; then all other installed fonts are."""
FONT_PACKAGE: Final = "matplotlib_fontja"  # contains the font IPAexGothic; it is read, not imported
LONGEST: Final = 60  # characters of a name


def label(text: str, /, **values: Any) -> str:
    """Returns a text of a plot in the language of pictures, or in English with a warning if no installed font can show it.

    >>> from autograd_mini.viz.plots.texts import label
    >>> label("epoch")
    'epoch'
    """
    shown = translate(text, **values)
    if not shown.isascii() and _showable(shown) != shown and (language := get_language()) != "en":
        warnings.warn(
            f"no font for language {language!r} was found, so this plot is in English; "
            'install one: pip install "autograd-mini[ja]", or apt install fonts-noto-cjk',
            stacklevel=3,
        )
        with in_language("en"):
            return translate(text, **values)
    return shown


def literal(name: str) -> str:
    """Returns a name as text that matplotlib shows as it is: `$` is a normal character; the middle of a long name is omitted.

    >>> from autograd_mini.viz.plots.texts import literal
    >>> literal("a$b$"), len(literal("x" * 500))
    ('a\\\\$b\\\\$', 60)
    """
    text = _showable(name)
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]}…{text[len(text) - LONGEST // 2 + 1 :]}"
    return text.replace("$", r"\$")


def repair_texts(figure: Figure) -> None:
    """Makes every text of a figure showable.

    Mathematics that cannot be parsed becomes literal, control characters are escaped, and text in another script gets a font.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if (string := text.get_text()) and (not string.isascii() or "$" in string or not string.isprintable()):
            _repair(text, string)


def _repair(text: Any, string: str) -> None:
    shown = _showable(string, keep="\n")
    if text.get_parse_math() and not _parses(shown):
        shown = shown.replace("$", r"\$")
    if shown != string:
        text.set_text(shown)
    if len(fonts := _fonts_for(_beyond_ascii(shown))) > 1:
        text.set_fontfamily(list(fonts))


def _showable(string: str, keep: str = "") -> str:
    """Escapes control characters, and characters that no installed font has."""
    text = escape_unprintable(string, keep)
    if text.isascii():
        return text
    known = frozenset().union(*map(_characters, _fonts_for(_beyond_ascii(text)).values()))
    return "".join(c if c.isascii() or c in known else c.encode("unicode_escape").decode() for c in text)


def _beyond_ascii(text: str) -> frozenset[str]:
    return frozenset(c for c in text if not c.isascii())


def _parses(string: str) -> bool:
    """Returns whether matplotlib can show a string: it has no mathematics, or mathematics without a mistake."""
    from matplotlib.mathtext import MathTextParser

    dollars = string.count("$") - string.count(r"\$")
    if not dollars or dollars % 2:
        return True
    try:
        MathTextParser("path").parse(string)
    except ValueError:
        return False
    return True


@cache
def _fonts_for(characters: frozenset[str]) -> dict[str, Path]:
    """Returns the default font and those that together have the most of the characters, as file by family."""
    from matplotlib import font_manager

    default = Path(font_manager.findfont(font_manager.FontProperties()))
    fonts = {font_manager.FontProperties(fname=default).get_name(): default}
    missing = characters - _characters(default)
    if missing:
        for name, path in _installed():
            if found := missing & _characters(path):
                fonts[name] = path
                missing -= found
            if not missing:
                break
    return fonts


@cache
def _installed() -> list[tuple[str, Path]]:
    """Returns the installed fonts as (family, file), those of `FONTS` first; fonts that matplotlib has not seen are added."""
    from matplotlib import font_manager

    manager = font_manager.fontManager
    known = {entry.fname for entry in manager.ttflist}
    for path in [*font_manager.findSystemFonts(), *_packaged()]:
        if path not in known:
            try:
                manager.addfont(path)
            except (OSError, RuntimeError, ValueError):  # not a font that matplotlib can read
                continue
    rank = {name: i for i, name in enumerate(FONTS)}
    regular = {entry.name: entry.fname for entry in manager.ttflist if "last resort" not in entry.name.lower()}
    return [(name, Path(regular[name])) for name in sorted(regular, key=lambda name: (rank.get(name, len(FONTS)), name))]


def _packaged() -> list[str]:
    """Returns the files of the fonts that an installed Python package contains."""
    found = importlib.util.find_spec(FONT_PACKAGE)
    folders = found.submodule_search_locations or [] if found else []
    return [str(path) for folder in folders for path in Path(folder).rglob("*.ttf")]


@cache
def _characters(path: Path) -> frozenset[str]:
    from matplotlib.font_manager import get_font

    try:
        return frozenset(map(chr, get_font(path).get_charmap()))
    except (OSError, RuntimeError):
        return frozenset()
