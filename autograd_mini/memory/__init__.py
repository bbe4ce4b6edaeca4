"""Memory and threads: `arena` keeps parameters side by side, `malloc` sets the allocator, `threads` splits large work.

Start reading at `arena.py`.
"""
