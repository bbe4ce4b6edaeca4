"""The exercises and ablations that come with the package: modules of `examples/`, found by name and run as scripts."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path


def scripts(kind: str) -> dict[str, Path]:
    """Returns the scripts of a kind, `exercise` or `ablation`: by number for exercises, by name for ablations.

    >>> from autograd_mini.cli.scripts import scripts
    >>> scripts("exercise")["20"].name
    'exercise_20_scalar_chain.py'
    """
    folder = Path(str(resources.files(f"autograd_mini.examples.{kind}s")))
    paths = {path.stem.removeprefix(f"{kind}_"): path for path in sorted(folder.glob(f"{kind}_*.py"))}
    return {name.split("_")[0] if name[0].isdigit() else name: path for name, path in paths.items()}


def run_script(path: Path, arguments: Sequence[str]) -> None:
    """Runs a script in this process as `python PATH ARGUMENTS…` would."""
    argv = sys.argv
    sys.argv = [str(path), *arguments]
    try:
        runpy.run_path(str(path), run_name="__main__")
    finally:
        sys.argv = argv
