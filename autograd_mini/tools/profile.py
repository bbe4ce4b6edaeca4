"""`profile`: where the time of a program goes, by operation and by module, as tables and as a trace that Perfetto opens.

All that is measured are intervals: an operation, from the call of its kernel until its result is recorded; the gradient rule of
one, with its share of the walk; a module's call; a backward pass; the profile itself. They nest, and what the ones inside leave
of an interval is its own. So own times add up to the whole, and the Python code between the operations, the user's and the
framework's, is charged to none of them but stands in rows of its own, as does the work of the profiler.
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

from ..primitive import Primitive
from ..state import mode, modes
from ..tensor import Tensor
from .atomic_files import replacing
from .text_table import aligned, count, fixed

Args: TypeAlias = "tuple[tuple[str, Any], ...]"

_PYTHON: Final = {"profile": "elsewhere", "module": "in modules", "pass": "in backward", "replay": "in replays", "region": ""}
"""The kinds of intervals that surround operations, and what the Python code in them is called; a region's goes by its name."""

_SORTS: Final[dict[str, Callable[[Row], Any]]] = {
    "time": lambda row: -row.milliseconds,
    "calls": lambda row: -row.calls,
    "bytes": lambda row: -row.bytes,
    "name": lambda row: row.name,
}


class Event(NamedTuple):
    """An interval in nanoseconds of the profile's clock, and what the profiler itself then took (`cost`).

    `kind` is "forward" or "backward" for an operation and for its gradient rule, which have the same `seq`; "effect" for one
    that only writes, as optimizers do; "module", "pass" (a backward pass), "replay" (of a plan of `jit`), "region" or "profile"
    for what surrounds them; or the category of a `span`.
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
    """All intervals of one name and kind: how many, their own time, and the bytes of the arrays that they made."""

    name: str
    kind: str
    calls: int
    milliseconds: float
    bytes: int


class ModuleRow(NamedTuple):
    """A module without those inside it: its calls, and its milliseconds by kind, `other` being effects and spans."""

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
    """Measures what this thread does inside, by operation (its gradient rule apart) and by module.

    Gives a `Profile`: print it for the table, `by_module()` for that of modules, `save("trace.json")` for a picture of every
    single call. An operation's time is that of its kernel and of recording it; the Python code in between has rows of its own,
    by where it stands: in modules, in backward passes, or elsewhere (loading data, say). `bytes` are those of new arrays that
    came out: a view makes none, and what a kernel frees again is not seen. `clock` gives integers in nanoseconds. RuntimeError
    inside another profile of the same thread.

    >>> import autograd_mini as ag
    >>> w = ag.Tensor([1.0, 2.0], requires_grad=True)
    >>> with ag.profile() as p:
    ...     (w * w).sum().backward()
    >>> sorted((row.name, row.kind, row.calls, row.bytes) for row in p.rows if row.kind in ("forward", "backward"))
    [('multiply', 'backward', 1, 16), ('multiply', 'forward', 1, 8), ('sum', 'backward', 1, 0), ('sum', 'forward', 1, 4)]
    """
    if modes.profiler is not None:
        raise RuntimeError("profile: this thread is being profiled already; use the profile that is open")
    opened = Profile(clock)
    with mode("profiler", opened), opened.inside("profile", "profile"):
        yield opened


class Profile:
    """The events of one thread within `ag.profile()`, and the tables and the trace that are made of them."""

    def __init__(self, clock: Callable[[], int]):
        self.clock = clock
        self._events: list[tuple[Any, ...]] = []  # nothing in them that the garbage collector would have to look at again
        self._thread = threading.get_native_id()
        self._began = 0  # when the operation that is running began, or else when the last event ended
        self._paths: dict[int, tuple[str, Any]] = {}  # by id of a module, with the module, which keeps the id from a second use
        self._roots: Counter[str] = Counter()

    # -- what reports to it ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The kernel of an operation is about to be called."""
        self._began = self.clock()

    def made(self, primitive: Primitive, inputs: Sequence[Tensor], params: dict[str, Any], out: Tensor) -> None:
        """An operation has its result."""
        end = self.clock()
        given, results = [x._data for x in inputs], _arrays(out._data)
        args = (("inputs", _shapes(given)), ("outputs", _shapes(results)))
        self._note(primitive.name, "forward", self._began, end, _new_bytes(results, given), out._seq, args)

    def acted(self, primitive: Primitive, inputs: Sequence[Tensor]) -> None:
        """An operation that has no result has done what it does."""
        self._note(primitive.name, "effect", self._began, self.clock(), args=(("inputs", _shapes(inputs)),))

    def pulled(self, node: Tensor, g: Any, grads: Sequence[Any], start: int) -> int:
        """The rule of `node`, begun at `start`, has made `grads` from `g`, and they are handed on; gives the time it is now."""
        end = self.clock()
        assert node._primitive is not None
        results = _arrays(grads)
        given = [*(x._data for x in node._inputs), *_arrays(node._data), *_arrays(g)]
        made, args = _new_bytes(results, given), (("outputs", _shapes(results)),)
        return self._note(node._primitive.name, "backward", start, end, made, node._seq, args)

    def span(self, name: str, start: int, end: int, *, category: str = "jit", bytes: int = 0, **args: Any) -> None:
        """Adds an interval between two readings of `clock()`. Intervals must lie inside one another or apart.

        It counts in a row of the kind `category`; `args`, which JSON must know, go with it into the trace.

        >>> import autograd_mini as ag
        >>> with ag.profile() as p:
        ...     start = p.clock()
        ...     p.span("matmul", start, p.clock(), bytes=40, shape=(2, 5))
        >>> [(row.name, row.bytes) for row in p.rows if row.kind == "jit"]
        [('matmul', 40)]
        """
        self._note(name, category, start, end, bytes, args=tuple(args.items()))

    @contextmanager
    def inside(self, name: str, kind: str = "region", **args: Any) -> Iterator[None]:
        """Makes an interval of what runs within; the Python code between its operations gets a row by this name.

        >>> import autograd_mini as ag
        >>> with ag.profile() as p, p.inside("load data"):
        ...     pass
        >>> [row.calls for row in p.rows if row.name == "load data"]
        [1]
        """
        start = self._began = self.clock()
        try:
            yield
        finally:
            self._note(name, kind, start, self.clock(), args=tuple(args.items()))

    def call(self, module: Any) -> AbstractContextManager[None]:
        """The interval of a module's call. Its name is the path to it from the outermost module that was called."""
        if id(module) not in self._paths:
            layer = type(module).__name__
            self._roots[layer] += 1
            root = layer if self._roots[layer] == 1 else f"{layer} {self._roots[layer]}"
            for path, child in module.named_modules():
                self._paths.setdefault(id(child), (f"{root}.{path}" if path else root, child))
        return self.inside(self._paths[id(module)][0], "module", layer=type(module).__name__)

    def _note(self, name: str, kind: str, start: int, end: int, made: int = 0, seq: int = 0, args: Args = ()) -> int:
        self._began = now = self.clock()
        self._events.append((name, kind, start, end, now - end, made, seq, args))
        return now

    # -- what it tells -----------------------------------------------------------------------------------------------------

    @property
    def events(self) -> list[Event]:
        """All events, in the order in which they ended.

        >>> import autograd_mini as ag
        >>> with ag.profile() as p:
        ...     y = ag.tanh([1.0, 2.0])
        >>> p.events[0].name, p.events[0].args
        ('tanh', (('inputs', ((2,),)), ('outputs', ((2,),))))
        """
        return [Event(*event) for event in self._events]

    def _own(self) -> list[tuple[Event, int, str]]:
        """Each event, an outer one before those inside, with the nanoseconds that are its own and the path of its module."""
        events = sorted(self.events, key=lambda e: (e.start, -e.end))
        times, homes = [e.end - e.start for e in events], [""] * len(events)
        around: list[int] = []  # the events that hold this one
        recorded: dict[int, str] = {}  # modules of operations, for their rules
        for i, event in enumerate(events):
            while around and events[around[-1]].end < event.end:
                around.pop()
            if around:
                times[around[-1]] -= event.end - event.start + event.cost
                homes[i] = homes[around[-1]]
            if event.kind == "module":
                homes[i] = event.name
            elif event.kind == "forward":
                recorded[event.seq] = homes[i]
            elif event.kind == "backward":
                homes[i] = recorded.get(event.seq, "")
            around.append(i)
        return list(zip(events, times, homes, strict=True))

    @property
    def rows(self) -> list[Row]:
        """A row for each operation, each gradient rule and each place of Python code. They add up to the time of the whole.

        >>> import autograd_mini as ag
        >>> with ag.profile() as p:
        ...     y = ag.tanh(1.0)
        >>> sorted((row.name, row.kind) for row in p.rows)
        [('elsewhere', 'python'), ('profiler', 'profiler'), ('tanh', 'forward')]
        """
        own = [(event.name, event.kind, own, event.bytes) for event, own, _ in self._own()]
        # The cost of noting the profile itself comes after its end.
        costs = [("profiler", "profiler", event.cost, 0) for event in self.events if event.kind != "profile"]
        sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        for name, kind, nanoseconds, made in own + costs:
            row = sums[(_PYTHON[kind] or name, "python") if kind in _PYTHON else (name, kind)]
            row[:] = row[0] + 1, row[1] + nanoseconds, row[2] + made
        return [Row(name, kind, calls, time / 1e6, made) for (name, kind), (calls, time, made) in sums.items()]

    @property
    def module_rows(self) -> list[ModuleRow]:
        """A row for each module that was called, in the order of the first calls, after one named "" for what is in none.

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
        for event, own, home in self._own():
            kind = "python" if event.kind in _PYTHON else event.kind if event.kind in ModuleRow._fields else "other"
            sums[home].update({kind: own, "bytes": event.bytes, "calls": int(event.kind == "module")})
            if event.kind == "module":
                layers[home] = dict(event.args)["layer"]
        return [
            ModuleRow(
                name, layers.get(name, ""), s["calls"],
                s["forward"] / 1e6, s["backward"] / 1e6, s["other"] / 1e6, s["python"] / 1e6, s["bytes"],
            )
            for name, s in sums.items()
        ]  # fmt: skip

    def table(self, sort: str = "time", limit: int | None = 20) -> str:
        """The rows as text, sorted by "time", "calls", "bytes" or "name"; a last line sums up those beyond `limit`.

        ValueError for another order.

        >>> import autograd_mini as ag
        >>> with ag.profile() as p:
        ...     y = ag.tanh(1.0)
        >>> print(p.table(sort="name").splitlines()[0])
        operation  kind      calls  own ms   share  µs a call  bytes made
        """
        if sort not in _SORTS:
            raise ValueError(f"table: sort must be one of {', '.join(_SORTS)}, got {sort!r}")
        rows = sorted(self.rows, key=_SORTS[sort])
        shown = rows if limit is None else rows[:limit]
        sums = [_total(f"{len(rest)} more", rest)] if (rest := rows[len(shown) :]) else []
        whole = _total("total", rows)
        body = [_cells(row, whole) for row in (*shown, *sums, whole)]
        return aligned(("operation", "kind", "calls", "own ms", "share", "µs a call", "bytes made"), body)

    def by_module(self) -> str:
        """The modules' rows as text: own milliseconds, without those of modules inside, which have rows themselves.

        >>> import autograd_mini as ag
        >>> with ag.profile() as p:
        ...     y = ag.tanh(1.0)
        >>> print(p.by_module().splitlines()[0])
        module          layer  calls  forward ms  backward ms  other ms  python ms  bytes made
        """
        head = ("module", "layer", "calls", "forward ms", "backward ms", "other ms", "python ms", "bytes made")
        body = [
            (row.name or "(in no module)", row.layer, count(row.calls), *map(fixed, row[3:7]), count(row.bytes))
            for row in self.module_rows
        ]
        return aligned(head, body)

    def __repr__(self) -> str:
        return self.table()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a trace in the Trace Event Format, which ui.perfetto.dev and chrome://tracing open, whole or not at all.

        Every event is there as a complete one, with its shapes, bytes and own time. OSError where it cannot be written.

        >>> import json, os, tempfile, autograd_mini as ag
        >>> with ag.profile() as p:
        ...     y = ag.tanh([1.0, 2.0])
        >>> path = os.path.join(tempfile.mkdtemp(), "trace.json")
        >>> p.save(path)
        >>> with open(path) as file:
        ...     [(event["name"], event["args"].get("outputs")) for event in json.load(file)["traceEvents"]]
        [('profile', None), ('tanh', [[2]])]
        """
        import json  # here, and not when the package is imported, as no other part of the engine needs it

        text = json.dumps({"displayTimeUnit": "ns", "traceEvents": self._trace()})
        with replacing(path) as beside:
            beside.write_text(text, encoding="utf-8")

    def _trace(self) -> list[dict[str, Any]]:
        events = self._own()
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
                "args": {**dict(event.args), "bytes": event.bytes, "own_us": own / 1e3},
            }
            for event, own, _ in events
        ]


def _arrays(found: Any) -> tuple[Any, ...]:
    """The arrays and NumPy scalars in a result, which may be one or several; in a recorded pass rules give tensors instead."""
    several = found if isinstance(found, (tuple, list)) else (found,)
    return tuple([x for x in several if isinstance(x, (np.ndarray, np.generic))])


def _shapes(arrays: Iterable[Any]) -> tuple[tuple[int, ...], ...]:
    return tuple([x.shape for x in arrays])


def _new_bytes(results: Iterable[Any], given: Iterable[Any]) -> int:
    """Bytes of the memory that results lie in and that belongs to nothing given."""
    old = [id(_owner(x)) for x in given]
    return sum({id(owner): owner.nbytes for owner in map(_owner, results) if id(owner) not in old}.values())


def _owner(array: Any) -> Any:
    """The array whose memory this one shows."""
    owner = array
    while (array := getattr(array, "base", None)) is not None:
        if isinstance(array, np.ndarray):
            owner = array
    return owner


def _total(name: str, rows: Sequence[Row]) -> Row:
    return Row(name, "", 0, sum(row.milliseconds for row in rows), sum(row.bytes for row in rows))


def _cells(row: Row, whole: Row) -> tuple[str, ...]:
    share, each = row.milliseconds / (whole.milliseconds or 1), 1e3 * row.milliseconds / (row.calls or math.inf)
    return (
        row.name, row.kind, count(row.calls), fixed(row.milliseconds), f"{share:.1%}", fixed(each), count(row.bytes),
    )  # fmt: skip


def _microseconds(nanoseconds: int) -> float:
    """In the trace's unit. The quarter keeps a reader that cuts floats off to nanoseconds from making neighbours overlap."""
    return (nanoseconds + 0.25) / 1e3
