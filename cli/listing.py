"""Lists models, data, presets, exercises, ablations and the runs in a folder as tables."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Final

from autograd_mini.models.recipes import IMAGE_SHAPES, MODELS, PRESETS, RECIPES

from .compare import format_row, history
from .run import CONFIG, stored_recipe
from .scripts import scripts
from .tables import Rows

KINDS: Final = ("exercise", "ablation")


def listing(runs: Path) -> dict[str, Rows]:
    """Returns one table for each category, by name.

    >>> import pathlib
    >>> from autograd_mini.cli.listing import listing
    >>> list(listing(pathlib.Path("nowhere")))
    ['models', 'data', 'presets', 'exercises', 'ablations', 'runs']
    """
    return {
        "models": [
            {
                "model": name,
                "data": ", ".join(data for model, data in RECIPES if model == name),
                "what it is": _first_sentence(kind),
            }
            for name, kind in MODELS.items()
        ],
        "data": [{"data": name, "image shape": "×".join(map(str, shape))} for name, shape in IMAGE_SHAPES.items()],
        "presets": [{"preset": preset, "model": model} for model, preset in PRESETS],
        **{f"{kind}s": [{kind: name, "title": _title(path)} for name, path in scripts(kind).items()] for kind in KINDS},
        "runs": [_run(path.parent) for path in sorted(runs.glob(f"**/{CONFIG}"))],
    }


def _first_sentence(kind: type) -> str:
    text = " ".join((inspect.getdoc(kind) or "").replace("`", "").split())
    return re.split(r"[.;:](?: |$)", text)[0]


def _title(script: Path) -> str:
    text = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    return text.splitlines()[0].partition(": ")[2].rstrip(".")


def _run(folder: Path) -> dict[str, str | float]:
    try:
        recipe, last = stored_recipe(folder), history(folder)[-1]
    except FileNotFoundError:
        return {"run": str(folder), "model": "no metrics logged yet"}
    except (OSError, ValueError) as error:
        return {"run": str(folder), "model": "unreadable", "last row": " ".join(str(error).split())}
    return {
        "run": str(folder),
        "model": recipe.model,
        "data": recipe.data,
        "epoch": last["epoch"],
        "last row": format_row(last),
    }
