"""autograd_mini: a Tensor that records the operation that computed it, and backpropagation through these records.

    import autograd_mini as ag
    from autograd_mini import Tensor, nn, models, viz

The engine lives here; start reading at `tensor.py`, `apply.py` and `backward.py`. `nn`, `models`, `viz` and `cli` are imported
when they are first used.
"""

from __future__ import annotations

import os.path as _path
import typing as _typing
from importlib import import_module as _import_module
from types import ModuleType as _ModuleType

from . import methods as _methods  # binds operators and methods to Tensor
from .apply import *
from .batching.scan import *
from .batching.vmap import *
from .checkpoint import *
from .create import *
from .dtypes import *
from .jacobian import *
from .jit import *
from .memory.malloc import *
from .memory.threads import *
from .ops.contraction import *
from .ops.elementwise import *
from .ops.index import *
from .ops.inverse import *
from .ops.linalg import *
from .ops.matrices.decompositions import *
from .ops.matrices.functions import *
from .ops.moments import *
from .ops.neural.activation import *
from .ops.neural.attention import *
from .ops.neural.avg_pool import *
from .ops.neural.conv import *
from .ops.neural.losses import *
from .ops.neural.normalize import *
from .ops.neural.pixels import *
from .ops.neural.pool import *
from .ops.neural.recurrent import *
from .ops.neural.recurrent_cells import *
from .ops.neural.resample import *
from .ops.neural.softmax import *
from .ops.numpy_names.calculus import *
from .ops.numpy_names.joins import *
from .ops.numpy_names.order import *
from .ops.numpy_names.statistics import *
from .ops.order import *
from .ops.random import *
from .ops.rearrange import *
from .ops.reduce import *
from .ops.scan import *
from .ops.shape import *
from .ops.transcendental import *
from .pytorch.constructors import *
from .pytorch.devices import *
from .pytorch.dtype_names import *
from .pytorch.dtype_names import SHADOWING as _SHADOWING
from .pytorch.functions import *
from .pytorch.sampling import *
from .pytorch.scatter import *
from .state import *
from .tensor import *
from .tools.anomaly import *
from .tools.missing_names import MissingNameError as _MissingNameError
from .tools.profile import *
from .tools.scipy_function import *
from .transform import *

__version__ = "0.2.0"
_LAZY = ("nn", "optim", "models", "viz", "playground", "cli", "testing")

# In a checkout the layers above are next to the engine's folder; in an installed package they are inside it.
if not _path.isdir(_path.join(__path__[0], "nn")):
    __path__.append(_path.dirname(__path__[0]))

if _typing.TYPE_CHECKING:
    from . import cli as cli
    from . import models as models
    from . import nn as nn
    from . import optim as optim
    from . import playground as playground
    from . import testing as testing
    from . import viz as viz
    from .nn.serialize_tree import load as load
    from .nn.serialize_tree import save as save
    from .pytorch import dtype_names as _dtype_names

    bool, float, int = _dtype_names.boolean, _dtype_names.float32, _dtype_names.int32
else:

    def __getattr__(name):
        if name in _LAZY:
            return _import_module(f"{__name__}.{name}")
        if name in ("save", "load"):
            return getattr(_import_module(f"{__name__}.nn.serialize_tree"), name)
        if name in _SHADOWING:
            return _SHADOWING[name]
        raise _MissingNameError(__name__, name)


def __dir__() -> list[str]:
    """Returns the functions that users call and the layers above; the engine's own modules are left out."""
    names = [n for n, value in globals().items() if not n.startswith("_") and not isinstance(value, _ModuleType)]
    return sorted({*names, *_LAZY} - {"annotations"})
