"""The programs of `examples/from_pytorch` learn in their small form; with PyTorch installed, the same files reach the same."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from autograd_mini.examples.from_pytorch import with_pytorch

# program -> options, figure, the bound that it must keep, and whether that is an upper bound
PROGRAMS: dict[str, tuple[dict[str, Any], str, float, bool]] = {
    "basics": ({}, "loss", 2.15, True),  # ln 10 = 2.30 without learning
    "classifier": ({}, "accuracy", 0.6, False),
    "mnist": ({}, "accuracy", 0.5, False),
    "vae": ({}, "loss", 450.0, True),  # 550 before
    "dcgan": ({}, "D(x)", 0.55, False),
    "time_sequence": ({}, "loss of the continuation", 0.05, True),  # 0.5 for zeros
    "word_language_model LSTM": ({"kind": "LSTM"}, "perplexity", 230.0, True),  # about 306 words
    "word_language_model Transformer": ({"kind": "Transformer"}, "perplexity", 230.0, True),
}


def check(name: str, figures: dict[str, float]) -> None:
    _, figure, bound, upper = PROGRAMS[name]
    assert (figures[figure] < bound) is upper, figures


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_learns(name: str) -> None:
    program = importlib.import_module(f"autograd_mini.examples.from_pytorch.{name.partition(' ')[0]}")
    check(name, program.main(small=True, **PROGRAMS[name][0]))


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_same_file_learns_with_pytorch(name: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    check(name, with_pytorch.main(name.partition(" ")[0], small=True, **PROGRAMS[name][0]))


@pytest.mark.parametrize("name", sorted({name.partition(" ")[0] for name in PROGRAMS}))
def test_only_imports_differ_from_pytorch(name: str) -> None:
    from pathlib import Path

    ours = Path(with_pytorch.__file__).with_name(f"{name}.py").read_text(encoding="utf-8").splitlines()
    theirs = with_pytorch.translate(name).splitlines()
    changed = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
    assert changed
    for a, b in changed:
        assert a.startswith(("import autograd_mini", "from autograd_mini"))
        assert "torch" in b
    imports = [line for line in theirs if line.startswith(("import ", "from "))]
    assert all("autograd_mini" not in line or "examples.from_pytorch" in line for line in imports)
