"""Generates the pages of the API reference: every public name of the packages, grouped by the module that defines it.

The pages are written by docs/conf.py when the site is built; they are not part of the repository.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from links import ROOT, on_github


@dataclass(frozen=True)
class Package:
    """A package whose public names the reference lists: its import path, the name of its page, and an introduction."""

    path: str
    page: str
    about: str


PACKAGES = (
    Package("autograd_mini", "ag", "``import autograd_mini as ag``: tensors, operations, transforms and the compiler."),
    Package("autograd_mini.nn", "nn", "``from autograd_mini import nn``: layers, losses, optimizers, training."),
    Package("autograd_mini.nn.functional", "functional", "Layers and losses as functions, with PyTorch's names and defaults."),
    Package("autograd_mini.nn.init", "init", "Initial values of parameters."),
    Package("autograd_mini.nn.data", "data", "Data sets, samplers and loaders."),
    Package("autograd_mini.nn.data.transforms", "transforms", "Augmentation of batches of images."),
    Package("autograd_mini.nn.utils", "utils", "Helpers for parameters and gradients, with PyTorch's names."),
    Package("autograd_mini.nn.utils.rnn", "rnn", "Helpers for sequences of different lengths."),
    Package("autograd_mini.models", "models", "``from autograd_mini import models``: classifiers, autoencoders and GANs."),
    Package("autograd_mini.models.metrics", "metrics", "Metrics of trained models."),
    Package("autograd_mini.models.recipes", "recipes", "Default hyperparameters of the models."),
    Package("autograd_mini.viz", "viz", "``from autograd_mini import viz``: pictures of graphs, the stepper and plots."),
    Package("autograd_mini.testing", "testing", "``from autograd_mini import testing``: gradient checks and strategies."),
)
ALIASES = {"autograd_mini.optim": "autograd_mini.nn", "autograd_mini.nn.optim": "autograd_mini.nn"}


def public_names(path: str) -> list[str]:
    """Returns the public names of a package: its `__all__`, or what it defines or imports from this library."""
    module = import_module(path)
    names = getattr(module, "__all__", None)
    if names is None:
        names = [name for name in dir(module) if not name.startswith("_") and _belongs_to(path, getattr(module, name))]
    return sorted(name for name in names if not inspect.ismodule(getattr(module, name)))


def _belongs_to(path: str, value: Any) -> bool:
    """Returns whether a value is defined in a package, or is a table; `ag` also has types and objects of NumPy and Python."""
    owner = getattr(value, "__module__", None)
    if path == "autograd_mini":
        return owner != "__future__"
    return str(owner).startswith(path) if callable(value) else isinstance(value, dict)


def all_names() -> Iterator[str]:
    """Yields the import path of every public name."""
    for package in PACKAGES:
        yield from (f"{package.path}.{name}" for name in public_names(package.path))


def home(package: str, name: str) -> str:
    """Returns the module under which the reference lists a name; values without a module are listed under the package."""
    value = getattr(import_module(package), name)
    module = getattr(value, "__module__", None) if callable(value) else None
    return module if module in sys.modules and str(module).startswith("autograd_mini") else package


def entry(package: str, name: str) -> str:
    """Returns the directive that documents a name."""
    value = getattr(import_module(package), name)
    path = f"{package}.{name}"
    if inspect.isclass(value) and value.__module__.startswith("autograd_mini"):
        if value.__name__ != name:
            return f".. data:: {path}\n\n   The same as :py:class:`{value.__name__} <{package}.{value.__name__}>`.\n"
        return f".. autoclass:: {path}\n   :members:\n"
    if inspect.isroutine(value):
        return f".. autofunction:: {path}\n"
    return f".. data:: {path}\n\n   {_describe(value)}\n"


def _describe(value: Any) -> str:
    if isinstance(value, dict):
        return f"A table with the keys {', '.join(f'``{key}``' for key in value)}."
    if isinstance(value, type) or type(value).__module__.startswith("numpy"):
        return f"The dtype ``{value}``."
    about = (inspect.getdoc(value) or "").splitlines()
    ours = type(value).__module__.startswith("autograd_mini")
    return escape(about[0]) if ours and about else f"A value for programs that were written for PyTorch: ``{value}``."


def underline(title: str, sign: str) -> str:
    return f"{title}\n{sign * len(title)}\n"


def groups(package: Package) -> dict[str, list[str]]:
    """Returns the names of a package by the module that defines them."""
    found: dict[str, list[str]] = {}
    for name in public_names(package.path):
        found.setdefault(home(package.path, name), []).append(name)
    return dict(sorted(found.items(), key=lambda item: (item[0] != package.path, short(package.path, item[0]))))


def short(package: str, module: str) -> str:
    """Returns the name of a module as a title, without the package and the folders that all have in common.

    >>> short("autograd_mini.nn", "autograd_mini.nn.layers.conv"), short("autograd_mini", "autograd_mini.ops.shape")
    ('layers.conv', 'shape')
    """
    name = module.removeprefix(f"{package}.").removeprefix("autograd_mini.")
    return name.removeprefix("ops.neural.").removeprefix("ops.").removeprefix("tools.") if package == "autograd_mini" else name


def package_pages(package: Package) -> dict[str, str]:
    """Returns the pages of a package: an overview with one line for each name, and a page for each module if there are many."""
    parts = groups(package)
    title = "ag" if package.path == "autograd_mini" else package.path.removeprefix("autograd_mini.")
    overview = [underline(title, "="), package.about, ""]
    if len(parts) == 1 or sum(map(len, parts.values())) < 30:
        body = [entry(package.path, name) for names in parts.values() for name in names]
        return {f"api/{package.page}.rst": "\n".join([*overview, *body])}
    pages = {}
    toctree = [".. toctree::", "   :hidden:", ""]
    for module, names in parts.items():
        label = "constants" if module == package.path else short(package.path, module)
        file = f"{package.page}-{label.replace('.', '-')}"
        about = escape((inspect.getdoc(sys.modules[module]) or "").split("\n\n")[0].replace("\n", " "))
        about = "Values that are not functions." if module == package.path else about
        pages[f"api/{file}.rst"] = "\n".join(
            [underline(f"{title}: {label}", "="), about, "", *(entry(package.path, n) for n in names)]
        )
        links = ", ".join(f":py:obj:`{name} <{package.path}.{name}>`" for name in names)
        overview += [underline(label, "-"), f"{about} (:doc:`all details <{file}>`)", "", links, ""]
        toctree.append(f"   {file}")
    return {f"api/{package.page}.rst": "\n".join([*overview, *toctree, ""]), **pages}


def pages() -> dict[str, str]:
    """Returns all pages of the API reference by their path."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        found |= package_pages(package)
    rows = "\n".join(f"   {package.page}" for package in PACKAGES)
    also = " ".join(f"``{alias}`` has the optimizers of ``{target}``." for alias, target in ALIASES.items())
    about = "Every public name. The formulas and gradients of all operations are also in one table: :doc:`../reference`."
    toctree = f".. toctree::\n   :maxdepth: 1\n\n{rows}\n"
    found["api/index.rst"] = f"{underline('API reference', '=')}\n{about} {also}\n\n{toctree}"
    return found


def source_address(module: str, name: str) -> str | None:
    """Returns where the source of a name is on GitHub, or None for what has no source, such as a number."""
    value: Any = sys.modules.get(module) or import_module(module)
    try:
        for part in name.split("."):
            value = getattr(value, part)
        value = inspect.unwrap(value.fget if isinstance(value, property) else value)
        file, (lines, start) = inspect.getsourcefile(value), inspect.getsourcelines(value)
    except (AttributeError, TypeError, OSError):
        return None
    path = Path(file or "").resolve()
    return f"{on_github(path)}#L{start}-L{start + len(lines) - 1}" if path.is_relative_to(ROOT) else None


# -- docstrings ----------------------------------------------------------------------------------------------------------------

_CODE = re.compile(r"``[^`]+``|`[^`]+`")
_SPECIAL = re.compile(r"([\\*|_])")
_PARAMETER = re.compile(r"^(\*{0,2}\w[\w.*]*(?:\s*,\s*\*{0,2}\w[\w.*]*)*)(?:\s+:\s+|\s{2,})(\S.*)$")
_SECTIONS = ("Parameters", "Attributes", "Other Parameters")


def escape(text: str) -> str:
    """Returns plain text as reStructuredText: signs of markup are escaped, and `code` becomes ``code``.

    >>> escape("|x| of `x_`")
    '\\\\|x\\\\| of ``x_``'
    """
    parts, last = [], 0
    for match in _CODE.finditer(text):
        parts += [_SPECIAL.sub(r"\\\1", text[last : match.start()]), _quoted(match[0].strip("`"), text[match.end() :])]
        last = match.end()
    return "".join([*parts, _SPECIAL.sub(r"\\\1", text[last:]).replace("`", "\\`")])


def _quoted(code: str, after: str) -> str:
    return f"``{code}``" + ("\\ " if after[:1].isalnum() else "")


def clean_docstring(lines: Iterable[str]) -> list[str]:
    """Returns the lines of a plain-text docstring as reStructuredText for numpydoc.

    Examples stay as they are. In a table of parameters, "name   text" and "name : text" become a name with a text below it.

    >>> clean_docstring(["Parameters", "----------", "x, y   two |numbers|"])
    ['Parameters', '----------', 'x, y :', '    two \\\\|numbers\\\\|']
    """
    cleaned: list[str] = []
    section, example = "", False
    lines = join_code(lines)
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        stripped = line.strip()
        if stripped.startswith(">>>"):
            if not example and cleaned and cleaned[-1].strip():
                cleaned.append("")
            example = True
        elif not stripped:
            example = False
        if example or not stripped:
            cleaned.append(line)
        elif stripped and set(following.strip()) == {"-"} and len(following.strip()) >= 3 and not line[0].isspace():
            section = stripped
            cleaned.append(line)
        elif set(stripped) == {"-"}:
            cleaned.append(line)
        else:
            cleaned += _clean_text(line, section, cleaned[-1] if cleaned else "")
    return cleaned


def join_code(lines: Iterable[str]) -> list[str]:
    """Returns the lines, those with a `code` that continues on the next line joined with it.

    >>> join_code(["see `f(x,", "y)`", "and"])
    ['see `f(x, y)`', 'and']
    """
    joined: list[str] = []
    for line in lines:
        if joined and line.strip() and joined[-1].count("`") % 2 and not joined[-1].lstrip().startswith((">>>", "...")):
            joined[-1] += f" {line.strip()}"
        else:
            joined.append(line)
    return joined


def _clean_text(line: str, section: str, before: str) -> list[str]:
    stripped = line.strip()
    indent = line[: len(line) - len(line.lstrip())]
    if section in _SECTIONS:
        if not indent and (match := _PARAMETER.match(line)):
            return [f"{match[1]} :", f"    {escape(match[2])}"]
        return [f"    {escape(stripped)}"] if indent or before.startswith(" ") else [escape(stripped)]
    bullet = stripped.startswith("- ")
    gap = [""] if bullet and before.strip() and not before.strip().startswith("- ") and not before.startswith("  ") else []
    return [*gap, indent + ("- " + escape(stripped[2:]) if bullet else escape(stripped))]


def process_docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Cleans a docstring before numpydoc reads it; for Sphinx's event of this name."""
    lines[:] = clean_docstring(lines)


def connect(app: Any) -> None:
    app.connect("autodoc-process-docstring", process_docstring, priority=100)
