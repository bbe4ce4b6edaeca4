"""How many images are processed at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

IMAGES_PER_BATCH: Final = 1000
VALUES_PER_BATCH: Final = 1 << 22  # values of all images; the maps of a network need many times as much memory


def images_per_batch(image_shape: Sequence[int]) -> int:
    """Returns the number of images that are processed at once: 1000, or fewer if they are large.

    >>> from autograd_mini.models.metrics.batches import images_per_batch
    >>> images_per_batch((3, 32, 32)), images_per_batch((3, 128, 128))
    (1000, 85)
    """
    return max(1, min(IMAGES_PER_BATCH, VALUES_PER_BATCH // max(1, math.prod(image_shape))))
