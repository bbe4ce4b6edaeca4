"""Building the page: pinned packages, checksums, a layout without a network, and the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from autograd_mini.playground import build, fetch

WEB = Path(build.__file__).parent / "web"


def test_each_npm_package_has_a_version_and_a_checksum() -> None:
    for name, package in fetch.pins()["npm"].items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"]), name
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package["integrity"]), name


def test_another_file_under_the_name_of_a_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed download never reaches the page."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\nshift\nfor x in crelt-1.0.7.tgz; do echo changed > $x; done\n")
    npm.chmod(0o755)
    monkeypatch.setattr(fetch.shutil, "which", lambda name: str(npm))
    monkeypatch.setattr(
        fetch, "pins", lambda: {"npm": {"crelt": {"version": "1.0.7", "integrity": "sha512-AAAA", "files": {}}}}
    )
    with pytest.raises(fetch.FetchError, match=r"crelt 1\.0\.7: the checksum differs from pins\.json"):
        fetch.npm_archives()
    monkeypatch.setattr(fetch.shutil, "which", lambda name: None)
    with pytest.raises(fetch.FetchError, match=r"npm was not found.*install Node"):
        fetch.npm_archives()


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_python_packages_come_from_a_folder_or_a_zip_file(tmp_path: Path, kind: str) -> None:
    entry = {"file_name": "a.whl", "sha256": hashlib.sha256(b"content").hexdigest()}
    source = tmp_path / kind
    if kind == "folder":
        (source / "inner").mkdir(parents=True)
        (source / "inner" / "a.whl").write_bytes(b"content")
    else:
        with zipfile.ZipFile(source, "w") as archive:
            archive.writestr("inner/a.whl", b"content")
    assert fetch.python_package(entry, source) == b"content"
    with pytest.raises(fetch.FetchError, match=r"a\.whl: the checksum differs"):
        fetch.python_package({**entry, "sha256": "0" * 64}, source)
    with pytest.raises(fetch.FetchError, match=r"expected a folder or zip file that contains b\.whl"):
        fetch.python_package({**entry, "file_name": "b.whl"}, source)


def test_the_library_is_packed_as_it_is_installed() -> None:
    """With what a program imports, and the same bytes each time."""
    data = build.library_archive()
    assert data == build.library_archive()
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert len(names) == len(set(names))
    for name in (
        "__init__.py",
        "jit/__init__.py",
        "nn/__init__.py",
        "models/__init__.py",
        "viz/__init__.py",
        "playground/browser.py",
        "examples/study.py",  # the notebooks of the exercises
        "cli/tables.py",
    ):
        assert f"autograd_mini/{name}" in names


def test_imports_name_files() -> None:
    files = {"a": "a.js", "@b/c": "b-c.js"}
    source = (
        "import x from 'a';\nimport { y } from \"@b/c\";\nexport { z } from '@b/c';\nimport './d.js';\nconst t = 'from a';\n"
    )
    linked = build.link_modules(source, files)
    assert linked == source.replace("'a';", "'./a.js';").replace("@b/c", "./b-c.js")


def test_the_page_allows_no_inline_code_and_no_other_address() -> None:
    """The policy is strict, and the page keeps it: no inline scripts, styles or handlers; its files name no other server."""
    html = (WEB / "index.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe-inline" not in policy[1]
    assert "'unsafe-eval'" not in policy[1]
    assert rules["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\son\w+=|\bstyle=", html)
    for path in WEB.iterdir():
        addresses = set(re.findall(r"https?://[^\s\"'`)]+", path.read_text(encoding="utf-8")))
        assert addresses <= {"http://www.w3.org/2000/svg"}, path.name


def test_every_word_exists_in_both_languages() -> None:
    """The keys of both tables are equal, and every text that the page asks for is among them."""
    source = (WEB / "words.js").read_text(encoding="utf-8")
    tables = {
        name: set(re.findall(r"^    (\w+): ", body, re.M))
        for name, body in re.findall(r"^  (\w\w): \{\n(.*?)^  \},", source, re.M | re.S)
    }
    assert tables.keys() == set(build.LANGUAGES)
    assert tables["en"] == tables["ja"] != set()
    used = set(re.findall(r'data-(?:word|title)="(\w+)"', (WEB / "index.html").read_text(encoding="utf-8")))
    for path in WEB.glob("*.js"):
        used |= set(re.findall(r'\b(?:word|tell)\("(\w+)"', path.read_text(encoding="utf-8")))
    assert used <= tables["en"]


def test_wrong_options_are_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail() -> Any:
        raise fetch.FetchError("npm was not found")

    monkeypatch.setattr(build, "npm_archives", fail)
    assert build.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err == "playground: npm was not found\n"
    with pytest.raises(SystemExit):
        build.main(["a", "--offline", "b"])
    assert "give one folder" in capsys.readouterr().err


def test_programs_have_titles_in_both_languages() -> None:
    assert all(len(titles) == len(build.LANGUAGES) for titles in build.PROGRAMS.values())
    written = {path.name for path in (WEB.parent / "programs").glob("*.py")}
    assert written == {f"{name}{ending}.py" for name in build.PROGRAMS for ending in ("", "_ja")}
    assert json.loads(build._json({"β": 1}).decode()) == {"β": 1}
