"""How a program with several ranks ends: an error on one rank ends all of them, after its message is printed."""

from __future__ import annotations

import atexit
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .communicator import Communicator

_FIRST: Final = 0.3  # seconds by which rank 0 is ahead, if all ranks report the same error
_GRACE: Final = 1.5  # seconds for the rank that failed to report its error, before the others report what they heard

_watched: Final[list[Communicator]] = []


class RankError(RuntimeError):
    """Another rank has failed or ended, or the ranks differ; the message says which. `everywhere`: all ranks raise it."""

    def __init__(self, message: str, everywhere: bool = False) -> None:
        super().__init__(message)
        self.everywhere = everywhere


def watch(comm: Communicator) -> None:
    """Lets an error that nobody catches on this rank end all ranks of a communicator."""
    if not _watched:
        atexit.register(_at_exit)
        previous = sys.excepthook

        def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
            end_after(error, lambda: previous(kind, error, trace))

        sys.excepthook = report
    _watched.append(comm)


def end_after(error: BaseException, report: Callable[[], Any], code: int = 1) -> None:
    """Reports an error that ends this rank, and then ends all ranks.

    The rank that failed reports first. If all ranks fail alike, rank 0 does.
    """
    if not _watched:
        report()
        return
    comm = _watched[0]
    comm.fail(error)
    heard = isinstance(error, RankError) and not error.everywhere
    time.sleep(_GRACE * heard + _FIRST * (comm.rank > 0))
    report()
    comm.abort(130 if isinstance(error, KeyboardInterrupt) else code)


def end_after_failure(error: BaseException, report: Callable[[], Any], code: int) -> None:
    """Reports an error; if training with other ranks has failed, ends them all as `end_after` does."""
    if has_failed():
        end_after(error, report, code)
    else:
        report()


def _at_exit() -> None:
    """Ends all ranks after a failure; otherwise tells them that this rank has ended."""
    for comm in _watched:
        if comm.has_failed:  # this rank reported nothing, as with sys.exit, so another one may have to
            time.sleep(2 * _GRACE)
            comm.abort()
        comm.leave()


def has_failed() -> bool:
    """Returns whether training with other ranks has failed.

    >>> from autograd_mini.nn.distributed.faults import has_failed
    >>> has_failed()
    False
    """
    return any(comm.has_failed for comm in _watched)
