"""`profile`: shows where the time of a program goes, by operation and by module, as tables and as a trace for Perfetto.

Everything it measures is an interval: an operation, from the call of its kernel until its result is recorded; a gradient rule,
with its part of the backward pass; the call of a module; a backward pass; the profile itself. Intervals nest. The self time of
an interval excludes the intervals inside it, so the self times add up to the total. Python code between the operations, the
user's and the framework's, has its own rows, and so has the work of the profiler.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from ..memory.arena import base_of
from ..primitive import Primitive
from ..state import mode, modes
from ..tensor import Tensor
from .atomic_files import atomic_write
from .plain_text import for_stdout
from .text_table import format_count, format_number, format_table

__all__ = ["profile"]

Args: TypeAlias = "tuple[tuple[str, Any], ...]"

_PYTHON: Final = {"profile": "elsewhere", "module": "in modules", "pass": "in backward", "replay": "in replays", "region": ""}
"""The kinds of intervals that contain operations, and the row for the Python code in them; a region's row has its own name."""

_SORTS: Final[dict[str, Callable[[Row], Any]]] = {
    "time": lambda row: -row.milliseconds,
    "calls": lambda row: -row.calls,
    "bytes": lambda row: -row.bytes,
    "name": lambda row: row.name,
}


class Event(NamedTuple):
    """An interval in nanoseconds of the profile's clock, and the time that the profiler itself then needed (`cost`).

    `kind` is "forward" for an operation and "backward" for its gradient rule, which have the same `seq`; "effect" for an
    operation that only writes, like an optimizer's update; "module", "pass" (a backward pass), "replay" (of a plan of `jit`),
    "region" or "profile" for intervals that contain others; or the category of a `span`.
    """

    name: str
    kind: str
    start: int
    end: int
    cost: int
    bytes: int
    seq: int
    args: Args


class Row(NamedTuple):
    """All intervals of one name and kind: their number, their self time, and the bytes of the arrays that they allocated."""

    name: str
    kind: str
    calls: int
    milliseconds: float
    bytes: int


class ModuleRow(NamedTuple):
    """A module without its submodules: its calls, and its milliseconds by kind. `other` are effects and spans."""

    name: str
    layer: str
    calls: int
    forward: float
    backward: float
    other: float
    python: float
    bytes: int


@contextmanager
def profile(*, clock: Callable[[], int] = time.perf_counter_ns) -> Iterator[Profile]:
    """Measures what this thread does in a `with` block, by operation, by gradient rule and by module.

    The block gets a `Profile`: print it for the table of operations, `by_module()` for that of modules, `save("trace.json")`
    for a picture of every call. The time of an operation includes its kernel and its recording. Python code between operations
    has its own rows, by place: in modules, in backward passes, or elsewhere (loading data, for example). `bytes` counts new
    arrays in results: a view has none, and memory that a kernel frees again is not counted. `clock` returns integers in
    nanoseconds. Raises RuntimeError inside another profile of the same thread.

    >>> import autograd_mini as ag
    >>> w = ag.Tensor([1.0, 2.0], requires_grad=True)
    >>> with ag.profile() as p:
    ...     (w * w).sum().backward()
    >>> sorted((row.name, row.kind, row.calls, row.bytes) for row in p.rows if row.kind in ("forward", "backward"))
    [('multiply', 'backward', 1, 16), ('multiply', 'forward', 1, 8), ('sum', 'backward', 1, 0), ('sum', 'forward', 1, 4)]
    """
    if modes().profiler is not None:
        raise RuntimeError("profile: this thread is already being profiled; close the open profile first, or use it")
    opened = Profile(clock)
    with mode("profiler", opened), opened.region("profile", "profile"):
        yield opened


# Python in a browser has no numbers of the system for its threads.
_thread_number: Final[Callable[[], int]] = getattr(threading, "get_native_id", threading.get_ident)


class Profile:
    """The events of one thread within `ag.profile()`; shows them as tables and as a trace."""

    def __init__(self, clock: Callable[[], int]):
        self.clock = clock
        self._events: list[tuple[Any, ...]] = []  # tuples of plain values: the collector stops tracking them
        self._thread = _thread_number()
        self._began = 0  # when the running operation began, or when the last event ended
        self._paths: dict[int, tuple[str, Any]] = {}  # by id of a module; the module is kept alive, so its id stays unique
        self._roots: Counter[str] = Counter()

    # -- reports of the engine ------------------------------------------------------------------------------------------------

    def start_operation(self) -> None:
        """Starts the clock just before the kernel of an operation is called."""
        self._began = self.clock()

    def record_operation(self, primitive: Primitive, inputs: Sequence[Tensor], params: dict[str, Any], out: Tensor) -> None:
        """Records an operation that has just computed its result."""
        end = self.clock()
        operands, results = [x._data for x in inputs], _arrays(out._data)
        args = (("inputs", _shapes(operands)), ("outputs", _shapes(results)))
        self._record(primitive.name, "forward", self._began, end, _new_bytes(results, operands), out._seq, args)

    def record_effect(self, primitive: Primitive, inputs: Sequence[Tensor]) -> None:
        """Records an operation that writes and has no result."""
        self._record(primitive.name, "effect", self._began, self.clock(), args=(("inputs", _shapes(inputs)),))

    def record_rule(self, node: Tensor, g: Any, grads: Sequence[Any], start: int) -> int:
        """Records the gradient rule of `node` and returns the current time.

        Parameters
        ----------
        node : the result of the operation
        g : the gradient of `node`
        grads : the gradients that the rule computed
        start : when the rule was called
        """
        end = self.clock()
        assert node._primitive is not None
        results = _arrays(grads)
        known = [*(x._data for x in node._inputs), *_arrays(node._data), *_arrays(g)]
        nbytes, args = _new_bytes(results, known), (("outputs", _shapes(results)),)
        return self._record(node._primitive.name, "backward", start, end, nbytes, node._seq, args)

    def span(self, name: str, start: int, end: int, *, category: str = "jit", bytes: int = 0, **args: Any) -> None:
        """Adds an interval between two readings of `clock()`. Two intervals must be nested or disjoint.

        Parameters
        ----------
        name : name of the row
        start, end : readings of `clock()`
        category : kind of the row
        bytes : number of bytes allocated
        args : values that JSON can represent, for the trace

        Examples
        --------
        >>> import autograd_mini as ag
        >>> with ag.profile() as p:
        ...     start = p.clock()
        ...     p.span("matmul", start, p.clock(), bytes=40, shape=(2, 5))
        >>> [(row.name, row.bytes) for row in p.rows if row.kind == "jit"]
        [('matmul', 40)]
        """
        self._record(name, category, start, end, bytes, args=tuple(args.items()))

    @contextmanager
    def region(self, name: str, kind: str = "region", **args: Any) -> Iterator[None]:
        """Records a `with` block as an interval; the Python code between its operations gets a row with this name.

        >>> import autograd_mini as ag
        >>> with ag.profile() as p, p.region("load data"):
        ...     pass
        >>> [row.calls for row in p.rows if row.name == "load data"]
        [1]
        """
        start = self._began = self.clock()
        try:
            yield
        finally:
            self._record(name, kind, start, self.clock(), args=tuple(args.items()))

    def module_call(self, module: Any) -> AbstractContextManager[None]:
        """Records the call of a module as an interval, named by the path from the outermost module that was called."""
        if id(module) not in self._paths:
            layer = type(module).__name__
            self._roots[layer] += 1
            root = layer if self._roots[layer] == 1 else f"{layer} {self._roots[layer]}"
            for path, child in module.named_modules():
                self._paths.setdefault(id(child), (f"{root}.{path}" if path else root, child))
        return self.region(self._paths[id(module)][0], "module", layer=type(module).__name__)

    def _record(self, name: str, kind: str, start: int, end: int, nbytes: int = 0, seq: int = 0, args: Args = ()) -> int:
        self._began = now = self.clock()
        self._events.append((name, kind, start, end, now - end, nbytes, seq, args))
        return now

    # -- tables and the trace --------------------------------------------------------------------------------------------------

    @property
    def events(self) -> list[Event]:
        """All events, in the order of their ends.

        >>> import autograd_mini as ag
        >>> with ag.profile() as p:
        ...     y = ag.tanh([1.0, 2.0])
        >>> p.events[0].name, p.events[0].args
        ('tanh', (('inputs', ((2,),)), ('outputs', ((2,),))))
        """
        return [Event(*event) for event in self._events]

    def _self_times(self) -> list[tuple[Event, int, str]]:
        """Returns each event, an outer one before those inside, with its self time in nanoseconds and its module's path."""
        events = sorted(self.events, key=lambda e: (e.start, -e.end))
        times, modules = [e.end - e.start for e in events], [""] * len(events)
        enclosing: list[int] = []  # the events that contain this one
        module_of: dict[int, str] = {}  # by creation number of an operation, for its rule
        for i, event in enumerate(events):
            while enclosing and events[enclosing[-1]].end < event.end:
                enclosing.pop()
            if enclosing:
                times[enclosing[-1]] -= event.end - event.start + event.cost
                modules[i] = modules[enclosing[-1]]
            if event.kind == "module":
                modules[i] = event.name
            elif event.kind == "forward":
                module_of[event.seq] = modules[i]
            elif event.kind == "backward":
                modules[i] = module_of.get(event.seq, "")
            enclosing.append(i)
        return list(zip(events, times, modules, strict=True))

    @property
    def rows(self) -> list[Row]:
        """A row for each operation, each gradient rule and each place of Python code. Their times add up to the total.

        >>> import autograd_mini as ag
        >>> with ag.profile() as p:
        ...     y = ag.tanh(1.0)
        >>> sorted((row.name, row.kind) for row in p.rows)
        [('elsewhere', 'python'), ('profiler', 'profiler'), ('tanh', 'forward')]
        """
        intervals = [(event.name, event.kind, nanoseconds, event.bytes) for event, nanoseconds, _ in self._self_times()]
        # The cost of recording the profile itself comes after its end.
        costs = [("profiler", "profiler", event.cost, 0) for event in self.events if event.kind != "profile"]
        sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        for name, kind, nanoseconds, nbytes in intervals + costs:
            row = sums[(_PYTHON[kind] or name, "python") if kind in _PYTHON else (name, kind)]
            row[:] = row[0] + 1, row[1] + nanoseconds, row[2] + nbytes
        return [Row(name, kind, calls, time / 1e6, nbytes) for (name, kind), (calls, time, nbytes) in sums.items()]

    @property
    def module_rows(self) -> list[ModuleRow]:
        """A row for each module, in the order of first calls; the first row, named "", is for everything outside of modules.

        >>> import autograd_mini as ag
        >>> from autograd_mini import nn
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        >>> with ag.profile() as p:
        ...     y = net([[1.0, 2.0]])
        >>> [(row.name, row.layer, row.calls, row.bytes) for row in p.module_rows]
        [('', '', 0, 0), ('Sequential', 'Sequential', 1, 0), ('Sequential.0', 'Linear', 1, 12), ('Sequential.1', 'ReLU', 1, 12)]
        """
        sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
        layers: dict[str, str] = {}
        for event, nanoseconds, module in self._self_times():
            kind = "python" if event.kind in _PYTHON else event.kind if event.kind in ModuleRow._fields else "other"
            sums[module].update({kind: nanoseconds, "bytes": event.bytes, "calls": int(event.kind == "module")})
            if event.kind == "module":
                layers[module] = dict(event.args)["layer"]
        return [
            ModuleRow(
                name, layers.get(name, ""), s["calls"],
                s["forward"] / 1e6, s["backward"] / 1e6, s["other"] / 1e6, s["python"] / 1e6, s["bytes"],
            )
            for name, s in sums.items()
        ]  # fmt: skip

    def table(self, sort: str = "time", limit: int | None = 20) -> str:
        """Returns the rows as text, sorted by "time", "calls", "bytes" or "name"; one line sums up the rows beyond `limit`.

        Raises ValueError if `sort` is something else.

        >>> import autograd_mini as ag
        >>> with ag.profile() as p:
        ...     y = ag.tanh(1.0)
        >>> print(p.table(sort="name").splitlines()[0])
        operation  kind      calls  self ms   share  µs per call  new bytes
        """
        if sort not in _SORTS:
            raise ValueError(f"table: sort must be one of {', '.join(_SORTS)}, got {sort!r}")
        rows = sorted(self.rows, key=_SORTS[sort])
        shown = rows if limit is None else rows[:limit]
        sums = [_total(f"{len(rest)} more", rest)] if (rest := rows[len(shown) :]) else []
        whole = _total("total", rows)
        body = [_cells(row, whole) for row in (*shown, *sums, whole)]
        return format_table(("operation", "kind", "calls", "self ms", "share", "µs per call", "new bytes"), body)

    def by_module(self) -> str:
        """Returns the rows of modules as text. The milliseconds of a module exclude its submodules, which have their own rows.

        >>> import autograd_mini as ag
        >>> with ag.profile() as p:
        ...     y = ag.tanh(1.0)
        >>> print(p.by_module().splitlines()[0])
        module  layer  calls  forward ms  backward ms  other ms  python ms  new bytes
        """
        head = ("module", "layer", "calls", "forward ms", "backward ms", "other ms", "python ms", "new bytes")
        body = [
            (row.name or "(none)", row.layer, format_count(row.calls), *map(format_number, row[3:7]), format_count(row.bytes))
            for row in self.module_rows
        ]
        return format_table(head, body)

    def __repr__(self) -> str:
        return for_stdout(self.table())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a trace in the Trace Event Format, which ui.perfetto.dev and chrome://tracing open.

        The trace has every event, with its shapes, bytes and self time. Raises OSError if the file cannot be written; a file
        that was there before is then unchanged.

        >>> import json, os, tempfile, autograd_mini as ag
        >>> with ag.profile() as p:
        ...     y = ag.tanh([1.0, 2.0])
        >>> path = os.path.join(tempfile.mkdtemp(), "trace.json")
        >>> p.save(path)
        >>> with open(path) as file:
        ...     [(event["name"], event["args"].get("outputs")) for event in json.load(file)["traceEvents"]]
        [('profile', None), ('tanh', [[2]])]
        """
        import json  # only needed here, so it does not slow down the import of the package

        text = json.dumps({"displayTimeUnit": "ns", "traceEvents": self._trace()})
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def _trace(self) -> list[dict[str, Any]]:
        events = self._self_times()
        first = min((event.start for event, _, _ in events), default=0)
        return [
            {
                "name": event.name,
                "cat": event.kind,
                "ph": "X",
                "ts": _microseconds(event.start - first),
                "dur": _microseconds(event.end - event.start),
                "pid": os.getpid(),
                "tid": self._thread,
                "args": {**dict(event.args), "bytes": event.bytes, "self_us": nanoseconds / 1e3},
            }
            for event, nanoseconds, _ in events
        ]


def _arrays(result: Any) -> tuple[Any, ...]:
    """Returns the arrays and NumPy scalars in one or several results; tensors, the results of a recorded pass, are left out."""
    results = result if isinstance(result, (tuple, list)) else (result,)
    return tuple([x for x in results if isinstance(x, (np.ndarray, np.generic))])


def _shapes(arrays: Iterable[Any]) -> tuple[tuple[int, ...], ...]:
    return tuple([x.shape for x in arrays])


def _new_bytes(results: Iterable[Any], known: Iterable[Any]) -> int:
    """Returns the bytes of the memory of `results` that belongs to none of the `known` arrays."""
    old = [id(base_of(x)) for x in known]
    return sum({id(base): base.nbytes for base in map(base_of, results) if id(base) not in old}.values())


def _total(name: str, rows: Sequence[Row]) -> Row:
    return Row(name, "", 0, sum(row.milliseconds for row in rows), sum(row.bytes for row in rows))


def _cells(row: Row, whole: Row) -> tuple[str, ...]:
    share, each = row.milliseconds / (whole.milliseconds or 1), 1e3 * row.milliseconds / (row.calls or math.inf)
    numbers = format_count(row.calls), format_number(row.milliseconds), f"{share:.1%}", format_number(each)
    return (row.name, row.kind, *numbers, format_count(row.bytes))


def _microseconds(nanoseconds: int) -> float:
    """Converts to the trace's unit. A quarter is added so that neighbours do not overlap in readers that truncate floats."""
    return (nanoseconds + 0.25) / 1e3
