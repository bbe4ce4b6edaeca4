"""A history of any length and content survives a checkpoint, also one of an older release."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autograd_mini import models, nn
from autograd_mini.nn.training.checkpoint import load_checkpoint, save_checkpoint
from autograd_mini.nn.training.history import pack_history, unpack_history

VALUES = st.one_of(
    st.integers(),
    st.floats(allow_nan=False),
    st.booleans(),
    st.none(),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=2),
)
ROWS = st.lists(st.dictionaries(st.sampled_from(["epoch", "loss", "a.b", "$array", "name"]), VALUES))


@given(ROWS)
def test_rows_are_the_same_after_a_checkpoint(rows: list[dict]) -> None:
    """Values keep their types: 1, 1.0 and True are different in metrics.csv. The first row decides the order of the columns."""
    packed = pack_history(rows)
    assert json.loads(json.dumps(packed, default=lambda array: {"array": array.tolist()})) is not None
    loaded = unpack_history(packed)
    assert loaded == rows
    types = lambda history: [{name: type(value) for name, value in row.items()} for row in history]
    assert types(loaded) == types(rows)
    columns = lambda history: list(dict.fromkeys(name for row in history for name in row))
    assert columns(loaded) == columns(rows)


def test_six_hundred_thousand_rows_fit_into_a_checkpoint(tmp_path: Path) -> None:
    """As a list in the header they would need more than the 100 MB that safetensors allows."""
    rows = [
        {"epoch": i // 1000, "iteration": i, "loss": i / 7, "accuracy": 1 / (i + 1), "val_loss": 0.1 * i}
        for i in range(600_000)
    ]
    assert len(json.dumps(rows[:1000])) * 600 > 60_000_000
    path = tmp_path / "run.safetensors"
    save_checkpoint(path, {"history": pack_history(rows)})
    assert unpack_history(load_checkpoint(path)["history"]) == rows
    assert path.stat().st_size < 30_000_000


def trainer() -> nn.Trainer:
    model = models.MLP((4, 3))
    return nn.Trainer(model, nn.SGD(model.parameters(), lr=0.1), progress=False)


def test_a_checkpoint_with_rows_as_a_list_is_loaded(tmp_path: Path) -> None:
    """Older releases stored the history so."""
    run, path = trainer(), tmp_path / "run.safetensors"
    history = run.fit(nn.data.DataLoader(np.ones((6, 4), np.float32), np.arange(6) % 3, batch_size=2), epochs=2)
    run.save(path)
    state = load_checkpoint(path)
    save_checkpoint(path, {**state, "history": history})
    assert isinstance(load_checkpoint(path)["history"], list)
    other = trainer()
    other.load(path)
    assert other.history == history
    other.save(tmp_path / "again.safetensors")
    run.save(path)
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()
