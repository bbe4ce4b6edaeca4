"""Files that are complete at any moment. All layers write with `atomic_write` and read text with `read_text`."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .locks import try_lock

_TEMPORARY: Final = re.compile(r"\..+\.[0-9a-f]{8}\.tmp", re.DOTALL)


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives an empty temporary file next to `path`, which replaces it when the `with` block ends without an error.

    So nobody ever reads half a file, even after a crash. A killed process leaves a file named `.NAME.….tmp`, which
    `remove_temporary_files` removes.

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
    descriptor = -1
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        with contextlib.suppress(OSError):  # the lock shows that somebody still writes to it
            try_lock(descriptor)
        yield temporary
        if sys.platform == "win32":  # an open file cannot be renamed there
            os.close(descriptor)
            descriptor = -1
        os.replace(temporary, target)
    except OSError as error:
        if error.filename != os.fspath(temporary):
            raise
        raise type(error)(error.errno, error.strerror, os.fspath(target)) from None  # names the file that the user knows
    finally:
        if descriptor >= 0:
            os.close(descriptor)
        if temporary.exists():  # on a read-only disk `unlink` fails even if there is no file, which would hide the first error
            temporary.unlink()


def remove_temporary_files(folder: Path) -> None:
    """Removes the incomplete files that killed processes left in a folder, and no others: not those that are being written,
    no links, nothing in a folder that is a link, no other names.

    >>> import pathlib, tempfile
    >>> from autograd_mini.tools.atomic_files import remove_temporary_files
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in (".checkpoint.safetensors.0a1b2c3d.tmp", ".notes.tmp"):
    ...     _ = (folder / name).write_bytes(b"half")
    >>> remove_temporary_files(folder)
    >>> [path.name for path in folder.iterdir()]
    ['.notes.tmp']
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        leftovers = [e.path for e in entries if _TEMPORARY.fullmatch(e.name) and e.is_file(follow_symlinks=False)]
    for path in leftovers:
        with contextlib.suppress(OSError):  # another process may have removed it
            _remove_abandoned(path)


def read_text(path: Path) -> str:
    """Returns the text of a file in UTF-8, with or without a byte order mark.

    Raises OSError for anything but a regular file, because reading from a pipe or a device may never end, and
    UnicodeDecodeError, a ValueError, for another encoding.

    >>> import pathlib, tempfile
    >>> from autograd_mini.tools.atomic_files import read_text
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "notes.txt"
    >>> _ = path.write_bytes(b"\\xef\\xbb\\xbfdone")
    >>> read_text(path)
    'done'
    """
    require_regular_file(path)
    return path.read_text(encoding="utf-8-sig")


def require_regular_file(path: str | os.PathLike[str]) -> None:
    """Raises FileNotFoundError if there is no such file, and OSError if it is a folder, a pipe or a device.

    >>> import tempfile
    >>> from autograd_mini.tools.atomic_files import require_regular_file
    >>> require_regular_file("nowhere.txt")
    Traceback (most recent call last):
        ...
    FileNotFoundError: nowhere.txt: no such file
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise FileNotFoundError(f"{os.fspath(path)}: no such file") from None
    if not stat.S_ISREG(mode):
        raise OSError(
            f"{os.fspath(path)}: expected a regular file, not a {'folder' if stat.S_ISDIR(mode) else 'pipe or device'}"
        )


def _remove_abandoned(path: str) -> None:
    """Removes a temporary file unless its writer still holds the lock on it."""
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        abandoned = try_lock(descriptor)
        if abandoned and sys.platform != "win32":
            os.unlink(path)
    finally:
        os.close(descriptor)
    if abandoned and sys.platform == "win32":
        os.unlink(path)
