"""The training loop: `Trainer`, its callbacks and checkpoints.

Start reading at `update.py`, one training step, and then `trainer.py`.
"""
