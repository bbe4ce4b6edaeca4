"""Which files of a folder are pictures, and what their class is: `find_pictures` reads names only, never contents.

There are three layouts, and folders inside a class belong to this class:

    CLASS/…                      one subfolder per class
    train/CLASS/… test/CLASS/…   pictures for training and for testing; also val, valid, validation
    …                            a flat folder, without classes
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from autograd_mini.tools.locks import LOCK

from ...extras import extra

TRAIN: Final = ("train", "training")
TEST: Final = ("test", "testing", "val", "valid", "validation", "dev", "eval")  # the first one that exists is used
SYSTEM: Final = frozenset({"__MACOSX", "$RECYCLE.BIN", "System Volume Information", "@eaDir", "lost+found", "__pycache__"})
RUN_CONFIG: Final = "config.json"
RUN_FILES: Final = frozenset({"metrics.csv", "checkpoint.safetensors", "model.safetensors"})
WITHOUT_DECODER: Final = frozenset({"BUFR", "GRIB", "HDF5", "MPEG", "PALM", "PDF"})  # Pillow only recognises or writes them
NAMES_SHOWN: Final = 3  # skipped files or folders of a kind that the message names

HIDDEN, EMPTY, RUN, OTHER, LOOSE, UNUSED = (
    "hidden", "without pictures", "training run", "no picture", "outside the class folders", "not used",
)  # fmt: skip


@dataclass
class Tree:
    """The pictures in a folder, its subfolders that contain pictures, and what was skipped: pairs of a reason and a path."""

    path: Path
    files: list[str] = field(default_factory=list)
    folders: dict[str, Tree] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def all_files(self) -> Iterator[str]:
        """Yields the paths of all pictures in the folder and below."""
        yield from self.files
        for tree in self.folders.values():
            yield from tree.all_files()

    def has_pictures(self) -> bool:
        return bool(self.files or self.folders)


@dataclass(frozen=True)
class Layout:
    """The pictures of a folder: paths, classes by label (none in a flat folder), labels (N,), and which are for testing.

    `is_test` is None if the folder has no train and test folders. `skipped` says in one line what was left out, or is empty.
    """

    root: Path
    paths: tuple[Path, ...]
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    is_test: NDArray[np.bool_] | None
    skipped: str


def find_pictures(root: str | os.PathLike[str]) -> Layout:
    """Finds the pictures in a folder, without opening them.

    Raises OSError if the folder is missing or cannot be read, FileNotFoundError if there are no pictures, and ValueError for
    the folder of a training run, for a test folder that does not fit the training folder, and for two folders of one name.

    >>> import pathlib, tempfile
    >>> from autograd_mini.nn.data.pictures.layout import find_pictures
    >>> root = pathlib.Path(tempfile.mkdtemp()).resolve()
    >>> for name in ("10/a.png", "2/b.jpg", "2/more/c.webp", ".cache/d.png", "notes/e.txt"):
    ...     (root / name).parent.mkdir(parents=True, exist_ok=True)
    ...     (root / name).touch()
    >>> layout = find_pictures(root)
    >>> layout.classes, layout.labels, [path.name for path in layout.paths]
    (('2', '10'), array([0, 0, 1]), ['b.jpg', 'c.webp', 'a.png'])
    >>> layout.skipped.removeprefix(str(root))
    ': skipped 1 folder without pictures (notes), 1 hidden folder (.cache)'
    """
    folder = Path(os.path.abspath(root))
    if not folder.is_dir():
        kind = (NotADirectoryError, "a file, expected a folder") if folder.exists() else (FileNotFoundError, "no such folder")
        raise kind[0](f"{folder}: {kind[1]}")
    tree = _read_tree(folder, folder, ())
    if tree is None:
        raise ValueError(f"{folder}: the folder of a training run, not of pictures")
    if not tree.has_pictures():
        skipped = f"; {_summary(tree.skipped, folder)}" if tree.skipped else ""
        raise FileNotFoundError(f"{folder}: no images (.jpg, .png, .tif, … or another of Pillow's formats){skipped}")
    inner = _innermost(tree)
    inner.skipped = tree.skipped
    tree = inner
    parts = _parts(tree)
    classes, labelled = _labelled(parts, tree)
    count = [len(files) for files in labelled]
    is_test = None if len(parts) == 1 else np.repeat([False, True], count)
    files = [file for part in labelled for file, _ in part]
    labels = np.array([label for part in labelled for _, label in part], np.int64)
    line = f"{folder}: skipped {_summary(tree.skipped, folder)}" if tree.skipped else ""
    return Layout(folder, tuple(map(Path, files)), classes, labels, is_test, line)


@cache
def suffixes() -> frozenset[str]:
    """Returns the suffixes of all formats that Pillow can decode.

    >>> from autograd_mini.nn.data.pictures.layout import suffixes
    >>> {".png", ".jpeg", ".jfif", ".tga"} <= suffixes(), ".h5" in suffixes()
    (True, False)
    """
    image = extra("PIL.Image", "reading images")
    image.preinit()  # the usual formats first: they are then tried first
    registered = image.registered_extensions()
    return frozenset(suffix for suffix, kind in registered.items() if kind not in WITHOUT_DECODER)


def sort_names(names: Iterable[str]) -> list[str]:
    """Sorts names; numbers in them are compared as numbers.

    >>> from autograd_mini.nn.data.pictures.layout import sort_names
    >>> sort_names(["10", "2", "-1.5"]), sort_names(["class10", "class2", "b"])
    (['-1.5', '2', '10'], ['b', 'class2', 'class10'])
    """
    given = list(names)
    if all(re.fullmatch(r"[-+]?\d+(\.\d+)?", name) for name in given):
        return sorted(given, key=lambda name: (float(name), name))
    return sorted(given, key=lambda name: ([int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", name)], name))


def _read_tree(folder: Path, root: Path, above: tuple[tuple[int, int], ...]) -> Tree | None:
    """Returns the pictures in a folder and below, or None for the folder of a training run. Follows links."""
    status = os.stat(folder)
    place = (status.st_dev, status.st_ino)
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    names = {entry.name for entry in found}
    if (RUN_CONFIG in names and names & RUN_FILES) or LOCK in names:
        return None
    tree = Tree(folder)
    if place in above:  # a link in a circle
        return tree
    for entry in found:
        if entry.is_dir():
            _add_folder(tree, entry, root, (*above, place))
        elif entry.name.startswith("."):
            tree.skipped.append((f"{HIDDEN} file", entry.path))
        elif os.path.splitext(entry.name)[1].lower() in suffixes() and entry.is_file():
            tree.files.append(entry.path)
        else:
            tree.skipped.append((OTHER, entry.path))
    return tree


def _add_folder(tree: Tree, entry: os.DirEntry[str], root: Path, above: tuple[tuple[int, int], ...]) -> None:
    if entry.name.startswith(".") or entry.name in SYSTEM:
        tree.skipped.append((f"{HIDDEN} folder", entry.path))
        return
    child = _read_tree(Path(entry.path), root, above)
    if child is None:
        tree.skipped.append((RUN, entry.path))
    elif child.has_pictures():
        name = unicodedata.normalize("NFC", entry.name)
        if name in tree.folders:
            both = " and ".join(ascii(path.name) for path in (tree.folders[name].path, child.path))
            raise ValueError(
                f"{tree.path}: the folders {both} have the same name, {name}, in two Unicode forms; rename or merge them"
            )
        tree.folders[name] = child
        tree.skipped += child.skipped
    else:
        only_runs = child.skipped and {reason for reason, _ in child.skipped} == {RUN}
        tree.skipped += child.skipped if only_runs else [(EMPTY, entry.path)]


def _innermost(tree: Tree) -> Tree:
    """Enters folders around all others, as archives have them, and a training folder without a test folder."""
    inner = tree
    while (only := _only_folder(inner)) is not None:
        inner = only
    if len(inner.folders) > 1:
        return inner
    only = _only_folder(tree)  # of a single class
    return only if only is not None and only.folders and only.path.name.lower() in TRAIN else tree


def _only_folder(tree: Tree) -> Tree | None:
    return next(iter(tree.folders.values())) if len(tree.folders) == 1 and not tree.files else None


def _parts(tree: Tree) -> list[Tree]:
    """Returns the folders for training and testing, or the whole tree if it has none.

    Of several test folders, the first one with classes is used, or without classes if the training folder has none: contests
    have a folder `test` of pictures without labels.
    """
    by_name: dict[str, Tree] = {}
    for name, child in tree.folders.items():
        if (other := by_name.setdefault(name.lower(), child)) is not child and name.lower() in (*TRAIN, *TEST):
            raise ValueError(f"{tree.path}: both {other.path.name} and {child.path.name}; rename or merge these folders")
    train, *_ = [*(by_name[name] for name in TRAIN if name in by_name), None]
    tests = [by_name[name] for name in TEST if name in by_name]
    if train is None or not tests:
        return [tree]
    test = next((child for child in tests if bool(child.folders) == bool(train.folders)), tests[0])
    tree.skipped += [(UNUSED, str(child.path)) for child in tree.folders.values() if child is not train and child is not test]
    tree.skipped += [(LOOSE, file) for file in tree.files]
    return [train, test]


def _labelled(parts: Sequence[Tree], tree: Tree) -> tuple[tuple[str, ...], list[list[tuple[str, int]]]]:
    """Returns the classes, and for each part its files with their labels."""
    classes = tuple(sort_names(parts[0].folders))
    for part in parts[1:]:
        unknown = sort_names(part.folders.keys() - set(classes))
        if bool(part.folders) != bool(classes) or (classes and unknown):
            have = " has the classes ".join((parts[0].path.name, ", ".join(classes) or "none"))
            raise ValueError(
                f"{tree.path}: {have}, but {part.path.name} has {', '.join(sort_names(part.folders)) or 'none'}; "
                "expected the same class folders in both"
            )
    if not classes:
        return (), [[(file, 0) for file in part.files] for part in parts]
    for part in parts:
        tree.skipped += [(LOOSE, file) for file in part.files]
    return classes, [
        [(file, label) for label, name in enumerate(classes) if name in part.folders for file in _sorted(part.folders[name])]
        for part in parts
    ]


def _sorted(tree: Tree) -> list[str]:
    """Returns all files of a class, sorted by their folders and names."""
    return sorted(tree.all_files(), key=lambda file: file.split(os.sep))


_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    EMPTY: ("folder without pictures", "folders without pictures"),
    f"{HIDDEN} folder": ("hidden folder", "hidden folders"),
    RUN: ("folder of a training run", "folders of training runs"),
    UNUSED: ("folder beside the training and test folders", "folders beside the training and test folders"),
    LOOSE: ("picture outside the class folders", "pictures outside the class folders"),
    OTHER: ("file that is not a picture", "files that are not pictures"),
    f"{HIDDEN} file": ("hidden file", "hidden files"),
}
"""Reason -> what is skipped, one and many."""


def _summary(skipped: Sequence[tuple[str, str]], root: Path) -> str:
    """Returns how many files and folders were skipped for each reason, with the names of the first few."""
    texts = []
    for reason, (one, many) in _KINDS.items():
        names = [os.path.relpath(path, root) for why, path in skipped if why == reason]
        if names:
            more = ", …" if len(names) > NAMES_SHOWN else ""
            texts.append(f"{len(names)} {one if len(names) == 1 else many} ({', '.join(names[:NAMES_SHOWN])}{more})")
    return ", ".join(texts)
