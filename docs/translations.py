"""Keeps translations current: each translated section names its original and the hash of the text that was translated.

    python docs/translations.py            # lists the sections whose original has changed; exit code 1 if there are any
    python docs/translations.py --accept   # writes the current hashes, after the translation was updated

A mark stands before each section of a translation: `<!-- original: README.md#The command line 1a2b3c4d -->`. The part before
the first heading is called `#`.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TRANSLATIONS = ("README.ja.md",)
MARK = re.compile(r"<!-- original: (?P<page>\S+?)#(?P<section>.*?) (?P<hash>[0-9a-f]{8}) -->")
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


class Section(NamedTuple):
    """A section of a translated page: its original, and the hash of the original when it was translated."""

    translation: str
    page: str
    section: str
    hash: str


def sections(text: str) -> dict[str, str]:
    """Returns the text of each second-level section of a page by its heading; the part before the first one is "".

    >>> sections("# Title\\n\\n## One\\n\\nFirst.\\n\\n## Two\\n\\nSecond.\\n")
    {'': '# Title', 'One': 'First.', 'Two': 'Second.'}
    """
    first, *rest = HEADING.split(text)
    return {"": first.strip()} | {name: body.strip() for name, body in zip(rest[::2], rest[1::2], strict=True)}


def fingerprint(text: str) -> str:
    """Returns the hash of a text; spaces and line breaks do not count."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:8]


def translated(translation: str) -> Iterator[Section]:
    """Yields the sections of a translated page."""
    for match in MARK.finditer((ROOT / translation).read_text(encoding="utf-8")):
        yield Section(translation, match["page"], match["section"], match["hash"])


def faults() -> list[str]:
    """Returns what is wrong: sections whose original has changed, is gone, or is not translated."""
    found = []
    for translation in TRANSLATIONS:
        marks = list(translated(translation))
        for page in {mark.page for mark in marks}:
            current = {name: fingerprint(text) for name, text in sections((ROOT / page).read_text(encoding="utf-8")).items()}
            known = {mark.section: mark.hash for mark in marks if mark.page == page}
            found += [f"{translation}: {page}#{name} is not translated" for name in current.keys() - known.keys()]
            found += [f"{translation}: {page}#{name} no longer exists" for name in known.keys() - current.keys()]
            changed = [name for name in current.keys() & known.keys() if current[name] != known[name]]
            found += [f"{translation}: {page}#{name} has changed since it was translated" for name in changed]
    return sorted(found)


def accept() -> None:
    """Writes the current hashes of all originals."""
    for translation in TRANSLATIONS:
        path = ROOT / translation

        def current(match: re.Match[str]) -> str:
            originals = sections((ROOT / match["page"]).read_text(encoding="utf-8"))
            return f"<!-- original: {match['page']}#{match['section']} {fingerprint(originals.get(match['section'], ''))} -->"

        path.write_text(MARK.sub(current, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    if "--accept" in sys.argv[1:]:
        accept()
    problems = faults()
    print("\n".join(problems) or "every translation is current")
    sys.exit(bool(problems))
