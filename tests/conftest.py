"""How every test runs: hypothesis profiles, one BLAS thread per worker, and a check that no test leaks a mode."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
import threadpoolctl
from hypothesis import HealthCheck, settings

import autograd_mini as ag
from autograd_mini.state import modes

settings.register_profile(
    "ci",
    deadline=None,
    print_blob=True,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("dev", parent=settings.get_profile("ci"), derandomize=False)
settings.register_profile("nightly", parent=settings.get_profile("dev"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

if "PYTEST_XDIST_WORKER" in os.environ:  # two multi-threaded BLAS processes on few cores wait for each other
    threadpoolctl.threadpool_limits(1)


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    """Property 6 of the gradient conventions: no global state leaves a test."""
    before = (ag.default_dtype(), np.geterr())
    yield
    assert modes.all_default, f"a mode was left switched: {vars(modes)}"
    assert before == (ag.default_dtype(), np.geterr()), "default dtype or NumPy's error state was left changed"
