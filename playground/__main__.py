"""`python -m autograd_mini.playground`: builds the page."""

from __future__ import annotations

import sys

from .build import main

if __name__ == "__main__":
    sys.exit(main())
