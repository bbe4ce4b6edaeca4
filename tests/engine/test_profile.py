"""`ag.profile()`: every nanosecond counts once, for the code that used it; counts and bytes are exact; results stay the same.

Most tests use their own clock, which moves only when the test calls `wait`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.primitive import registry
from autograd_mini.state import active_modes, modes
from autograd_mini.testing import Program, programs
from autograd_mini.tools.profile import Profile

MS = 10**6
BATCH, WIDE, HIDDEN, OUT = 32, 20, 8, 3


class Clock:
    """A clock that moves only in `wait`."""

    now = 0

    def __call__(self) -> int:
        return self.now

    def wait(self, milliseconds: int) -> None:
        self.now += milliseconds * MS


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slow(clock: Clock) -> Iterator[Any]:
    """The operation y = 2x, with a kernel that takes 7 ms and a rule that takes 3 ms."""

    def rule(xp: Any, g: Any, y: Any, x: Any) -> Any:
        clock.wait(3)
        return g * 2

    @ag.primitive((rule,), formula="2x", derivative=("2",))
    def slow_double(x: Any) -> Any:
        clock.wait(7)
        return x * 2

    yield slow_double
    del registry["slow_double"]


def network() -> tuple[nn.Module, Any]:
    """Returns a small network and a function that runs a training step."""
    net = nn.Sequential(nn.Linear(WIDE, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, OUT))
    optimizer = nn.SGD(net.parameters(), lr=0.1)
    x = Tensor(np.linspace(-1, 1, BATCH * WIDE, dtype=np.float32).reshape(BATCH, WIDE))
    y = Tensor(np.arange(BATCH) % OUT)

    def step() -> Tensor:
        optimizer.zero_grad()
        loss = nn.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return net, step


def ticking() -> Any:
    """Returns a clock that advances by 1 µs with each reading."""
    return count(0, 1000).__next__


def times(p: Profile) -> dict[tuple[str, str], float]:
    return {(row.name, row.kind): row.milliseconds for row in p.rows}


def total_time(p: Profile) -> float:
    return sum((e.end - e.start) / MS for e in p.events if e.kind == "profile")


# -- time --------------------------------------------------------------------------------------------------------------------


def test_time_counts_for_the_code_that_used_it(clock: Clock, slow: Any):
    """A kernel's time counts for its operation, a rule's for the rule, and that of the user's code for neither."""
    x = Tensor(1.0, requires_grad=True)
    with ag.profile(clock=clock) as p:
        clock.wait(100)
        y = slow(slow(x))
        clock.wait(200)
        y.backward()
        clock.wait(300)
    assert {key: t for key, t in times(p).items() if t} == {
        ("slow_double", "forward"): 14,
        ("slow_double", "backward"): 6,
        ("elsewhere", "python"): 600,
    }


def test_a_module_has_the_time_of_its_code_its_operations_and_their_rules(clock: Clock, slow: Any):
    class Inner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            clock.wait(20)
            return slow(x)

    class Outer(nn.Module):
        def __init__(self) -> None:
            self.inner = Inner()

        def forward(self, x: Tensor) -> Tensor:
            clock.wait(50)
            return slow(self.inner(x))

    with ag.profile(clock=clock) as p:
        slow(Outer()(Tensor(1.0, requires_grad=True))).backward()
    rows = {row.name: (row.layer, row.calls, row.forward, row.backward, row.other, row.python) for row in p.module_rows}
    assert rows == {
        "": ("", 0, 7, 3, 0, 0),
        "Outer": ("Outer", 1, 7, 3, 0, 50),
        "Outer.inner": ("Inner", 1, 7, 3, 0, 20),
    }


def test_a_failed_operation_is_not_counted_but_its_time_is(clock: Clock, slow: Any):
    with ag.profile(clock=clock) as p:
        with pytest.raises(ValueError, match="add"):
            ag.add([1.0, 2.0], [1.0, 2.0, 3.0])
        clock.wait(5)
        slow(1.0)
    assert {(row.name, row.calls, row.milliseconds) for row in p.rows if row.kind != "profiler"} == {
        ("slow_double", 1, 7),
        ("elsewhere", 1, 5),
    }


@pytest.mark.parametrize("create_graph", [False, True])
def test_self_times_add_up_to_the_total(create_graph: bool):
    """In rows, and in modules together with the profiler's time; also if rules run operations themselves."""
    net, step = network()
    with ag.profile(clock=ticking()) as p:
        for _ in range(3):
            step()
        net(np.ones((1, WIDE), np.float32)).sum().backward(create_graph=create_graph)
        ag.checkpoint(lambda x: ag.tanh(net(x)), Tensor(np.ones((1, WIDE), np.float32), requires_grad=True)).sum().backward()
    net.zero_grad()
    assert sum(times(p).values()) == pytest.approx(total_time(p), rel=1e-12)
    assert all(t > 0 for t in times(p).values())
    modules = sum(row.forward + row.backward + row.other + row.python for row in p.module_rows)
    assert modules + times(p)["profiler", "profiler"] == pytest.approx(total_time(p), rel=1e-12)


def test_spans_and_regions_count_like_operations(clock: Clock):
    with ag.profile(clock=clock) as p:
        with p.region("load data"):
            clock.wait(40)
            start = clock()
            clock.wait(2)
            p.span("matmul", start, clock(), bytes=64, shape=(4, 4))
        clock.wait(1)
    assert times(p) == {
        ("load data", "python"): 40,
        ("matmul", "jit"): 2,
        ("elsewhere", "python"): 1,
        ("profiler", "profiler"): 0,
    }
    assert next(row.bytes for row in p.rows if row.kind == "jit") == 64


def test_a_profile_with_the_real_clock_has_no_negative_times():
    _, step = network()
    with ag.profile() as p:
        step()
    assert total_time(p) > 0
    assert all(row.milliseconds >= 0 for row in p.rows)


# -- counts and bytes --------------------------------------------------------------------------------------------------------


def test_counts_of_calls_are_exact():
    net, step = network()
    with ag.profile(clock=ticking()) as p:
        for _ in range(4):
            step()
    calls = {(row.name, row.kind): row.calls for row in p.rows}
    expected = {("linear", 8), ("relu", 4), ("softmax_cross_entropy", 4), ("mean", 4)}
    for kind in ("forward", "backward"):
        assert {(name, n) for (name, k), n in calls.items() if k == kind} == expected
    assert calls["update", "effect"] == 4 * len(list(net.parameters()))
    assert calls["in modules", "python"] == 4 * 4
    assert calls["in backward", "python"] == 4
    assert calls["elsewhere", "python"] == 1
    assert {row.name: row.calls for row in p.module_rows} == {
        "": 0, "Sequential": 4, "Sequential.0": 4, "Sequential.1": 4, "Sequential.2": 4,
    }  # fmt: skip


def test_bytes_count_new_arrays_only():
    """Results and gradients count; a view, a gradient that is passed on, and memory that was counted before do not."""
    x = Tensor(np.ones((6, 4)), requires_grad=True)
    with ag.profile() as p:
        ag.transpose(ag.reshape(x, (4, 6))).sum().backward()
        (x + x).sum().backward()
        ag.exp(x)
    new_bytes = {(row.name, row.kind): row.bytes for row in p.rows}
    assert new_bytes["reshape", "forward"] == new_bytes["transpose", "forward"] == 0
    assert new_bytes["reshape", "backward"] == new_bytes["transpose", "backward"] == 0
    assert new_bytes["add", "forward"] == new_bytes["exp", "forward"] == 6 * 4 * 8
    assert new_bytes["add", "backward"] == 0
    assert new_bytes["sum", "forward"] == 2 * 8


def test_bytes_of_a_network_are_exact_for_each_module():
    net, _ = network()
    with ag.profile() as p:
        net(np.ones((BATCH, WIDE), np.float32)).sum().backward()
    new_bytes = {row.name: row.bytes for row in p.module_rows}
    forward = {0: BATCH * HIDDEN, 1: BATCH * HIDDEN, 2: BATCH * OUT}
    # gradients for weight and bias, and for the input if it requires one
    backward = {0: HIDDEN * (WIDE + 1), 1: BATCH * HIDDEN, 2: OUT * (HIDDEN + 1) + BATCH * HIDDEN}
    assert {i: new_bytes[f"Sequential.{i}"] for i in forward} == {i: 4 * (forward[i] + backward[i]) for i in forward}


def test_modules_have_distinct_names():
    """A second network of the same class has a number, a shared layer its first path; a child called alone is a root."""
    shared = nn.Linear(2, 2)
    first, second = nn.Sequential(shared, shared), nn.Sequential(nn.ReLU(), nn.Tanh())
    x = np.ones((1, 2), np.float32)
    with ag.profile() as p:
        second[1](x), first(x), second(x), first(x)
    assert {row.name: row.calls for row in p.module_rows if row.name} == {
        "Tanh": 2, "Sequential": 2, "Sequential.0": 4, "Sequential 2": 1, "Sequential 2.0": 1,
    }  # fmt: skip


# -- unchanged behaviour ----------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(programs())
def test_results_are_the_same_with_and_without_a_profile(program: Program):
    """Values and gradients of random programs, bit for bit; self times add up to the total."""

    def run() -> list[Any]:
        inputs = [Tensor(x, requires_grad=True) for x in program.inputs]
        outputs = [y for y in program(*inputs) if y.requires_grad]
        seeds = [np.ones(y.shape, y.dtype) for y in outputs]
        grads = ag.grad(outputs, inputs, seeds, allow_unused=True) if outputs else []
        return [None if t is None else t.data for t in (*outputs, *grads)]

    plain = run()
    with ag.profile(clock=ticking()) as p:
        watched = run()
    for a, b in zip(plain, watched, strict=True):
        np.testing.assert_array_equal(a, b)
    assert sum(times(p).values()) == pytest.approx(total_time(p), rel=1e-12)


def test_training_is_the_same_with_and_without_a_profile():
    losses = []
    for watch in (False, True):
        ag.manual_seed(0)
        _, step = network()
        if watch:
            with ag.profile():
                losses.append([step().item() for _ in range(5)])
        else:
            losses.append([step().item() for _ in range(5)])
    assert losses[0] == losses[1]


def test_the_mode_ends_after_an_exception():
    def fail() -> None:
        with ag.profile(clock=ticking()) as p:
            opened.append(p)
            nn.Linear(2, 3)(np.ones((4, 5), np.float32))

    opened: list[Profile] = []
    with pytest.raises(ValueError, match="linear"):
        fail()
    assert modes().all_default
    assert modes().profiler is None
    assert not active_modes
    events = len(opened[0].events)
    ag.tanh(1.0)
    assert len(opened[0].events) == events
    assert [(e.name, e.kind) for e in opened[0].events] == [("Linear", "module"), ("profile", "profile")]


def test_only_the_thread_that_opened_it_is_profiled():
    def work() -> None:
        ag.tanh(1.0)
        with ag.profile() as p:
            ag.exp(1.0)
        inside.append(p)

    inside: list[Profile] = []
    with ag.profile() as p:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        ag.sin(1.0)
    assert [row.name for row in p.rows if row.kind == "forward"] == ["sin"]
    assert [row.name for row in inside[0].rows if row.kind == "forward"] == ["exp"]


def test_a_second_profile_in_the_same_thread_raises():
    with ag.profile() as p:
        with pytest.raises(RuntimeError, match="already"), ag.profile():
            pass
        ag.tanh(1.0)
    assert [row.name for row in p.rows if row.kind == "forward"] == ["tanh"]


def test_other_modes_work_during_a_profile():
    x = Tensor([1.0, 0.0], requires_grad=True)
    with ag.profile() as p, ag.no_grad():
        assert not (x * x).requires_grad
    with ag.profile(), ag.detect_anomaly(), np.errstate(divide="ignore"), pytest.raises(FloatingPointError):
        ag.log(x)
    assert [row.calls for row in p.rows if row.name == "multiply"] == [1]


# -- text and trace ------------------------------------------------------------------------------------------------------------


def test_the_table_is_sorted_and_sums_up_rows_beyond_the_limit(clock: Clock, slow: Any):
    with ag.profile(clock=clock) as p:
        slow(1.0)
        ag.tanh(1.0), ag.tanh(1.0), ag.exp(1.0)
        clock.wait(3)
    lines = p.table(limit=2).splitlines()
    assert [line.split()[0] for line in lines] == ["operation", lines[1].split()[0], "slow_double", "elsewhere", "3", "total"]
    assert "70.0%" in lines[2]
    assert lines[-1].split()[1:3] == ["10.000", "100.0%"]
    assert p.table(sort="name", limit=None).splitlines()[2].startswith("elsewhere")
    assert p.table(sort="calls").splitlines()[3].startswith("tanh")
    assert str(p) == p.table()
    with pytest.raises(ValueError, match="time, calls, bytes, name"):
        p.table(sort="size")


def test_an_open_empty_profile_can_be_printed():
    with ag.profile() as p:
        assert p.table().splitlines()[-1].startswith("total")
        assert p.by_module().startswith("module")


def test_the_events_of_a_trace_are_nested(tmp_path: Path):
    """Complete events in microseconds on one thread of one process; two events are nested or disjoint."""
    _, step = network()
    with ag.profile() as p:
        step()
    p.save(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert len(events) == len(p.events)
    assert {e["ph"] for e in events} == {"X"}
    assert len({(e["pid"], e["tid"]) for e in events}) == 1
    enclosing: list[dict[str, Any]] = []
    above: dict[str, list[str]] = {}
    for event in events:  # in order of their starts
        while enclosing and enclosing[-1]["ts"] + enclosing[-1]["dur"] <= event["ts"]:
            enclosing.pop()
        assert all(event["ts"] + event["dur"] <= outer["ts"] + outer["dur"] for outer in enclosing)
        above.setdefault(f"{event['cat']} {event['name']}", [outer["name"] for outer in enclosing])
        enclosing.append(event)
    assert above["forward relu"] == ["profile", "Sequential", "Sequential.1"]
    assert above["backward relu"] == ["profile", "backward"]
    assert all(a["ts"] <= b["ts"] for a, b in pairwise(events))
    linear = next(e for e in events if e["name"] == "linear" and e["cat"] == "forward")
    assert linear["args"]["inputs"] == [[BATCH, WIDE], [HIDDEN, WIDE], [HIDDEN]]
    assert linear["args"]["outputs"] == [[BATCH, HIDDEN]]
    assert linear["args"]["bytes"] == 4 * BATCH * HIDDEN


def test_neighbours_do_not_overlap_in_a_reader_that_truncates_floats(tmp_path: Path):
    """Perfetto discards overlapping events, even if the overlap is one nanosecond."""
    p = Profile(clock=ticking())
    edges = [7 * n * n + n for n in range(2000)]
    for start, end in pairwise(edges):
        p.span("step", start, end)
    p.save(tmp_path / "trace.json")
    read = [
        (int(e["ts"] * 1000), int(e["dur"] * 1000)) for e in json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    ]
    assert [(ts, ts + dur) for ts, dur in read] == list(pairwise(edges))


def test_a_trace_is_written_completely_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """If writing fails, because of an unknown type or at the last step, the old file is unchanged and no file is added."""

    def fail(*paths: object) -> None:
        raise OSError("no space left")

    path = tmp_path / "trace.json"
    path.write_text("before")
    with ag.profile() as good:
        pass
    with ag.profile() as odd:
        odd.span("odd", odd.clock(), odd.clock(), shape=object())
    with pytest.raises(TypeError):
        odd.save(path)
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", fail)
        with pytest.raises(OSError, match="no space"):
            good.save(path)
    with pytest.raises(FileNotFoundError):
        good.save(tmp_path / "missing" / "trace.json")
    assert path.read_text() == "before"
    assert [f.name for f in tmp_path.iterdir()] == ["trace.json"]
    good.save(path)
    assert path.read_text().startswith("{")
