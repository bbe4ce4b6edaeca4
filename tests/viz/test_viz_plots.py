"""Plots: file formats, the content of the axes, errors for bad input, and no change of matplotlib's global state."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from autograd_mini import Tensor, viz

pytest.importorskip("matplotlib")
RNG = np.random.default_rng(0)
HEADS = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
PLOTS = {
    "losses": lambda path: viz.plot_losses({"train": [3.0, 2.0, 1.0], "validation": [3.0, 2.5]}, path),
    "histograms": lambda path: viz.plot_histograms({"a": RNG.normal(size=(5, 4)), "b": Tensor([1.0, 2.0])}, path),
    "scatter": lambda path: viz.plot_scatter(RNG.normal(size=(20, 2)), np.arange(20) % 3, path),
    "images": lambda path: viz.plot_images(RNG.random((5, 8, 8, 3)), path),
    "reconstructions": lambda path: viz.plot_reconstructions(
        RNG.random((4, 64)), RNG.random((4, 64)), path, image_shape=(8, 8)
    ),
    "manifold": lambda path: viz.plot_manifold(RNG.random((3, 4, 8, 8)), path),
}


@pytest.mark.parametrize("plot", PLOTS)
def test_a_plot_is_saved_in_the_format_of_its_suffix(plot, tmp_path):
    for suffix, head in HEADS.items() if plot == "losses" else [("png", HEADS["png"])]:
        PLOTS[plot](tmp_path / f"p.{suffix}")
        assert (tmp_path / f"p.{suffix}").read_bytes().startswith(head)
    assert all(not p.name.startswith(".") for p in tmp_path.iterdir()), "no temporary file remains"


def test_loss_curves_start_at_1_and_accept_scalar_tensors():
    figure = viz.plot_losses({"a": [Tensor(2.0, requires_grad=True), Tensor(1.0)]}, xlabel="iteration")
    (line,) = figure.axes[0].lines
    assert line.get_xydata().tolist() == [[1, 2], [2, 1]]
    assert figure.axes[0].get_xlabel() == "iteration"


def test_keys_of_a_mapping_are_the_positions_of_a_curve():
    """Curves over iterations may start anywhere and have different lengths."""
    losses = viz.plot_losses({"a": {500: 2.0, 1000: Tensor(1.0)}, "b": [3.0]}).axes[0].lines
    assert [line.get_xydata().tolist() for line in losses] == [[[500, 2], [1000, 1]], [[1, 3]]]
    balance = viz.plot_gan({500: 0.9, 1000: 0.6}, {500: 0.1, 1000: 0.4}).axes[0].lines
    assert [line.get_xydata().tolist() for line in balance[:2]] == [[[500, 0.9], [1000, 0.6]], [[500, 0.1], [1000, 0.4]]]


def test_curves_and_classes_differ_by_more_than_colour():
    lines = viz.plot_losses({str(i): [1.0, 2.0] for i in range(8)}).axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 8
    assert lines[0].get_linestyle() != lines[1].get_linestyle()
    groups = viz.plot_scatter(RNG.normal(size=(30, 2)), np.arange(30) % 10).axes[0].collections
    looks = {(tuple(g.get_facecolor()[0]), g.get_paths()[0].vertices.tobytes()) for g in groups}
    assert len(groups) == len(looks) == 10


def test_histograms_share_their_intervals_and_have_area_1():
    values = {"wide": RNG.normal(2, 3, (50, 4)), "narrow": RNG.normal(0, 1, 300)}
    axes = viz.plot_histograms(values, bins=10).axes[0]
    outlines = [patch.get_xy() for patch in axes.patches]
    assert np.allclose(np.unique(outlines[0][:, 0]), np.unique(outlines[1][:, 0]))
    edges = np.unique(outlines[0][:, 0])
    assert np.allclose(edges[[0, -1]], [min(v.min() for v in values.values()), max(v.max() for v in values.values())])
    for outline in outlines:
        assert outline[1:-1:2, 1] @ np.diff(edges) == pytest.approx(1)
    assert len({(patch.get_edgecolor(), patch.get_linestyle()) for patch in axes.patches}) == 2


def test_scatter_groups_points_by_class():
    axes = viz.plot_scatter(Tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]), Tensor([1, 0, 1])).axes[0]
    assert [g.get_offsets().tolist() for g in axes.collections] == [[[2, 3]], [[0, 1], [4, 5]]]


def test_images_keep_their_order_and_values():
    images = np.stack([np.full((2, 2), v) for v in (0.0, 0.25, 0.5, 2.0, -1.0)])
    with pytest.warns(UserWarning, match="got values from -1 to 2 in float64, which are clipped"):
        shown = viz.plot_images(images, columns=3).axes[0].images[0].get_array()
    assert shown.shape == (2 * 4, 3 * 4)
    centres = shown[1::4, 1::4]
    assert centres.tolist() == [[0, 0.25, 0.5], [1, 0, 1]], "clipped to [0, 1]; unused places are white"


@pytest.mark.parametrize("white", [np.uint8(255), np.uint16(65535), np.int64(1), np.float32(1), np.True_])
def test_white_depends_on_the_dtype(white):
    """255 is white in uint8, and not everything above 1."""
    images = np.zeros((2, 2, 2), white.dtype)
    images[1] = white
    shown = viz.plot_images(images).axes[0].images[0].get_array()
    assert shown[1, 1::4].tolist() == [0, 1]
    half = viz.plot_images(np.full((1, 2, 2), 127, np.uint8)).axes[0].images[0].get_array()
    assert half[1, 1] == pytest.approx(127 / 255)


def test_opacity_lays_images_over_white():
    """Two channels are grey and opacity, four are colour and opacity; one channel is grey."""
    shown = lambda images: viz.plot_images(images).axes[0].images[0].get_array()[1, 1].tolist()
    assert shown(np.full((1, 2, 2, 1), 0.25)) == 0.25
    assert shown(np.array([0.5, 0.25]) * np.ones((1, 2, 2, 2))) == 0.875
    assert shown(np.array([1.0, 0.5, 0.0, 0.5]) * np.ones((1, 2, 2, 4))) == [1.0, 0.75, 0.5]
    assert shown(np.array([255, 0, 0, 0], np.uint8) * np.ones((1, 2, 2, 4), np.uint8)) == [1, 1, 1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.0, 255.0], r"got values from 0 to 255 in float64, .*; for images from 0 to 255 pass images / 255, or uint8"),
        ([-1.0, 1.0], r"got values from -1 to 1 in .*; for images from −1 to 1 pass \(images \+ 1\) / 2"),
        ([0.5, np.nan], r"1 values are nan, which are black"),
        ([np.nan, np.nan], r"2 values are nan"),
        ([0.0, np.inf], r"got values from 0 to inf"),
    ],
)
def test_values_outside_the_range_are_named_and_clipped(values, message):
    with pytest.warns(UserWarning, match=message):
        shown = viz.plot_images(np.reshape(values, (1, 1, 2))).axes[0].images[0].get_array()
    assert shown[1, 1:3].tolist() == np.clip(np.nan_to_num(values), 0, 1).tolist()
    viz.plot_images(np.array([[[-1e-7, 1 + 1e-7]]]))  # rounding errors are clipped without a warning


@pytest.mark.parametrize(("height", "width"), [(30, 50), (9, 17), (127, 8)])
@pytest.mark.parametrize("title", ["", "samples"])
def test_a_pixel_of_a_grid_is_a_square_of_the_file(tmp_path, height, width, title):
    """Every pixel has the same number of rows and columns, whatever the shape of the images; a title lies above them."""
    images = np.random.default_rng(0).integers(0, 2, (3, height, width)).astype(np.uint8) * 255
    figure = viz.plot_images(images, tmp_path / "grid.png", columns=2, title=title)
    sheet = figure.axes[0].images[0].get_array()
    saved = np.asarray(Image.open(tmp_path / "grid.png").convert("L")) / 255
    scale = saved.shape[1] // sheet.shape[1]
    below = saved[-scale * sheet.shape[0] :]
    np.testing.assert_array_equal(below, sheet.repeat(scale, 0).repeat(scale, 1))
    assert (len(saved) > len(below)) == bool(title)


@pytest.mark.parametrize("shape", [(30, 50), (50, 30)])
def test_images_over_a_square_plane_keep_square_pixels(shape):
    axes = viz.plot_manifold(np.zeros((5, 5, *shape)), extent=(-2, 2, -2, 2)).axes[0]
    assert axes.get_aspect() == pytest.approx(shape[0] / shape[1])


def test_reconstructions_are_below_their_originals():
    pair = viz.plot_reconstructions(np.zeros((3, 4)), np.ones((3, 1, 2, 2)), image_shape=(2, 2)).axes[0]
    shown = pair.images[0].get_array()
    assert (shown[1, 1::4] == 0).all()
    assert (shown[5, 1::4] == 1).all()
    assert [t.get_text() for t in pair.get_yticklabels()] == ["original", "reconstruction"]


def test_a_manifold_has_its_first_row_on_top_and_no_gaps():
    grid = np.arange(6).reshape(2, 3, 1, 1) / 10 * np.ones((2, 3, 2, 2))
    axes = viz.plot_manifold(grid, extent=(-3, 3, -1, 1)).axes[0]
    image = axes.images[0]
    assert image.get_array()[::2, ::2].tolist() == [[0, 0.1, 0.2], [0.3, 0.4, 0.5]]
    assert image.get_extent() == [-3, 3, -1, 1]
    assert axes.get_ylim() == (-1, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: viz.plot_losses({}), "empty"),
        (lambda: viz.plot_losses({"a": [1.0]}, "p.gif"), r"\.png, \.svg, \.pdf"),
        (lambda: viz.plot_histograms({}), "got an empty mapping"),
        (lambda: viz.plot_histograms({"a": [1.0], "b": []}), "'b' is empty or not finite"),
        (lambda: viz.plot_histograms({"a": [1.0, np.nan]}), "'a' is empty or not finite"),
        (lambda: viz.plot_scatter(np.zeros((3, 3)), np.zeros(3)), r"\(3, 3\) and \(3,\)"),
        (lambda: viz.plot_scatter(np.zeros((3, 2)), np.zeros(4)), r"\(3, 2\) and \(4,\)"),
        (lambda: viz.plot_images(np.zeros((3, 3, 8, 8))), r"\(3, 3, 8, 8\); for images \(N, C, H, W\) pass"),
        (lambda: viz.plot_images(np.zeros((0, 8, 8))), r"\(0, 8, 8\)"),
        (lambda: viz.plot_reconstructions(np.zeros((3, 64)), np.zeros((2, 64)), image_shape=(8, 8)), r"\(2, 64\)"),
        (lambda: viz.plot_manifold(np.zeros((9, 8, 8))), r"\(9, 8, 8\)"),
    ],
)
def test_bad_input_raises_an_error_with_its_shape(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_losses_without_names_are_an_error():
    with pytest.raises(TypeError, match=r"expected \{name: values\}, got \[1.0, 2.0\] of type list"):
        viz.plot_losses([1.0, 2.0])


def test_viz_imports_neither_matplotlib_nor_graphviz_and_plots_do_not_import_pyplot():
    program = (
        "import sys; from autograd_mini import viz; heavy = {'matplotlib', 'graphviz', 'pygraphviz'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "viz.plot_losses({'a': [1.0]}); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
