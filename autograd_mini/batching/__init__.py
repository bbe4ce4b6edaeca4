"""Functions that are recorded once and repeated: `ag.vmap` for a batch of examples, `ag.scan` for the steps of a loop.

Start reading in `vmap.py` and `scan.py`. A function is run once on the first example (`trace.py`). Then `vmap` repeats its
calls with the whole batch, by the batching rule in each primitive's record (`rules.py`), and `scan` repeats them for each step.
"""
