"""The table of primitives, grouped by what they do. Each file holds records (kernel, rules, formula) beside the functions users call.

A user's function checks and normalises its arguments once, at the border; kernels and rules then meet canonical ones only.
"""

from .elementwise import *
from .index import *
from .linalg import *
from .reduce import *
from .shape import *
