"""Ablations: what each part of a training recipe contributes, measured over several seeds."""
