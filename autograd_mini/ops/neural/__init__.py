"""Primitives of neural networks: activations, softmax, losses, convolution, pooling, resampling and normalization.

Start reading with `activation.py`; `channels.py` has the memory layout that the image operations share.
"""
