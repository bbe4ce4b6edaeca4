"""`load_submission`: a student's file or notebook as an object with its functions, also if it is broken or incomplete."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from .compare import describe_error


class Submission:
    """What a file defines, as attributes. A name that is missing is a function that raises an error when it is graded.

    `error` says why the file could not be run to its end; what it defined before that is available.
    """

    def __init__(self, names: dict[str, Any], path: str, error: str = "") -> None:
        self._names, self.path, self.error = names, path, error

    def __repr__(self) -> str:
        return f"<Submission {self.path}{': ' + self.error if self.error else ''}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._names:
            return self._names[name]
        reason = f": {self.error}" if self.error else f"; it defines {', '.join(_public(self._names)) or 'nothing'}"

        def missing(*_: Any, **__: Any) -> Any:
            raise NameError(f"{self.path} does not define {name!r}{reason}")

        missing.__name__ = name
        return missing


def load_submission(path: str | os.PathLike[str]) -> Submission:
    """Runs a student's Python file (.py) or the code cells of a notebook (.ipynb), and returns what it defines.

    Lines of a notebook that start with % or ! are left out. A cell that raises an error does not hide the others. The code runs
    with all rights of this process, so grade unknown submissions in a sandbox. Raises FileNotFoundError if the file is missing.

    >>> import pathlib, tempfile
    >>> from autograd_mini.testing import load_submission
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "homework.py"
    >>> _ = path.write_text("def double(x):\\n    return 2 * x\\n")
    >>> load_submission(path).double(4)
    8
    """
    file = Path(path)
    text = file.read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "submission", "__file__": os.fspath(file)}
    errors = []
    try:
        parts = _cells(text) if file.suffix == ".ipynb" else [text]
    except (ValueError, KeyError, TypeError) as error:
        return Submission(names, file.name, f"not a notebook: {error}")
    for number, source in enumerate(parts, 1):
        place = f"cell {number} of " if file.suffix == ".ipynb" else ""
        try:
            exec(compile(source, f"{place}{file.name}", "exec"), names)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: a submission must not end the grader
            errors.append(f"{place}{file.name} raised {_describe(error)}")
    return Submission(names, file.name, "; ".join(errors))


def _describe(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} at line {error.lineno}"
    return describe_error(error)


def _cells(text: str) -> list[str]:
    """Returns the source of each code cell without magic commands."""
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    return ["\n".join(line for line in "".join(cell["source"]).splitlines() if line[:1] not in ("%", "!")) for cell in cells]


def _public(names: dict[str, Any]) -> list[str]:
    return [name for name, value in names.items() if not name.startswith("_") and callable(value)]
