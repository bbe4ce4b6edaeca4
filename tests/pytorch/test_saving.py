"""`ag.save` and `ag.load`: states, checkpoints and tensors come back equal, and nothing is unpickled."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import autograd_mini as ag
from autograd_mini import nn


def test_a_state_is_an_ordinary_safetensors_file(tmp_path: Path) -> None:
    net, other = nn.Linear(2, 3), nn.Linear(2, 3)
    path = tmp_path / "model.pth"
    ag.save(net.state_dict(), path)
    assert sorted(load_file(path)) == ["bias", "weight"]
    other.load_state_dict(ag.load(path, weights_only=True))
    np.testing.assert_array_equal(other.weight.data, net.weight.data)
    np.testing.assert_array_equal(nn.load(path)["bias"], net.bias.data)


def test_a_checkpoint_of_a_model_and_its_optimizer_continues_the_training(tmp_path: Path) -> None:
    def step(net: Any, optimizer: Any) -> None:
        optimizer.zero_grad()
        net(ag.ones(2, 2)).square().sum().backward()
        optimizer.step()

    net = nn.Linear(2, 1)
    optimizer = nn.Adam(net.parameters(), lr=0.1, amsgrad=True)
    step(net, optimizer)
    ag.save(
        {"epoch": 5, "model": net.state_dict(), "optimizer": optimizer.state_dict(), "loss": 0.25, "note": None},
        tmp_path / "c.pt",
    )
    twin = nn.Linear(2, 1)
    twin_optimizer = nn.Adam(twin.parameters(), lr=0.3)
    checkpoint = ag.load(tmp_path / "c.pt", map_location="cpu")
    twin.load_state_dict(checkpoint["model"])
    twin_optimizer.load_state_dict(checkpoint["optimizer"])
    assert (checkpoint["epoch"], checkpoint["loss"], checkpoint["note"]) == (5, 0.25, None)
    assert twin_optimizer.param_groups[0]["lr"] == 0.1
    assert twin_optimizer.param_groups[0]["amsgrad"] is True
    for pair in ((net, optimizer), (twin, twin_optimizer)):
        step(*pair)
    np.testing.assert_array_equal(twin.weight.data, net.weight.data)


TREES: dict[str, Any] = {
    "a tensor": ag.arange(3),
    "a list": [ag.ones(2), 1, "a", None, True, 2.5],
    "a tuple": (ag.ones(1), (1, 2)),
    "keys of ints": {0: {"step": 1, "mean": np.zeros(2)}, 1: {}},
    "empty": {},
    "nested": {"a": {"b": [ag.ones(()), {"c": ag.zeros(2, 0)}]}, "betas": (0.9, 0.999)},
}


@pytest.mark.parametrize("name", TREES)
def test_nested_values_come_back_equal(name: str, tmp_path: Path) -> None:
    ag.save(TREES[name], tmp_path / "x")
    same(ag.load(tmp_path / "x"), TREES[name])


def same(found: Any, expected: Any) -> None:
    if isinstance(expected, ag.Tensor | np.ndarray):
        assert isinstance(found, ag.Tensor)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found.data, np.asarray(expected))
        return
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            same(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            same(a, b)
    else:
        assert found == expected


def test_a_tensor_of_a_graph_is_saved_by_its_value(tmp_path: Path) -> None:
    ag.save({"y": ag.ones(2, requires_grad=True) * 2}, tmp_path / "y")
    assert ag.load(tmp_path / "y")["y"].tolist() == [2, 2]


def refuse_pickle(path: Path) -> Any:
    path.write_bytes(pickle.dumps({"w": 1}, protocol=2))
    return ag.load(path)


@pytest.mark.parametrize(
    ("use", "error", "match"),
    [
        (lambda path: ag.save(nn.ReLU(), path), TypeError, r"write ag\.save\(model\.state_dict\(\), path\)"),
        (lambda path: ag.save(path, {"w": ag.ones(1)}), TypeError, "the object comes first"),
        (lambda path: ag.save({"f": print}, path), TypeError, "save: f: expected tensors"),
        (
            lambda path: ag.save({"a.b": ag.ones(1), "a": {"b": ag.ones(1)}}, path),
            ValueError,
            "two tensors have the path 'a.b'",
        ),
        (refuse_pickle, ValueError, r"is a pickle of PyTorch; write it there with safetensors"),
        (lambda path: ag.load(path, map_location="cuda"), RuntimeError, "tensors are always on the CPU"),
        (lambda path: ag.load(path, weights_only=False), ValueError, "weights_only must be True"),
        (lambda path: ag.load(path), FileNotFoundError, "x"),
    ],
)
def test_what_cannot_be_saved_or_loaded_is_refused(
    use: Callable[[Path], Any], error: type[Exception], match: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=match):
        use(tmp_path / "x")


def test_initial_values_can_be_written_into_the_array_of_a_parameter() -> None:
    """As `nn.init.normal_(m.weight.data, 0.0, 0.02)` in PyTorch's programs."""
    layer = nn.Conv2d(3, 8, 3)
    array = layer.weight.data
    assert nn.init.normal_(layer.weight.data, 1.0, 0.02) is array
    assert abs(layer.weight.data.mean() - 1) < 0.02
    nn.init.constant_(layer.bias.data, 0.5)
    assert set(layer.bias.tolist()) == {0.5}
    nn.init.xavier_uniform_(layer.weight.data)
    nn.init.uniform_(layer.weight, a=-0.1, b=0.1)
    assert np.abs(layer.weight.data).max() <= 0.1
    assert np.abs(nn.init.trunc_normal_(ag.zeros(500), std=1.0, a=-1.0, b=0.5).data).max() <= 1
    wide = nn.init.orthogonal_(ag.zeros(2, 4, 3), gain=2.0).reshape(2, 12)
    np.testing.assert_allclose((wide @ wide.T).data, 4 * np.eye(2), atol=1e-5)
    assert nn.init.eye_(ag.zeros(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
