"""Decompositions of matrices (`decompositions.py`), and what is computed with them (`functions.py`).

Inverses, systems, determinants and the Cholesky factor are in `ops/inverse.py`, products in `ops/linalg.py`.
"""
