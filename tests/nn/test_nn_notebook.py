"""What a notebook shows: one output for each `fit`, short texts for histories and data sets, tables for summaries."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import models, nn
from autograd_mini.nn import extras, notebook
from autograd_mini.nn.training.history import History


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[list[dict[str, str]]]:
    """Acts as a notebook's front end: each display is a list of what it has shown, one entry for each update."""
    displays: list[list[dict[str, str]]] = []

    class Handle:
        def __init__(self, states: list[dict[str, str]]) -> None:
            self.states = states

        def update(self, bundle: dict[str, str], raw: bool) -> None:
            self.states.append(bundle)

    def display(bundle: dict[str, str], raw: bool, display_id: bool) -> Handle:
        displays.append([bundle])
        return Handle(displays[-1])

    monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    return displays


def train(epochs: int, **options: Any) -> tuple[nn.Trainer, nn.data.DataLoader]:
    ag.manual_seed(0)
    model = models.MLP((4, 3))
    trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.1), **options)
    loader = nn.data.DataLoader(np.ones((6, 4), np.float32), np.zeros(6, int), batch_size=2)
    trainer.fit(loader, epochs)
    return trainer, loader


def test_fifty_epochs_have_one_display(shown: list[list[dict[str, str]]]) -> None:
    trainer, loader = train(50)
    assert len(shown) == 1
    last = shown[0][-1]
    assert last["text/plain"].startswith("epoch 50/50: 3/3, loss ")
    assert '<progress value="3" max="3">' in last["text/html"]
    trainer.fit(loader, 51)
    assert len(shown) == 2  # another call, another display


def test_the_table_below_the_bar_has_the_rows_so_far(shown: list[list[dict[str, str]]]) -> None:
    trainer, _ = train(12)
    page = shown[0][-1]["text/html"]
    assert page.count("<tr>") == 1 + 1 + notebook.SHOWN_ROWS  # the head, "…", and the last rows
    assert f"{trainer.history[-1]['loss']:.4g}" in page


def test_progress_false_shows_nothing(shown: list[list[dict[str, str]]], capsys: pytest.CaptureFixture[str]) -> None:
    train(3, progress=False)
    assert shown == []
    assert capsys.readouterr() == ("", "")


def test_updates_are_rare_and_the_last_one_is_complete(
    shown: list[list[dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(np.arange(0, 1000, 0.05).tolist())
    monkeypatch.setattr(notebook.time, "perf_counter", lambda: next(clock))
    with extras.progress_bar("a test", desc="steps", total=1000) as bar:
        for _ in range(1000):
            bar.update()
    assert 100 < len(shown[0]) < 300
    assert shown[0][-1]["text/plain"].startswith("steps: 1,000/1,000")


def test_text_from_a_data_set_is_escaped(shown: list[list[dict[str, str]]]) -> None:
    with extras.progress_bar("a test", desc="<b>", total=None, unit="B") as bar:
        bar.set_postfix({"<i>": "&"})
    page = shown[0][-1]["text/html"]
    assert "&lt;b&gt;" in page
    assert "&lt;i&gt; &amp;" in page
    assert "<progress" not in page


def test_a_history_is_a_list_with_a_short_text() -> None:
    rows = [{"epoch": i, "loss": 1 / i} for i in range(1, 51)]
    history = History(rows)
    assert history == rows
    assert history[-1] == {"epoch": 50, "loss": 0.02}
    assert repr(history) == "<History of 50 rows; the last: epoch 50, loss 0.02>"
    assert repr(History(rows[:1])) == "<History of 1 row; the last: epoch 1, loss 1>"
    assert repr(History()) == "<History without rows>"
    assert History()._repr_html_() == ""
    assert history._repr_html_().count("<tr>") == 22  # the head, "…", and 20 rows


def test_a_resumed_run_has_a_history_too(tmp_path) -> None:
    trainer, _ = train(2, folder=tmp_path, progress=False)
    again = nn.Trainer(trainer.model, nn.SGD(trainer.model.parameters(), lr=0.1), tmp_path, progress=False)
    again.load(tmp_path / "checkpoint.safetensors")
    assert isinstance(again.history, History)
    assert again.history == trainer.history


def test_data_sets_have_short_texts() -> None:
    digits = nn.data.digits()
    assert repr(digits) == "<Dataset 'digits': 1,442 training and 355 test images (8, 8), 10 classes>"
    assert repr(digits.train) == "<Split of 1,442 images (8, 8), labels 0 to 9>"
    assert repr(nn.data.Dataset().train) == "<Split of 0 images (0, 0)>"
    rows = nn.data.TensorDataset(np.zeros((1000, 3)), np.zeros(1000, np.int64))
    assert repr(rows) == "<TensorDataset of 1,000 rows: float64 (3,), int64 ()>"
    assert repr(nn.data.Subset(rows, range(10))) == "<Subset of 10 rows of 1,000>"
    assert repr(nn.data.DataLoader(rows, batch_size=300)) == f"<DataLoader of 4 batches of 300: {rows!r}>"


def test_a_data_set_of_the_user_may_have_none_of_the_fields() -> None:
    class Own(nn.data.Dataset):
        def __init__(self) -> None:
            pass

    assert "Own" in repr(Own())


def test_a_summary_is_a_table_in_html() -> None:
    summary = nn.summary(models.MLP((4, 3)), np.zeros((1, 4), np.float32))
    page = summary._repr_html_()
    assert page.startswith("<table>")
    assert page.count("<tr>") == len(summary.rows) + 2
    assert "15 trainable" in page
