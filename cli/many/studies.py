"""The commands that run exercises of the lecture and ablations, which train many models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autograd_mini.viz.language import CATALOGUES

from ..scripts import run_script, scripts
from ..training_options import Jobs, Seed

Quick = Annotated[bool, typer.Option("--quick", help="Run in seconds instead of minutes, on a small data set.")]
ResultFolder = Annotated[Path | None, typer.Option(help="Folder for the results.", show_default="runs/NAME")]


def exercise(
    number: Annotated[
        str, typer.Argument(help=f"One of {', '.join(scripts('exercise'))}.", metavar="NUMBER", show_default=False)
    ],
    quick: Quick = False,
    out: ResultFolder = None,
    seed: Seed = 0,
    jobs: Jobs = 1,
    lang: Annotated[str | None, typer.Option(help="Language of the results: en or ja.")] = None,
) -> None:
    """Runs an exercise of the lecture, prints its results and saves them with its figures to a folder."""
    _run_study("exercise", number, quick, out, seed, jobs, lang)


def ablation(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(scripts('ablation'))}.", metavar="NAME", show_default=False)],
    quick: Quick = False,
    out: ResultFolder = None,
    seed: Seed = 0,
    jobs: Jobs = 1,
) -> None:
    """Runs an ablation study: trains variants of a method with several seeds and compares them in a table and a figure."""
    _run_study("ablation", name, quick, out, seed, jobs)


def _run_study(kind: str, name: str, quick: bool, out: Path | None, seed: int, jobs: int, lang: str | None = None) -> None:
    """Runs one of the scripts that come with the package."""
    known = scripts(kind)
    if name not in known:
        raise typer.BadParameter(f"unknown {kind} {name!r}; available: {', '.join(known)}")
    if lang not in (None, *CATALOGUES):
        raise typer.BadParameter(f"--lang must be one of {', '.join(CATALOGUES)}, got {lang!r}")
    language = ["--lang", lang] if lang else []
    options = [*(["--quick"] if quick else []), *(["--out", str(out)] if out else []), "--seed", str(seed), *language]
    run_script(known[name], [*options, *(["--jobs", str(jobs)] if jobs > 1 else [])])
