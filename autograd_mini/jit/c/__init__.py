"""Optional: runs of elementwise calls, and the sums at their end, as loops in C. Start reading in `loops.py`.

`loops.py` finds the calls of a loop, `source.py` writes the C text, `build.py` compiles, caches and loads it, and
`functions.h` has the elementary functions. Without a C compiler, plans consist of NumPy kernels.
"""
