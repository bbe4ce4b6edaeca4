"""Several processes or models: one run on the ranks of MPI (`ranks.py`), the runs of a grid (`sweep.py`), and studies."""
