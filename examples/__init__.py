"""Example programs: the exercises of the lecture, ablation studies and first steps; each one is a script of its own.

Run one with `python examples/exercises/exercise_20_scalar_chain.py --quick` or `autograd-mini exercise 20 --quick`. `study.py`
holds what the exercises and ablations share.
"""
