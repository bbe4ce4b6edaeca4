"""Tools for the engine: `anomaly` finds the first nan, `profile` measures time, the others write tables and files.

Nothing here is needed to compute a gradient.
"""
