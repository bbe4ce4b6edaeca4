"""Measures how long `import autograd_mini` takes beyond `import numpy`: median of interleaved runs in new processes.

python benchmarks/import_time.py [--rounds 20]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLOCK = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


# Like for users: bytecode is cached after the first import.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def seconds(module: str) -> float:
    command = [sys.executable, "-c", CLOCK.format(module)]
    return float(subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    seconds("autograd_mini")
    pairs = [(seconds("numpy"), seconds("autograd_mini")) for _ in range(rounds)]
    numpy, ours = (statistics.median(column) * 1e3 for column in zip(*pairs, strict=True))
    print(f"import numpy {numpy:.0f} ms, autograd_mini {ours:.0f} ms, over NumPy {ours - numpy:.0f} ms (median of {rounds})")


if __name__ == "__main__":
    main()
