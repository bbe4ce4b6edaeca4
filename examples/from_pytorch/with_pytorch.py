"""Runs a program of this folder with PyTorch: the same file with its imports changed.

python -m autograd_mini.examples.from_pytorch.with_pytorch mnist [--small]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

CHANGES = (
    (r"autograd_mini\.nn\.data\b", "torch.utils.data"),
    (r"\bautograd_mini\b(?!\.examples)", "torch"),
)


def translate(program: str) -> str:
    """Returns the source of a program with PyTorch's imports; nothing else changes."""
    lines = Path(__file__).with_name(f"{program}.py").read_text(encoding="utf-8").splitlines()
    for i, line in enumerate(lines):
        if re.match(r"(import|from) autograd_mini\b(?!\.examples)", line):
            for pattern, name in CHANGES:
                lines[i] = re.sub(pattern, name, lines[i])
    return "\n".join(lines)


def main(program: str, small: bool = False, **options: Any) -> dict[str, float]:
    """Returns the figures that a program reaches with PyTorch."""
    names: dict[str, Any] = {"__name__": "with_pytorch"}
    exec(compile(translate(program), f"{program} with PyTorch", "exec"), names)
    return names["main"](small, **options)


if __name__ == "__main__":
    kinds = [{"kind": "LSTM"}, {"kind": "Transformer"}] if sys.argv[1] == "word_language_model" else [{}]
    for options in kinds:
        print(*options.values(), main(sys.argv[1], "--small" in sys.argv, **options))
