"""Programs to read and run: the exercises of the lecture, ablations, and first steps; each is a script on its own.

In a checkout `python examples/exercise_20_scalar_chain.py --quick`, installed `autograd-mini exercise 20 --quick`; `study` is
what the exercises share.
"""
