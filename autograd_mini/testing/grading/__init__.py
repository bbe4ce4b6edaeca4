"""An autograder's kit: `grade` compares a student's gradient, layer or primitive with a reference.

`grade.py` is the public function, `cases.py` what is compared for each kind, `compare.py` the comparison and its hints,
`search.py` the search for the smallest failing input. Start reading at `grade.py`.
"""
