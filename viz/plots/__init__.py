"""Plots of data, of training and of trained models.

`canvas.py` is what they share; start reading at `learning.py`.
"""
