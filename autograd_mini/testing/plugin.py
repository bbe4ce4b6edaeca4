"""What pytest and hypothesis find when the package is installed: fixtures, and values for `st.from_type(Tensor)`.

pytest loads this module as a plugin; `-p no:autograd_mini` leaves it out. hypothesis calls `register_types`.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pytest
    from hypothesis import strategies as st


def register_types() -> None:
    """Tells hypothesis how to draw a Tensor. Strategies are built at the first draw, so that imports stay fast."""
    from hypothesis.strategies import register_type_strategy

    from autograd_mini.tensor import Tensor

    register_type_strategy(Tensor, _draw_tensors)


def _draw_tensors(kind: type[Any]) -> st.SearchStrategy[Any]:
    from .strategies import tensors

    return tensors()


def pytest_report_header() -> str:
    """Names the versions of which results may depend."""
    import autograd_mini

    return f"autograd_mini: {autograd_mini.__version__}, NumPy {np.__version__}"


if "pytest" in sys.modules:  # hypothesis imports this module in programs without pytest
    import pytest

    @pytest.fixture(name="gradcheck")
    def gradcheck_fixture() -> Callable[..., Any]:
        """The function `autograd_mini.testing.gradcheck`, which compares a gradient with finite differences."""
        from .check import gradcheck

        return gradcheck

    @pytest.fixture
    def seeded(request: pytest.FixtureRequest) -> Iterator[int]:
        """Random numbers that depend on the name of the test alone, not on the tests before it; yields the seed."""
        from autograd_mini.ops.random import fork_rng

        seed = zlib.crc32(request.node.nodeid.encode())
        with fork_rng(seed):
            yield seed
