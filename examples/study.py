"""What the exercises and ablations share: `Study` prints and stores results and figures; `run` is the command line.

`run_here` runs an exercise in a notebook or a REPL.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import html
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.cli.tables import Cell, Rows, markdown
from autograd_mini.examples.words import CATALOGUES, in_words
from autograd_mini.nn.extras import extra
from autograd_mini.nn.jobs import map_jobs
from autograd_mini.tools.plain_text import never_fail_to_print
from autograd_mini.viz.language import get_language, in_language

RESULT, NUMBERS = "result.md", "result.json"
PER_CLASS: Final = 20  # training images of each class with --quick
STAND_IN_NOTE: Final = (
    "Quick mode uses enlarged 8 × 8 digits (tinted, if colours are needed) instead of the image sets that are named below. "
    "The results only show that the program works."
)
SHAPES: Final = {"mnist": (28, 28), "fashion_mnist": (28, 28), "cifar10": (3, 32, 32)}


@dataclass
class Study:
    """A running exercise: `say` and `table` print and store results, `figure` returns a file name, `data` loads images.

    If `quick`, small stand-ins replace the image sets. `seed` is the seed passed to `ag.manual_seed`. `map` runs many cases,
    `jobs` at a time.
    """

    folder: Path
    quick: bool = False
    seed: int = 0
    parts: list[str] = field(default_factory=list)
    tables: dict[str, list[dict[str, Cell]]] = field(default_factory=dict)
    figures: list[str] = field(default_factory=list)
    jobs: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""  # of the program; results of another one are not used

    def map(self, function: Callable[..., Any], cases: Iterable[Sequence[Any]]) -> list[Any]:
        """Returns `function(*case)` for each case, several at a time with --jobs.

        Results are stored until the study is complete, so an interrupted one continues. Tuples become lists.
        """
        kind = repr((self.quick, self.seed, sorted(self.settings.items()), self.version)).encode()
        return map_jobs(function, cases, self.jobs, folder=self.unfinished / hashlib.sha256(kind).hexdigest()[:16])

    @property
    def unfinished(self) -> Path:
        """The folder of the results of an unfinished study."""
        return self.folder / "unfinished"

    def say(self, text: str) -> None:
        """Prints a paragraph in the chosen language and stores it for the result page."""
        text = in_words(text)
        print(f"{text}\n", flush=True)
        self.parts.append(text)

    def table(self, name: str, rows: Rows) -> None:
        """Prints rows with equal keys as a table and stores them, in the result page and as numbers under `name`."""
        words = [{in_words(key): in_words(x) if isinstance(x, str) else x for key, x in row.items()} for row in rows]
        self.say(f"**{in_words(name)}**\n\n{markdown(words)}")
        self.tables[name] = [dict(row) for row in rows]

    def figure(self, name: str) -> Path:
        """Returns the path of a figure with this file name and adds it to the result page."""
        self.figures.append(name)
        return self.folder / name

    def __repr__(self) -> str:
        return f"<Study in {self.folder}: {len(self.tables)} tables, figures: {', '.join(self.figures) or 'none'}>"

    def _repr_html_(self) -> str:
        """Returns what a notebook shows: the figures, inside the text, so that the notebook needs no other file."""
        return "\n".join(_embed(self.folder / name) for name in self.figures)

    @property
    def html(self) -> str:
        """The figures as one page; the playground shows it."""
        return f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Figures</title>{self._repr_html_()}</html>'

    def data_name(self, name: str) -> str:
        """Returns what a result says about its data: the image set or, if `quick`, what replaces it."""
        return f"digits in place of {name}" if self.quick else name

    def data(self, name: str) -> nn.data.Dataset:
        """Loads an image set; if `quick`, the bundled digits in its shape, with 20 training images per class and a note."""
        if not self.quick:
            return nn.data.DATASETS[name]()
        if in_words(STAND_IN_NOTE) not in self.parts:
            self.say(STAND_IN_NOTE)
        return stand_in(name)


class Cached:
    """A function of one argument that computes each result once; a copy in another process starts without results.

    >>> from autograd_mini.examples.study import Cached
    >>> square = Cached(lambda x: x * x)
    >>> square(3), list(square.results)
    (9, [3])
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function, self.results = function, dict[Any, Any]()

    def __call__(self, argument: Any) -> Any:
        if argument not in self.results:
            self.results[argument] = self.function(argument)
        return self.results[argument]

    def __reduce__(self) -> Any:
        return Cached, (self.function,)


def run_here(exercise: ModuleType, quick: bool = True, folder: str | os.PathLike[str] | None = None, seed: int = 0) -> Study:
    """Runs an exercise or an ablation in a notebook or a REPL, prints its results, and returns the study with its figures.

    Parameters
    ----------
    exercise : a module of `autograd_mini.examples.exercises` or `.ablations`
    quick : whether to use small image sets and few steps, as `--quick` does
    folder : where the figures are stored; None: `runs/NAME`
    seed : the seed passed to `ag.manual_seed`
    """
    extra("matplotlib", "drawing figures")
    study = Study(Path("runs", exercise.__name__.rpartition(".")[2]) if folder is None else Path(folder), quick, seed)
    study.folder.mkdir(parents=True, exist_ok=True)
    ag.manual_seed(seed)
    study.settings = exercise.QUICK if quick else exercise.FULL
    study.say(exercise.exercise(study, **study.settings))
    shutil.rmtree(study.unfinished, ignore_errors=True)
    return study


def run(exercise: Callable[..., str], full: Mapping[str, Any], quick: Mapping[str, Any]) -> None:
    """Parses the command line, runs `exercise(study, **settings)` and writes its results.

    `exercise` returns its conclusion, two to five sentences. `result.md` holds all text, tables and figures, `result.json` the
    settings and the numbers of the tables. `full` and `quick` are the settings without and with --quick.
    """
    script = Path(sys.argv[0])
    title = (sys.modules["__main__"].__doc__ or script.stem).splitlines()[0]
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--quick", action="store_true", help="run in seconds, on small image sets")
    parser.add_argument("--out", type=Path, default=Path("runs") / script.stem, help="folder for result.md and the figures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes that train at a time, if there are several runs")
    parser.add_argument("--lang", choices=list(CATALOGUES), default=get_language(), help="language of the results")
    never_fail_to_print()
    options = parser.parse_args()
    extra("matplotlib", "drawing figures")  # fail before the work, not after it
    options.out.mkdir(parents=True, exist_ok=True)
    settings = dict(quick if options.quick else full)
    study = Study(options.out, options.quick, options.seed, jobs=options.jobs, settings=settings)
    study.version = hashlib.sha256(script.read_bytes()).hexdigest() if script.is_file() else ""
    ag.manual_seed(study.seed)
    with in_language(options.lang):
        print(f"{in_words(title)}\n", flush=True)
        started = time.perf_counter()
        study.say(exercise(study, **settings))
        seconds = round(time.perf_counter() - started, 1)
        facts = {"quick": study.quick, "seed": study.seed, "seconds": seconds, "settings": settings}
        _write(study, in_words(title), facts)
        print(in_words(f"{seconds} s; results in {study.folder}"))


def _write(study: Study, title: str, facts: Mapping[str, Any]) -> None:
    pictures = [f"![{name}]({name})" if name.endswith((".png", ".svg")) else f"[{name}]({name})" for name in study.figures]
    summary = ", ".join(f"{key} {value}" for key, value in facts.items())
    page = "\n\n".join([f"# {title}", summary, *study.parts, *pictures])
    nn.training.checkpoint.write_text(study.folder / RESULT, page + "\n")
    numbers = json.dumps({**facts, "tables": study.tables, "figures": study.figures}, indent=1, ensure_ascii=False, default=str)
    nn.training.checkpoint.write_text(study.folder / NUMBERS, numbers + "\n")
    shutil.rmtree(study.unfinished, ignore_errors=True)


def _embed(figure: Path) -> str:
    """Returns a figure as HTML that needs no other file; a page is shown in a sandboxed frame."""
    if figure.suffix == ".html":
        page = html.escape(figure.read_text(encoding="utf-8"))
        style = "width:100%;height:720px;border:1px solid #999"
        return f'<iframe sandbox="allow-scripts" title="{html.escape(figure.name)}" style="{style}" srcdoc="{page}"></iframe>'
    kind = {".png": "png", ".svg": "svg+xml", ".gif": "gif"}[figure.suffix]
    data = base64.b64encode(figure.read_bytes()).decode()
    alt = html.escape(figure.stem.replace("-", " "))
    return f'<img alt="{alt}" style="max-width:100%;height:auto" src="data:image/{kind};base64,{data}">'


def stand_in(name: str) -> nn.data.Dataset:
    """Returns the bundled 8×8 digits in the shape of another image set, for --quick; colour images have random tints.

    >>> from autograd_mini.examples.study import stand_in
    >>> stand_in("cifar10").train.images.shape
    (200, 3, 32, 32)
    """
    digits, shape = nn.data.digits(), SHAPES[name]
    return nn.data.Dataset(name, _enlarge(digits.train, shape), _enlarge(digits.test, shape), digits.classes)


def _enlarge(split: nn.data.Split, shape: tuple[int, ...]) -> nn.data.Split:
    split = split.only(limit_per_class=PER_CLASS)
    side = shape[-1]
    images = np.kron(split.images, np.ones((1, side // 8, side // 8), np.float32))
    border = (side - images.shape[-1]) // 2
    images = np.pad(images, ((0, 0), (border, border), (border, border)))
    if len(shape) == 3:
        tints = np.random.default_rng(0).uniform(0.4, 1, (len(images), shape[0], 1, 1)).astype(np.float32)
        images = images[:, None] * tints
    return nn.data.Split(images, split.labels)
