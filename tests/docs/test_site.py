"""The site builds without warnings, its links lead somewhere, and the API reference lists every public name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
needs_docs = pytest.mark.skipif(not DOCS.is_dir(), reason="needs docs/, which only a checkout has")


@pytest.fixture(scope="module")
def api(monkeypatch_module) -> ModuleType:
    import make_api

    return make_api


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        yield patch


class Page(HTMLParser):
    """The addresses and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.links.append(unescape(value))
            if name == "id" and value:
                self.anchors.add(value)


def read_site(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if "_static" not in path.parts}


def broken_links(pages: dict[Path, Page]) -> list[str]:
    broken = []
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            file, _, anchor = link.partition("#")
            target = (path.parent / unquote(file.partition("?")[0])).resolve() if file else path
            wanted = pages.get(target)
            if not target.exists() or (anchor and wanted is not None and unquote(anchor) not in wanted.anchors):
                broken.append(f"{path.name}: {link}")
    return broken


@needs_docs
def test_the_site_builds_without_warnings_and_is_complete(api: ModuleType, tmp_path: Path) -> None:
    """One build serves all checks, because it takes most of a minute. Notebooks are run by their own tests."""
    pytest.importorskip("pydata_sphinx_theme", reason='needs pip install -e ".[docs]"')
    site = tmp_path / "site"
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", str(tmp_path / "read"), str(DOCS), str(site)]
    environment = {**os.environ, "AUTOGRAD_MINI_DOCS_EXECUTE": "off"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
    assert result.returncode == 0, result.stderr
    pages = read_site(site)
    assert broken_links(pages) == []
    anchors = set().union(*(page.anchors for path, page in pages.items() if path.parent.name == "api"))
    assert [name for name in api.all_names() if name not in anchors] == []
    for guide in DOCS.glob("*.md"):
        assert (site / f"{guide.stem}.html").exists(), guide


@needs_docs
def test_every_public_name_has_an_entry(api: ModuleType) -> None:
    """The generated pages name everything that `dir` and `__all__` of a package list."""
    import autograd_mini as ag
    from autograd_mini import models, nn, testing, viz

    text = "\n".join(api.pages().values())
    documented = set(re.findall(r"^\.\. (?:autofunction|autoclass|data):: (\S+)$", text, flags=re.MULTILINE))
    for module, names in ((ag, dir(ag)), *((m, m.__all__) for m in (nn, nn.functional, models, models.metrics, viz, testing))):
        wanted = {n for n in names if not n.startswith("_") and not isinstance(getattr(module, n), ModuleType)}
        assert {n for n in wanted if f"{module.__name__}.{n}" not in documented} == set(), module.__name__


@needs_docs
@pytest.mark.parametrize(
    ("plain", "markup"),
    [
        (["a*b and |x|, x_"], ["a\\*b and \\|x\\|, x\\_"]),
        (["`W x`s of ``|y|``"], ["``W x``\\ s of ``|y|``"]),
        (["Parameters", "----------", "x    |value|", "y : more", "    and more"],
         ["Parameters", "----------", "x :", "    \\|value\\|", "y :", "    more", "    and more"]),
        (["Text:", "- one *", "- two"], ["Text:", "", "- one \\*", "- two"]),
        (["Text.", ">>> a * b", "c_"], ["Text.", "", ">>> a * b", "c_"]),
    ],
)  # fmt: skip
def test_plain_docstrings_become_valid_markup(api: ModuleType, plain: list[str], markup: list[str]) -> None:
    assert api.clean_docstring(plain) == markup


@needs_docs
@pytest.mark.slow
def test_external_links_answer() -> None:
    """Needs the network; a page that refuses programs (403, 429) still exists."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
    dead = []
    for address in sorted(set(re.findall(r"https?://[^\s)>\"'`]+", text))):
        request = urllib.request.Request(address.rstrip(".,"), method="HEAD", headers={"User-Agent": "Mozilla/5.0"})
        try:
            urllib.request.urlopen(request, timeout=20)
        except urllib.error.HTTPError as error:
            if error.code not in (403, 405, 429):
                dead.append(f"{address}: {error.code}")
        except OSError as error:
            dead.append(f"{address}: {error}")
    assert dead == []
