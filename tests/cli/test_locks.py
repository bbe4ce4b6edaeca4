"""Locks and atomic files on Windows, with its rules played by this system: locks of bytes, and open files that stay in place.

An open file can be neither renamed nor removed there, and the module `msvcrt` locks bytes from the current position on.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograd_mini.tools import locks
from autograd_mini.tools.atomic_files import atomic_write, remove_temporary_files
from autograd_mini.tools.locks import FolderClaim, FolderInUseError, try_lock

fcntl = pytest.importorskip("fcntl")
if not Path("/proc/self/fd").exists():
    pytest.skip("needs the list of open files", allow_module_level=True)


def _is_open(path: Any) -> bool:
    """Whether this process has the file open."""
    for entry in os.listdir("/proc/self/fd"):
        try:
            if os.path.samestat(os.fstat(int(entry)), os.lstat(path)):
                return True
        except OSError:
            continue
    return False


def _refuse_open_files(function: Callable[..., Any], number: int) -> Callable[..., Any]:
    def guarded(*arguments: Any, **options: Any) -> Any:
        if any(_is_open(path) for path in arguments[:number]):
            raise PermissionError(errno.EACCES, "used by another process", os.fspath(arguments[0]))
        return function(*arguments, **options)

    return guarded


def _lock_bytes(descriptor: int, mode: int, count: int) -> None:
    assert (mode, count, os.lseek(descriptor, 0, os.SEEK_CUR)) == (2, 1, locks._FAR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise PermissionError(errno.EACCES, "Permission denied") from None


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(locking=_lock_bytes, LK_NBLCK=2))
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(os, "O_NOFOLLOW")
    for name, files in (("unlink", 1), ("replace", 2), ("rename", 2), ("remove", 1)):
        monkeypatch.setattr(os, name, _refuse_open_files(getattr(os, name), files))


OTHER = """
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(file, fcntl.LOCK_EX)
os.write(file, b"process 7 on host")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.mark.usefixtures("windows")
def test_a_claim_excludes_other_processes_and_leaves_nothing(tmp_path: Path) -> None:
    with FolderClaim(tmp_path):
        assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} on ")
        with pytest.raises(PermissionError):
            (tmp_path / ".lock").unlink()
        with FolderClaim(tmp_path):
            pass
        assert (tmp_path / ".lock").exists()
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("windows")
def test_a_second_writer_is_told_who_holds_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setattr(sys, "platform", "linux")
        process = subprocess.Popen(
            [sys.executable, "-c", OTHER, str(tmp_path / ".lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    with pytest.raises(FolderInUseError, match="is in use by process 7 on host"):
        FolderClaim(tmp_path)
    process.communicate("")
    FolderClaim(tmp_path).release()  # the lock ended with its process, although its file is there
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("windows")
def test_a_file_is_replaced_only_after_it_was_closed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        remove_temporary_files(tmp_path)  # not the file that is being written
        assert temporary.exists()
    assert path.read_text() == "new"
    with pytest.raises(ZeroDivisionError), atomic_write(path):
        raise ZeroDivisionError
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a", "new")]


@pytest.mark.usefixtures("windows")
def test_abandoned_temporary_files_are_removed(tmp_path: Path) -> None:
    for name in (".a.0a1b2c3d.tmp", ".b.0a1b2c3d.tmp"):
        (tmp_path / name).write_text("half")
    writer = os.open(tmp_path / ".b.0a1b2c3d.tmp", os.O_RDWR)
    assert try_lock(writer)
    remove_temporary_files(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [".b.0a1b2c3d.tmp"]
    os.close(writer)
    remove_temporary_files(tmp_path)
    assert not list(tmp_path.iterdir())
