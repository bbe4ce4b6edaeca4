"""`ag.vmap`: a function of one example becomes a function of a batch.

Start reading in `vmap.py`. A function is run once on the first example (`trace.py`), and its calls are repeated with the whole
batch by the batching rule in each primitive's record (`rules.py`).
"""
