"""PyTorch's names and call styles: functions, constructors, methods of tensors, writes in place, dtypes and devices.

Nothing is computed here: each function arranges its arguments and calls an operation. `docs/from-pytorch.md` lists the
differences that remain.
"""
