"""The compiler: it traces a function once, turns the trace into a plan, and replays the plan at each further call.

Start with `README.md`, then read `api.py` (run, trace or replay?) and `compile.py` (the list of passes).
"""

from __future__ import annotations

from .api import jit
from .trace import TraceError

__all__ = ["TraceError", "jit"]
