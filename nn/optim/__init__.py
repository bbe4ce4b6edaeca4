"""Optimizers, learning-rate schedules, gradient clipping and weight averaging.

Start reading at `optimizer.py`, the base class, and `sgd.py`, one update rule. Defaults are PyTorch's; others are named.
"""
