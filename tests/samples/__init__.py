"""Samples for every primitive, by name. A primitive without an entry fails the suite."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

SAMPLES: dict[str, Any] = {}
"""A strategy of calls for each primitive, by its name, collected from the modules of this folder."""
for _module in pkgutil.iter_modules(__path__):
    SAMPLES.update(getattr(importlib.import_module(f"samples.{_module.name}"), "SAMPLES", {}))
