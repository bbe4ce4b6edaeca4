"""Memory and threads: `arena` allocates parameters, `flat_group` updates adjacent ones, `malloc` sets the allocator.

`threads` splits large work; `references` counts who still holds an object. Start reading at `arena.py`.
"""
