"""Autoencoders and variational autoencoders, fully connected and convolutional.

Start reading at `autoencoder.py`; `variational.py` holds the ELBO.
"""
