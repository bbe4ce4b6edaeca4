"""Layers: modules that compute something from their input.

`base.py` is what they share; start reading at `linear.py`.
"""
