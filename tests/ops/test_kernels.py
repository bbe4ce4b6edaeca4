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


TAKING = sorted(name for name in SAMPLES if takes_out(registry[name]))


def calls(name: str, outputs: Any) -> list[tuple[list[np.ndarray], dict[str, Any]]]:
    """Returns operands and parameters of every recorded call that led to `outputs`."""
    tensors = [t for t in (outputs if isinstance(outputs, tuple) else (outputs,)) if t.requires_grad]
    return [
        ([np.asarray(x._data) for x in node._inputs], node._params)
        for node in reachable(tensors).values()
        if node._primitive is registry[name]
    ]


def filled(like: np.ndarray) -> np.ndarray:
    """Returns memory with the layout of an array and other values."""
    place = np.empty_like(like)
    place.fill(113)
    return place


@pytest.mark.parametrize("name", TAKING)
@given(data=st.data(), dtype=st.sampled_from([np.float64, np.float32, np.float16]))
@settings(max_examples=15)
def test_kernels_write_their_result_into_out(name: str, data: Any, dtype: Any) -> None:
    """For elementwise operations, `out` may be an operand, as in NumPy."""
    call, kernel = data.draw(SAMPLES[name]), registry[name].kernel
    with np.errstate(all="ignore"):
        outputs = call.function(*[ag.from_numpy(x.astype(dtype), requires_grad=True) for x in call.operands])
        found = calls(name, outputs)
        assert found
        for operands, params in found:
            expected = kernel(*operands, **params)
            several = isinstance(expected, tuple)
            expected = tuple(map(np.asarray, expected)) if several else (np.asarray(expected),)
            places = tuple(map(filled, expected))
            kernel(*operands, **params, out=places if several else places[0])
            for place, wanted in zip(places, expected, strict=True):
                np.testing.assert_array_equal(place, wanted)
            for i, operand in enumerate(operands):
                if registry[name].elementwise and not several and operand.shape == expected[0].shape:
                    copies = [x.copy("K") for x in operands]
                    kernel(*copies, **params, out=copies[i])
                    np.testing.assert_array_equal(copies[i], expected[0])


def test_kernels_of_large_results_accept_out() -> None:
    """A compiled step needs this to reuse memory."""
    large = {
        "batch_norm", "batch_norm_backward", "conv2d", "conv2d_weight", "conv_transpose2d", "gate", "leaky_relu", "max_pool2d",
        "pool_gather", "pool_scatter", "relu", "resample",
    }  # fmt: skip
    assert large <= set(TAKING)
