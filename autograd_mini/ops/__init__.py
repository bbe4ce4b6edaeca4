"""The table of primitives, grouped by what they do. A file holds records (kernel, rules, formula) and the functions users call.

A user's function checks and normalises its arguments once, at the border; kernels and rules then meet canonical ones only.
"""
