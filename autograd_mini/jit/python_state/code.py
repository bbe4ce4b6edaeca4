"""What the code of a function names, and which code belongs to a library."""

from __future__ import annotations

import dis
import sys
import sysconfig
from functools import cache, lru_cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

_GLOBALS: Final = ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL")

_MADE_BY_PYTHON: Final = 1 << 9
"""The flag of types that a `class` statement made."""


@lru_cache(maxsize=1024)
def names(code: CodeType) -> tuple[tuple[str, ...], frozenset[str]]:
    """Returns the globals that code loads or sets, and all names and strings that may be attributes, inner functions included.

    >>> from autograd_mini.jit.python_state.code import names
    >>> loaded, named = names((lambda x: x.weight * scale).__code__)
    >>> loaded, sorted(named)
    (('scale',), ['scale', 'weight'])
    """
    loaded = [step.argval for step in dis.get_instructions(code) if step.opname in _GLOBALS]
    named = {*code.co_names, *(x for x in code.co_consts if isinstance(x, str))}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            more, also = names(inner)
            loaded += more
            named |= also
    return tuple(dict.fromkeys(loaded)), frozenset(named)


@cache
def _library_folders() -> tuple[str, ...]:
    """Returns the folders of Python's own modules and of installed packages."""
    paths = sysconfig.get_paths()
    return tuple(dict.fromkeys(str(Path(paths[key]).resolve()) for key in ("stdlib", "platstdlib", "purelib", "platlib")))


@cache
def _is_library_module(name: str) -> bool:
    if name == "__main__":  # the file of a tool such as `python -m doctest`, but the user's names
        return False
    top = name.partition(".")[0]
    if top in ("autograd_mini", "numpy") or top in sys.stdlib_module_names:
        return True
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is not None and str(Path(file).resolve()).startswith(_library_folders())


def is_library(thing: Any) -> bool:
    """Returns whether a function, class or module belongs to this library, to Python, or to an installed package.

    >>> import math, autograd_mini as ag
    >>> from autograd_mini.jit.python_state.code import is_library
    >>> [is_library(x) for x in (ag.exp, math, 3.0)]
    [True, True, False]
    """
    if not isinstance(thing, (FunctionType, type, ModuleType)):
        return False
    name = thing.__name__ if isinstance(thing, ModuleType) else thing.__module__
    if not isinstance(name, str):  # some types in C
        return True
    if name == "builtins":  # or of code that `exec` ran without a name
        return not isinstance(thing, FunctionType) and not (isinstance(thing, type) and thing.__flags__ & _MADE_BY_PYTHON)
    return _is_library_module(name)


def is_standard(kind: type) -> bool:
    """Returns whether a class belongs to Python's own modules, as `argparse.Namespace` does."""
    return str(kind.__module__).partition(".")[0] in sys.stdlib_module_names
