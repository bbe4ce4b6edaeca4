"""Classifiers: `MLP` and `CNN`.

Start reading at `mlp.py`; `base.py` holds the shared base class.
"""
