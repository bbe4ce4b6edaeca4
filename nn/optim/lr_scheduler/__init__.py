"""Learning-rate schedules. Names, arguments and rates are PyTorch's.

Start reading at `base.py`; `decay.py` has the schedules that multiply the current rate, `cycles.py` those that set it from a
formula, `combine.py` puts schedules one after the other or together, and `plateau.py` follows a metric.
"""

from __future__ import annotations

from .base import LRScheduler
from .combine import ChainedScheduler, LinearWarmup, SequentialLR
from .cycles import CosineAnnealingWarmRestarts, CyclicLR, LambdaLR, OneCycleLR
from .decay import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from .plateau import ReduceLROnPlateau

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR",
    "LRScheduler", "LambdaLR", "LinearLR", "LinearWarmup", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "PolynomialLR",
    "ReduceLROnPlateau", "SequentialLR", "StepLR",
]  # fmt: skip
