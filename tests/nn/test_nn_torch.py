"""States load in PyTorch and back unchanged, and equivalent networks compute the same (skipped without PyTorch)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import autograd_mini as ag
from autograd_mini import nn

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

RNG = np.random.default_rng(0)


def weight_norm(layer: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # this version names its state weight_g and weight_v
        return torch.nn.utils.weight_norm(layer, **options)


# name -> (ours, theirs, the shape of one example)
PAIRS: dict[str, tuple[Callable[[], Any], Callable[[], Any], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(3, 2), lambda: torch.nn.Linear(3, 2), (3,)),
    "conv1d": (lambda: nn.Conv1d(2, 4, 3, 2, 1, 1, 2), lambda: torch.nn.Conv1d(2, 4, 3, 2, 1, 1, 2), (2, 9)),
    "conv2d": (lambda: nn.Conv2d(2, 4, (3, 2), 2, (1, 0)), lambda: torch.nn.Conv2d(2, 4, (3, 2), 2, (1, 0)), (2, 7, 7)),
    "conv_transpose2d": (
        lambda: nn.ConvTranspose2d(4, 6, 4, 2, 1, 1, 2), lambda: torch.nn.ConvTranspose2d(4, 6, 4, 2, 1, 1, 2), (4, 3, 3),
    ),
    "batch_norm1d": (lambda: nn.BatchNorm1d(3), lambda: torch.nn.BatchNorm1d(3), (3, 5)),
    "batch_norm2d": (lambda: nn.BatchNorm2d(3, momentum=None), lambda: torch.nn.BatchNorm2d(3, momentum=None), (3, 4, 4)),
    "layer_norm": (lambda: nn.LayerNorm((3, 4)), lambda: torch.nn.LayerNorm((3, 4)), (3, 4)),
    "weight_norm": (
        lambda: nn.WeightNorm(nn.Conv2d(2, 3, 3)), lambda: weight_norm(torch.nn.Conv2d(2, 3, 3)), (2, 5, 5),
    ),
    "spectral_norm": (
        lambda: nn.SpectralNorm(nn.Linear(4, 3)), lambda: torch.nn.utils.spectral_norm(torch.nn.Linear(4, 3)), (4,),
    ),
    "max_pool": (lambda: nn.MaxPool2d(3, 2, 1), lambda: torch.nn.MaxPool2d(3, 2, 1), (2, 8, 8)),
    "avg_pool": (lambda: nn.AvgPool2d(3, 2, 1), lambda: torch.nn.AvgPool2d(3, 2, 1), (2, 8, 8)),
    "adaptive": (lambda: nn.AdaptiveAvgPool2d((3, 2)), lambda: torch.nn.AdaptiveAvgPool2d((3, 2)), (2, 7, 5)),
    "upsample": (
        lambda: nn.Upsample(scale_factor=2, mode="bilinear"), lambda: torch.nn.Upsample(scale_factor=2, mode="bilinear"),
        (2, 3, 3),
    ),
    "network": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding="same"), nn.BatchNorm2d(4), nn.LeakyReLU(0.2), nn.MaxPool2d(2), nn.Dropout(0.0),
            nn.Flatten(), nn.Linear(4 * 16, 5), nn.Softmax(),
        ),
        lambda: torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3, padding="same"), torch.nn.BatchNorm2d(4), torch.nn.LeakyReLU(0.2), torch.nn.MaxPool2d(2),
            torch.nn.Dropout(0.0), torch.nn.Flatten(), torch.nn.Linear(4 * 16, 5), torch.nn.Softmax(-1),
        ),
        (1, 8, 8),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_states_load_in_both_directions_and_outputs_gradients_and_statistics_agree(name: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    make_ours, make_theirs, shape = PAIRS[name]
    ours, theirs = make_ours(), make_theirs()
    x = RNG.normal(size=(6, *shape)).astype(np.float32)
    nn.save(tmp_path / "ours.safetensors", ours.state_dict())
    theirs.load_state_dict(load_file(tmp_path / "ours.safetensors"), strict=True)
    ours_x, theirs_x = ag.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    for training in (True, True, False):
        a, b = ours.train(training)(ours_x), theirs.train(training)(theirs_x)
        np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-4, atol=1e-5)
    (a * a).sum().backward()
    (b * b).sum().backward()
    gradients = {"x": theirs_x, **dict(theirs.named_parameters())}
    for path, p in [("x", ours_x), *ours.named_parameters()]:
        np.testing.assert_allclose(p.grad.data, gradients[path].grad.numpy(), rtol=1e-3, atol=1e-4)
    state = {key: value.detach().numpy() for key, value in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state) or name in ("weight_norm", "spectral_norm")
    for key, value in ours.state_dict().items():
        np.testing.assert_allclose(value, state[key], rtol=1e-4, atol=1e-6)
    save_file({key: np.asarray(value, order="C") for key, value in state.items()}, tmp_path / "theirs.safetensors")
    fresh = make_ours()
    fresh.load_state_dict(nn.load(tmp_path / "theirs.safetensors"))
    np.testing.assert_allclose(fresh.eval()(x).data, b.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_initial_weights_have_pytorchs_standard_deviation() -> None:
    ag.manual_seed(0)
    torch.manual_seed(0)
    for ours, theirs in (
        (nn.Linear(200, 300), torch.nn.Linear(200, 300)),
        (nn.Conv2d(16, 32, 5), torch.nn.Conv2d(16, 32, 5)),
        (nn.ConvTranspose2d(32, 16, 5), torch.nn.ConvTranspose2d(32, 16, 5)),
        (nn.Embedding(300, 50), torch.nn.Embedding(300, 50)),
    ):
        for path, p in ours.named_parameters():
            if p.size > 1000:
                assert p.data.std() == pytest.approx(dict(theirs.named_parameters())[path].std().item(), rel=0.05)
