"""The binary version of CIFAR-10: records of 3073 bytes, the label, then 32×32 red, green and blue pixels, row by row."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .fetch import Source
from .idx import DataError

CLASSES: Final = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAINING_FILES: Final = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILES: Final = ("test_batch.bin",)
CIFAR10: Final = Source(
    "cifar10",
    ("https://www.cs.toronto.edu/~kriz",),
    {
        "cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    },
    archive="cifar-10-binary.tar.gz",
    inside="cifar-10-batches-bin",
)
SHAPE: Final = (3, 32, 32)


def read_batch(path: Path, digest: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Returns the images (N, 3, 32, 32) and labels (N,) of one file. Raises DataError if its SHA-256 digest is not `digest`.

    >>> import hashlib, pathlib, tempfile
    >>> from autograd_mini.nn.data.cifar import read_batch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "batch.bin"
    ...     _ = path.write_bytes(bytes([7]) + bytes(3072))
    ...     images, labels = read_batch(path, hashlib.sha256(path.read_bytes()).hexdigest())
    >>> images.shape, labels
    ((1, 3, 32, 32), array([7], dtype=uint8))
    """
    content = path.read_bytes()
    if (actual := hashlib.sha256(content).hexdigest()) != digest:
        raise DataError(f"{path}: damaged or another file: expected SHA-256 digest {digest}, got {actual}")
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + np.prod(SHAPE, dtype=int))
    return records[:, 1:].reshape(-1, *SHAPE), records[:, 0]
