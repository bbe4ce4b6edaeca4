"""Optimizers, learning-rate schedules, gradient clipping and weight averaging.

Start reading at `optimizer.py`, the base class, and `sgd.py`, one update rule. Defaults are PyTorch's; others are named.
"""

from __future__ import annotations

from . import lr_scheduler
from .adagrad import Adadelta, Adagrad, RMSprop
from .adam import Adam, AdamW, NAdam
from .ftrl import FTRL
from .lbfgs import LBFGS
from .optimizer import Optimizer
from .sgd import SGD
from .wrappers import SAM, SwitchOptimizer

__all__ = [
    "FTRL", "LBFGS", "SAM", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "NAdam", "Optimizer", "RMSprop", "SwitchOptimizer",
    "lr_scheduler",
]  # fmt: skip
