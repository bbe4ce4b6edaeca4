"""Settings of all tests: hypothesis profiles, one BLAS thread per worker, and a check that tests restore global state."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import numpy as np
import pytest
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
settings.register_profile("few", parent=settings.get_profile("ci"), max_examples=5)
settings.register_profile("nightly", parent=settings.get_profile("dev"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

if "PYTEST_XDIST_WORKER" in os.environ:  # several processes with many BLAS threads slow each other down
    import threadpoolctl

    threadpoolctl.threadpool_limits(1)


@pytest.fixture(autouse=True)
def global_state_is_restored() -> Iterator[None]:
    """Property 6 of the gradient conventions: no test changes global state."""
    before = (ag.default_dtype(), np.geterr())
    yield
    if language := sys.modules.get("autograd_mini.viz.language"):  # a test that failed may have left another one
        language.set_language(None)
    assert modes().all_default, f"a mode is still active: {modes().entries}"
    assert before == (ag.default_dtype(), np.geterr()), "the default dtype or NumPy's error state changed"
