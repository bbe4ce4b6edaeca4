"""Pictures in folders. `ImageFolder` puts these parts together.

`layout.py` finds the files and their classes, `decode.py` turns one file into an array, `load.py` does so with all files in
several threads, and `cache.py` keeps the result in a file. `resize.py` converts arrays of images, and finds
the shape of the files.
"""
