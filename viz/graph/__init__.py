"""Pictures of the graph: `record` reads the recorded graph, `dot` and `tree` write it down, `picture` is what users call.

Start reading at `record.py`.
"""
