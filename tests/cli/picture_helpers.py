"""Small pictures of three classes, as a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = {"ants": (200, 60, 40), "bees": (40, 200, 60), "cats": (60, 40, 200)}


def make_pictures(root: Path, height: int = 30, width: int = 50, mode: str = "RGB") -> Path:
    """Creates six pictures of each of three classes: a class has a colour, and a bright spot has another place in each."""
    rng = np.random.default_rng(0)
    for name, colour in CLASSES.items():
        (root / name).mkdir(parents=True)
        for i in range(6):
            pixels = np.clip(np.array(colour) + rng.integers(-40, 40, (height, width, 3)), 0, 255).astype(np.uint8)
            pixels[i : i + height // 3, i : i + width // 3] = 255
            Image.fromarray(pixels).convert(mode).save(root / name / f"{i}.png")
    return root
