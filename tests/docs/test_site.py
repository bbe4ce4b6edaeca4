"""The site builds without warnings, its links lead somewhere, and the API reference lists every public name."""

from __future__ import annotations

import doctest
import importlib
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
@pytest.mark.parametrize("name", ["links", "make_api", "make_lecture_figures", "make_notebooks"])
def test_examples_of_the_programs_in_docs_run(name: str, monkeypatch_module: pytest.MonkeyPatch) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@needs_docs
def test_the_figures_of_the_lecture_page_are_drawn_from_the_results(
    monkeypatch_module: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A figure whose numbers are no longer in the results raises an error."""
    figures = importlib.import_module("make_lecture_figures")
    monkeypatch_module.setattr(figures, "FOLDER", tmp_path)
    figures.main()
    page = (DOCS / "lecture.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"\(lecture/(\w+\.png)\)", page))
    assert shown == {path.name for path in tmp_path.iterdir()} == {path.name for path in (DOCS / "lecture").iterdir()}
    assert all(f"exercises/exercise_{number}.md" in page and f"exercise {number}`" in page for number in range(20, 32))


@needs_docs
def test_the_figures_show_the_numbers_of_the_results(monkeypatch_module: pytest.MonkeyPatch) -> None:
    figures = importlib.import_module("make_lecture_figures")
    results = (DOCS / "results.md").read_text(encoding="utf-8")
    drawn: dict[str, object] = {}
    for name in ("plot", "bars"):
        monkeypatch_module.setattr(figures, name, lambda figure, curves, *_, **__: drawn.update({figure: curves}))
    for draw in figures.FIGURES.values():
        draw(results)
    assert drawn["depth"]["sigmoid"] == ([1, 2, 3, 5, 10, 20], [90.3, 86.7, 60.7, 11.4, 11.4, 11.4])
    assert drawn["losses"]["cross-entropy"] == ([0.03, 0.1, 0.3, 1, 3], [94.6, 97.2, 97.8, 97.3, 11.4])
    assert drawn["by_hand"]["with the engine"]["single images, 1 epoch"] == 15.3
    assert drawn["width"]["after 1 epoch"][1] == [90.7, 94.2, 94.8, 95.6, 95.8]
    assert drawn["nodes"]["2 hidden layers, batch 64"] == ([16, 64, 256], [85.5, 89, 91.1])
    assert drawn["optimizers"]["Adam"][1] == [89.1, 92.1, 94.0, 95.5, 94.7, 92.2, 76.0, 23.8, 10.1, 13.3]
    assert drawn["convolution"]["with convolution"] == {"mnist": 98.69, "cifar10": 69.03}
    assert drawn["elbo"]["MNIST"] == ([1, 5, 50, 500], [-104.3, -101.7, -99.94, -99.04])
    assert drawn["cifar"]["held out"][1] == [-894, -1515, -1798, -1796, -2230, -2340]


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
