"""Plots of data, of training and of trained models.

`canvas.py` holds what they share. Start reading at `learning.py`.
"""
