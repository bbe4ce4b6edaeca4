"""PyTorch, eager, with its default settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from workloads import Workload

from .eager import Framework, step_of

TORCH = Framework(
    functions=torch, nn=torch.nn, losses=torch.nn.functional, optimizers=torch.optim, tensor=torch.tensor
)  # fmt: skip


def build(workload: Workload) -> Callable[[], Any]:
    return workload.cycle_batches(step_of(workload, TORCH), torch.tensor)
