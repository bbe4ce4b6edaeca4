"""Generative adversarial networks: the original, DCGAN, conditional, Wasserstein and semi-supervised.

Start reading at `adversarial.py`, which holds what every GAN does in a training step.
"""
