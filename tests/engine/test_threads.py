"""Work in two halves: the same bits with and without a second thread, exceptions, and the restored BLAS threads."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import threadpoolctl
from hypothesis import given, settings
from samples.conv import geometry
from samples.pool import pools

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.memory import threads as threads_module
from autograd_mini.memory.threads import MIN_SPLIT_NS, split_work
from autograd_mini.nn.data.prefetch import load_ahead
from autograd_mini.primitive import arrays
from autograd_mini.testing import arrays as draw_arrays


@pytest.fixture(autouse=True)
def split_all_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_module, "MIN_SPLIT_NS", -math.inf)


def thread_names() -> list[str]:
    """Returns the names of the threads that processed the halves."""
    return split_work(lambda part: threading.current_thread().name, 4, MIN_SPLIT_NS)


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}


def test_the_halves_cover_all_items_in_order() -> None:
    for count in range(6):
        with ag.threads(2):
            halves = split_work(lambda part, count=count: list(range(count))[part], count, MIN_SPLIT_NS)
        assert [k for half in halves for k in half] == list(range(count))
        assert len(halves) == 1 + (count > 1)


def test_small_work_is_not_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_module, "MIN_SPLIT_NS", 10)
    with ag.threads(2):
        assert split_work(lambda part: part, 4, 9) == [slice(0, 4)]
        assert split_work(lambda part: part, 4, 10) == [slice(0, 2), slice(2, 4)]


def test_a_browser_uses_one_thread_and_needs_no_threadpoolctl(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python in a browser cannot start threads: `threads(2)` is accepted and computes both halves in the calling thread."""
    monkeypatch.setattr(threads_module, "HAS_THREADS", False)
    monkeypatch.setattr(threads_module, "_helper", None)
    monkeypatch.setattr("autograd_mini.nn.data.prefetch.HAS_THREADS", False)
    monkeypatch.setattr("autograd_mini.nn.data.prefetch.Thread", None)
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    threads_module._libraries.cache_clear()
    mine = threading.current_thread().name
    with ag.threads(2):
        assert thread_names() == [mine, mine]
        assert list(load_ahead(lambda i: i * i, range(4), workers=3)) == [0, 1, 4, 9]
    threads_module._libraries.cache_clear()


def test_the_helper_works_only_inside_threads_2() -> None:
    mine = threading.current_thread().name
    assert thread_names() == [mine, mine]
    with ag.threads(2):
        first, second = thread_names()
        with ag.threads(1):
            assert thread_names() == [mine, mine]
    assert first == mine
    assert second.startswith("autograd_mini")
    assert thread_names() == [mine, mine]


def test_work_inside_a_half_is_not_split_again() -> None:
    with ag.threads(2):
        outer = split_work(lambda part: (threading.current_thread().name, thread_names()), 2, MIN_SPLIT_NS)
    for name, inner in outer:
        assert inner == [name]


def test_threads_affects_only_the_thread_that_called_it() -> None:
    seen: list[Any] = []
    with ag.threads(2):
        other = threading.Thread(target=lambda: seen.extend(thread_names()))
        other.start()
        other.join()
    assert seen == [other.name] * 2


def test_threads_that_share_the_helper_get_their_own_results() -> None:
    """While one thread uses the helper, the others process both halves themselves."""
    wrong: list[Any] = []
    before = blas_threads()

    def user(k: int) -> None:
        with ag.threads(2):
            for _ in range(200):
                if split_work(lambda part: (k, part), 8, MIN_SPLIT_NS) != [(k, slice(0, 4)), (k, slice(4, 8))]:
                    wrong.append(k)

    users = [threading.Thread(target=user, args=(k,)) for k in range(4)]
    for thread in users:
        thread.start()
    for thread in users:
        thread.join()
    assert not wrong
    assert blas_threads() == before


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_error_is_raised_after_both_halves_have_ended(failing: int) -> None:
    """If both halves fail, the error is that of the first one; the next call works as usual."""
    ended: list[int] = []

    def work(part: slice) -> None:
        which = 0 if part.start == 0 else 1
        try:
            if failing in (which, 2):
                raise ValueError(f"half {which}")
            time.sleep(0.01)
        finally:
            ended.append(which)

    with ag.threads(2):
        with pytest.raises(ValueError, match=f"half {failing % 2}"):
            split_work(work, 2, MIN_SPLIT_NS)
        assert sorted(ended) == [0, 1]
        assert split_work(lambda part: 1, 2, MIN_SPLIT_NS) == [1, 1]


def test_the_helper_uses_the_callers_error_state_of_numpy() -> None:
    with ag.threads(2), np.errstate(over="ignore"):
        split_work(lambda part: np.exp(np.float32([1000.0])), 2, MIN_SPLIT_NS)
    with ag.threads(2), np.errstate(over="raise"), pytest.raises(FloatingPointError):
        split_work(lambda part: np.exp(np.float32([1000.0 if part.start else 0.0])), 2, MIN_SPLIT_NS)


def test_the_number_of_blas_threads_is_restored() -> None:
    """After nested blocks and errors, and only when the last block ends."""
    with threadpoolctl.threadpool_limits(2, "blas"):
        with ag.threads(2):
            with pytest.raises(KeyError), ag.threads(1):
                raise KeyError
            assert blas_threads() == {1}
        assert blas_threads() == {2}
        with pytest.raises(KeyError), ag.threads(2):
            raise KeyError
        assert blas_threads() == {2}
        ag.threads(2)(lambda: None)()
        assert blas_threads() == {2}


def test_threads_rejects_other_numbers() -> None:
    with pytest.raises(ValueError, match="must be 1 or 2, got 3"), ag.threads(3):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_its_own_helper() -> None:
    """Runs in a separate process, because that of pytest has other threads."""
    code = """
import os, sys
import autograd_mini as ag
from autograd_mini.memory.threads import MIN_SPLIT_NS, split_work
from autograd_mini.nn.data.prefetch import load_ahead
with ag.threads(2):
    split_work(lambda part: part, 2, MIN_SPLIT_NS)
    child = os.fork()
    halves = split_work(lambda part: part.start, 2, MIN_SPLIT_NS)
    if child == 0:
        os._exit(0 if halves == [0, 1] else 1)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=60).returncode == 0


def with_one_and_two_threads(run: Any) -> tuple[Any, Any]:
    """Returns the results of `run` with one thread and with two."""
    with ag.threads(1):
        one = run()
    with ag.threads(2):
        two = run()
    return one, two


def assert_same_bits(one: Any, two: Any) -> None:
    for a, b in zip(one, two, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@given(data=st.data(), case=geometry())
@settings(max_examples=60)
def test_convolutions_do_not_depend_on_the_number_of_threads(data: Any, case: dict[str, Any]) -> None:
    x, w, y = (data.draw(draw_arrays(case[key], np.float32, -2, 2)) for key in "xwy")
    at = case["at"]
    assert_same_bits(*with_one_and_two_threads(lambda: (
        arrays.conv2d(x, w, **at),
        arrays.conv_transpose2d(y, w, size=case["size"], **at),
        arrays.conv2d_weight(x, y, kernel_size=case["kernel_size"], **at),
    )))  # fmt: skip


@given(data=st.data(), case=pools())
@settings(max_examples=60)
def test_pools_do_not_depend_on_the_number_of_threads(data: Any, case: Any) -> None:
    shape, params = case
    x = ag.from_numpy(data.draw(draw_arrays(shape, np.float32)), requires_grad=True)

    def run() -> Any:
        y = ag.max_pool2d(x, **params)
        return y.data, ag.grad((y * y).sum(), x).data

    assert_same_bits(*with_one_and_two_threads(run))


def test_training_gives_the_same_bits_with_one_and_two_threads() -> None:
    """Convolution, normalisation, activations, pools and a loss, all large enough to be split."""

    def run() -> Any:
        ag.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.ConvTranspose2d(8, 4, 4, 2, 1),
            nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(4 * 16 * 16, 10),
        )  # fmt: skip
        optimizer = nn.SGD(net.parameters(), lr=0.1)
        x, t = ag.Tensor(np.random.default_rng(0).standard_normal((7, 3, 16, 16), np.float32)), ag.Tensor(np.arange(7))
        for _ in range(3):
            optimizer.zero_grad()
            nn.cross_entropy(net(x), t).backward()
            optimizer.step()
        return [p.data for p in net.parameters()]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("autograd_mini.ops.neural.activation.MIN_SPLIT_ELEMENTS", 0)
        assert_same_bits(*with_one_and_two_threads(run))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_compiled_function_works_in_a_child_that_was_forked_while_it_ran_in_another_thread() -> None:
    """The other thread holds its lock, and does not exist in the child: the child makes a new lock and new plans."""
    code = """
import os, signal, sys, threading
import autograd_mini as ag
entered, leave = threading.Event(), threading.Event()
@ag.jit
def double(x):
    if threading.current_thread() is not threading.main_thread():
        entered.set()
        leave.wait(30)
    return x * 2
thread = threading.Thread(target=lambda: double(ag.ones(3)))
thread.start()
entered.wait(30)
child = os.fork()
if child == 0:
    signal.alarm(20)
    os._exit(0 if [double.function(ag.ones(2)).tolist(), double(ag.ones(2)).tolist()] == [[2, 2], [2, 2]] else 1)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
leave.set()
thread.join()
sys.exit(status)
"""
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=60).returncode == 0
