"""Mistakes in training get an answer that names them: wrong optimizers, losses, labels, data and inputs."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import models, nn
from autograd_mini.models.metrics import features
from autograd_mini.nn.training.interrupt import Interrupt

X = np.random.default_rng(0).random((20, 4)).astype(np.float32)
Y = np.arange(20) % 3


def fit(losses: Any, **options: Any) -> None:
    layer = nn.Linear(4, 3)
    update = nn.Update(lambda batch: losses(layer(batch[0])), nn.SGD(layer.parameters(), lr=0.1))
    nn.Trainer(layer, {"": update}, progress=False, **options).fit(nn.data.DataLoader(X, Y, batch_size=5), epochs=2)


@pytest.mark.parametrize("table", [False, True])
def test_an_optimizer_of_another_model_is_refused(table: bool) -> None:
    model, other = models.MLP((4, 3)), models.MLP((4, 3))
    optimizer: Any = nn.Adam(other.parameters())
    if table:
        optimizer = {
            "a": nn.Update(model.training_step, nn.Adam(model.parameters())),
            "b": nn.Update(model.training_step, optimizer),
        }
    with pytest.raises(ValueError, match="2 parameters, none of which belongs to this MLP"):
        nn.Trainer(model, optimizer)
    nn.Trainer(model, nn.Adam([*other.parameters(), model.layers[0].bias]))  # some of its own are enough


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(
    ("losses", "error", "message"),
    [
        (lambda y: y.mean(), TypeError, r"named scalars such as \{'loss': loss\}, got a Tensor of shape \(\)"),
        (lambda y: y, TypeError, r"got a Tensor of shape \(5, 3\)"),
        (lambda y: 0.5, TypeError, "got float 0.5"),
        (lambda y: None, TypeError, "got NoneType None"),
        (lambda y: {"loss": 0.5}, TypeError, r"losses\['loss'\] must be a Tensor, got float 0.5; return it without .item"),
        (lambda y: {"loss": y}, ValueError, r"losses\['loss'\] must be a scalar, got shape \(5, 3\); reduce it"),
        (lambda y: {"loss": y.mean(), "size": 3}, TypeError, r"losses\['size'\] must be a Tensor, got int 3"),
        (lambda y: {"loss": y.mean(), "each": y[:, 0]}, ValueError, r"losses\['each'\] must be a scalar, got shape \(5,\)"),
        (lambda y: {"mse": y.mean()}, ValueError, "one named 'loss'"),
    ],
)
def test_losses_that_are_no_named_scalars_get_an_answer(losses: Any, error: type[Exception], message: str, jit: bool) -> None:
    with pytest.raises(error, match=message):
        fit(losses, jit=jit)


def test_class_indices_as_floats_get_an_answer() -> None:
    model = models.MLP((4, 3))
    trainer = nn.Trainer(model, nn.Adam(model.parameters()), progress=False)
    with pytest.raises(ValueError, match=r"class indices must be integers: targets.astype\(int\)"):
        trainer.fit(nn.data.DataLoader(X, Y.astype(np.float32), batch_size=5), epochs=1)


def test_probabilities_as_labels_count_as_right_if_the_largest_one_is_predicted() -> None:
    model = models.MLP((4, 3))
    by_index = model.training_step((ag.as_tensor(X), ag.as_tensor(Y)))
    by_probability = model.training_step((ag.as_tensor(X), ag.as_tensor(np.eye(3, dtype=np.float32)[Y])))
    assert by_index["accuracy"].item() == by_probability["accuracy"].item()
    assert by_index["loss"].item() == pytest.approx(by_probability["loss"].item())


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([[X, X]], TypeError, "one list of 2 items; for arrays pass them one by one"),
        ([[]], TypeError, "one list of 0 items"),
        ([(X, Y)], TypeError, "one tuple of 2 items"),
        ([{"a": X}], TypeError, "got dict"),
        (["abc"], TypeError, "got str"),
        ([5], TypeError, "got int"),
        ([], ValueError, "got none"),
        ([X, ["a"] * 20], ValueError, r"arrays of numbers with at least one axis, got float32 \(20, 4\), <U1 \(20,\)"),
        ([np.array(1.0), np.array(2.0)], ValueError, r"float64 \(\)"),
    ],
)
def test_data_that_is_no_data_set_gets_an_answer(data: list[Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        nn.data.DataLoader(*data)


@pytest.mark.parametrize("jit", [False, True])
def test_a_nan_in_the_input_is_named_and_the_learning_rate_is_not_blamed(jit: bool) -> None:
    images = X.copy()
    images[13, 2] = np.nan
    model = models.MLP((4, 3))
    trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.1), progress=False, jit=jit)
    place = "the loss became nan in epoch 1, at batch 3 of the run; no checkpoint was written; input 0 of the batch is nan at [3, 2]"
    with pytest.raises(nn.DivergedError, match=re.escape(place)) as caught:
        trainer.fit(nn.data.DataLoader(images, Y, batch_size=5), epochs=2)
    assert "learning rate" not in str(caught.value)


def test_a_nan_in_validation_data_is_named() -> None:
    images = X.copy()
    images[7, 1] = np.inf
    model = models.MLP((4, 3))
    trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.1), progress=False)
    with pytest.warns(UserWarning, match=r"loss is not finite: input 0 of the batch is inf at \[2, 1\]"):
        trainer.evaluate(nn.data.DataLoader(images, Y, batch_size=5))


def test_the_update_that_diverges_is_named() -> None:
    layer = nn.Linear(4, 3)
    updates = {
        "d": nn.Update(lambda batch: {"loss": layer(batch[0]).mean()}, nn.SGD([layer.weight], lr=0.1)),
        "g": nn.Update(lambda batch: {"loss": layer(batch[0]).mean() * np.inf}, nn.SGD([layer.bias], lr=0.1)),
    }
    with pytest.raises(
        nn.DivergedError, match=r"^g_loss became -?inf in epoch 1, at batch 1 .* a lower learning rate may help"
    ):
        nn.Trainer(layer, updates, progress=False).fit(nn.data.DataLoader(X, Y, batch_size=5), epochs=1)


def test_an_ignored_interrupt_stays_ignored() -> None:
    """`nohup program &` starts with SIGINT ignored; Ctrl-C for another program must not stop it."""
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupt() as interrupt:
            signal.raise_signal(signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert not interrupt.requested
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, previous)


def test_a_disk_that_refuses_chmod_still_gets_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.chmod", refuse)
    nn.save(tmp_path / "w.safetensors", {"w": X})
    np.testing.assert_array_equal(nn.load(tmp_path / "w.safetensors")["w"], X)


def test_a_cache_that_cannot_be_written_does_not_stop_the_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The classifier is then trained once per process."""
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("AUTOGRAD_MINI_CACHE", str(tmp_path / "file"))
    trained: list[str] = []

    monkeypatch.setattr(features, "_train", lambda network, recipe: trained.append(recipe.data))
    for _ in range(2):
        features.feature_classifier("digits")
    assert trained == ["digits"]
    assert "the classifier cannot be cached" in capsys.readouterr().err
