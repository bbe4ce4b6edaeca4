"""`map_jobs`: results in order, in processes with one BLAS thread, and stored one by one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_info

from autograd_mini.nn.jobs import map_jobs


def blas_threads(number: int) -> list[int]:
    import numpy  # noqa: F401  # loads the library

    return [number, os.getpid(), max((pool["num_threads"] for pool in threadpool_info()), default=1)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_are_in_order(jobs: int) -> None:
    found = map_jobs(lambda a, b: a - b, [(k, 2 * k) for k in range(6)], jobs)
    assert found == [-k for k in range(6)]


def test_several_jobs_use_processes_with_one_thread_each() -> None:
    found = map_jobs(blas_threads, [(k,) for k in range(4)], 2)
    assert os.getpid() not in {process for _, process, _ in found}
    assert {threads for _, _, threads in found} == {1}


def test_only_missing_results_are_computed_again(tmp_path: Path) -> None:
    """Also after an error in the middle; a damaged result counts as missing."""
    calls: list[int] = []

    def square(k: int) -> int:
        calls.append(k)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return k * k

    cases = [(k,) for k in range(5)]
    with pytest.raises(KeyboardInterrupt):
        map_jobs(square, cases, folder=tmp_path)
    assert map_jobs(square, cases, folder=tmp_path) == [0, 1, 4, 9, 16]
    assert calls == [0, 1, 2, 2, 3, 4]
    next(tmp_path.iterdir()).write_text("{")
    assert map_jobs(square, cases, folder=tmp_path) == [0, 1, 4, 9, 16]
    assert len(calls) == 7


def test_progress_is_reported_and_wrong_numbers_raise() -> None:
    seen: list[Any] = []
    map_jobs(abs, [(-1,), (-2,)], report=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    with pytest.raises(ValueError, match="jobs must be at least 1, got 0"):
        map_jobs(abs, [(1,)], 0)
