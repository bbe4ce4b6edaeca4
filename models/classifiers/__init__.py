"""Classifiers: `MLP` and `CNN`.

`base.py` is what they share; start reading at `mlp.py`.
"""
