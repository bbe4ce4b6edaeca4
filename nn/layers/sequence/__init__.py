"""Layers over sequences: recurrent layers in `recurrent.py`, attention in `attention.py`, transformers in `transformer.py`."""
