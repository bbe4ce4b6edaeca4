"""`autograd_mini.optim.lr_scheduler` is `autograd_mini.nn.optim.lr_scheduler`."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..nn.optim.lr_scheduler import *  # noqa: F403
else:
    sys.modules[__name__] = import_module("autograd_mini.nn.optim.lr_scheduler")
