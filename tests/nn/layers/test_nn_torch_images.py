"""Layers of series, images and volumes equal PyTorch's: values, gradients, gradients of gradients, states (skipped without it)."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.nn.layers.padding import pad

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F = torch.nn.functional

SERIES, IMAGE, VOLUME = (2, 9), (2, 7, 6), (2, 5, 6, 4)
SHAPES = {1: SERIES, 2: IMAGE, 3: VOLUME}
# (name of the layer, arguments, keywords, the shape of one example)
Case = tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]


def for_axes(name: str, *args: Any, **keywords: Any) -> list[Case]:
    """The layer for 1, 2 and 3 axes; a function of the number of axes gives an argument for each."""
    return [
        (
            f"{name}{axes}d",
            tuple(a(axes) if callable(a) else a for a in args),
            {k: v(axes) if callable(v) else v for k, v in keywords.items()},
            shape,
        )
        for axes, shape in SHAPES.items()
    ]


def uneven(axes: int) -> tuple[int, ...]:
    return (2, 3, 1)[:axes]


CONVOLUTIONS: list[Case] = [
    *for_axes("Conv", 2, 4, 3),
    *for_axes("Conv", 2, 4, uneven, stride=2, padding=1, groups=2, bias=False),
    *for_axes("Conv", 2, 3, 2, padding="same", dilation=3),
    *for_axes("Conv", 2, 3, 2, padding="valid"),
    *[
        case
        for mode in ("reflect", "replicate", "circular")
        for padding in ("same", "valid", 2)
        for case in for_axes("Conv", 2, 3, uneven, padding=padding, padding_mode=mode)
    ],
    *for_axes("Conv", 2, 2, 3, stride=2, padding=lambda axes: (2, 1, 0)[:axes], padding_mode="reflect"),
    *for_axes("ConvTranspose", 2, 4, 3),
    *for_axes("ConvTranspose", 2, 4, uneven, stride=2, padding=1, groups=2, output_padding=1),
    *for_axes("ConvTranspose", 2, 3, 2, dilation=3, output_padding=2),
    *for_axes("ConvTranspose", 2, 3, 3, stride=2, dilation=3, padding=1, output_padding=2, bias=False),
]
POOLS: list[Case] = [
    *for_axes("MaxPool", 2),
    *for_axes("MaxPool", uneven, stride=1, dilation=2),
    *for_axes("MaxPool", 3, stride=2, padding=1, ceil_mode=True),
    *for_axes("AvgPool", 2),
    *[
        case
        for ceil, include in itertools.product((False, True), repeat=2)
        for case in for_axes("AvgPool", 3, stride=2, padding=1, ceil_mode=ceil, count_include_pad=include)
    ],
    *for_axes("AvgPool", 3, stride=2, padding=1, ceil_mode=True, divisor_override=7)[1:],
    *for_axes("AdaptiveAvgPool", 1),
    *for_axes("AdaptiveAvgPool", lambda axes: 4 if axes == 1 else (3, 4, 3)[:axes]),
    *for_axes("AdaptiveAvgPool", lambda axes: 4 if axes == 1 else (None, 4, None)[:axes]),
    *for_axes("AdaptiveMaxPool", 1),
    *for_axes("AdaptiveMaxPool", lambda axes: 4 if axes == 1 else (3, 4, 3)[:axes]),
    *for_axes("AdaptiveMaxPool", lambda axes: 12 if axes == 1 else (9, None, 7)[:axes]),
]
PADDING: list[Case] = [
    case
    for kind in ("Constant", "Zero", "Reflection", "Replication", "Circular")
    for padding in (1, lambda axes: (3, 1, 0, 2, 1, 2)[: 2 * axes], lambda axes: (2, -1, 1, -2, -1, 1)[: 2 * axes])
    for case in for_axes(f"{kind}Pad", padding, *([0.7] if kind == "Constant" else []))
]
OTHER: list[Case] = [
    ("BatchNorm3d", (2,), {}, VOLUME),
    ("BatchNorm3d", (2,), {"momentum": None, "affine": False}, VOLUME),
    ("PixelShuffle", (2,), {}, (8, 3, 4)),
    ("PixelUnshuffle", (3,), {}, (2, 6, 3)),
    ("Unfold", (3,), {}, IMAGE),
    ("Unfold", ((2, 3),), {"dilation": 2, "padding": (0, 1), "stride": (2, 1)}, IMAGE),
    ("Fold", ((5, 6), (2, 3)), {}, (12, 16)),
    ("Fold", (6, 3), {"dilation": 2, "padding": 1, "stride": 2}, (18, 4)),
    ("Upsample", (), {"scale_factor": 2, "mode": "bilinear", "align_corners": True}, IMAGE),
    ("Upsample", (), {"size": (4, 9), "mode": "bicubic"}, IMAGE),
]


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("case", [*CONVOLUTIONS, *POOLS, *PADDING, *OTHER], ids=lambda case: f"{case[0]}-{case[1]}-{case[2]}")
def test_values_gradients_and_states_agree(case: Case, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    name, args, keywords, shape = case
    ours, theirs = getattr(nn, name)(*args, **keywords), getattr(torch.nn, name)(*args, **keywords)
    if ours.state_dict():
        nn.save(tmp_path / "ours.safetensors", ours.state_dict())
        theirs.load_state_dict(load_file(tmp_path / "ours.safetensors"), strict=True)
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    ours_x, theirs_x = ag.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    for training in (True, False):
        a, b = ours.train(training)(ours_x), theirs.train(training)(theirs_x)
        assert a.shape == b.shape
        np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-4, atol=1e-5)
    ours_w, theirs_w = [ours_x, *ours.parameters()], [theirs_x, *theirs.parameters()]
    first = ag.grad((a * a).sum(), ours_w, create_graph=True), torch.autograd.grad((b * b).sum(), theirs_w, create_graph=True)
    for g, wanted in zip(*first, strict=True):
        np.testing.assert_allclose(g.data, wanted.detach().numpy(), rtol=1e-3, atol=1e-4)
    second = (
        ag.grad(sum(((g * g).sum() for g in first[0]), ag.zeros(())), ours_w, allow_unused=True),
        torch.autograd.grad(sum((g * g).sum() for g in first[1]), theirs_w, allow_unused=True),
    )
    for g, wanted in zip(*second, strict=True):
        if wanted is not None and g is not None:
            np.testing.assert_allclose(g.data, wanted.numpy(), rtol=2e-3, atol=1e-3 * max(1, float(wanted.abs().max())))
    state = {key: value.detach().numpy() for key, value in theirs.state_dict().items()}
    assert {key: value.shape for key, value in ours.state_dict().items()} == {key: value.shape for key, value in state.items()}
    if state:
        save_file({key: np.asarray(value, order="C") for key, value in state.items()}, tmp_path / "theirs.safetensors")
        fresh = getattr(nn, name)(*args, **keywords)
        fresh.load_state_dict(nn.load(tmp_path / "theirs.safetensors"))
        np.testing.assert_allclose(fresh.eval()(x).data, b.detach().numpy(), rtol=1e-4, atol=1e-5)


UNBATCHED = (
    "Conv",
    "ConvTranspose",
    "MaxPool",
    "AvgPool",
    "AdaptiveAvgPool",
    "AdaptiveMaxPool",
    "ReflectionPad",
    "Unfold",
    "Fold",
)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(
    "case", [case for case in [*CONVOLUTIONS, *POOLS, *PADDING, *OTHER] if case[0].rstrip("123d") in UNBATCHED],
    ids=lambda case: f"{case[0]}-{case[1]}-{case[2]}",
)  # fmt: skip
def test_one_example_without_a_batch_axis_agrees(case: Case) -> None:
    name, args, keywords, shape = case
    ours, theirs = getattr(nn, name)(*args, **keywords), getattr(torch.nn, name)(*args, **keywords)
    theirs.load_state_dict({key: torch.tensor(value) for key, value in ours.state_dict().items()})
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.testing.assert_allclose(ours(x).data, theirs(torch.tensor(x)).detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize("arguments", [(2,), (3, 2, 1), (2, 1, 0, 2), (3, 2, 1, 1, True)])
def test_indices_of_maxima_and_their_inverse_agree(axes: int, arguments: tuple[Any, ...]) -> None:
    x = np.random.default_rng(0).normal(size=(3, *SHAPES[axes]))
    ours = getattr(ag, f"max_pool{axes}d")(x, *arguments, return_indices=True)
    theirs = getattr(F, f"max_pool{axes}d")(torch.tensor(x), *arguments, return_indices=True)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a.data, b.numpy())
    size = SHAPES[axes][1:]
    adaptive = getattr(ag, f"adaptive_max_pool{axes}d")(x, 3, return_indices=True)
    expected = getattr(F, f"adaptive_max_pool{axes}d")(torch.tensor(x), 3, return_indices=True)
    for a, b in zip(adaptive, expected, strict=True):
        np.testing.assert_array_equal(a.data, b.numpy())
    if len(arguments) == 1:  # windows that do not overlap
        back = getattr(ag, f"max_unpool{axes}d")(*ours, *arguments, output_size=size)
        wanted = getattr(F, f"max_unpool{axes}d")(*theirs, *arguments, output_size=size)
        np.testing.assert_array_equal(back.data, wanted.numpy())


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "area", "linear", "bicubic"])
@pytest.mark.parametrize("axes", SHAPES)
def test_interpolation_agrees(axes: int, mode: str, align: bool) -> None:
    """Sizes and factors that enlarge, reduce, and change each axis differently."""
    if (align and mode not in ("linear", "bicubic")) or (mode == "bicubic" and axes != 2):
        return
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[axes] if mode == "linear" else mode
    keywords = {"align_corners": align} if align or "linear" in mode or mode == "bicubic" else {}
    x = np.random.default_rng(0).normal(size=(2, *SHAPES[axes]))
    options: list[dict[str, Any]] = [
        {"size": (5, 11, 2)[:axes]}, {"size": 1}, {"scale_factor": 2}, {"scale_factor": 0.6}, {"scale_factor": (1.7, 0.8, 1.3)[:axes]},
        {"scale_factor": 1.7, "recompute_scale_factor": True},
    ]  # fmt: skip
    for option in options:
        ours_x, theirs_x = ag.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        a = ag.interpolate(ours_x, mode=mode, **option, **keywords)
        b = F.interpolate(theirs_x, mode=mode, **option, **keywords)
        np.testing.assert_allclose(a.data, b.detach().numpy(), atol=1e-6, err_msg=str(option))
        (a * a).sum().backward()
        (b * b).sum().backward()
        np.testing.assert_allclose(ours_x.grad.data, theirs_x.grad.numpy(), atol=1e-5, err_msg=str(option))  # type: ignore[union-attr]


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(4, 3), (15, 9), (5, 12), (1, 1)])
def test_antialiased_interpolation_agrees(mode: str, size: tuple[int, int], align: bool) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 9, 10))
    ours = ag.interpolate(x, size, mode=mode, align_corners=align, antialias=True)
    theirs = F.interpolate(torch.tensor(x), size, mode=mode, align_corners=align, antialias=True)
    np.testing.assert_allclose(ours.data, theirs.numpy(), atol=1e-6)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_padding_agrees(mode: str) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4))
    for numbers in ((1, 2), (1, 2, 3, 0), (-1, 2, 2, -2), (3, 3, 4, 4)):
        source = x[0] if len(numbers) == 2 else x  # PyTorch pads one axis of (N, C, L)
        np.testing.assert_array_equal(pad(source, numbers, mode).data, F.pad(torch.tensor(source), numbers, mode).numpy())
