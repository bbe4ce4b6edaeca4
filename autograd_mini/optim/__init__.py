"""`autograd_mini.optim` is `autograd_mini.nn.optim`: the place of PyTorch's optimizers."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..nn.optim import *  # noqa: F403
else:
    sys.modules[__name__] = import_module("autograd_mini.nn.optim")
    sys.modules[f"{__name__}.lr_scheduler"] = import_module("autograd_mini.nn.optim.lr_scheduler")
