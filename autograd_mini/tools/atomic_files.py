"""`atomic_write`: writes a file completely or not at all. All layers write their files with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary file next to `path`, which replaces it when the `with` block ends without an error.

    So nobody ever reads half a file, even after a crash. A killed process may leave a file named `.NAME.….tmp`.

    >>> import os, tempfile
    >>> from autograd_mini.tools.atomic_files import atomic_write
    >>> path = os.path.join(tempfile.mkdtemp(), "notes.txt")
    >>> with atomic_write(path) as temporary:
    ...     _ = temporary.write_text("done")
    >>> os.listdir(os.path.dirname(path))
    ['notes.txt']
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
    try:
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        if error.filename != os.fspath(temporary):
            raise
        raise type(error)(error.errno, error.strerror, os.fspath(target)) from None  # names the file that the user knows
    finally:
        if temporary.exists():  # on a read-only disk `unlink` fails even if there is no file, which would hide the first error
            temporary.unlink()
