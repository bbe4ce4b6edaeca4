"""The `autograd-mini` command line: trains, evaluates, samples from and compares runs.

Start reading at `main.py` (commands and flags) and `run.py` (one training run and its folder).
"""
