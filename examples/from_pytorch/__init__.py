"""Programs with the calls of PyTorch's tutorials and examples; `with_pytorch.py` runs the same files with PyTorch itself.

`--small` runs a form of a few seconds. Figures of both libraries are in `docs/from-pytorch.md`.
"""
