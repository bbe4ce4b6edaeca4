"""Generative adversarial networks: the original, DCGAN, conditional, Wasserstein and semi-supervised.

Start reading at `adversarial.py`, which defines the training step of every GAN.
"""
