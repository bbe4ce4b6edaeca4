"""What the page gets from a program: printed lines, shown values, errors with their line, sliders and curves. No browser needed."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_mini import Tensor, nn, playground, viz
from autograd_mini.playground import browser, page
from autograd_mini.playground.build import LANGUAGES, PROGRAMS
from autograd_mini.playground.page import connection, run_program

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "playground" / "programs"


@pytest.fixture
def events() -> Iterator[list[dict[str, Any]]]:
    """The events that the page would get."""
    found: list[dict[str, Any]] = []
    connection.open(lambda event: found.append(json.loads(json.dumps(event))))
    yield found
    connection.close()


def texts(events: list[dict[str, Any]]) -> str:
    return "".join(event["text"] for event in events if event["kind"] == "text")


def points(events: list[dict[str, Any]], name: str) -> list[list[float | None]]:
    return [point for event in events if event["kind"] == "curve" and event["name"] == name for point in event["points"]]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_examples_run(events: list[dict[str, Any]], name: str, language: str) -> None:
    """Each one shows a picture; both languages have the same code, except for what is in quotes and comments."""
    pytest.importorskip("matplotlib")
    path = FOLDER / f"{name}{'' if language == 'en' else '_' + language}.py"
    assert run_program(path.read_text(encoding="utf-8")), events[-1]
    assert any(event["kind"] in ("svg", "png") for event in events)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_translated_example_has_the_code_of_its_original(name: str) -> None:
    """Only comments and texts differ, so a change of one file that is missing in the other is found."""
    import ast

    class WithoutTexts(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.Constant:
            return ast.Constant("…") if isinstance(node.value, str) else node

    first, second = (
        ast.dump(WithoutTexts().visit(ast.parse((FOLDER / f"{name}{ending}.py").read_text(encoding="utf-8"))))
        for ending in ("", "_ja")
    )
    assert first == second


def test_lines_are_reported_when_they_are_complete(events: list[dict[str, Any]]) -> None:
    """A program that hangs has shown all that it printed before."""
    run_program("print('a', end=''); print('b'); print('c')\nprint('d', end='', flush=True); print('e', end='')")
    assert [event["text"] for event in events] == ["ab\n", "c\n", "d", "e\n"]


def test_a_page_is_not_flooded(events: list[dict[str, Any]]) -> None:
    run_program("for i in range(100_000): print('0123456789')")
    assert page.MOST_CHARACTERS < len(texts(events)) < page.MOST_CHARACTERS + 200
    assert "the rest after 200,000 characters is left out" in texts(events)


@pytest.mark.parametrize(
    ("code", "line", "message"),
    [
        ("x = 1\n\n1 / 0", 3, "ZeroDivisionError"),
        ("def f():\n    return missing\nf()", 2, "NameError: name 'missing' is not defined"),
        ("x = (1", 1, "SyntaxError"),
        ("print('ok')\n  y = 2", 2, "IndentationError"),
        ("from autograd_mini import Tensor\nTensor([1.0, 2.0]) + Tensor([1.0, 2.0, 3.0])", 2, "add"),
        ("input('name?')", 1, "playground.slider"),
        ("raise KeyboardInterrupt", 1, "KeyboardInterrupt"),
        ("def f(): f()\nf()", 1, "RecursionError"),
    ],
)
def test_an_error_shows_its_line_and_only_the_program(events: list[dict[str, Any]], code: str, line: int, message: str) -> None:
    assert run_program(code) is False
    assert events[-1]["kind"] == "error"
    assert events[-1]["line"] == line
    assert message in events[-1]["text"]
    assert "playground/page.py" not in events[-1]["text"]


def test_the_traceback_quotes_the_line(events: list[dict[str, Any]]) -> None:
    run_program("value = 0\nprint(1 / value)")
    assert "print(1 / value)" in events[-1]["text"]


def test_exit_ends_a_program_without_an_error(events: list[dict[str, Any]]) -> None:
    assert run_program("print(1)\nraise SystemExit\nprint(2)")
    assert texts(events) == "1\n"


def test_values_are_shown_as_in_a_notebook(events: list[dict[str, Any]]) -> None:
    """The last line if it is an expression, but not None; pictures as pictures, with their text for a screen reader."""
    setup = "from autograd_mini import Tensor, viz\nx = Tensor(3.0, requires_grad=True, name='weight')\n"
    for last in ("x * x", "print('no value')", "viz.draw(x * x)", "viz.step(x * x)", "None", "y = 1"):
        assert run_program(setup + last), events[-1]
    assert [event["kind"] for event in events] == ["text", "text", "svg", "page"]
    assert events[0]["text"] == "Tensor(9.0, op=multiply)\n"
    assert "<svg" in events[2]["svg"]
    assert "weight" in events[2]["alt"]
    assert "<html" in events[3]["html"]


def test_figures_of_pyplot_are_shown_and_closed(events: list[dict[str, Any]]) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.title('a line')\nplt.figure()\nplt.plot([2, 1])"
    assert run_program(code), events[-1]
    kinds = [event["kind"] for event in events]
    assert kinds.count("png") == 2
    assert events[-2]["alt"] == "a line"
    assert pyplot.get_fignums() == []


def test_a_slider_has_the_number_that_the_reader_chose(events: list[dict[str, Any]]) -> None:
    code = "from autograd_mini import playground\nprint(playground.slider('w', 0.5), playground.slider('n', 2, 1, 5))"
    for values in ({}, {"w": 1.25, "n": 4}, {"w": 99.0, "n": 3.2}):
        run_program(code, values)
    assert texts(events) == "0.5 2\n1.25 4\n2.0 3\n"
    first = {"kind": "slider", "name": "w", "value": 0.5, "low": -2, "high": 2, "step": 0.02}
    assert events[0] == first
    assert events[1] == {"kind": "slider", "name": "n", "value": 2, "low": 1, "high": 5, "step": 1}


def test_the_range_of_a_slider_contains_its_value() -> None:
    for value in (-1000, -3.5, 0, 1e-9, 7, 12.0):
        assert playground.slider("w", value) == value


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("", 1.0), TypeError, "slider: name must be a text such as 'w', got ''"),
        ((3, 1.0), TypeError, "name must be a text"),
        (("w", "0.5"), TypeError, "slider 'w': value must be a finite number, got '0.5'"),
        (("w", math.nan), TypeError, "value must be a finite number, got nan"),
        (("w", True), TypeError, "value must be a finite number, got True"),
        (("w", 0.5, 1.0, 2.0), ValueError, "expected low ≤ value ≤ high.*low=1.0, value=0.5, high=2.0"),
        (("w", 1.0, 1.0, 1.0), ValueError, "low < high"),
        (("w", 0.5, 0.0, 1.0, -0.1), ValueError, "step > 0"),
    ],
)
def test_a_wrong_slider_is_reported(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        playground.slider(*arguments)


def test_curves_have_one_point_per_call_and_gaps_at_nan(events: list[dict[str, Any]]) -> None:
    for value in (1.0, Tensor(0.5), math.nan, math.inf):
        playground.curve("loss", value)
    playground.curve("other", 2, x=10)
    assert points(events, "loss") == [[0, 1], [1, 0.5], [2, None], [3, None]]
    assert points(events, "other") == [[10, 2]]
    with pytest.raises(TypeError, match="curve: name must be a text such as 'loss', got 1"):
        playground.curve(1, 2.0)  # type: ignore[arg-type]


def test_a_trainer_draws_its_losses(events: list[dict[str, Any]]) -> None:
    class Line(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def training_step(self, batch: tuple[Tensor, ...]) -> dict[str, Tensor]:
            x, y = batch
            return {"loss": nn.mse_loss(self.layer(x), y)}

    x = np.arange(16, dtype=np.float32).reshape(8, 2)
    model = Line()
    trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.001), callbacks=[playground.LiveCurves()], progress=False)
    history = trainer.fit(nn.data.DataLoader(x, x[:, :1], batch_size=4), 3)
    assert points(events, "loss") == [[row["iteration"], row["loss"]] for row in history]
    assert [row["iteration"] for row in history] == [2, 4, 6]


def test_a_fast_loop_does_not_flood_the_page_with_points(events: list[dict[str, Any]]) -> None:
    """All points arrive, in far fewer events; the first ones at once, so that a program that hangs shows them."""
    code = "from autograd_mini import playground\nfor i in range(20_000): playground.curve('i', i)"
    assert run_program(code)
    assert points(events, "i") == [[i, i] for i in range(20_000)]
    assert 200 < len(events) < 2_000
    assert [event["points"] for event in events[:2]] == [[[0, 0]], [[1, 1]]]


def test_outside_the_page_a_program_runs_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert playground.slider("w", 0.5) == 0.5
    playground.curve("loss", 1.0)
    playground.show(1, "two")
    assert capsys.readouterr().out == "1\ntwo\n"


def test_the_worker_connects_graphviz_and_the_language() -> None:
    """Pictures are laid out by the function that the worker passes, and no other; errors of JavaScript become Python's."""
    posted: list[str] = []

    def layout(source: str) -> str:
        if "broken" in source:
            raise OSError("syntax error near line 1")
        return '<svg width="9pt" height="9pt" viewBox="0 0 9 9"><text>laid out</text></svg>'

    try:
        browser.connect(posted.append, layout)
        draw = "from autograd_mini import Tensor, viz\nviz.draw(Tensor(1.0, name={!r}))"
        assert browser.run(draw.format("w"), "{}", "ja")
        assert "laid out" in json.loads(posted[-1])["svg"]
        assert browser.run("import playground\nprint(playground.slider('w', 0.5))", '{"w": 1.5}', "en")
        assert json.loads(posted[-1]) == {"kind": "text", "text": "1.5\n"}
        assert browser.run(draw.format("w").replace("viz.draw", "pic = viz.draw") + "\npic.pipe('png')", "{}", "en") is False
        assert "the playground draws graphs as svg, not as png" in json.loads(posted[-1])["text"]
        assert browser.run(draw.format("broken"), "{}", "en")
        assert "not drawn: Graphviz failed: syntax error near line 1" in json.loads(posted[-1])["text"]
    finally:
        connection.close()
        viz.set_renderer(None)
        sys.modules.pop("playground", None)
