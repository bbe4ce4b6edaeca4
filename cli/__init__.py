"""The command line `autograd-mini`, and the runs that it trains, evaluates, samples from and compares.

Start reading at `main.py` (commands and flags) and `run.py` (one training run and its folder).
"""
