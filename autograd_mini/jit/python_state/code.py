"""What the code of a function names, and which code belongs to a library."""

from __future__ import annotations

import dis
import sys
from functools import cache, lru_cache
from itertools import pairwise
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple

_GLOBALS: Final = ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL")
_ATTRIBUTES: Final = ("LOAD_ATTR", "LOAD_METHOD")
_GETTERS: Final = ("getattr", "hasattr", "setattr", "delattr")
_COMPUTES: Final = ("BINARY_OP", "BINARY_SUBSCR", "BUILD_STRING", "FORMAT_")

MADE_BY_PYTHON: Final = 1 << 9
"""The flag of types that a `class` statement made."""


class Names(NamedTuple):
    """What code names, inner functions included.

    loaded   the globals that it loads or sets
    named    names and strings that may be attributes
    pairs    a global and an attribute that is read from it at once, such as ("np", "load")
    imports  the modules that it imports
    dynamic  whether it reads attributes by names that it computes
    text     whether it formats values as text
    """

    loaded: tuple[str, ...]
    named: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    imports: frozenset[str]
    dynamic: bool
    text: bool


@lru_cache(maxsize=1024)
def names(code: CodeType) -> Names:
    """Returns what code names.

    >>> from autograd_mini.jit.python_state.code import names
    >>> found = names((lambda x: x.weight * np.load(scale)).__code__)
    >>> found.loaded, sorted(found.named), sorted(found.pairs)
    (('np', 'scale'), ['load', 'np', 'scale', 'weight'], [('np', 'load')])
    """
    steps = list(dis.get_instructions(code))
    # Names with an "@" are not valid Python: pytest puts them into assertions.
    loaded = [step.argval for step in steps if step.opname in _GLOBALS and not step.argval.startswith("@")]
    named = {*code.co_names, *_strings(code.co_consts)}
    pairs = {(a.argval, b.argval) for a, b in pairwise(steps) if a.opname in _GLOBALS and b.opname in _ATTRIBUTES}
    imports = {step.argval for step in steps if step.opname == "IMPORT_NAME"}
    dynamic = any(step.argval in _GETTERS and not _has_constant_name(steps[i:]) for i, step in enumerate(steps))
    text = any(step.opname.startswith("FORMAT_") for step in steps) or not {"str", "repr", "format"}.isdisjoint(loaded)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            more = names(inner)
            loaded += more.loaded
            named |= more.named
            pairs |= more.pairs
            imports |= more.imports
            dynamic, text = dynamic or more.dynamic, text or more.text
    return Names(tuple(dict.fromkeys(loaded)), frozenset(named), frozenset(pairs), frozenset(imports), dynamic, text)


def _strings(constants: Any) -> list[str]:
    """Returns the strings among constants, also those in tuples and frozensets."""
    found = []
    for x in constants:
        found += [x] if isinstance(x, str) else _strings(x) if isinstance(x, (tuple, frozenset)) else []
    return found


def _has_constant_name(steps: list[dis.Instruction]) -> bool:
    """Whether a call such as `getattr(x, "name")` starts here whose name is a constant."""
    call = next((i for i, step in enumerate(steps) if step.opname.startswith("CALL")), 0)
    operands = steps[1:call]
    constant = any(step.opname == "LOAD_CONST" and isinstance(step.argval, str) for step in operands)
    return constant and not any(step.opname.startswith(_COMPUTES) for step in operands)


@cache
def is_library_module(name: str) -> bool:
    """Returns whether a module belongs to this library, to NumPy or to Python. Other packages are like the user's code."""
    top = name.partition(".")[0]
    return top in ("autograd_mini", "numpy") or is_standard_module(name)


def is_standard_module(name: str) -> bool:
    """Returns whether a module belongs to Python."""
    return name.partition(".")[0] in sys.stdlib_module_names


def module_of(thing: Any) -> str:
    """Returns the name of the module of a function, class or object, or that of a module itself; "" if it has none.

    >>> import math
    >>> from autograd_mini.jit.python_state.code import module_of
    >>> module_of(math), module_of(math.sin), module_of(module_of)
    ('math', 'math', 'autograd_mini.jit.python_state.code')
    """
    if isinstance(thing, FunctionType):  # `functools.wraps` copies `__module__`
        name = thing.__globals__.get("__name__")
    else:
        name = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", None)
    return name if isinstance(name, str) else ""


def is_library(thing: Any) -> bool:
    """Returns whether a function, class or module belongs to this library, to NumPy or to Python.

    >>> import math, autograd_mini as ag
    >>> from autograd_mini.jit.python_state.code import is_library
    >>> [is_library(x) for x in (ag.exp, math, 3.0)]
    [True, True, False]
    """
    if not isinstance(thing, (FunctionType, type, ModuleType)):
        return False
    name = module_of(thing)
    if not name:  # some types in C
        return True
    if name == "builtins":  # or of code that `exec` ran without a name
        return not isinstance(thing, FunctionType) and not (isinstance(thing, type) and thing.__flags__ & MADE_BY_PYTHON)
    return is_library_module(name)


def is_standard(kind: type) -> bool:
    """Returns whether a class belongs to Python's own modules, as `argparse.Namespace` does."""
    return is_standard_module(str(kind.__module__))
