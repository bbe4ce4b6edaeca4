"""Memory and threads: `arena` keeps parameters side by side, `malloc` sets the allocator, `threads` splits large work,
`references` tells whether somebody still holds an object.

Start reading at `arena.py`.
"""
