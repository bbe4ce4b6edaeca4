"""One operation cell by cell: which inputs make an output, and which outputs make a gradient. Start reading at `cells.py`."""
