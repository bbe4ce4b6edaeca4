"""The stepper: one backward pass, frame by frame, as a single HTML page.

Start reading at `frames.py`.
"""
