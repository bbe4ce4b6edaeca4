"""The chain rule of a program, written out as mathematics.

`term.py` is the formula as data, `parse.py` reads the local derivatives of the operations' records, `markup.py` writes text,
LaTeX and MathML, `closed_form.py` expands scalar programs. Start reading at `derive.py`.
"""
