"""The training loop: `Trainer`, its callbacks and its checkpoints.

Start reading at `update.py`, one training step, and then `trainer.py`.
"""
