"""The primitives, grouped by what they do. Each file has their records (kernel, rules, formula) and the public functions.

Public functions check and normalise their arguments once, so kernels and rules only get arguments in canonical form.
"""
