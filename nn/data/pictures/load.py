"""Decodes many pictures by several threads, with a progress bar."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from autograd_mini.memory.threads import HAS_THREADS

from ...extras import extra, has_terminal, progress_bar, say
from ..idx import DataError
from .decode import Decoder

CHUNK: Final = 16  # pictures that a thread decodes in a row
MANY: Final = 100  # pictures of which the progress is shown
MOST_THREADS: Final = 16


@dataclass(frozen=True)
class Pictures:
    """Decoded pictures (N, H, W) or (N, C, H, W), uint8; and the errors of the others by their index among all."""

    images: NDArray[np.uint8]
    damaged: dict[int, str]


def decode_all(paths: Sequence[Path], decoder: Decoder, *, skip_damaged: bool = False, progress: bool = False) -> Pictures:
    """Decodes pictures in the order of their paths.

    Raises DataError for the first one that cannot be read, unless `skip_damaged`, and for one of another size than the first.

    >>> from autograd_mini.nn.data.pictures.decode import Decoder
    >>> from autograd_mini.nn.data.pictures.load import decode_all
    >>> decode_all([], Decoder(size=(4, 4))).images.shape
    (0, 3, 4, 4)
    """
    chunks = [range(start, min(start + CHUNK, len(paths))) for start in range(0, len(paths), CHUNK)]
    threads = min(thread_count(), max(1, len(chunks)))
    images, damaged = np.empty((len(paths), *decoder.shape), np.uint8), dict[int, str]()
    kept, first = 0, ""

    def read(rows: range) -> list[NDArray[np.uint8] | DataError]:
        return [_decode(paths[row], decoder) for row in rows]

    with _bar(len(paths), threads, progress) as bar, _results(read, chunks, threads) as results:
        for rows, decoded in zip(chunks, results, strict=True):
            for row, picture in zip(rows, decoded, strict=True):
                if isinstance(picture, DataError):
                    if not skip_damaged:
                        raise DataError(f"{picture}; --skip-damaged, or skip_damaged=True, leaves such files out")
                    damaged[row] = str(picture)
                    continue
                planes = picture if decoder.channels == 1 else picture.transpose(2, 0, 1)
                if not kept:
                    first = str(paths[row])
                    images = np.empty((len(paths), *planes.shape), np.uint8)
                elif planes.shape != images.shape[1:]:
                    raise DataError(
                        f"{paths[row]}: has the size {picture.shape[:2]}, while {first} has {images.shape[-2:]}; "
                        "pass a size to ImageFolder"
                    )
                images[kept] = planes
                kept += 1
            bar.update(len(rows))
    return Pictures(images[:kept], damaged)


def thread_count() -> int:
    """Returns the number of cores that this process may use, at most 16; 1 in a browser, where Python has one thread.

    >>> from autograd_mini.nn.data.pictures.load import thread_count
    >>> 1 <= thread_count() <= 16
    True
    """
    if not HAS_THREADS:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_THREADS)


def _decode(path: Path, decoder: Decoder) -> NDArray[np.uint8] | DataError:
    try:
        return decoder.decode(path)
    except DataError as error:
        return error


@contextmanager
def large_pictures() -> Iterator[None]:
    """Inside the block Pillow does not warn of pictures that are large, but below its limit.

    The filters of warnings are shared by all threads, so only one thread may be in such a block.

    >>> from autograd_mini.nn.data.pictures.load import large_pictures
    >>> with large_pictures():
    ...     pass
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", extra("PIL.Image", "reading images").DecompressionBombWarning)
        yield


@contextmanager
def _results(read: Any, chunks: Sequence[range], threads: int) -> Iterator[Any]:
    """Yields the results of `read` in order; an error in the block, or Ctrl-C, cancels the chunks that have not started."""
    if threads == 1:
        yield map(read, chunks)
        return
    pool = ThreadPoolExecutor(threads, "decode")
    try:
        yield pool.map(read, chunks)
    finally:
        pool.shutdown(cancel_futures=True)


def _bar(count: int, threads: int, progress: bool) -> Any:
    """Returns a progress bar; without a terminal, prints one line instead."""
    shown = progress and count >= MANY
    if shown and not has_terminal():
        say(f"reading {count} images, {threads} at a time")
    return progress_bar("a progress bar", shown, desc="reading images", total=count, unit=" images")
