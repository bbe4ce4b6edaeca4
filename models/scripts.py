"""The exercises and ablations that come with the package: scripts in `examples/`, found by name and run as programs."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path


def scripts(kind: str) -> dict[str, Path]:
    """The scripts of a kind by what follows the kind in their name: the number of an exercise, else all of it.

    >>> from autograd_mini.models.scripts import scripts
    >>> scripts("exercise")["20"].name
    'exercise_20_scalar_chain.py'
    """
    folder = Path(str(resources.files("autograd_mini.examples")))
    found = {path.stem.removeprefix(f"{kind}_"): path for path in sorted(folder.glob(f"{kind}_*.py"))}
    return {name.split("_")[0] if name[0].isdigit() else name: path for name, path in found.items()}


def run_script(path: Path, arguments: Sequence[str]) -> None:
    """Runs a script in this process as `python PATH ARGUMENTS…` would: its folder leads the search for modules."""
    argv, search = sys.argv, sys.path
    sys.argv, sys.path = [str(path), *arguments], [str(path.parent), *search]
    try:
        runpy.run_path(str(path), run_name="__main__")
    finally:
        sys.argv, sys.path = argv, search
