"""Several processes: one run on the ranks of MPI (`ranks.py`), and many runs at a time (`sweep.py`)."""
