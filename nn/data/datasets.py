"""The image data sets: each is a function that returns a `Dataset`; `DATASETS` is their table.

To add a data set in IDX files, add a `Source` (mirrors and digests), a function and a row of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from autograd_mini.tensor import Array

from ..extras import extra
from .cifar import CIFAR10, TEST_FILES, TRAINING_FILES, read_batch
from .cifar import CLASSES as CIFAR_CLASSES
from .fetch import Source, fetch
from .idx import DataError, read_idx

TEN_DIGITS: Final = tuple("0123456789")

MNIST: Final = Source(
    "mnist",
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
        "https://raw.githubusercontent.com/fgnt/mnist/master",
    ),
    {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
)

FASHION_MNIST: Final = Source(
    "fashion_mnist",
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    ),
    {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
)
CLOTHES: Final = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Split:
    """Images (N, H, W), or (N, C, H, W) in colour, float32 in [0, 1], and their labels (N,), int64."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    by_rows: ClassVar[bool] = True

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        labels = f", labels {self.labels.min()} to {self.labels.max()}" if len(self) else ""
        return f"<Split of {len(self):,} images {self.images.shape[1:]}{labels}>"

    def __getitem__(self, rows: Any) -> tuple[Array, ...]:
        return self.images[rows], self.labels[rows]

    def only(self, classes: Iterable[int] | None = None, limit_per_class: int | None = None) -> Split:
        """Returns the first `limit_per_class` images of each of the `classes`, in their order; None: no limit, all classes.

        Raises ValueError if a class has no images, or if the limit is below 1.

        >>> import numpy as np
        >>> from autograd_mini import nn
        >>> split = nn.data.Split(np.zeros((4, 1, 1), np.float32), np.array([0, 1, 0, 2]))
        >>> split.only(classes=[0, 2], limit_per_class=1).labels
        array([0, 2])
        """
        if limit_per_class is not None and limit_per_class < 1:
            raise ValueError(f"expected limit_per_class to be at least 1, got {limit_per_class}")
        present = np.unique(self.labels).tolist()
        selected = present if classes is None else sorted(set(classes))
        if missing := [c for c in selected if c not in present]:
            raise ValueError(f"no images of class {', '.join(map(str, missing))}; available: {', '.join(map(str, present))}")
        rows = np.concatenate([np.flatnonzero(self.labels == c)[:limit_per_class] for c in selected])
        rows.sort()
        return Split(self.images[rows], self.labels[rows])


_NO_IMAGES: Final = Split(np.zeros((0, 0, 0), np.float32), np.zeros(0, np.int64))


@dataclass(eq=False)
class Dataset:
    """An image data set: training images, test images, and the names of the classes; label k is the name at index k.

    Of a folder, `files_digest` identifies the names of the files for training. As in PyTorch, it may also be the base of your
    own data set, which needs `__len__` and `__getitem__` and no arguments of this class.

    >>> from autograd_mini import nn
    >>> class Squares(nn.data.Dataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, i):
    ...         return float(i), i * i
    >>> [labels.tolist() for _, labels in nn.data.DataLoader(Squares(), batch_size=2)]
    [[0, 1], [4]]
    """

    name: str = ""
    train: Split = _NO_IMAGES
    test: Split = _NO_IMAGES
    classes: tuple[str, ...] = ()
    files_digest: str = ""

    def __repr__(self) -> str:
        if type(self) is not Dataset:
            return object.__repr__(self)
        counts = f"{len(self.train):,} training and {len(self.test):,} test images"
        return f"<Dataset {self.name!r}: {counts} {self.image_shape}, {len(self.classes)} classes>"

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image, (H, W) or (C, H, W)."""
        return self.train.images.shape[1:]


def digits() -> Dataset:
    """Loads 8×8 handwritten digits from scikit-learn: 1797 images of ten classes, without a download.

    The split is fixed: in each class, every fifth image is a test image (355), the others are training images (1442).
    Pixel values 0…16 become 0…1. Raises ModuleNotFoundError if scikit-learn is not installed.

    >>> from autograd_mini import nn
    >>> data = nn.data.digits()
    >>> data.train.images.shape, len(data.test), data.image_shape
    ((1442, 8, 8), 355, (8, 8))
    """
    bundle = extra("sklearn.datasets", "the digits data set").load_digits()
    images, labels = (bundle.images / 16).astype(np.float32), bundle.target.astype(np.int64)
    is_test = np.zeros(len(labels), bool)
    for c in range(len(TEN_DIGITS)):
        is_test[np.flatnonzero(labels == c)[4::5]] = True
    return Dataset("digits", Split(images[~is_test], labels[~is_test]), Split(images[is_test], labels[is_test]), TEN_DIGITS)


def mnist() -> Dataset:
    """Loads MNIST: 28×28 handwritten digits, 60,000 for training and 10,000 for testing (LeCun et al. 1998).

    Reads the four IDX files from `$AUTOGRAD_MINI_DATA/mnist` if they exist, otherwise from the cache, into which they are
    downloaded once (11 MB, checked by SHA-256). Raises DataError if a file is damaged, DownloadError if every mirror fails.
    """
    return _from_idx("mnist", MNIST, TEN_DIGITS)


def fashion_mnist() -> Dataset:
    """Loads Fashion-MNIST: 28×28 images of clothes in ten classes, 60,000 and 10,000 (Xiao et al. 2017).

    Files and errors are as for `mnist`, in the folder `fashion_mnist` (31 MB).
    """
    return _from_idx("fashion_mnist", FASHION_MNIST, CLOTHES)


def cifar10() -> Dataset:
    """Loads CIFAR-10: 32×32 colour photographs of ten classes, images (N, 3, 32, 32), 50,000 and 10,000 (Krizhevsky 2009).

    Reads the files of the binary version from `$AUTOGRAD_MINI_DATA/cifar10` if they exist, otherwise from the cache, into
    which they are downloaded once (170 MB) and unpacked. Raises DataError if a file is damaged: their SHA-256 digests are
    checked each time, because the format has no checksum. As float32 the training images need 614 MB of memory.
    """
    return Dataset("cifar10", _cifar_split(TRAINING_FILES), _cifar_split(TEST_FILES), CIFAR_CLASSES)


def _cifar_split(names: tuple[str, ...]) -> Split:
    parts = [read_batch(fetch(CIFAR10, name), CIFAR10.digests[name]) for name in names]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Split(np.divide(images, 255, dtype=np.float32), labels.astype(np.int64))


def _from_idx(name: str, source: Source, classes: tuple[str, ...]) -> Dataset:
    return Dataset(name, _idx_split(source, "train", len(classes)), _idx_split(source, "t10k", len(classes)), classes)


def _idx_split(source: Source, part: str, class_count: int) -> Split:
    images_path, labels_path = (fetch(source, f"{part}-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
    if len(images) != len(labels):
        raise DataError(f"{images_path} has {len(images)} images, but {labels_path} has {len(labels)} labels")
    if labels.size and labels.max() >= class_count:
        raise DataError(f"{labels_path}: expected labels below {class_count}, got {labels.max()}")
    return Split(np.divide(images, 255, dtype=np.float32), labels.astype(np.int64))


DATASETS: Final[dict[str, Callable[[], Dataset]]] = {
    "digits": digits,
    "mnist": mnist,
    "fashion_mnist": fashion_mnist,
    "cifar10": cifar10,
}
"""Name -> the function that loads the data set."""

CLASS_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "digits": TEN_DIGITS,
    "mnist": TEN_DIGITS,
    "fashion_mnist": CLOTHES,
    "cifar10": CIFAR_CLASSES,
}
"""Name -> the names of the classes by label, known without loading the data."""
