"""`Probe`: some places in Python that a function can read, what they held, and how they are set again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from operator import is_
from types import CellType
from typing import Any, Final

import numpy as np

PLAIN: Final = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype, range, slice)
"""Types that are compared by value."""
MISSING: Final = object()
MAX_TESTS: Final = 32
"""More places of one owner are compared faster by a loop."""
FLAGS: Final = frozenset({"_training", "_forward_hooks"})
"""Attributes of modules that are guarded one by one, because they may be missing."""


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
    `tests` say the same as `read` in Python code, if there are few places: for each place a test such as
    "{owner}.__code__ is {value}", and its owner.
    """

    __slots__ = ("_write", "keys", "name", "owner", "read", "saved", "tests")

    def __init__(
        self,
        owner: Any,
        name: str,
        keys: Iterable[str],
        read: Callable[[], Any],
        write: Callable[[list[Any]], object],
        tests: Sequence[tuple[str, Any]] = (),
    ):
        self.owner, self.name, self.keys, self.read, self._write = owner, name, list(keys), read, write
        self.tests = tests if len(tests) <= MAX_TESTS else ()
        self.saved: list[Any] = list(read())

    def is_same(self) -> bool:
        """Returns whether the places hold the same objects."""
        try:
            now = self.read()
        except (AttributeError, ValueError):
            return False
        return len(now) == len(self.saved) and all(map(is_, now, self.saved))

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


# -- how places are compared fast ---------------------------------------------------------------------------------------------


def compile_tests(probes: Iterable[Probe]) -> Callable[[], bool]:
    """Returns one function that says whether all places of these probes hold the same objects.

    It is generated code, `lambda: owner_0.__code__ is value_0 and …`, which reads a place five times as fast as a loop.
    It raises an error if a place is gone.
    """
    scope: dict[str, Any] = {"MISSING": MISSING}
    texts: list[str] = []
    for probe in probes:
        for (test, owner), value in zip(probe.tests, probe.saved, strict=True):
            names = {"owner": f"owner_{len(texts)}", "value": f"value_{len(texts)}"}
            scope |= {names["owner"]: owner, names["value"]: value}
            texts.append(test.format(**names))
    same: Callable[[], bool] = eval(f"lambda: {' and '.join(texts) or 'True'}", scope)
    return same


def item_tests(items: Any, keys: Iterable[Any]) -> list[tuple[str, Any]]:
    """Returns tests of the items of a dict or list; a key that is missing in a dict must stay so."""
    tests = []
    for key in keys:
        text = repr(key).replace("{", "{{").replace("}", "}}")
        missing = isinstance(key, str) and key not in items
        tests.append((f"{{owner}}.get({text}, MISSING) is {{value}}" if missing else f"{{owner}}[{text}] is {{value}}", items))
    return tests


def function_tests(function: Any, cells: list[CellType], names: list[str]) -> list[tuple[str, Any]]:
    """Returns tests of what `Surroundings` reads of a function; none if one of its variables has no value yet."""
    if any(read_cell(cell) is MISSING for cell in cells):
        return []
    fields = [(f"{{owner}}.{field} is {{value}}", function) for field in ("__code__", "__defaults__", "__kwdefaults__")]
    values = [("{owner}.cell_contents is {value}", cell) for cell in cells]
    return [*fields, *values, *item_tests(function.__globals__, names)]


# -- how places are set again --------------------------------------------------------------------------------------------------


def set_cells(cells: list[CellType], saved: list[Any]) -> None:
    for cell, value in zip(cells, saved, strict=True):
        if value is MISSING:
            with suppress(ValueError):
                del cell.cell_contents
        else:
            cell.cell_contents = value


def read_cell(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a variable of the enclosing function that has no value yet
        return MISSING


def set_function(function: Any, cells: list[CellType], names: list[str], saved: list[Any]) -> None:
    """Sets what `Surroundings` has read of a function: its code and defaults, its cells, the globals that it names."""
    function.__code__, function.__defaults__, function.__kwdefaults__ = saved[:3]
    set_cells(cells, saved[3 : 3 + len(cells)])
    set_globals(function.__globals__, names, saved[3 + len(cells) :])


def set_globals(scope: dict[str, Any], names: list[str], saved: list[Any]) -> None:
    for name, value in zip(names, saved, strict=True):
        if value is MISSING:
            scope.pop(name, None)
        else:
            scope[name] = value


def set_attributes(owner: Any, names: list[str], saved: list[Any]) -> None:
    for name, value in zip(names, saved, strict=True):
        if value is MISSING:
            with suppress(AttributeError):
                delattr(owner, name)
        elif getattr(owner, name, MISSING) is not value:
            setattr(owner, name, value)


def set_values(attributes: dict[str, Any], keys: list[str], saved: list[Any]) -> None:
    flags = {key: attributes[key] for key in FLAGS & attributes.keys()}
    attributes.clear()
    attributes.update(zip(keys, saved, strict=True))
    attributes.update(flags)


def set_dict(target: dict[Any, Any], saved: list[Any]) -> None:
    half = len(saved) // 2
    target.clear()
    for key, value in zip(saved[:half], saved[half:], strict=True):  # `update` of a Counter adds
        target[key] = value


def set_contents(target: Any, saved: list[Any]) -> None:
    target.clear()
    (target.update if isinstance(target, set) else target.extend)(saved[0])


def set_sequence(target: Any, saved: list[Any]) -> None:
    target.clear()
    target.extend(saved)


def array_state(array: np.ndarray[Any, Any]) -> tuple[Any, ...]:
    """Returns a value that equals another one if an array has the same shape, dtype and elements."""
    contents = tuple(array.ravel().tolist()) if array.dtype.hasobject else array.tobytes()
    return array.shape, array.dtype, contents


def fill(array: np.ndarray[Any, Any], saved: list[Any]) -> None:
    shape, dtype, contents = saved[0]
    if dtype.hasobject:
        flat = np.empty(len(contents), dtype)
        flat[:] = contents
    else:
        flat = np.frombuffer(contents, dtype)
    array[...] = flat.reshape(shape)


def fill_buffer(buffer: Any, saved: list[Any]) -> None:
    memoryview(buffer).cast("B")[:] = saved[0]


class Stream:
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
