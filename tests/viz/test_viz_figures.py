"""Figures of models and animations: the content of axes and files, and errors for bad input."""

from __future__ import annotations

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, viz
from autograd_mini.viz.plots.figures import grid_points

pytest.importorskip("matplotlib")
RNG = np.random.default_rng(0)
FIGURES = {
    "latent plane": lambda path: viz.plot_latent_plane(lambda z: ag.sigmoid(z) * 1, path, image_shape=(1, 2), size=4),
    "surface": lambda path: viz.plot_surface({"a": lambda p: p.sum(1), "b": lambda p: p[:, :1]}, path, size=6),
    "confusion": lambda path: viz.plot_confusion(RNG.integers(0, 4, 50), RNG.integers(0, 4, 50), path, classes="abcd"),
    "filters": lambda path: viz.plot_filters(RNG.normal(size=(3, 2, 5, 5)), path),
    "feature maps": lambda path: viz.plot_feature_maps(RNG.normal(size=(5, 6, 6)), path),
    "gan": lambda path: viz.plot_gan([0.9, 0.6], [Tensor(0.1), 0.4], path),
}


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_saved_in_the_format_of_its_suffix(figure, tmp_path):
    FIGURES[figure](tmp_path / "f.png")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


def test_each_image_of_the_latent_plane_is_at_its_point():
    seen = []

    def decode(z):
        seen.append(z)
        return (z.data + 2) / 4

    figure = viz.plot_latent_plane(decode, image_shape=(1, 2), size=3, extent=(-2, 2, -2, 2))
    shown = figure.axes[0].images[0].get_array()
    assert seen[0].dtype == ag.default_dtype()
    assert shown[0, :2].tolist() == [0, 1], "top left: z₁ = −2, z₂ = 2"
    assert shown[-1, -2:].tolist() == [1, 0], "bottom right"


def test_surfaces_share_one_scale_and_their_points_match():
    axes = viz.plot_surface({"x": lambda p: p[:, 0], "10 y": lambda p: 10 * p[:, 1]}, extent=(0, 1, 0, 1), size=4).axes
    assert [a.get_title() for a in axes] == ["x", "10 y"]
    assert axes[0].get_zlim() == axes[1].get_zlim()
    assert axes[0].get_zlim() == (0, 10)
    assert grid_points((0, 1, 2, 3), 2).tolist() == [[0, 3], [1, 3], [0, 2], [1, 2]]


def test_confusion_matrix_has_true_classes_in_rows_and_shares_as_colours():
    axes = viz.plot_confusion([0, 0, 0, 1], [0, 0, 1, 1], classes=["cat", "dog"]).axes[0]
    assert [t.get_text() for t in axes.texts] == ["2", "1", "0", "1"]
    assert np.allclose(axes.images[0].get_array(), [[2 / 3, 1 / 3], [0, 1]])
    assert [t.get_text() for t in axes.get_yticklabels()] == ["cat", "dog"]
    assert axes.get_ylabel() == "true"


def test_zero_is_grey_in_filters_and_three_channels_are_colours():
    shown = viz.plot_filters(np.array([[[[0.0, 2.0], [-2.0, 1.0]]]])).axes[0].images[0].get_array()
    assert shown[1:3, 1:3].tolist() == [[0.5, 1.0], [0.0, 0.75]]
    assert viz.plot_filters(RNG.normal(size=(4, 3, 2, 2))).axes[0].images[0].get_array().shape == (8, 8, 3)
    assert viz.plot_filters(RNG.normal(size=(4, 2, 2, 2))).axes[0].images[0].get_array().shape == (16, 8)


def test_each_feature_map_is_scaled_to_its_own_range():
    maps = np.stack([np.array([[0.0, 5.0]]), np.array([[10.0, 11.0]]), np.full((1, 2), 7.0)])
    shown = viz.plot_feature_maps(maps, columns=3).axes[0].images[0].get_array()
    assert shown[1].reshape(3, 4)[:, 1:3].tolist() == [[0, 1], [0, 1], [0, 0]]


def test_the_equilibrium_of_a_gan_is_one_half():
    lines = viz.plot_gan([0.9, 0.5], [0.1, 0.5]).axes[0].lines
    assert set(lines[2].get_ydata()) == {0.5}
    assert lines[0].get_linestyle() != lines[1].get_linestyle()


@pytest.mark.parametrize("suffix", ["gif", "png", "apng"])
def test_an_animation_has_its_frames_in_order_and_shows_the_last_one_longer(tmp_path, suffix):
    from PIL import Image

    path = tmp_path / f"a.{suffix}"
    viz.save_animation([np.full((2, 3, 3), v) for v in (0.0, 0.5, 1.0)], path, columns=2, milliseconds=100, scale=2)
    with Image.open(path) as film:
        assert film.n_frames == 3
        assert film.size == (2 * 5 * 2, 5 * 2)
        shades, lengths = [], []
        for i in range(3):
            film.seek(i)
            shades.append(film.convert("L").getpixel((5, 5)))
            lengths.append(film.info["duration"])
    assert shades == pytest.approx([0, 128, 255], abs=1)
    assert lengths == [100, 100, 400]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: viz.plot_latent_plane(lambda z: z, image_shape=(3, 3), size=2), r"4 images of shape \(3, 3\), got \(4, 2\)"),
        (lambda: viz.plot_surface({}), "got an empty mapping"),
        (lambda: viz.plot_surface({"f": lambda p: p}, size=3), r"'f' must return 9 values, .* got shape \(9, 2\)"),
        (lambda: viz.plot_confusion([0, 1], [0]), r"\(2,\) and \(1,\)"),
        (lambda: viz.plot_confusion([0.5], [0.5]), "integers from 0"),
        (lambda: viz.plot_confusion([0, 3], [0, 1], classes=["a", "b"]), "got 2 class names for classes 0 to 3"),
        (lambda: viz.plot_filters(np.zeros((3, 3))), r"\(F, C, H, W\), got \(3, 3\)"),
        (lambda: viz.plot_feature_maps(np.zeros((1, 3, 3, 3))), r"got \(1, 3, 3, 3\)"),
        (lambda: viz.plot_gan([2.0], [0.5]), "sigmoid"),
        (lambda: viz.plot_gan([], []), "probabilities"),
        (lambda: viz.save_animation([], "a.gif"), "of one shape"),
        (lambda: viz.save_animation([np.zeros((1, 2, 2)), np.zeros((2, 2, 2))], "a.gif"), r"\(1, 2, 2\), \(2, 2, 2\)"),
        (lambda: viz.save_animation([np.zeros((1, 2, 2))], "a.mp4"), r"\.gif, \.png, \.apng"),
    ],
)
def test_bad_input_raises_value_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("classes", [["a", "b"], ["my cats", "v1.0.2", "a name of thirty-one characters"]])
def test_the_texts_of_a_confusion_matrix_fit_into_its_figure(classes: list[str]) -> None:
    figure = viz.plot_confusion([0, 1], [0, 1], classes=classes, title="test images")
    figure.draw_without_rendering()
    axes, bar = figure.axes
    title, label = axes.title.get_window_extent(), bar.yaxis.label.get_window_extent()
    assert label.y0 >= 0
    assert label.x1 <= figure.bbox.x1
    assert label.y1 <= figure.bbox.y1
    assert title.x1 <= bar.get_window_extent().x0
    for text in (axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()):
        place = text.get_window_extent()
        assert min(place.x0, place.y0) >= 0


def test_a_scatter_plot_shows_the_names_of_the_labels_that_occur() -> None:
    axes = viz.plot_scatter(np.zeros((3, 2)), [2, 0, 2], classes=["ants", "bees", "cats"]).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["ants", "cats"]
    for labels in ([0, 3, 0], [-1, 0, 0], [0.0, 1.0, 2.0]):
        with pytest.raises(ValueError, match="got 3 class names for the labels"):
            viz.plot_scatter(np.zeros((3, 2)), labels, classes=["ants", "bees", "cats"])
