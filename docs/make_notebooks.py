"""Makes the notebooks in notebooks/ from the pages in docs/tutorials/ and docs/exercises/.

A page is plain Markdown; each of its ```python blocks is a cell. On the site the page shows the results of its cells.

python docs/make_notebooks.py           writes the notebooks
python docs/make_notebooks.py --check   exits with 1 if a notebook is not current
"""

from __future__ import annotations

import ast
import base64
import json
import re
import sys
import zlib
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from links import BRANCH, DOCS, ROOT, SITE, SOURCE, on_github

FOLDERS = ("tutorials", "exercises")
TARGET = ROOT / "notebooks"
COLAB = SOURCE.replace("https://github.com", "https://colab.research.google.com/github")
CELL = re.compile(r"^```python\n(.*?)^```\n?", flags=re.MULTILINE | re.DOTALL)
INSTALL = f"""\
# Installs autograd_mini where it is missing, for example in Colab.
import importlib.util

if importlib.util.find_spec("autograd_mini") is None:
    %pip install -q "autograd-mini[train,viz] @ git+{SOURCE}"
"""
HEAD = """\
---
file_format: mystnb
kernelspec:
  name: python3
  display_name: Python 3
language_info:
  name: python
  pygments_lexer: ipython3
---
"""
_LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")


def sources() -> list[Path]:
    """Returns the pages that are notebooks."""
    return sorted(path for folder in FOLDERS for path in (DOCS / folder).glob("*.md") if path.stem != "index")


def cells(text: str) -> list[tuple[str, str]]:
    """Returns the cells of a page: their type, "markdown" or "code", and their text.

    >>> cells("# Title\\n\\n```python\\nx = 1\\n```\\n\\nEnd.\\n")
    [('markdown', '# Title'), ('code', 'x = 1'), ('markdown', 'End.')]
    """
    found, last = [], 0
    for match in CELL.finditer(text):
        found += [("markdown", text[last : match.start()]), ("code", match[1])]
        last = match.end()
    found.append(("markdown", text[last:]))
    return [(kind, part.strip()) for kind, part in found if part.strip()]


def program(text: str) -> str:
    """Returns the code of a page as one program for the playground, without the cells that install something.

    A notebook shows the last expression of each cell; the program shows it by `playground.show`.

    >>> print(program("```python\\nx = 1\\nx\\n```\\n```python\\nprint(x)\\n```\\n"), end="")
    from autograd_mini import playground
    <BLANKLINE>
    x = 1
    playground.show(x)
    <BLANKLINE>
    print(x)
    """
    parts = [show_last(part) for kind, part in cells(text) if kind == "code" and "%pip" not in part]
    return "\n\n".join(["from autograd_mini import playground", *parts]) + "\n"


def show_last(code: str) -> str:
    """Returns a cell whose last expression, if it is one, is shown in the playground."""
    last = ast.parse(code).body[-1]
    value = last.value if isinstance(last, ast.Expr) else None
    if value is None or (isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print"):
        return code
    before = "\n".join(code.splitlines()[: last.lineno - 1])
    return f"{before}\nplayground.show({ast.get_source_segment(code, value)})".lstrip("\n")


def fragment(code: str) -> str:
    """Returns a program as the playground reads it from an address: compressed, in letters that any address may contain."""
    packed = zlib.compress(code.encode(), level=9, wbits=-15)  # raw deflate
    return "#program=" + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def unpack(text: str) -> str:
    """Returns a text with its programs readable, to compare texts: other versions of zlib compress to other letters."""

    def code(match: re.Match[str]) -> str:
        letters = match[1] + "=" * (-len(match[1]) % 4)
        return zlib.decompress(base64.urlsafe_b64decode(letters), wbits=-15).decode()

    return re.sub(r"#program=([\w-]+)", code, text)


def badges(path: Path, text: str) -> str:
    """Returns the links that open a page as a notebook or as a program."""
    links = {
        "Open in Colab": f"{COLAB}/blob/{BRANCH}/notebooks/{path.stem}.ipynb",
        "Open in the playground": f"{SITE}/playground/{fragment(program(text))}",
        "Download the notebook": f"{SOURCE}/raw/{BRANCH}/notebooks/{path.stem}.ipynb",
    }
    return " · ".join(f"[{name}]({address})" for name, address in links.items())


def with_badges(path: Path, text: str) -> str:
    """Returns the page with the links below its title."""
    title, _, rest = text.partition("\n")
    return f"{title}\n\n{badges(path, text)}\n{rest}"


def on_the_site(path: Path, text: str) -> str:
    """Returns a page as MyST-NB reads it: with a head that makes it a notebook, and its blocks as cells."""
    return HEAD + with_badges(path, text).replace("\n```python\n", "\n```{code-cell} python\n")


def absolute_links(path: Path, text: str) -> str:
    """Returns a text whose links work in a notebook, which has no other pages beside it."""
    return _LINK.sub(lambda match: on_github((path.parent / match[1]).resolve()) + (match[2] or ""), text)


def notebook(path: Path) -> dict[str, Any]:
    """Returns a page as a notebook without results."""
    text = absolute_links(path, with_badges(path, path.read_text(encoding="utf-8")))
    (_, first), *rest = cells(text)
    made = [_cell(f"{path.stem}-{i}", *cell) for i, cell in enumerate([("markdown", first), ("code", INSTALL.strip()), *rest])]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": made,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(name: str, kind: str, text: str) -> dict[str, Any]:
    results = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {
        "cell_type": kind,
        "id": name.replace("_", "-")[-64:],
        "metadata": {},
        "source": text.splitlines(keepends=True),
        **results,
    }


def as_text(path: Path) -> str:
    """Returns the file of a notebook."""
    return json.dumps(notebook(path), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    wanted = {TARGET / f"{path.stem}.ipynb": as_text(path) for path in sources()}
    found = {path: path.read_text(encoding="utf-8") if path.exists() else "" for path in wanted}
    stale = [path for path, text in wanted.items() if unpack(found[path]) != unpack(text)]
    stale += [path for path in TARGET.glob("*.ipynb") if path not in wanted]
    if "--check" in sys.argv:
        if stale:
            sys.exit(f"not current: {', '.join(path.name for path in stale)}; run python docs/make_notebooks.py")
        return
    TARGET.mkdir(exist_ok=True)
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8") if path in wanted else path.unlink()
    print(f"{len(wanted)} notebooks, {len(stale)} written")


if __name__ == "__main__":
    main()
