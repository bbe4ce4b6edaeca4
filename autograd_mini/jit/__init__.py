"""Record once, replay many: `trace` sees what a function does, `plan` turns that into steps, `memory` lays out their results.

`function` chooses for each call whether to run, to record or to replay.
"""

from __future__ import annotations

from .api import Jitted as Jitted
from .api import jit as jit
from .trace import TraceError as TraceError
