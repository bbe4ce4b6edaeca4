"""autograd_mini, eager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workloads import Workload

import autograd_mini as ag
from autograd_mini import nn

from .eager import Framework, step_of

OURS = Framework(functions=ag, nn=nn, losses=nn, optimizers=nn, tensor=ag.Tensor)


def build(workload: Workload) -> Callable[[], Any]:
    # A compiled variant is a peer that wraps this same step.
    return workload.cycle_batches(step_of(workload, OURS), ag.Tensor)
