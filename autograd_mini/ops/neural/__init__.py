"""Primitives of neural networks: activations, softmax, losses, convolution, pooling, resampling and normalization.

Start reading at `activation.py`; `channels.py` holds the memory layout that the image operations share.
"""
