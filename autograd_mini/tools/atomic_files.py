"""Writing a file whole or not at all: the one way in which every layer writes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A file beside `path` to write into, which takes its place when the `with` block ends without an error.

    So no reader, nor a crash, ever sees half a file; one that a kill left behind is called `.NAME.….tmp`.

    >>> import os, tempfile
    >>> from autograd_mini.tools.atomic_files import replacing
    >>> path = os.path.join(tempfile.mkdtemp(), "notes.txt")
    >>> with replacing(path) as beside:
    ...     _ = beside.write_text("done")
    >>> os.listdir(os.path.dirname(path))
    ['notes.txt']
    """
    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
    try:
        yield beside
        os.replace(beside, target)
    except OSError as error:
        if error.filename != os.fspath(beside):
            raise
        raise type(error)(error.errno, error.strerror, os.fspath(target)) from None  # the name that the user knows
    finally:
        if beside.exists():  # on a disk that is read-only even removing nothing fails, and would hide the first error
            beside.unlink()
