"""The lecture's chain (exercise 20): the example prints what pen and paper give, to the last digit."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "lecture_chain.py"

# By hand at (x, w2, w3) = (1, 2, 3): h1 = 1, u2 = 2·1, h2 = 4, u3 = 3·4, h3 = 144, L = 144²;
# δ3 = 2·144 · 2·12, δ2 = δ3 · 3 · 2·2, δ1 = δ2 · 2 · 2·1; ∂w2 = δ2·h1, ∂w3 = δ3·h2.
FIRST = """\
(x, w2, w3) = (1, 2, 3)
  layer 1: u1 = 1, h1 = 1, delta1 = 331776
  layer 2: u2 = 2, h2 = 4, delta2 = 82944
  layer 3: u3 = 12, h3 = 144, delta3 = 6912
  L = 20736 by backpropagation, 20736 by the formula
  dL/dw2 = 82944 by backpropagation, 82944 by the formula
  dL/dw3 = 27648 by backpropagation, 27648 by the formula
"""
# At (2, 2, 1) everything is a power of two: h1 = 4, u2 = 8, h2 = u3 = 64, h3 = 2¹², L = 2²⁴;
# δ3 = 2¹³ · 2⁷, δ2 = 2²⁰ · 1 · 2⁴, δ1 = 2²⁴ · 2 · 2²; ∂w2 = 2²⁴ · 2², ∂w3 = 2²⁰ · 2⁶.
SECOND = f"""\
(x, w2, w3) = (2, 2, 1)
  layer 1: u1 = 2, h1 = 4, delta1 = {2**27}
  layer 2: u2 = 8, h2 = 64, delta2 = {2**24}
  layer 3: u3 = 64, h3 = 4096, delta3 = {2**20}
  L = {2**24} by backpropagation, {2**24} by the formula
  dL/dw2 = {2**26} by backpropagation, {2**26} by the formula
  dL/dw3 = {2**26} by backpropagation, {2**26} by the formula
"""


def test_the_example_prints_the_values_derived_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert capsys.readouterr().out == FIRST + SECOND
