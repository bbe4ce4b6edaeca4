"""The interactive page of a graph: `views` lays out folded and unfolded modules, `details` describes nodes, `page` is the page.

`graph/picture.py` calls `make_page`. Start reading at `views.py`.
"""
