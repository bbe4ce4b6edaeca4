"""`Surroundings`: the Python state that a function can read besides its arguments, found before it is traced.

The search starts at the function and follows what its code names: variables of enclosing functions, globals, attributes,
default arguments, methods, and what lists, tuples, dicts and objects contain. Each mutable place becomes a `Probe`, which
remembers what the place held. Three things follow:

- A plan is used only while every place holds the same objects, or equal numbers and strings. Tensors may have new values.
- If the traced run itself changes a place, a replay would not: the change is undone, and the function runs eagerly.
- Some things cannot be remembered: clocks, files, iterators. A function that names one of them runs eagerly, too.

State of the library is not probed: tensors and optimizers are read by each replay, and modules count their changes.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import is_dataclass
from functools import partial
from io import IOBase
from logging import Logger
from operator import is_
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import numpy as np

from ...primitive import Primitive
from ...tensor import Tensor
from . import code

PLAIN: Final = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype, range, slice)
"""Types that are compared by value."""
MISSING: Final = object()
MAX_PLACES: Final = 10_000
"""More places than this take longer to compare than most steps take to run."""

_UNSEEN_MODULES: Final = frozenset({"time", "datetime", "secrets", "uuid"})
_UNSEEN_BUILTINS: Final = frozenset({"print", "input", "open"})
_UNSEEN_TYPES: Final = (IOBase, Logger, Iterator)
_NOT_IN_STEPS: Final = frozenset({"__init__", "__repr__", "__str__", "__del__", "__reduce__", "__getstate__", "__setstate__"})
_FLAGS: Final = frozenset({"_training", "_forward_hooks"})
"""Attributes of modules that are guarded one by one, because they may be missing."""
_CONTAINERS: Final = (list, deque, dict, set, bytearray)


def same_value(a: Any, b: Any) -> bool:
    """Returns whether two objects are the same, or equal numbers, strings or tuples of them. 0.0 and -0.0 differ."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same_value, a, b))
    if isinstance(a, (float, complex, np.inexact)):
        return repr(a) == repr(b)
    return isinstance(a, (*PLAIN, frozenset)) and bool(a == b)


class Probe:
    """Some places of one owner: how they are read, what they held, and how they are set again.

    `owner` is the list, dict, object, … that has the places; `name` says where it is found, and `keys` name its places.
    """

    __slots__ = ("_write", "keys", "name", "owner", "read", "saved")

    def __init__(
        self, owner: Any, name: str, keys: Iterable[str], read: Callable[[], Any], write: Callable[[list[Any]], object]
    ):
        self.owner, self.name, self.keys, self.read, self._write = owner, name, list(keys), read, write
        self.saved: list[Any] = list(read())

    def holds(self) -> bool:
        """Returns whether the places hold what they held, or equal plain values."""
        try:
            now = self.read()
        except (AttributeError, ValueError):  # an attribute or a variable was deleted
            return False
        if len(now) == len(self.saved) and all(map(is_, now, self.saved)):
            return True
        if len(now) != len(self.saved) or not all(map(same_value, now, self.saved)):
            return False
        self.saved = list(now)
        return True

    def changed(self) -> str:
        """Returns the name of the first place that has changed."""
        try:
            now = list(self.read())
        except (AttributeError, ValueError):
            now = []
        for i, (a, b) in enumerate(zip(now, self.saved, strict=False)):
            if not same_value(a, b) and i < len(self.keys):
                return self.keys[i]
        return self.name

    def restore(self) -> None:
        """Sets the places to what they held, unless they still hold it."""
        if not self.holds():
            self._write(self.saved)


class Surroundings:
    """The Python state that `function` can read, as probes.

    probes   compared before each replay
    modules  probes of the attributes of modules, compared only after an attribute of some module was set
    unseen   the name of something that cannot be remembered, or an empty string
    types    whether code asks for `type(x)`, which tells a traced number from a number
    """

    def __init__(self, function: Callable[..., Any], arguments: Iterable[Any] = ()):
        self.probes: list[Probe] = []
        self.modules: list[Probe] = []
        self.unseen = ""
        self.types = False
        self._streams: list[_Stream] = []
        self._reads: list[Callable[[], Any]] = []
        self._expected: list[Any] = []
        self._copies: list[Probe] = []
        self._seen: dict[int, Any] = {}
        self._names: set[str] = {"forward", "training_step"}
        self._owners: dict[int, tuple[Any, str]] = {}  # objects, classes and Python modules: only the attributes named in code
        self._constructed: set[int] = set()  # classes that code names, so it may create objects of them
        self._visited: set[tuple[int, str]] = set()
        self._stack: list[tuple[Any, str]] = [(x, type(x).__name__) for x in arguments]
        self._stack.append((function, getattr(function, "__name__", type(function).__name__)))
        self._search()
        for stream in (random._inst, np.random.mtrand._rand):
            self._add_stream(stream, "Python's random" if stream is random._inst else "np.random")

    # -- use -------------------------------------------------------------------------------------------------------------

    def hold(self) -> bool:
        """Returns whether all places, but those of modules, hold what they held, or equal plain values."""
        now: list[Any] = []
        try:
            if not self._expected:
                self._prepare()
            for read in self._reads:
                now += read()
                now.append(MISSING)
        except (AttributeError, ValueError):  # an attribute or a variable was deleted
            return False
        same = len(now) == len(self._expected) and all(map(is_, now, self._expected))
        if same and not self._copies:
            return True
        if not all(probe.holds() for probe in (self._copies if same else self.probes)):
            return False
        if not same:
            self._prepare()
        return True

    def _prepare(self) -> None:
        """Puts what most probes expect into one list: many objects at once are compared faster than one by one.

        The others read a copy of their places, which is another object each time. MISSING separates the probes.
        """
        read_twice = [(probe, [*probe.read()]) for probe in self.probes]
        self._copies = [probe for probe, now in read_twice if not all(map(is_, now, probe.saved))]
        stable = [probe for probe in self.probes if probe not in self._copies]
        self._reads = [probe.read for probe in stable]
        self._expected = [x for probe in stable for x in (*probe.saved, MISSING)]

    def modules_hold(self) -> bool:
        """Returns whether the attributes of all modules are unchanged."""
        return all(probe.holds() for probe in self.modules)

    def forget(self, is_live: Callable[[Any], bool]) -> None:
        """Drops the probes of owners that each replay reads or writes itself."""
        self.probes = [probe for probe in self.probes if not is_live(probe.owner)]
        self.modules = [probe for probe in self.modules if not is_live(probe.owner)]

    def changed(self) -> list[str]:
        """Returns the names of the places, and of the random streams, that have changed."""
        return [place.changed() for place in self._places() if not place.holds()]

    def restore(self) -> None:
        """Sets all places and random streams to their state before the traced run."""
        for place in self._places():
            place.restore()

    def _places(self) -> Iterable[Probe | _Stream]:
        return [*self.probes, *self.modules, *self._streams]

    # -- search ----------------------------------------------------------------------------------------------------------

    def _search(self) -> None:
        """Visits everything on the stack, then the attributes that the code found so far names, until nothing is new."""
        while not self.unseen:
            while self._stack and not self.unseen:
                self._visit(*self._stack.pop())
            if not self._push_named_attributes():
                break
        for owner, name in self._owners.values():
            self._probe_attributes(owner, name)
        self._seen.clear()
        if not self.unseen and (count := sum(len(probe.saved) for probe in self.probes)) > MAX_PLACES:
            largest = max(self.probes, key=lambda probe: len(probe.saved))
            self.unseen = f"reads {count:,} places in Python, most of them in {largest.name}, which takes too long to compare"

    def _visit(self, value: Any, name: str) -> None:
        if isinstance(value, (*PLAIN, Tensor, Primitive, np.ufunc, CellType)) or id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if _is_unseen(value):
            self.unseen = f"uses {name}, whose state cannot be compared"
        elif isinstance(value, FunctionType):
            self._visit_function(value, name)
        elif isinstance(value, MethodType):
            self._push(("", value.__func__), ("", value.__self__), name=name)
        elif isinstance(value, partial):
            self._push(("", value.func), ("", value.args), ("", value.keywords), name=name)
        elif isinstance(value, (staticmethod, classmethod)):
            self._push(("", value.__func__), name=name)
        elif isinstance(value, property):
            self._push(("", value.fget), name=name)
        elif isinstance(value, np.ndarray):
            self._add(value, name, [name], lambda: ((value.shape, value.dtype, value.tobytes()),), partial(_fill, value))
        elif isinstance(value, (random.Random, np.random.Generator, np.random.RandomState)):
            self._add_stream(value, name)
        elif isinstance(value, (tuple, frozenset)):
            self._push(*[(f"[{i}]", x) for i, x in enumerate(value)], name=name)
        elif isinstance(value, _CONTAINERS):
            self._visit_container(value, name)
        elif isinstance(value, BuiltinFunctionType):
            self._push(("", value.__self__), name=name)  # such as `losses.append`
        elif isinstance(value, (ModuleType, type)):
            if not code.is_library(value):
                self._owners[id(value)] = value, name
                self._constructed.add(id(value))
        else:
            self._visit_object(value, name)

    def _push(self, *parts: tuple[str, Any], name: str) -> None:
        self._stack += [(value, name + suffix) for suffix, value in parts]

    def _visit_function(self, function: FunctionType, name: str) -> None:
        cells = [cell for cell in function.__closure__ or () if _has_contents(cell)]
        contents = [cell.cell_contents for cell in cells]
        if any(isinstance(x, Primitive) for x in contents):  # an operation: each replay runs its kernel
            return
        variables = function.__code__.co_freevars
        self._stack += [(x, label) for x, label in zip(contents, variables, strict=False)]
        loaded, named = code.names(function.__code__)
        self._names |= named  # also of the library, which calls methods of the user's classes
        if code.is_library(function):
            return
        if cells:
            self._add(function, name, variables, lambda: [cell.cell_contents for cell in cells], partial(_set_cells, cells))
        self._push(("", function.__defaults__), ("", function.__kwdefaults__), name=name)
        if vars(function):
            self._owners[id(function)] = function, name
        scope = function.__globals__
        self.types |= "type" in loaded and "type" not in scope
        found = [n for n in loaded if n in scope]
        if unseen := sorted(_UNSEEN_BUILTINS.intersection(loaded).difference(scope)):
            self.unseen = f"calls {unseen[0]}()"
        probed = [n for n in found if not code.is_library(scope[n])]
        if probed:
            self._add(
                function, name, probed, lambda: [scope.get(n, MISSING) for n in probed], partial(_set_items, scope, probed)
            )
        self._stack += [(scope[n], n) for n in found]

    def _visit_container(self, value: Any, name: str) -> None:
        if isinstance(value, dict):
            keys = [f"{name}[{key!r}]" for key in value]
            self._add(value, name, [*keys, *keys], lambda: [*value, *value.values()], partial(_set_dict, value))
            self._stack += zip(value.values(), keys, strict=True)
        elif isinstance(value, (set, bytearray)):
            immutable = frozenset if isinstance(value, set) else bytes
            self._add(value, name, [name], lambda: (immutable(value),), partial(_set_contents, value))
        else:
            keys = [f"{name}[{i}]" for i in range(len(value))]
            self._add(value, name, keys, lambda: value, partial(_set_sequence, value))
            self._stack += zip(value, keys, strict=True)

    def _visit_object(self, value: Any, name: str) -> None:
        if hasattr(value, "__wrapped__"):
            self._push(("", value.__wrapped__), name=name)
        is_module = hasattr(value, "guard_attributes")
        library = code.is_library(type(value)) and not code.is_standard(type(value))
        if hasattr(value, "param_groups") or (library and not is_module and not is_dataclass(value)):
            return  # each replay reads the state of optimizers and schedules
        for kind in type(value).__mro__:
            if not code.is_library(kind):
                self._owners[id(kind)] = kind, kind.__name__
        if is_module:
            if not library:
                self._names |= _inherited_names(type(value))
            self._visit_module(value, name)
        elif getattr(type(value), "__dataclass_params__", None) and type(value).__dataclass_params__.frozen:
            self._stack += [(x, f"{name}.{key}") for key, x in _attributes(value).items()]
        else:
            self._owners[id(value)] = value, name

    def _visit_module(self, module: Any, name: str) -> None:
        attributes = vars(module)
        keys = [key for key in attributes if key not in _FLAGS]
        names = [f"{name}.{key}" for key in keys]
        read = lambda: [x for key, x in attributes.items() if key not in _FLAGS]
        self.modules.append(Probe(module, name, names, read, partial(_set_values, attributes, keys)))
        self._stack += [(x, f"{name}.{key}") for key, x in attributes.items() if key != "_items"]
        items = attributes.get("_items", ())  # replaced, not mutated, by a change
        self._stack += [(x, f"{name}.{key}") for key, x in (items.items() if isinstance(items, dict) else enumerate(items))]

    def _push_named_attributes(self) -> bool:
        """Puts attributes on the stack that code has named since the last time; returns whether there are any."""
        before = len(self._visited)
        for owner, name in list(self._owners.values()):
            for key, value in _attributes(owner).items():
                if (id(owner), key) not in self._visited and self._is_named(owner, key):
                    self._visited.add((id(owner), key))
                    self._stack.append((value, f"{name}.{key}"))
        return len(self._visited) > before

    def _is_named(self, owner: Any, key: str) -> bool:
        """Whether code may read an attribute; library code may read all fields of a dataclass."""
        special = isinstance(owner, type) and key.startswith("__") and isinstance(vars(owner)[key], FunctionType)
        if special and vars(owner)[key].__code__.co_filename == "<string>":  # generated, for a dataclass
            return False
        if special:
            return key not in _NOT_IN_STEPS or (key == "__init__" and id(owner) in self._constructed)
        return key in self._names or (is_dataclass(owner) and not isinstance(owner, type))

    def _probe_attributes(self, owner: Any, name: str) -> None:
        """Adds a probe of the attributes that code names; their number shows that an attribute was added."""
        names = sorted(key for key in _attributes(owner) if self._is_named(owner, key))
        keys = [f"{name}.{key}" for key in names]
        if isinstance(owner, (type, ModuleType)):
            if names:
                get = owner.__dict__.get
                self._add(
                    owner, name, keys, lambda: [get(key, MISSING) for key in names], partial(_set_attributes, owner, names)
                )
        elif hasattr(owner, "__dict__"):
            read = lambda: [len(owner.__dict__), *map(owner.__dict__.get, names)]
            self._add(owner, name, [name, *keys], read, lambda saved: _set_attributes(owner, names, saved[1:]))
        elif names:
            self._add(
                owner,
                name,
                keys,
                lambda: [getattr(owner, key, MISSING) for key in names],
                partial(_set_attributes, owner, names),
            )

    def _add(self, *arguments: Any) -> None:
        self.probes.append(Probe(*arguments))

    def _add_stream(self, stream: Any, name: str) -> None:
        self._streams.append(_Stream(stream, f"the random stream of {name}"))


# -- what is searched ----------------------------------------------------------------------------------------------------------


def _is_unseen(value: Any) -> bool:
    """Whether this is a clock, a file, a log or an iterator: reading it again may give something else."""
    if isinstance(value, ModuleType):
        return value.__name__ in _UNSEEN_MODULES
    if isinstance(value, (type, BuiltinFunctionType)):
        return getattr(value, "__module__", "") in _UNSEEN_MODULES
    return isinstance(value, _UNSEEN_TYPES)


def _inherited_names(kind: type) -> frozenset[str]:
    """Returns the names in the library's methods of a class, which may call methods that the user has overridden."""
    methods = [f for base in kind.__mro__ if code.is_library(base) for f in vars(base).values() if isinstance(f, FunctionType)]
    return frozenset().union(*(code.names(f.__code__)[1] for f in methods))


def _has_contents(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a variable of the enclosing function that has no value yet
        return False


def _attributes(owner: Any) -> dict[str, Any]:
    """Returns the attributes of an object, also those in slots."""
    slots = {
        key: getattr(owner, key)
        for kind in type(owner).__mro__
        if not code.is_library(kind)
        for key in _slot_names(kind)
        if hasattr(owner, key)
    }
    return {**slots, **getattr(owner, "__dict__", {})}


def _slot_names(kind: type) -> Iterable[str]:
    slots = vars(kind).get("__slots__", ())
    return [key for key in ((slots,) if isinstance(slots, str) else slots) if not key.startswith("__")]


# -- how places are set again --------------------------------------------------------------------------------------------------


def _set_cells(cells: list[CellType], saved: list[Any]) -> None:
    for cell, value in zip(cells, saved, strict=True):
        cell.cell_contents = value


def _set_items(scope: dict[str, Any], names: list[str], saved: list[Any]) -> None:
    for name, value in zip(names, saved, strict=True):
        scope[name] = value


def _set_attributes(owner: Any, names: list[str], saved: list[Any]) -> None:
    for name, value in zip(names, saved, strict=True):
        setattr(owner, name, value)


def _set_values(attributes: dict[str, Any], keys: list[str], saved: list[Any]) -> None:
    flags = {key: attributes[key] for key in _FLAGS & attributes.keys()}
    attributes.clear()
    attributes.update(zip(keys, saved, strict=True))
    attributes.update(flags)


def _set_dict(target: dict[Any, Any], saved: list[Any]) -> None:
    half = len(saved) // 2
    target.clear()
    target.update(zip(saved[:half], saved[half:], strict=True))


def _set_contents(target: Any, saved: list[Any]) -> None:
    target.clear()
    (target.update if isinstance(target, set) else target.extend)(saved[0])


def _set_sequence(target: Any, saved: list[Any]) -> None:
    target.clear()
    target.extend(saved)


def _fill(array: np.ndarray[Any, Any], saved: list[Any]) -> None:
    shape, dtype, contents = saved[0]
    array[...] = np.frombuffer(contents, dtype).reshape(shape)


class _Stream:
    """A random stream of Python or NumPy, and its state before the traced run."""

    def __init__(self, stream: Any, name: str):
        self.name, self._stream = name, stream
        self._state = self._read()

    def holds(self) -> bool:
        """Returns whether nothing was drawn."""
        return _as_bytes(self._read()) == _as_bytes(self._state)

    def changed(self) -> str:
        return self.name

    def restore(self) -> None:
        """Sets the stream to its state before the traced run."""
        if isinstance(self._stream, random.Random):
            self._stream.setstate(self._state)
        elif isinstance(self._stream, np.random.RandomState):
            self._stream.set_state(self._state)
        else:
            self._stream.bit_generator.state = self._state

    def _read(self) -> Any:
        if isinstance(self._stream, random.Random):
            return self._stream.getstate()
        if isinstance(self._stream, np.random.RandomState):
            return self._stream.get_state(legacy=False)
        return self._stream.bit_generator.state


def _as_bytes(state: Any) -> Any:
    """Returns the state of a random stream with bytes in place of arrays, so that it can be compared."""
    if isinstance(state, dict):
        return {key: _as_bytes(value) for key, value in state.items()}
    return state.tobytes() if isinstance(state, np.ndarray) else state
