"""Default values of the public functions and classes are the recorded ones: a changed default changes programs silently.

`python tests/docs/test_signatures.py` records them again, after a change on purpose or for new functions.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import autograd_mini as ag
import autograd_mini.nn.functional as F
from autograd_mini import models, nn

RECORDED = Path(__file__).with_name("signatures.json")
PLACES: dict[str, Any] = {
    "ag": ag, "nn": nn, "F": F, "nn.init": nn.init, "nn.data": nn.data, "nn.data.transforms": nn.data.transforms, "models": models,
}  # fmt: skip


def public() -> Iterator[tuple[str, Any]]:
    """Yields functions, classes and the methods that classes define, by name."""
    for place, module in PLACES.items():
        for name in dir(module):
            value = getattr(module, name)
            if (
                name.startswith("_")
                or (module is F and name not in F.__all__)
                or not callable(value)
                or not getattr(value, "__module__", "").startswith("autograd_mini")
            ):
                continue
            yield f"{place}.{name}", value
            if isinstance(value, type):
                methods = {n: m for n, m in vars(value).items() if inspect.isfunction(m) and not n.startswith("_")}
                yield from ((f"{place}.{name}.{n}", m) for n, m in methods.items())


def defaults(function: Any) -> dict[str, str]:
    """Returns the defaults that are plain values, as text."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return {}
    plain = (bool, int, float, str, tuple, type(None))
    return {p.name: repr(p.default) for p in parameters if isinstance(p.default, plain)}


def test_defaults_are_the_recorded_ones() -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    checked, changed = 0, []
    for name, function in public():
        found = defaults(function)
        for parameter, value in recorded.get(name, {}).items():
            checked += 1
            if found.get(parameter, value) != value:
                changed.append(f"{name}({parameter}={found[parameter]}), recorded as {value}")
    assert not changed, "\n".join(changed)
    assert checked > 1000


if __name__ == "__main__":
    rows = {name: found for name, function in public() if (found := defaults(function))}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(found)}" for name, found in sorted(rows.items()))
    RECORDED.write_text("{\n" + lines + "\n}\n", encoding="utf-8")
