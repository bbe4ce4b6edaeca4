"""Optimizers, learning-rate schedules, gradient clipping and weight averaging.

Start reading at `optimizer.py`, the base class; `optimizers.py` and `adam.py` hold one update rule per class.
"""
