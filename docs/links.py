"""Rewrites links of a Markdown page for the site: to pages of the site where they exist there, else to the source on GitHub."""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SOURCE = "https://github.com/autograd-mini/autograd-mini"
BRANCH = "main"
SITE = "https://autograd-mini.github.io/autograd-mini"

# Pages outside of docs/ that the site shows too: file, and name of its page.
COPIES = {
    "autograd_mini/jit/README.md": "inside/jit.md",
    "CONTRIBUTING.md": "inside/contributing.md",
    "CHANGELOG.md": "inside/changelog.md",
}
_LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")


def on_github(path: Path) -> str:
    """Returns the address of a file or a folder of the repository."""
    return f"{SOURCE}/{'tree' if path.is_dir() else 'blob'}/{BRANCH}/{path.relative_to(ROOT).as_posix()}"


def relink(text: str, source: Path, page: Path) -> str:
    """Returns the text of the file `source` with links that work on the site's page `page`, a path inside docs/."""

    def target(match: re.Match[str]) -> str:
        file = (source.parent / match[1]).resolve()
        anchor = match[2] or ""
        if not file.is_relative_to(ROOT):
            return match[0]
        if (copy := COPIES.get(file.relative_to(ROOT).as_posix())) is not None:
            file = DOCS / copy
        elif not file.is_relative_to(DOCS) or file.is_dir() or file.suffix == ".py":
            return on_github(file) + anchor
        return Path(os.path.relpath(file, page.parent)).as_posix() + anchor

    return _LINK.sub(target, text)


def copies() -> dict[str, str]:
    """Returns the pages of the site that are copies of files outside of docs/."""
    return {page: relink((ROOT / file).read_text(encoding="utf-8"), ROOT / file, DOCS / page) for file, page in COPIES.items()}
