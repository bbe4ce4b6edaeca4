"""Programs to read and run: the exercises of the lecture, ablations, and first steps; each is a script on its own.

Run one with `python examples/exercises/exercise_20_scalar_chain.py --quick` or `autograd-mini exercise 20 --quick`. `study.py`
is what the exercises share.
"""
