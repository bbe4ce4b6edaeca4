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

import array
import random
import sys
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import is_dataclass
from functools import cached_property, partial
from itertools import repeat
from operator import attrgetter
from types import (
    BuiltinFunctionType,
    FunctionType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)
from typing import Any, Final

import numpy as np

from ...primitive import Primitive
from ...tensor import Tensor
from . import code, known, probes
from .probes import FLAGS, MISSING, PLAIN, Probe, Stream

MAX_PLACES: Final = 10_000
"""More places than this take longer to compare than most steps take to run."""

_NOT_IN_STEPS: Final = frozenset({"__init__", "__new__", "__del__", "__reduce__", "__getstate__", "__setstate__"})
_TEXT: Final = frozenset({"__repr__", "__str__", "__format__"})
_CONTAINERS: Final = (list, deque, dict, set)
_FIELDS: Final = attrgetter("__code__", "__defaults__", "__kwdefaults__")
_BUFFERS: Final = (bytearray, memoryview, array.array)
_VIEWS: Final[tuple[type, ...]] = (MappingProxyType, type({}.keys()), type({}.values()), type({}.items()))
_STATE_METHODS: Final = ("get_last_lr",)
"""Methods of the library that return what a replay changes."""


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
        self._streams: list[Stream] = []
        self._tested: list[Probe] = []
        self._compared: list[Probe] = []
        self._same: Callable[[], bool] | None = None
        self._seen: dict[int, Any] = {}
        self._names: set[str] = {"forward", "training_step"}
        self._user_names: set[str] = set()  # those of code outside of libraries
        self._reads_all = self._reads_text = False  # attributes that code does not name, and the text of objects
        self._of_library: dict[int, tuple[Any, str]] = {}  # objects of this library and of NumPy
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
        if self._same is None:
            self._tested = [probe for probe in self.probes if probe.tests]
            self._compared = [probe for probe in self.probes if not probe.tests]
            self._same = probes.compile_tests(self._tested)
        try:
            same = self._same()
        except (AttributeError, LookupError, ValueError):  # an attribute, an item or a variable was deleted
            return False
        if not same and not self._hold_equal_values():
            return False
        return all(map(Probe.holds, self._compared))

    def _hold_equal_values(self) -> bool:
        """Returns whether the places with new objects hold equal plain values; these are compared one by one from now on."""
        renewed = [probe for probe in self._tested if not probe.is_same()]
        if not all(probe.holds() for probe in renewed):
            return False
        self._tested = [probe for probe in self._tested if probe not in renewed]
        self._compared += renewed
        self._same = probes.compile_tests(self._tested)
        return True

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

    def _places(self) -> Iterable[Probe | Stream]:
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
        kind = type(value)
        if kind in PLAIN or kind is Tensor or id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if reason := known.why_unseen(value):
            self.unseen = f"uses {name}, {reason}"
        elif isinstance(value, PLAIN):
            self._visit_subclass(value, name)
        elif known.names_attributes(value):
            self._reads_all = True
        elif known.is_constant(value):
            return
        elif isinstance(value, FunctionType):
            self._visit_function(value, name)
        elif isinstance(value, MethodType):
            self._push(("", value.__func__), ("", value.__self__), name=name)
        elif isinstance(value, partial):
            self._push(("", value.func), ("", value.args), ("", value.keywords), name=name)
            self._own(value, name)
        elif isinstance(value, (staticmethod, classmethod)):
            self._push(("", value.__func__), name=name)
        elif isinstance(value, property):
            self._push(("", value.fget), name=name)
        elif isinstance(value, cached_property):
            self._push(("", value.func), name=name)
        elif isinstance(value, np.ndarray):
            self._add(value, name, [name], lambda: (probes.array_state(value),), partial(probes.fill, value))
            self._push(*([(f"[{i}]", x) for i, x in enumerate(value.flat)] if value.dtype.hasobject else ()), name=name)
            self._visit_subclass(value, name)
        elif isinstance(value, (random.Random, np.random.Generator, np.random.RandomState)):
            self._add_stream(value, name)
        elif isinstance(value, _BUFFERS):
            self._add(value, name, [name], lambda: (bytes(value),), partial(probes.fill_buffer, value))
        elif isinstance(value, _VIEWS):
            self._add(value, name, [name], partial(_items_of, value), lambda saved: None)
            self._stack += [(x, name) for x in _items_of(value)]
        elif isinstance(value, (tuple, frozenset)):
            self._push(*[(f"[{i}]", x) for i, x in enumerate(value)], name=name)
            self._visit_subclass(value, name)
        elif isinstance(value, _CONTAINERS):
            self._visit_container(value, name)
            self._visit_subclass(value, name)
        elif isinstance(value, (BuiltinFunctionType, MethodWrapperType)):
            self._push(("", value.__self__), name=name)  # such as `losses.append`
        elif isinstance(value, (ModuleType, type)):
            if not code.is_library(value):
                self._own(value, name)
                self._constructed.add(id(value))
                self._visit_class(type(value))
        else:
            self._visit_object(value, name)

    def _push(self, *parts: tuple[str, Any], name: str) -> None:
        self._stack += [(value, name + suffix) for suffix, value in parts]

    def _own(self, owner: Any, name: str) -> None:
        """Notes that the attributes of an owner which code names are places."""
        self._owners[id(owner)] = owner, name

    def _visit_function(self, function: FunctionType, name: str) -> None:
        cells = list(function.__closure__ or ())
        contents = [probes.read_cell(cell) for cell in cells]
        if any(isinstance(x, Primitive) for x in contents):  # an operation: each replay runs its kernel
            return
        variables, library = function.__code__.co_freevars, code.is_library(function)
        found = [(x, label) for x, label in zip(contents, variables, strict=False) if x is not MISSING]
        self._stack += [(x, label) for x, label in found if not (library and known.why_unseen(x))]
        names = code.names(function.__code__)
        self._names |= names.named  # also of the library, which calls methods of the user's classes
        if library:
            return
        scope = function.__globals__
        if use := known.unseen_use(names, scope):
            self.unseen = use
        self._user_names |= names.named
        self._reads_all |= known.reads_all_attributes(names)
        self._reads_text |= names.text
        self.types |= "type" in names.loaded and "type" not in scope
        builtins = scope.get("__builtins__", {})
        known_builtins = builtins if isinstance(builtins, dict) else vars(builtins)
        globals_ = [n for n in names.loaded if n in scope or n not in known_builtins]
        keys = ["code", "defaults", "keyword defaults", *variables, *globals_]
        has_empty = any(x is MISSING for x in contents)
        read_cell = probes.read_cell if has_empty else attrgetter("cell_contents")  # which is three times as fast
        read = lambda: [*_FIELDS(function), *map(read_cell, cells), *map(scope.get, globals_, repeat(MISSING))]
        write = partial(probes.set_function, function, cells, globals_)
        self._add(function, name, keys, read, write, probes.function_tests(function, cells, globals_))
        self._push(("", function.__defaults__), ("", function.__kwdefaults__), name=name)
        if vars(function):
            self._own(function, name)
        self._stack += [(scope[n], n) for n in globals_ if n in scope]
        for module in names.imports:
            if module not in sys.modules:
                self.unseen = f"imports {module}"
            else:
                self._stack.append((sys.modules[module], module))

    def _visit_container(self, value: Any, name: str) -> None:
        if isinstance(value, dict):
            keys = [f"{name}[{key!r}]" for key in value]
            self._add(value, name, [*keys, *keys], lambda: [*value, *value.values()], partial(probes.set_dict, value))
            self._stack += zip(value.values(), keys, strict=True)
        elif isinstance(value, set):
            self._add(value, name, [name], lambda: (frozenset(value),), partial(probes.set_contents, value))
        else:
            keys = [f"{name}[{i}]" for i in range(len(value))]
            tests = [(f"len({{owner}}) == {len(value)} and {{owner}}[{i}] is {{value}}", value) for i in range(len(value))]
            self._add(value, name, keys, lambda: value, partial(probes.set_sequence, value), tests)
            self._stack += zip(value, keys, strict=True)

    def _visit_subclass(self, value: Any, name: str) -> None:
        """Visits the attributes that an object of a user's subclass of a builtin type has besides its contents."""
        if not code.is_library(type(value)) or getattr(value, "__dict__", None):
            self._visit_object(value, name)

    def _visit_class(self, kind: type) -> None:
        for base in kind.__mro__:
            if not code.is_library(base):
                self._own(base, base.__name__)

    def _visit_object(self, value: Any, name: str) -> None:
        kind, attributes = type(value), _attributes(value)
        if isinstance(value, BaseException):
            self._add(value, name, [f"{name}.args"], lambda: (value.args,), lambda saved: setattr(value, "args", saved[0]))
        if "__wrapped__" in attributes:
            self._push(("", attributes["__wrapped__"]), name=name)
        self._visit_class(kind)
        self._visit_class(type(kind))
        if known.is_opaque(value, attributes):
            self.unseen = f"uses {name}, {known.UNSEEN}"
        elif hasattr(kind, "guard_attributes"):
            self._visit_module(value, name)
        elif code.is_library(kind) and not code.is_standard(kind) and not is_dataclass(value):
            self._of_library[id(value)] = value, name  # each replay reads the state of optimizers and schedules
        else:
            self._own(value, name)

    def _visit_module(self, module: Any, name: str) -> None:
        if not code.is_library(type(module)):
            self._names |= _inherited_names(type(module))
        attributes = vars(module)
        keys = [key for key in attributes if key not in FLAGS]
        names = [f"{name}.{key}" for key in keys]
        read = lambda: [x for key, x in attributes.items() if key not in FLAGS]
        self.modules.append(Probe(module, name, names, read, partial(probes.set_values, attributes, keys)))
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
        for owner, name in list(self._of_library.values()):
            self._probe_library_object(owner, name)
        return len(self._visited) > before

    def _is_named(self, owner: Any, key: str) -> bool:
        """Whether code may read an attribute; library code may read all fields of a dataclass."""
        if isinstance(owner, type):
            return self._is_method_in_steps(owner, key) or (key in self._names and not _is_special(key))
        if isinstance(owner, ModuleType):
            return key == "__getattr__" or (not _is_special(key) and (key in self._names or self._reads_all))
        whole = code.is_standard(type(owner)) and not _is_namespace(owner)
        return key in self._names or self._reads_all or whole or is_dataclass(owner)

    def _is_method_in_steps(self, owner: type, key: str) -> bool:
        """Whether Python calls a special method without its name in the code."""
        method = vars(owner)[key]
        function = getattr(method, "__func__", method)
        if not _is_special(key) or not isinstance(function, FunctionType):
            return self._reads_all and not _is_special(key)
        if is_dataclass(owner) and function.__code__.co_filename == "<string>":  # generated
            return False
        if key in _TEXT:
            return self._reads_text
        return key not in _NOT_IN_STEPS or (key in ("__init__", "__new__") and id(owner) in self._constructed)

    def _probe_attributes(self, owner: Any, name: str) -> None:
        """Adds a probe of the attributes that code names; their number shows that an attribute was added."""
        names = sorted(key for key in _attributes(owner) if self._is_named(owner, key))
        keys = [f"{name}.{key}" for key in names]
        write = lambda saved: probes.set_attributes(owner, names, saved[1:])
        if isinstance(owner, (type, ModuleType)):
            get = owner.__dict__.get
            first = (lambda: owner.__bases__) if isinstance(owner, type) else (lambda: None)
            tests: list[tuple[str, Any]] = [("{owner}.__bases__ is {value}" if isinstance(owner, type) else "True", owner)]
            tests += probes.item_tests(owner.__dict__, names)
            self._add(owner, name, [name, *keys], lambda: [first(), *[get(key, MISSING) for key in names]], write, tests)
        elif (attributes := _dict_of(owner)) is not None and not _slots_of(owner):
            keys, write = [name, name, *keys], lambda saved: probes.set_attributes(owner, names, saved[2:])
            tests = [("len({owner}) == {value}", attributes), ("type({owner}) is {value}", owner)]
            tests += probes.item_tests(attributes, names)
            self._add(owner, name, keys, lambda: [len(attributes), type(owner), *map(attributes.get, names)], write, tests)
        else:
            read = lambda: [type(owner), *[getattr(owner, key, MISSING) for key in names]]
            self._add(owner, name, [name, *keys], read, write)

    def _probe_library_object(self, owner: Any, name: str) -> None:
        """Adds probes of what code reads of an object of the library, such as `optimizer.param_groups[0]["lr"]`.

        They are not dropped if a replay changes these places itself, because the code has read them in Python.
        """
        for key in ("param_groups", *_STATE_METHODS, *_attributes(owner)):
            if key not in self._user_names or (id(owner), key) in self._visited or not hasattr(owner, key):
                continue
            self._visited.add((id(owner), key))
            value, label = getattr(owner, key), f"{name}.{key}"
            if key in _STATE_METHODS:
                self._add(None, name, [f"{label}()"], lambda method=value: (tuple(method()),), lambda saved: None)
            elif key == "param_groups":
                for i, group in enumerate(value):
                    self._probe_plain_items(group, f"{label}[{i}]")
            elif isinstance(value, PLAIN):
                self._add(
                    None, name, [label], partial(_read_attribute, owner, key), partial(probes.set_attributes, owner, [key])
                )

    def _probe_plain_items(self, group: dict[str, Any], name: str) -> None:
        keys = [key for key, value in group.items() if isinstance(value, PLAIN)]
        read = lambda: [group.get(key, MISSING) for key in keys]
        self._add(None, name, [f"{name}[{key!r}]" for key in keys], read, partial(probes.set_globals, group, keys))

    def _add(self, *arguments: Any) -> None:
        self.probes.append(Probe(*arguments))

    def _add_stream(self, stream: Any, name: str) -> None:
        self._streams.append(Stream(stream, f"the random stream of {name}"))


# -- what is searched ----------------------------------------------------------------------------------------------------------


def _inherited_names(kind: type) -> frozenset[str]:
    """Returns the names in the library's methods of a class, which may call methods that the user has overridden."""
    methods = [f for base in kind.__mro__ if code.is_library(base) for f in vars(base).values() if isinstance(f, FunctionType)]
    return frozenset().union(*(code.names(f.__code__).named for f in methods))


def _items_of(view: Any) -> list[Any]:
    """Returns what a view of a dict shows."""
    return [*view, *view.values()] if isinstance(view, MappingProxyType) else list(view)


def _read_attribute(owner: Any, key: str) -> list[Any]:
    return [getattr(owner, key, MISSING)]


def _is_special(key: str) -> bool:
    """Whether a name is one of Python's own, such as `__dict__`."""
    return key.startswith("__") and key.endswith("__")


def _is_namespace(owner: Any) -> bool:
    """Whether this is a namespace of Python, of which only the attributes that code names count."""
    return type(owner).__name__ in ("Namespace", "SimpleNamespace", "partial")


def _dict_of(owner: Any) -> dict[str, Any] | None:
    """Returns the attributes in the dict of an object, without calling methods of its class."""
    try:
        return vars(owner) if isinstance(owner, type) else object.__getattribute__(owner, "__dict__")  # type: ignore[return-value]
    except AttributeError:
        return None


def _slots_of(owner: Any) -> list[str]:
    """Returns the names of the slots of an object."""
    kinds = [kind for kind in type(owner).__mro__ if code.module_of(kind) != "builtins"]
    slots = [key for kind in kinds for key, value in vars(kind).items() if isinstance(value, MemberDescriptorType)]
    return [key for key in slots if not (key.startswith("__") and key.endswith("__"))]


def _attributes(owner: Any) -> dict[str, Any]:
    """Returns the attributes of an object, also those in slots."""
    slots = (
        {} if isinstance(owner, (type, ModuleType)) else {k: getattr(owner, k) for k in _slots_of(owner) if hasattr(owner, k)}
    )
    return {**slots, **(_dict_of(owner) or {})}
