"""Settings of the site: `pip install -e ".[docs]" && sphinx-build docs site`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]

import links
import make_api
import make_notebooks

import autograd_mini

project = "autograd_mini"
author = "the authors of autograd_mini"
project_copyright = author
version = release = autograd_mini.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.linkcode", "numpydoc"]
exclude_patterns = ["_build", "**.ipynb_checkpoints", "locale"]
nitpicky = False
default_role = "code"
add_module_names = False
autodoc_typehints = "none"  # signatures stay readable; the parameter tables say what is expected
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
nb_execution_mode = os.environ.get("AUTOGRAD_MINI_DOCS_EXECUTE", "cache")  # "off" builds without running the notebooks
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True

locale_dirs = ["locale"]
gettext_compact = False

html_theme = "pydata_sphinx_theme"
html_title = "autograd_mini"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "github_url": links.SOURCE,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_show_sourcelink = False

os.environ.setdefault("PYTHONPATH", str(DOCS.parent))  # notebooks run in processes of their own


def quiet_kernels() -> None:
    """Lets the kernels of notebooks log errors only; other messages would look like warnings of Sphinx."""
    profile = DOCS / "_build" / "ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text('get_config().IPKernelApp.log_level = "ERROR"\n', encoding="utf-8")
    os.environ["IPYTHONDIR"] = str(profile.parent)


def write_pages(app: Any, config: Any) -> None:
    """Writes the generated pages, and only those that have changed, so that Sphinx reads no page twice."""
    generated = {**make_api.pages(), **links.copies()}
    for name, text in generated.items():
        path = DOCS / name
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for folder in {Path(name).parent for name in generated}:
        for path in (DOCS / folder).iterdir():
            if path.relative_to(DOCS).as_posix() not in generated:
                path.unlink()


def unlisted_pages() -> list[str]:
    """Returns the pages that no table of contents names yet; the site adds them to its front page."""
    lines = {line for path in DOCS.glob("*.md") for line in path.read_text(encoding="utf-8").splitlines()}
    return sorted(path.stem for path in DOCS.glob("*.md") if path.stem not in {*lines, "index"})


def prepare_source(app: Any, name: str, content: list[str]) -> None:
    """Rewrites the links of a page for the site."""
    if (path := DOCS / f"{name}.md").exists():
        text = links.relink(content[0], path, path)
        if name == "index" and (more := unlisted_pages()):
            text += "\n```{toctree}\n:hidden:\n\n" + "\n".join(more) + "\n```\n"
        content[0] = make_notebooks.on_the_site(path, text) if path in make_notebooks.sources() else text


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """Returns the address of the source of a name; the [source] links of the reference."""
    return make_api.source_address(info["module"], info["fullname"]) if info["module"] else None


def setup(app: Any) -> None:
    quiet_kernels()
    app.connect("config-inited", write_pages)
    app.connect("source-read", prepare_source)
    make_api.connect(app)
