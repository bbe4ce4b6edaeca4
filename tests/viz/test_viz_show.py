"""Pictures appear by themselves: as the last line of a notebook cell, and through `show()` everywhere else."""

from __future__ import annotations

import re
import tempfile
import webbrowser
from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, nn, viz
from autograd_mini.viz.plots.scales import choose_scale

pytest.importorskip("matplotlib")
RNG = np.random.default_rng(0)
SQUARE = RNG.normal(size=(6, 2))
IMAGES = RNG.random((4, 4, 4))
PLOTS = {
    "boundary": lambda: viz.plot_boundary(lambda x: x, SQUARE, [0, 1, 0, 1, 0, 1], size=5),
    "confusion": lambda: viz.plot_confusion([0, 1], [0, 1]),
    "feature maps": lambda: viz.plot_feature_maps(IMAGES),
    "filters": lambda: viz.plot_filters(IMAGES[:, None]),
    "gan": lambda: viz.plot_gan([0.9], [0.2]),
    "histograms": lambda: viz.plot_histograms({"a": SQUARE}),
    "images": lambda: viz.plot_images(IMAGES),
    "latent plane": lambda: viz.plot_latent_plane(ag.sigmoid, image_shape=(1, 2), size=2),
    "losses": lambda: viz.plot_losses({"a": [2.0, 1.0]}),
    "manifold": lambda: viz.plot_manifold(RNG.random((2, 2, 4, 4))),
    "reconstructions": lambda: viz.plot_reconstructions(IMAGES, IMAGES, image_shape=(4, 4)),
    "scatter": lambda: viz.plot_scatter(SQUARE, [0, 1, 0, 1, 0, 1]),
    "surface": lambda: viz.plot_surface({"a": lambda p: p[:, 0]}, size=3),
}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The pages that a web browser was asked to open."""
    pages: list[str] = []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(webbrowser, "open", lambda url: not pages.append(Path(unquote(urlparse(url).path)).read_text("utf-8")))
    return pages


def test_every_plot_function_is_listed_here() -> None:
    names = {f"plot_{name.replace(' ', '_')}" for name in PLOTS}
    assert {name for name in viz.__all__ if name.startswith("plot_")} - NOT_HERE == names


NOT_HERE = {"plot_activations", "plot_gradients", "plot_landscape"}  # they have files of their own


@pytest.mark.parametrize("name", PLOTS)
def test_a_notebook_shows_a_plot_as_a_picture(name: str) -> None:
    """IPython asks for `_repr_png_`; matplotlib's own figures have none and appear as `<Figure size …>`."""
    formatters = pytest.importorskip("IPython.core.formatters")
    bundle, _ = formatters.DisplayFormatter().format(PLOTS[name]())
    assert bundle["image/png"].startswith(b"\x89PNG")


def test_show_opens_a_page_with_the_picture(opened: list[str]) -> None:
    w = Tensor(2.0, requires_grad=True, name="w")
    plot, picture, page = viz.plot_losses({"a": [2.0, 1.0]}), viz.draw(w * w), viz.step(w * w)
    for shown in (plot, picture, page):
        shown.show()
    assert "data:image/png;base64," in opened[0]
    assert "data:image/svg+xml;base64," in opened[1]
    assert opened[2] == page.html
    assert not any(re.search(r"(src|href)\s*=\s*['\"]?https?:", text) for text in opened), "nothing is loaded"


def test_without_a_browser_show_says_where_the_picture_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    viz.plot_losses({"a": [2.0, 1.0]}).show()
    (written,) = tmp_path.iterdir()
    assert str(written) in capsys.readouterr().out


def test_the_text_of_a_plot_has_its_size_and_title() -> None:
    plot = viz.plot_losses({"a": [2.0, 1.0]}, title="a run")
    assert re.fullmatch(r"<Plot \d+×\d+ a run>", repr(plot))
    assert str(plot) == repr(plot)


@pytest.mark.parametrize(
    ("curves", "scale"),
    [
        ([[3.0, 2.0, 1.0, 0.5]], "linear"),
        ([[1 / t for t in range(1, 101)]], "linear"),
        ([[2.0**-t for t in range(12)]], "linear"),
        ([[5.0] * 10], "linear"),
        ([[0.0] * 10], "linear"),
        ([[100.0, 101.0, 99.0, 0.001, 100.0]], "linear"),  # a logarithmic axis would hide the rest
        ([[2.0, 900.0]], "linear"),  # two values are no spike
        ([[2.0, 1.9, 900.0, 1.8, 1.7]], "log"),
        ([[2.0, 1.9, 900.0, 1.8, 1.7], [3.0, 2.9, 500.0, 2.8, 2.7]], "log"),
        ([[2.0, 1.9, np.inf, 1.8, np.nan, 1.7, 1.7]], "linear"),
        ([[2.0, 1.9, -900.0, 1.8, 1.7]], "symlog"),
        ([[0.0, 1.9, 900.0, 1.8, 1.7]], "symlog"),
        ([], "linear"),
        ([[]], "linear"),
    ],
)
def test_an_axis_is_logarithmic_if_a_spike_would_hide_the_rest(curves: list[list[float]], scale: str) -> None:
    assert choose_scale(*curves) == scale
    if curves and curves[0]:
        assert viz.plot_losses({str(i): c for i, c in enumerate(curves)}).axes[0].get_yscale() == scale


def test_on_the_chosen_axis_the_rest_fills_a_sixth_of_the_height() -> None:
    """On a linear axis it would fill a thousandth."""
    curve = [2.0, 1.6, 4000.0, 1.2, 0.9, 0.6, 0.4, 0.3]
    for sign in (1, -1):
        axes = viz.plot_losses({"a": [sign * v for v in curve]}).axes[0]
        to_height = axes.transScale.transform
        y = [to_height((0, sign * v))[1] for v in (2.0, 0.3, 4000.0, 0.3)]
        assert abs(y[0] - y[1]) > abs(y[2] - y[3]) / 6


def test_a_scale_can_be_demanded() -> None:
    assert viz.plot_losses({"a": [3.0, 2.0, 1.0]}, yscale="log").axes[0].get_yscale() == "log"
    assert viz.plot_losses({"a": [1.0, 1.0, 1.0, 900.0]}, yscale="linear").axes[0].get_yscale() == "linear"
    with pytest.raises(ValueError, match=r"plot_losses: yscale='log' needs positive values, got -1; use 'symlog'"):
        viz.plot_losses({"a": [-1.0, 2.0]}, yscale="log")
    with pytest.raises(ValueError, match="yscale must be one of auto, linear, log, symlog, got 'ln'"):
        viz.plot_losses({"a": [1.0]}, yscale="ln")  # type: ignore[arg-type]


def test_a_peak_at_zero_does_not_hide_the_rest_of_a_histogram() -> None:
    activations = np.maximum(RNG.normal(-1, 1, 4000), 0)
    assert viz.plot_histograms({"h": activations}).axes[0].get_yscale() == "log"
    assert viz.plot_histograms({"u": RNG.normal(size=4000)}).axes[0].get_yscale() == "linear"


# -- the boundary of a classifier ---------------------------------------------------------------------------------------------

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def colours(figure: object) -> np.ndarray:
    return figure.axes[0].images[0].get_array()  # type: ignore[attr-defined]


def same_hue(shade: np.ndarray, hex_colour: str) -> bool:
    """Whether a shade is a mixture of this colour and white."""
    pure = np.array([int(hex_colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    opacity = (1 - shade) / (1 - pure)
    return bool(np.ptp(opacity) < 1e-6 and opacity[0] > 0)


def test_each_region_has_the_colour_of_its_class() -> None:
    """Classes left, middle and right of a plane, whose true colours are those of the points."""
    centres = np.array([-2.0, 0.0, 2.0])
    model = lambda x: -((x[:, :1] - centres) ** 2)
    figure = viz.plot_boundary(model, [[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]], [0, 1, 2], extent=(-3, 3, -1, 1), size=31)
    shades = colours(figure)
    for column, colour in zip((2, 15, 28), viz.plots.canvas.COLOURS, strict=False):
        assert same_hue(shades[10, column], colour)
    groups = figure.axes[0].collections
    assert [g.get_offsets().tolist() for g in groups[-3:]] == [[[-2, 0]], [[0, 0]], [[2, 0]]]


def boundary_lines(figure: object) -> list[np.ndarray]:
    contours = [c for c in figure.axes[0].collections if type(c).__name__ == "QuadContourSet"]  # type: ignore[attr-defined]
    return [p.vertices for c in contours for p in c.get_paths() if len(p.vertices)]


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (lambda x: x[:, 0] - 0.25, {}),
        (lambda x: x[:, :1] - 0.25, {}),
        (lambda x: ag.sigmoid(x[:, 0] - 0.25), {}),
        (lambda x: ag.sigmoid(x[:, 0] - 0.25), {"threshold": 0.5}),
        (lambda x: ag.sigmoid(x[:, 0]), {"threshold": 1 / (1 + np.exp(-0.25))}),
        (lambda x: 3 * x[:, 0], {"threshold": 0.75}),
        (lambda x: ag.stack([0.25 - x[:, 0], x[:, 0] - 0.25], axis=1), {}),
        (lambda x: ag.softmax(ag.stack([0.25 - x[:, 0], x[:, 0] - 0.25], axis=1), axis=1), {}),
        (lambda x: (x.data[:, 0] > 0.25).astype(int), {}),
    ],
)
def test_the_line_lies_where_the_class_changes_whatever_the_model_returns(model: object, options: dict[str, float]) -> None:
    figure = viz.plot_boundary(model, CORNERS, [0, 1, 0, 1], extent=(0, 1, 0, 1), size=101, **options)  # type: ignore[arg-type]
    (line,) = boundary_lines(figure)
    np.testing.assert_allclose(line[:, 0], 0.25, atol=0.011)
    assert np.ptp(line[:, 1]) == pytest.approx(1)
    assert same_hue(colours(figure)[50, 5], viz.plots.canvas.COLOURS[0])
    assert same_hue(colours(figure)[50, 95], viz.plots.canvas.COLOURS[1])


def test_top_and_bottom_of_the_plane_are_not_exchanged() -> None:
    """The image, the line and the points use one direction of the y axis."""
    figure = viz.plot_boundary(lambda x: x[:, 1] - 0.8, CORNERS, [0, 0, 1, 1], extent=(0, 1, 0, 1), size=51)
    assert same_hue(colours(figure)[0, 25], viz.plots.canvas.COLOURS[1]), "the first row is the top"
    assert boundary_lines(figure)[0][:, 1] == pytest.approx(0.8, abs=0.02)


def test_regions_are_darker_where_the_model_is_certain() -> None:
    shades = colours(viz.plot_boundary(lambda x: 9 * x[:, 0], CORNERS, [0, 1, 0, 1], extent=(0, 1, 0, 1), size=21))
    brightness = shades[10].sum(axis=-1)
    assert (np.diff(brightness) <= 1e-12).all()
    assert brightness[0] > brightness[-1] + 0.3


def test_the_model_runs_in_evaluation_mode_and_keeps_its_mode() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.9))
    seen = []
    model.register_forward_hook(lambda module, inputs, output: seen.append((module.training, output.requires_grad)))
    viz.plot_boundary(model, CORNERS, [0, 1, 2, 0], size=5)
    assert seen == [(False, False)]
    assert model.training


def test_a_model_may_return_classes_that_do_not_all_occur() -> None:
    """As `predict` does; the plane may contain only some of the classes of the data."""
    figure = viz.plot_boundary(lambda x: np.zeros(len(x), int), CORNERS, [0, 1, 2, 0], size=5)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["0", "1", "2"]
    assert boundary_lines(figure) == []


def test_any_two_numbers_are_labels_of_one_output() -> None:
    for labels in ([-1, 1, 1, -1], [0, 1, 1, 0], [[0], [1], [1], [0]], [0.0, 1.0, 1.0, 0.0], [True, False, True, True]):
        figure = viz.plot_boundary(lambda x: x[:, 0], CORNERS, labels, size=5)
        assert len(figure.axes[0].get_legend().get_texts()) == 2
    only_one = viz.plot_boundary(lambda x: x[:, 0], CORNERS, [1, 1, 1, 1], classes=["no", "yes"], size=5)
    assert [text.get_text() for text in only_one.axes[0].get_legend().get_texts()] == ["yes"]


@pytest.mark.parametrize(
    ("model", "points", "labels", "options", "message"),
    [
        (lambda x: x, np.zeros((3, 3)), [0, 1, 1], {}, r"points \(N, 2\) and labels \(N,\), got \(3, 3\) and \(3,\)"),
        (lambda x: x, CORNERS, [0, 1], {}, r"\(4, 2\) and \(2,\)"),
        (lambda x: x, CORNERS, [0, 1, 2, 0], {}, r"2 classes, so labels must be integers from 0 to 1, got 0, 1, 2"),
        (lambda x: x, np.zeros((0, 2)), [], {}, r"got \(0, 2\)"),
        (lambda x: x.sum(), CORNERS, [0, 1, 1, 0], {}, r"must map points .* got \(\) for N = 25"),
        (lambda x: x, CORNERS, [0, 1, 1, 0], {"classes": ["a"]}, "got 1 class names for 2 classes"),
        (lambda x: x, CORNERS * np.nan, [0, 1, 1, 0], {}, r"points must be finite, got \[nan, nan\]"),
        (lambda x: x, CORNERS, [0, 1, 1, 0], {"extent": (1, 1, 0, 1)}, r"left < right and bottom < top, got \(1, 1, 0, 1\)"),
        (lambda x: x, CORNERS, ["a", "b", "c", "a"], {}, "integers from 0 to 1, got a, b, c"),
    ],
)
def test_bad_input_names_what_was_expected(
    model: object, points: np.ndarray, labels: list[int], options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=f"plot_boundary: .*{message}"):
        viz.plot_boundary(model, points, labels, size=5, **options)  # type: ignore[arg-type]
