"""NumPy's and PyTorch's functions that consist of other operations: joins, statistics, calculus on samples, running extrema."""
