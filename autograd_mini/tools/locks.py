"""Locks that end with their process, however it ends: the system holds them on an open file, not as a file that exists."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

LOCK: Final = ".lock"
_BUSY: Final = frozenset({errno.EAGAIN, errno.EACCES, errno.EDEADLK})
_FAR: Final = 1 << 30  # Windows locks bytes, which nobody else can then read: this one is behind the text


class FolderInUseError(OSError):
    """Another process or thread is writing to the folder; the message names both."""


def try_lock(descriptor: int) -> bool:
    """Locks an open file and returns True, or False if it is locked through another descriptor.

    Closing the descriptor releases the lock, also when the process is killed. Raises OSError on file systems without locks.

    >>> import os, tempfile
    >>> from autograd_mini.tools.locks import try_lock
    >>> path = os.path.join(tempfile.mkdtemp(), "file")
    >>> first, second = (os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(2))
    >>> try_lock(first), try_lock(second)
    (True, False)
    >>> os.close(first)
    >>> try_lock(second)
    True
    >>> os.close(second)
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        raise OSError(errno.ENOSYS, "this system has no file locks") from None
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise
    return True


class FolderClaim:
    """The right to write to an existing folder, for one thread of one process at a time; a thread may claim it repeatedly.

    It ends with `release`, with a `with` block, or with the process. Meanwhile the folder contains a file `.lock`; one that a
    killed process left there does not count. Raises FolderInUseError if the folder is claimed elsewhere, and OSError if it
    cannot be written. File systems without locks give no protection.

    >>> import os, tempfile
    >>> from autograd_mini.tools.locks import FolderClaim
    >>> folder = tempfile.mkdtemp()
    >>> with FolderClaim(folder):
    ...     os.listdir(folder)
    ['.lock']
    >>> os.listdir(folder)
    []
    """

    created = False  # whether the folder was created for this claim

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._finalizer = weakref.finalize(self, _release, _acquire(self.folder))

    def release(self) -> None:
        """Ends the claim; a second call does nothing."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()


@dataclass
class _Held:
    """A locked folder of this process."""

    descriptor: int
    process: int
    thread: int
    claims: int = 1


_held: dict[Path, _Held] = {}
_guard = threading.RLock()  # a claim may be released by the garbage collector at any point


def _acquire(folder: Path) -> Path:
    key = folder.resolve()
    with _guard:
        held = _held.get(key)
        if held is None or held.process != os.getpid():  # a forked child inherits the table, but not the right
            _held[key] = _Held(_open_lock(folder), os.getpid(), threading.get_ident())
        elif held.thread == threading.get_ident():
            held.claims += 1
        else:
            raise FolderInUseError(f"{folder} is in use by another thread of this process")
    return key


def _release(key: Path) -> None:
    with _guard:
        held = _held.get(key)
        if held is None or held.process != os.getpid():
            return
        held.claims -= 1
        if not held.claims:
            del _held[key]
            _remove_lock(key / LOCK, held.descriptor)


def _open_lock(folder: Path) -> int:
    """Returns the descriptor of the locked file, which says who holds it."""
    path = folder / LOCK
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except OSError as error:
            raise type(error)(error.errno, f"cannot be written ({error.strerror})", os.fspath(folder)) from None
        try:
            if not try_lock(descriptor):
                os.lseek(descriptor, 0, os.SEEK_SET)
                holder = os.read(descriptor, 200).decode(errors="replace") or "another process"
                os.close(descriptor)
                raise FolderInUseError(f"{folder} is in use by {holder}")
        except FolderInUseError:
            raise
        except OSError:
            pass  # no locks here
        if _is_at(descriptor, path):
            break
        os.close(descriptor)  # its holder has just removed it: this lock would protect nothing
    with contextlib.suppress(OSError):  # a full disk
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
    return descriptor


def _remove_lock(path: Path, descriptor: int) -> None:
    with contextlib.suppress(OSError):
        if _is_at(descriptor, path):
            path.unlink()  # while it is still locked, so that no newer lock is removed
    os.close(descriptor)
    if sys.platform == "win32":  # open files cannot be removed there
        with contextlib.suppress(OSError):
            path.unlink()


def _is_at(descriptor: int, path: Path) -> bool:
    """Returns whether the open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False
