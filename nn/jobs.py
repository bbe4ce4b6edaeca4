"""`map_jobs`: many independent runs, such as those of a grid, in processes of this computer or of a cluster."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from autograd_mini.tools.atomic_files import read_text

from .extras import extra
from .training.checkpoint import write_text


def map_jobs(
    function: Callable[..., Any],
    cases: Iterable[Sequence[Any]],
    jobs: int = 1,
    *,
    folder: Path | None = None,
    cluster: str | None = None,
    report: Callable[[int, int], object] | None = None,
) -> list[Any]:
    """Returns `function(*case)` for each case, in the order of the cases, computed by up to `jobs` processes at a time.

    With several processes, each one uses one thread for products of matrices. With a folder, each result is stored there as
    soon as it is known, and a second call computes only what is missing.

    Parameters
    ----------
    function  computes one case; with a folder, results are what JSON can represent, and tuples become lists
    cases     the arguments of each call
    jobs      number of processes; 1 computes in this one
    folder    folder for results; None: they are not stored
    cluster   address of a running Dask scheduler, such as "tcp://10.0.0.1:8786", which distributes the cases instead
    report    is called with the number of results so far and of cases

    Raises
    ------
    ValueError           if `jobs` is below 1
    ModuleNotFoundError  if joblib is missing, which several jobs need, or distributed, which a cluster needs

    >>> from autograd_mini.nn.jobs import map_jobs
    >>> map_jobs(pow, [(2, 3), (3, 2)])
    [8, 9]
    """
    if jobs < 1:
        raise ValueError(f"map_jobs: jobs must be at least 1, got {jobs}")
    listed = [tuple(case) for case in cases]
    paths = [_path(folder, case) if folder else None for case in listed]
    results = {i: found for i, path in enumerate(paths) if (found := _stored(path)) is not None}
    missing = [i for i in range(len(listed)) if i not in results]
    for i, result in _compute(function, listed, missing, jobs, cluster):
        path = paths[i]
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps({"case": repr(listed[i]), "result": result}))
            result = _stored(path)[0]  # type: ignore[index]
        results[i] = (result,)
        if report is not None:
            report(len(results), len(listed))
    return [results[i][0] for i in range(len(listed))]


def _compute(
    function: Callable[..., Any], cases: Sequence[tuple[Any, ...]], numbers: Sequence[int], jobs: int, cluster: str | None
) -> Iterator[tuple[int, Any]]:
    """Yields the number and result of each case, as they become known."""
    if not numbers or (jobs == 1 and cluster is None):
        for i in numbers:
            yield i, function(*cases[i])
        return
    joblib = extra("joblib", "running several jobs at a time")
    with _workers(joblib, jobs, cluster):
        parallel = joblib.Parallel(n_jobs=-1 if cluster else jobs, return_as="generator_unordered")
        yield from parallel(joblib.delayed(_numbered)(function, i, cases[i]) for i in numbers)


def _workers(joblib: Any, jobs: int, cluster: str | None) -> AbstractContextManager[Any]:
    """Returns a context in which joblib uses processes with one BLAS thread each, or those of a Dask scheduler."""
    if cluster is None:
        context: AbstractContextManager[Any] = joblib.parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1)
        return context
    extra("distributed", "running jobs on a Dask cluster", "cluster").Client(cluster)
    return joblib.parallel_config(backend="dask") or nullcontext()


def _numbered(function: Callable[..., Any], number: int, case: Sequence[Any]) -> tuple[int, Any]:
    return number, function(*case)


def _path(folder: Path, case: tuple[Any, ...]) -> Path:
    return folder / f"{hashlib.sha256(repr(case).encode()).hexdigest()[:16]}.json"


def _stored(path: Path | None) -> tuple[Any] | None:
    """Returns a stored result in a tuple, or None if it is missing or damaged."""
    try:
        return None if path is None else (json.loads(read_text(path))["result"],)
    except (OSError, ValueError, KeyError, TypeError):
        return None
