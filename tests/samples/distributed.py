"""Samples for the exchanges of `nn.distributed`, on one rank."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st

from autograd_mini import nn
from autograd_mini.apply import recorded
from samples.call import Call
from samples.strategies import SHAPES, values


@st.composite
def exchanges(draw: Any, name: str) -> Call:
    weight = draw(st.sampled_from([1.0, 2.0, 5.0]))
    alone = nn.distributed.Communicator()
    return Call(
        lambda x: getattr(recorded, name)(x, comm=alone, weight=weight), (draw(values(draw(SHAPES))),), f"{name}, {weight}"
    )


SAMPLES = {name: exchanges(name) for name in ("all_reduce", "all_reduce_weighted")}
