"""Lists the packages. The layers are top-level folders of the repository and are installed inside `autograd_mini`."""

from setuptools import find_packages, setup

LAYERS = ("nn", "models", "viz", "playground", "cli", "examples")

setup(
    packages=[
        *find_packages(include=["autograd_mini*"]),
        *(f"autograd_mini.{name}" for layer in LAYERS for name in find_packages(include=[layer, f"{layer}.*"])),
    ],
    package_dir={f"autograd_mini.{layer}": layer for layer in LAYERS},
)
