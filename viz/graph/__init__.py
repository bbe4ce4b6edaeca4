"""Graph pictures: `nodes` turns the recorded graph into plain records, other modules refine them, `dot` and `tree` print them.

Users call `picture.draw`. Start reading at `nodes.py`.
"""
