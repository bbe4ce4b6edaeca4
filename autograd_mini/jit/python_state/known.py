"""Which parts of Python are known to depend on their arguments only, and which read something that cannot be compared.

What is in neither group is unknown: a compiled function that names it runs eagerly.
"""

from __future__ import annotations

import random
import re
import types
from collections.abc import Iterator
from io import IOBase
from logging import Logger
from operator import attrgetter, itemgetter, methodcaller
from types import BuiltinFunctionType, CellType, FunctionType, ModuleType
from typing import Any, Final

import numpy as np

from ...primitive import Primitive
from . import code

UNSEEN: Final = "whose state cannot be compared"
_PURE_MODULES: Final = frozenset({
    "__future__", "abc", "argparse", "array", "base64", "binascii", "bisect", "builtins", "cmath", "collections",
    "contextlib", "copy", "copyreg", "dataclasses", "difflib", "enum", "fractions", "functools", "hashlib", "heapq",
    "html", "itertools", "json", "keyword", "math", "numbers", "operator", "pickle", "pprint", "random", "re", "reprlib",
    "statistics", "string", "struct", "textwrap", "types", "typing", "zlib",
})  # fmt: skip
"""Modules of Python whose functions and classes read their arguments only. Random streams are compared by themselves."""
_UNSEEN_BUILTINS: Final = frozenset({
    "print", "input", "open", "globals", "locals", "eval", "exec", "compile", "__import__", "breakpoint",
})  # fmt: skip
_UNSEEN_FUNCTIONS: Final = frozenset({
    "load", "loadtxt", "genfromtxt", "fromfile", "memmap", "geterr", "geterrcall", "seterr", "get_printoptions",
    "set_printoptions", "array2string", "array_repr", "array_str", "save", "savez", "savez_compressed", "savetxt",
    "load_metadata",
})  # fmt: skip
"""Functions of NumPy and of this library that read or write files or settings."""
_READ_ALL: Final = frozenset({
    "vars", "dir", "repr", "str", "format", "copy", "deepcopy", "dumps", "asdict", "astuple", "attrgetter",
    "methodcaller",
})  # fmt: skip
"""Functions that may read all attributes of an object."""
_UNSEEN_TYPES: Final = (IOBase, Logger, Iterator, random.SystemRandom)
_CONSTANT_TYPES: Final = (
    itemgetter, re.Pattern, types.MethodDescriptorType, types.WrapperDescriptorType,
    types.ClassMethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType, types.GenericAlias,
    types.UnionType, types.EllipsisType, types.NotImplementedType, types.CodeType, np.ufunc,
    CellType, Primitive, np.random.SeedSequence,
)  # fmt: skip


def why_unseen(value: Any) -> str:
    """Returns why the state behind a value cannot be compared, or an empty string.

    >>> import math, os, threading
    >>> from autograd_mini.jit.python_state.known import why_unseen
    >>> [bool(why_unseen(x)) for x in (math, math.sin, os, iter([]), [], threading.Lock())]
    [False, False, True, True, False, True]
    """
    kind = type(value)
    if any("__getattribute__" in vars(base) for base in kind.__mro__ if not code.is_library(base)):
        return "which computes its attributes"
    if isinstance(value, _UNSEEN_TYPES) or any(_is_foreign(base) for base in kind.__mro__):
        return UNSEEN
    if isinstance(value, (ModuleType, type, FunctionType, BuiltinFunctionType)) and _is_foreign(value):
        return UNSEEN
    return ""


def _is_foreign(thing: Any) -> bool:
    """Whether a module of Python, or something in it, is not known to read its arguments only."""
    name = code.module_of(thing)
    return code.is_standard_module(name) and name.partition(".")[0].lstrip("_") not in _PURE_MODULES


def unseen_use(names: code.Names, scope: dict[str, Any]) -> str:
    """Returns what code calls that reads or writes something that cannot be compared, or an empty string."""
    for name in names.loaded:
        if name in _UNSEEN_BUILTINS and name not in scope:
            return f"calls {name}()"
    for owner, attribute in sorted(names.pairs):
        module = scope.get(owner)
        if attribute in _UNSEEN_FUNCTIONS and isinstance(module, ModuleType) and code.is_library(module):
            return f"calls {owner}.{attribute}()"
    return ""


def reads_all_attributes(names: code.Names) -> bool:
    """Returns whether code may read attributes that it does not name."""
    called = {*names.loaded, *(attribute for owner, attribute in names.pairs if code.is_standard_module(owner))}
    return names.dynamic or "__dict__" in names.named or not _READ_ALL.isdisjoint(called)


def names_attributes(value: Any) -> bool:
    """Returns whether an object reads attributes whose names are stored in C."""
    return isinstance(value, (attrgetter, methodcaller))


def is_constant(value: Any) -> bool:
    """Returns whether an object never changes and refers to nothing that does."""
    return isinstance(value, _CONSTANT_TYPES) or type(value) is object


def is_opaque(value: Any, attributes: dict[str, Any]) -> bool:
    """Returns whether an object without attributes keeps its state in C, as a weak reference does; descriptors have none."""
    if attributes or hasattr(type(value), "__get__"):
        return False
    return not any("__slots__" in vars(base) or "__dict__" in vars(base) for base in type(value).__mro__)
