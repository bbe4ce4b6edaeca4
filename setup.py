"""Lists the packages, and adapts the README to pages outside the repository.

The layers are top-level folders of the repository and are installed inside `autograd_mini`.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

LAYERS = ("nn", "models", "viz", "playground", "cli", "examples")
REPOSITORY = "https://github.com/autograd-mini/autograd-mini/blob/main/"


def description() -> str:
    """Returns the README with absolute links: a package index shows it without the other files."""
    readme = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
    return re.sub(r"\]\((?!https?://|#)", f"]({REPOSITORY}", readme)


setup(
    long_description=description(),
    long_description_content_type="text/markdown",
    packages=[
        *find_packages(include=["autograd_mini*"]),
        *(f"autograd_mini.{name}" for layer in LAYERS for name in find_packages(include=[layer, f"{layer}.*"])),
    ],
    package_dir={f"autograd_mini.{layer}": layer for layer in LAYERS},
)
