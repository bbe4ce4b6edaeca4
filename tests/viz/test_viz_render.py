"""Renderers: a broken one is replaced by the next, and the error of the first is reported if none works."""

from __future__ import annotations

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
