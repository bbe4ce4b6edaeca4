"""Renderers: a broken one is replaced by the next, and the error of the first is reported if none works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autograd_mini import Tensor, viz
from autograd_mini.viz.graph import render as rendering

BROKEN = {
    "fails": "#!/bin/sh\necho 'Format: \"svg\" not recognized' >&2\nexit 1\n",
    "writes nothing": "#!/bin/sh\n/bin/cat > /dev/null\nexit 0\n",
    "is not a program": "\x7fELF broken",
    "has no interpreter": "#!/nowhere/sh\n",
}


@pytest.fixture(params=BROKEN)
def broken_dot(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = tmp_path / "dot"
    path.write_text(BROKEN[request.param])
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))  # with another folder, the system would go on to the next `dot`
    return request.param


def test_a_broken_dot_is_replaced_by_pygraphviz(broken_dot: str) -> None:
    pytest.importorskip("pygraphviz")
    assert viz.draw(Tensor(1.0, name="x")).pipe("svg").rstrip().endswith(b"</svg>")


def test_a_broken_dot_is_reported_if_there_is_nothing_else(broken_dot: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_pygraphviz", lambda format: [])
    with pytest.raises(RuntimeError, match=r"not recognized|wrote no picture|cannot be started|failed to execute"):
        viz.draw(Tensor(1.0, name="x")).pipe("svg")
    assert "<li" in viz.step(Tensor(1.0, requires_grad=True) * 2).html, "the stepper lists the nodes"


@pytest.fixture
def own_renderer() -> Iterator[list[tuple[str, str]]]:
    """Records what the renderer gets; it draws one word."""
    seen: list[tuple[str, str]] = []

    def draw(source: str, format: str) -> str:
        seen.append((source, format))
        return '<svg width="10pt" height="10pt" viewBox="0 0 10 10"><text>drawn</text></svg>'

    previous = viz.set_renderer(draw)
    yield seen
    assert viz.set_renderer(previous) is draw


def test_an_own_renderer_draws_graphs_and_the_stepper(
    own_renderer: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets the DOT text and the format, and no command is started."""
    monkeypatch.setattr(rendering, "_run", None)
    picture = viz.draw(Tensor(1.0, name="x"))
    assert "drawn" in picture.pipe("svg").decode()
    assert own_renderer == [(picture.source, "svg")]
    assert "drawn" in viz.step(Tensor(1.0, requires_grad=True) * 2).html
    assert picture.pipe("dot").decode() == picture.source, "DOT text needs no layout"


def test_an_own_renderer_that_fails_is_reported_and_the_stepper_lists_the_nodes() -> None:
    def fail(source: str, format: str) -> bytes:
        raise RuntimeError("no memory left")

    for renderer, message in ((fail, "no memory left"), (lambda source, format: None, "must return the picture.*None")):
        previous = viz.set_renderer(renderer)
        try:
            with pytest.raises(RuntimeError, match=message):
                viz.draw(Tensor(1.0)).pipe("png")
            assert "<li" in viz.step(Tensor(1.0, requires_grad=True) * 2).html
        finally:
            viz.set_renderer(previous)


def test_a_renderer_is_a_function() -> None:
    with pytest.raises(TypeError, match=r"set_renderer: expected a function of \(source, format\) or None, got 'dot'"):
        viz.set_renderer("dot")  # type: ignore[arg-type]
