"""Kernels with `out` write their result there, whatever it contained, for every sample call of their primitives."""

from __future__ import annotations

import inspect
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from samples import SAMPLES

import autograd_mini as ag
from autograd_mini.backward import reachable
from autograd_mini.primitive import Primitive, registry


def takes_out(primitive: Primitive) -> bool:
    kernel = primitive.kernel
    return isinstance(kernel, np.ufunc) or "out" in inspect.signature(kernel, follow_wrapped=False).parameters


WITH_OUT = sorted(name for name in SAMPLES if takes_out(registry[name]))


def calls(name: str, outputs: Any) -> list[tuple[list[np.ndarray], dict[str, Any]]]:
    """Returns operands and parameters of every recorded call that led to `outputs`."""
    tensors = [t for t in (outputs if isinstance(outputs, tuple) else (outputs,)) if t.requires_grad]
    return [
        ([np.asarray(x._data) for x in node._inputs], node._params)
        for node in reachable(tensors).values()
        if node._primitive is registry[name]
    ]


def allocate_filled(like: np.ndarray) -> np.ndarray:
    """Returns memory in the layout of an array, filled with another value."""
    memory = np.empty_like(like)
    memory.fill(113)
    return memory


@pytest.mark.parametrize("name", WITH_OUT)
@given(data=st.data(), dtype=st.sampled_from([np.float64, np.float32, np.float16]))
@settings(max_examples=15)
def test_kernels_write_their_result_into_out(name: str, data: Any, dtype: Any) -> None:
    """For elementwise operations, `out` may be an operand, as in NumPy; for those that work in place, the first operand."""
    call, kernel = data.draw(SAMPLES[name]), registry[name].kernel
    with np.errstate(all="ignore"):
        outputs = call.function(*[ag.from_numpy(x.astype(dtype), requires_grad=True) for x in call.operands])
        recorded_calls = calls(name, outputs)
        assert recorded_calls
        for operands, params in recorded_calls:
            expected = kernel(*operands, **params)
            several = isinstance(expected, tuple)
            expected = tuple(map(np.asarray, expected)) if several else (np.asarray(expected),)
            out = tuple(map(allocate_filled, expected))
            kernel(*operands, **params, out=out if several else out[0])
            for result, wanted in zip(out, expected, strict=True):
                np.testing.assert_array_equal(result, wanted)
            for i, operand in enumerate(operands):
                overwritten = registry[name].elementwise or (registry[name].in_place and i == 0)
                if overwritten and not several and operand.shape == expected[0].shape:
                    copies = [x.copy("K") for x in operands]
                    kernel(*copies, **params, out=copies[i])
                    np.testing.assert_array_equal(copies[i], expected[0])


def test_kernels_of_large_results_accept_out() -> None:
    """A compiled step needs this to reuse memory."""
    large = {
        "batch_norm", "batch_norm_backward", "conv2d", "conv2d_weight", "conv_transpose2d", "gate", "leaky_relu", "max_pool2d",
        "pool_gather", "pool_scatter", "relu", "resample",
    }  # fmt: skip
    assert large <= set(WITH_OUT)
