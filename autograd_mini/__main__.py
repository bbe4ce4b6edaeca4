"""`python -m autograd_mini` and the `autograd-mini` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code; prints one line if typer is not installed."""
    try:
        from autograd_mini.cli import main as cli
    except KeyboardInterrupt:  # importing takes a second
        return 130
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        print(
            'autograd-mini: the command line needs typer: pip install "autograd-mini[train]"',
            file=sys.stderr,
        )
        return 2
    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
