"""What the exercises share: a `Study` prints what it finds and keeps it with its figures; `run` is the command line."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.cli.tables import Cell, Rows, markdown

RESULT, NUMBERS = "result.md", "result.json"
PER_CLASS: Final = 20  # training images of each class in the quick form
STANDS_IN: Final = (
    "Quick form: enlarged and, in colour, tinted digits of 8 × 8 pixels stand in for the image sets that are named below. "
    "Numbers and sentences then show that all works, and say nothing about those sets."
)
SHAPES: Final = {"mnist": (28, 28), "fashion_mnist": (28, 28), "cifar10": (3, 32, 32)}


@dataclass
class Study:
    """One exercise as it runs: `say` and `table` print and keep, `figure` names a file for a picture, `data` loads images.

    In its `quick` form it uses small stand-ins for the image sets. `seed` has been given to `ag.manual_seed`.
    """

    folder: Path
    quick: bool = False
    seed: int = 0
    parts: list[str] = field(default_factory=list)
    tables: dict[str, list[dict[str, Cell]]] = field(default_factory=dict)
    figures: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Prints a paragraph and keeps it."""
        print(f"{text}\n", flush=True)
        self.parts.append(text)

    def table(self, name: str, rows: Rows) -> None:
        """Prints rows of equal keys as a table, and keeps them: for the reader, and as numbers under `name`."""
        self.say(f"**{name}**\n\n{markdown(rows)}")
        self.tables[name] = [dict(row) for row in rows]

    def figure(self, name: str) -> Path:
        """Where a picture of this name (with its suffix, .png as a rule) is to be written."""
        self.figures.append(name)
        return self.folder / name

    def data(self, name: str) -> nn.data.Dataset:
        """The image set; in the quick form the bundled digits in its shape, 20 of each class to learn from, and it says so."""
        if not self.quick:
            return nn.data.DATASETS[name]()
        if STANDS_IN not in self.parts:
            self.say(STANDS_IN)
        return stand_in(name)


def run(exercise: Callable[..., str], full: Mapping[str, Any], quick: Mapping[str, Any]) -> None:
    """Runs `exercise(study, **settings)` with the settings of the form that the command line asks for, and writes its results.

    What it returns, two or three sentences on what is seen, goes to the end. `result.md` is all of it to read, `result.json`
    the settings and the numbers of its tables.
    """
    script = Path(sys.argv[0])
    title = (sys.modules["__main__"].__doc__ or script.stem).splitlines()[0]
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes, on stand-ins for the image sets")
    parser.add_argument("--out", type=Path, default=Path("runs") / script.stem, help="folder for result.md and the figures")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    nn.extras.extra("matplotlib", "drawing figures")  # before the work, not after it
    asked.out.mkdir(parents=True, exist_ok=True)
    settings = dict(quick if asked.quick else full)
    study = Study(asked.out, asked.quick, asked.seed)
    ag.manual_seed(study.seed)
    print(f"{title}\n", flush=True)
    started = time.perf_counter()
    study.say(exercise(study, **settings))
    seconds = round(time.perf_counter() - started, 1)
    facts = {"quick": study.quick, "seed": study.seed, "seconds": seconds, "settings": settings}
    _write(study, title, facts)
    print(f"{seconds} s; results in {study.folder}")


def _write(study: Study, title: str, facts: Mapping[str, Any]) -> None:
    pictures = [f"![{name}]({name})" if name.endswith((".png", ".svg")) else f"[{name}]({name})" for name in study.figures]
    told = ", ".join(f"{key} {value}" for key, value in facts.items())
    nn.training.checkpoint.write_text(study.folder / RESULT, "\n\n".join([f"# {title}", told, *study.parts, *pictures]) + "\n")
    numbers = json.dumps({**facts, "tables": study.tables, "figures": study.figures}, indent=1, ensure_ascii=False, default=str)
    nn.training.checkpoint.write_text(study.folder / NUMBERS, numbers + "\n")


def stand_in(name: str) -> nn.data.Dataset:
    """The bundled 8×8 digits enlarged to the shape of another image set, for the quick form; in colour each has a tint.

    >>> from autograd_mini.examples.study import stand_in
    >>> stand_in("cifar10").train.images.shape
    (200, 3, 32, 32)
    """
    digits, shape = nn.data.digits(), SHAPES[name]
    return nn.data.Dataset(name, _enlarged(digits.train, shape), _enlarged(digits.test, shape), digits.classes)


def _enlarged(split: nn.data.Split, shape: tuple[int, ...]) -> nn.data.Split:
    split = split.only(limit_per_class=PER_CLASS)
    side = shape[-1]
    images = np.kron(split.images, np.ones((1, side // 8, side // 8), np.float32))
    border = (side - images.shape[-1]) // 2
    images = np.pad(images, ((0, 0), (border, border), (border, border)))
    if len(shape) == 3:
        tints = np.random.default_rng(0).uniform(0.4, 1, (len(images), shape[0], 1, 1)).astype(np.float32)
        images = images[:, None] * tints
    return nn.data.Split(images, split.labels)
