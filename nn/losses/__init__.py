"""Losses: functions from predictions and targets to a number to minimise.

`reduction.py` is what they share; start reading at `supervised.py`.
"""
