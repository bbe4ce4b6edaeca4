"""Layers over time and films: what is recorded, that training does not notice, and that the page plays."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import CHROMIUM, Browser
from PIL import Image

import autograd_mini as ag
from autograd_mini import models, nn, viz
from autograd_mini.viz.plots.layers import layer_gradients, layer_outputs

pytest.importorskip("matplotlib")
from autograd_mini.viz.plots.plot import Plot

X = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
Y = np.arange(20) % 3


def new_trainer(callbacks: Any = (), **options: Any) -> nn.Trainer:
    ag.manual_seed(0)
    model = models.MLP((4, 8, 3), "tanh")
    return nn.Trainer(model, nn.SGD(model.parameters(), lr=0.1), callbacks=callbacks, progress=False, **options)


def new_loader() -> nn.data.DataLoader:
    return nn.data.DataLoader(X, Y, batch_size=5, shuffle=True)


def bits(trainer: nn.Trainer) -> list[bytes]:
    return [p.data.tobytes() for p in trainer.model.parameters()]


# -- layers -------------------------------------------------------------------------------------------------------------------


def test_outputs_of_layers_are_those_of_the_forward_pass() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Sequential(nn.Linear(3, 2)))
    found = layer_outputs(model, X)
    u = X @ model[0].weight.data.T + model[0].bias.data
    np.testing.assert_allclose(found["0 Linear"], u.ravel(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["1 Tanh"], np.tanh(u).ravel(), rtol=1e-5, atol=1e-6)
    assert list(found) == ["0 Linear", "1 Tanh", "2.0 Linear"], "containers are no layers"
    assert all(not module._forward_hooks for module in model.modules()), "no hook stays"


def test_layers_are_in_the_order_of_their_calls_and_a_shared_one_has_all_its_outputs() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.last, self.first = nn.Linear(4, 1), nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            return self.last(self.first(self.first(x)))

    found = layer_outputs(Net(), X)
    assert {name: values.size for name, values in found.items()} == {"first Linear": 2 * 80, "last Linear": 20}


def test_a_hook_is_removed_after_an_error_too() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(5, 1))
    with pytest.raises(ValueError, match="5"):
        layer_outputs(model, X)
    assert all(not module._forward_hooks for module in model.modules())


def test_gradients_of_a_layer_are_those_of_its_own_parameters() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 3))
    nn.cross_entropy(model(X), Y).backward()
    found = layer_gradients(model)
    assert list(found) == ["0 Linear", "2 Linear"]
    np.testing.assert_array_equal(found["0 Linear"], np.append(model[0].weight.grad.data, model[0].bias.grad.data))


@pytest.mark.parametrize("jit", [True, False])
def test_a_log_holds_the_numbers_of_each_batch(jit: bool) -> None:
    """The gradient of batch n is the one that the optimizer used, compiled or not: here, the step divided by −lr."""
    log, weights = viz.LayerLog(X, every=1), []

    class Weights(nn.Callback):
        def before_fit(self, trainer: Any) -> None:
            self.after_step(trainer)

        def after_step(self, trainer: Any) -> None:
            weights.append(np.concatenate([p.data.ravel() for p in trainer.model.layers[0].parameters()]))

    trainer = new_trainer([log, Weights()], jit=jit)
    trainer.fit(new_loader(), epochs=2)
    steps = -np.diff(weights, axis=0) / 0.1
    expected = np.sqrt((steps**2).mean(axis=1))
    assert list(log.gradients["layers.0 Linear"]) == list(range(1, 9))
    np.testing.assert_allclose(list(log.gradients["layers.0 Linear"].values()), expected, rtol=1e-3)
    final = layer_outputs(trainer.model, X)["layers.1 Tanh"]
    np.testing.assert_allclose(
        log.activations["layers.1 Tanh"][8], np.quantile(final, (0.05, 0.25, 0.5, 0.75, 0.95)), rtol=1e-6
    )


def test_a_plot_of_gradients_has_a_line_for_each_layer_on_a_logarithmic_axis() -> None:
    log = viz.LayerLog()
    log.gradients = {"a": {1: 1e-6, 5: 1e-4}, "b": {1: 1.0, 5: 2.0}}
    axes = viz.plot_gradients(log).axes[0]
    assert [line.get_xydata().tolist() for line in axes.lines] == [[[1, 1e-6], [5, 1e-4]], [[1, 1], [5, 2]]]
    assert axes.get_yscale() == "log"
    assert len({line.get_color() for line in axes.lines}) == len({line.get_marker() for line in axes.lines}) == 2


def test_gradients_that_are_all_zero_are_drawn_on_a_linear_axis() -> None:
    model = nn.Linear(2, 1)
    (model(np.ones((1, 2), "float32")) * 0).sum().backward()
    assert viz.plot_gradients(model).axes[0].get_xscale() == "linear"


def test_bands_of_activations_contain_the_quantiles() -> None:
    log = viz.LayerLog(X)
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    for _ in range(3):
        log.record(model)
    axes = viz.plot_activations(log).axes
    assert [a.get_title(loc="left") for a in axes] == ["0 Linear", "1 ReLU"]
    outputs = layer_outputs(model, X)["0 Linear"]
    assert axes[0].lines[0].get_xydata()[:, 0].tolist() == [1, 2, 3]
    assert axes[0].lines[0].get_xydata()[:, 1] == pytest.approx(np.median(outputs), rel=1e-5)
    wide = axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert (wide.min(), wide.max()) == pytest.approx(tuple(np.quantile(outputs, (0.05, 0.95))), rel=1e-5)


def test_sixteen_of_many_layers_are_shown_with_the_first_and_the_last() -> None:
    model = nn.Sequential(*[nn.Identity() for _ in range(40)])
    figure = viz.plot_activations(model, X)
    names = [a.get_title(loc="left") for a in figure.axes]
    assert len(names) == 16
    assert (names[0], names[-1]) == ("0 Identity", "39 Identity")
    assert figure.get_suptitle() == "(16 of 40 layers)"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: viz.LayerLog(every=0), "every must be at least 1 batch, got 0"),
        (lambda: viz.plot_gradients(viz.LayerLog()), "the log is empty"),
        (lambda: viz.plot_gradients(nn.Linear(2, 2)), r"call loss.backward\(\) first"),
        (lambda: viz.plot_activations(viz.LayerLog()), "the log has no activations"),
        (lambda: viz.plot_activations(nn.Linear(2, 2)), r"plot_activations\(model, images\)"),
        (lambda: viz.Film(every=0), "every must be at least 1 batch, got 0"),
        (lambda: viz.Film(milliseconds=0), "milliseconds must be at least 1, got 0"),
        (lambda: viz.Film().save("a.gif"), "no frames yet"),
        (lambda: viz.Film().save("a.mp4"), r"\.html, \.gif, \.png, \.apng"),
    ],
)
def test_bad_input_raises_value_error(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# -- films --------------------------------------------------------------------------------------------------------------------


def shade(model: Any) -> Any:
    """A small figure whose colour changes with the model."""
    figure = Plot(figsize=(0.4, 0.3))
    figure.patch.set_facecolor(str(min(abs(float(model.layers[0].weight.data.sum())), 1)))
    return figure


@pytest.mark.parametrize(
    ("every", "captions"),
    [(None, [0, 4, 8]), (1, list(range(9))), (3, [0, 3, 6, 8]), (100, [0, 8])],
)
def test_a_film_has_a_frame_before_during_and_after_the_training(every: int | None, captions: list[int]) -> None:
    trainer = new_trainer()
    film = viz.film(trainer, shade, every=every)
    assert len(film) == 0
    trainer.fit(new_loader(), epochs=2)
    assert [int(re.match(r"batch (\d+)", frame.caption)[1]) for frame in film.frames] == captions  # type: ignore[index]
    trainer.fit(new_loader(), epochs=3)
    assert film.frames[-1].caption.startswith("batch 12, loss ")
    assert len({frame.caption for frame in film.frames}) == len(film), "no frame twice"


@pytest.mark.parametrize("jit", [True, False])
def test_training_computes_the_same_bits_with_films_and_logs(jit: bool) -> None:
    """Plots that draw random numbers do not change the random stream, and a compiled step stays compiled."""

    def random_plot(model: Any) -> Any:
        assert not model.training
        return viz.plot_histograms({"noise": ag.randn(10), "outputs": model(X)})

    plain, filmed = new_trainer(jit=jit), new_trainer([viz.LayerLog(X, every=1)], jit=jit)
    film = viz.film(filmed, random_plot, every=3)
    for trainer in (plain, filmed):
        trainer.fit(new_loader(), epochs=2)
    assert bits(plain) == bits(filmed)
    assert len(film) == 4
    assert plain.history == filmed.history


def test_checkpoints_do_not_depend_on_films_and_logs(tmp_path: Path) -> None:
    """A filmed run can be resumed without a film, and the other way round."""
    filmed = new_trainer([viz.LayerLog(X), nn.LearningRateLog()], folder=tmp_path / "a")
    viz.film(filmed, shade)
    filmed.fit(new_loader(), epochs=1)
    plain = new_trainer([nn.LearningRateLog()])
    plain.load(tmp_path / "a" / "checkpoint.safetensors")
    plain.fit(new_loader(), epochs=2)
    again = new_trainer([nn.LearningRateLog()], folder=tmp_path / "b")
    again.fit(new_loader(), epochs=1)
    film = viz.film(again, shade)
    again.load(tmp_path / "b" / "checkpoint.safetensors")
    again.fit(new_loader(), epochs=2)
    assert bits(plain) == bits(again)
    assert len(film) == 2


def film_of(*shades: str, **options: Any) -> viz.Film:
    film = viz.Film(**options)
    for number, colour in enumerate(shades):
        figure = Plot(figsize=(0.5 + 0.2 * number, 0.4), facecolor=colour)
        film.add(figure, f"frame <b>{number}</b> 重み $x$")
    return film


@pytest.mark.parametrize("suffix", ["gif", "png", "apng"])
def test_an_animation_has_all_frames_at_one_size_with_their_captions(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film.{suffix}"
    film_of("#ff0000", "#00ff00", "#0000ff", milliseconds=120).save(path)
    with Image.open(path) as film:
        assert film.n_frames == 3
        colours, lengths = [], []
        for i in range(3):
            film.seek(i)
            frame = np.asarray(film.convert("RGB")).astype(int)
            colours.append(frame[-5, 5].tolist())
            lengths.append(film.info["duration"])
            assert (frame[:28] < 128).any(), "the caption"
    assert np.abs(np.array(colours) - 255 * np.eye(3)).max() < 16
    assert lengths == [120, 120, 480]
    assert film.size == (90, 40 + 28)


def test_colours_of_small_marks_survive() -> None:
    """A palette that merges the colours of two classes would make a film say something false."""
    points = np.random.default_rng(0).normal(size=(60, 2))
    figure = viz.plot_boundary(lambda x: x[:, :1] * np.array([1.0, -1.0, 0.2]), points, np.arange(60) % 3, size=40)
    film = viz.Film()
    film.add(figure)
    frame = np.asarray(Image.open(io.BytesIO(film.frames[0].image)).convert("RGB")).astype(int)
    for colour in viz.plots.canvas.COLOURS[:3]:
        pure = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert np.abs(frame - pure).max(axis=-1).min() <= 10


def test_the_page_of_a_film_is_one_file_in_which_captions_are_text(tmp_path: Path) -> None:
    film = film_of("#ff0000", "#00ff00")
    film.save(tmp_path / "film.html")
    page = (tmp_path / "film.html").read_text("utf-8")
    assert page == film.html
    assert "<b>" not in page
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])  # type: ignore[index]
    assert [frame["caption"] for frame in data["frames"]] == ["frame <b>0</b> 重み $x$", "frame <b>1</b> 重み $x$"]
    assert not re.search(r"https?://", page)
    assert film._repr_html_().startswith('<iframe sandbox="allow-scripts"')
    assert viz.Film()._repr_html_() == "&lt;Film of 0 frames&gt;"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: viz.plot_gradients(3), "plot_gradients: expected a LayerLog or a module, got int"),
        (lambda: viz.plot_activations([1.0]), "plot_activations: expected a LayerLog or a module, got list"),
        (lambda: viz.film(nn.Linear(2, 2), shade), "film: expected an nn.Trainer, got Linear"),
        (lambda: viz.film(new_trainer(), 3), "film: expected a function from the model to a figure, got int"),
    ],
)
def test_arguments_of_another_type_are_refused(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


def test_what_is_no_figure_is_refused() -> None:
    trainer = new_trainer()
    viz.film(trainer, lambda model: None)
    with pytest.raises(TypeError, match=r"expected a figure, .* got NoneType; does the function lack a return\?"):
        trainer.fit(new_loader(), epochs=1)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    tab = Browser(tmp_path_factory.mktemp("profile"))
    yield tab
    tab.close()


@pytest.mark.skipif(not CHROMIUM, reason="no chromium on PATH")
def test_keys_slider_and_address_move_through_a_film(browser: Browser, tmp_path: Path) -> None:
    film = film_of("#ff0000", "#00ff00", "#0000ff", milliseconds=20)
    film.save(tmp_path / "film.html")
    browser.open(tmp_path / "film.html", "#frame=2")
    caption = lambda: browser.run("document.getElementById('caption').textContent")
    count = lambda: browser.run("document.getElementById('count').textContent")
    assert (caption(), count()) == ("frame <b>1</b> 重み $x$", "2 / 3")
    press = lambda key: browser.run(f"dispatchEvent(new KeyboardEvent('keydown', {{key: {key!r}, bubbles: true}}))")
    seen = []
    for key in ("ArrowRight", "ArrowRight", "Home", "ArrowLeft", "End"):
        press(key)
        seen.append(count())
    assert seen == ["3 / 3", "3 / 3", "1 / 3", "1 / 3", "3 / 3"]
    browser.run("const s = document.getElementById('slider'); s.value = 0; s.oninput({ target: s })")
    assert count() == "1 / 3"
    while not browser.run("document.getElementById('picture').complete"):
        pass
    colour = """(() => { const c = document.createElement('canvas').getContext('2d');
      c.drawImage(document.getElementById('picture'), 0, 0); return [...c.getImageData(5, 5, 1, 1).data].slice(0, 3); })()"""
    assert np.abs(np.array(browser.run(colour)) - [255, 0, 0]).max() < 16
    assert browser.errors == []


def test_a_film_and_its_plots_are_japanese_if_the_language_is() -> None:
    viz.set_language("ja")
    try:
        page = film_of("#ff0000").html
        figure = viz.plot_activations(nn.Tanh(), X)
    finally:
        viz.set_language(None)
    assert '<html lang="ja">' in page
    assert '<button id="play">再生</button>' in page
    assert figure.axes[-1].get_xlabel() == "出力"
