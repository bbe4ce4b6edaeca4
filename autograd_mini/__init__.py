"""autograd_mini: a Tensor that records what made it, and backpropagation that walks the record.

    import autograd_mini as ag
    from autograd_mini import Tensor, nn, models, viz

The engine is here; the layers `nn`, `models` and `viz` are loaded when they are first asked for.
"""

from __future__ import annotations

import os.path
from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import methods as _methods  # binds operators and methods to Tensor
from .backward import grad
from .dtypes import default_dtype, set_default_dtype
from .ops import *
from .state import enable_grad, is_grad_enabled, no_grad
from .tensor import Tensor, as_tensor, from_numpy

if TYPE_CHECKING:
    from . import models, nn, testing, viz

__version__ = "0.1.0"
_LAZY = ("nn", "models", "viz", "testing")

# In a checkout the layers lie beside the engine; an installed package holds them inside.
if not os.path.isdir(os.path.join(__path__[0], "nn")):
    __path__.append(os.path.dirname(__path__[0]))


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
