"""Samples of what follows the products in a step of a recurrent layer."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st

from autograd_mini.apply import recorded
from samples.call import Call
from samples.strategies import values


@st.composite
def _sizes(draw: Any) -> tuple[tuple[int, ...], int]:
    return tuple(draw(st.lists(st.integers(0, 2), max_size=2))), draw(st.integers(0, 2))


@st.composite
def _lstm(draw: Any, backward: bool) -> Call:
    batch, size = draw(_sizes())
    state, gates = (*batch, size), (*batch, 4 * size)
    if not backward:
        return Call(recorded.lstm_gates, (draw(values(gates)), draw(values(state))), "lstm_gates")
    activated = (*batch, 4, size)
    operands = [draw(values(shape, -1, 1)) for shape in (state, state, activated, state, state)]
    return Call(recorded.lstm_gates_backward, tuple(operands))


@st.composite
def _gru(draw: Any, backward: bool) -> Call:
    batch, size = draw(_sizes())
    state, gates = (*batch, size), (*batch, 3 * size)
    shapes = (state, (*batch, 3, size), gates, state) if backward else (gates, gates, state)
    operands = tuple(draw(values(shape, -1, 1)) for shape in shapes)
    return Call(recorded.gru_gates_backward if backward else recorded.gru_gates, operands)


SAMPLES = {
    "gru_gates": _gru(False),
    "gru_gates_backward": _gru(True),
    "lstm_gates": _lstm(False),
    "lstm_gates_backward": _lstm(True),
}
