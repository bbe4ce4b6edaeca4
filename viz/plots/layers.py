"""`plot_activations` and `plot_gradients`: what each layer computes and learns from, now or over the whole training.

A `LayerLog` collects the numbers during training. Activations come from its own forward passes on fixed inputs, and gradients
from `.grad`, so compiled and eager training look the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

import autograd_mini as ag
from autograd_mini.nn.module import Module, evaluation
from autograd_mini.nn.training.callback import Callback
from autograd_mini.tensor import Array, Tensor

from . import canvas
from .canvas import COLOURS, MARKERS, Path
from .texts import label, literal

if TYPE_CHECKING:
    from autograd_mini.nn.training.trainer import Trainer

    from .plot import Plot

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST_PANELS: Final = 16
BINS: Final = 50

Layers: TypeAlias = "dict[str, Array]"


class LayerLog(Callback):
    """Records the activations and gradients of each layer during training, for `plot_activations` and `plot_gradients`.

    It is a callback of `nn.Trainer`. In a loop of your own, call `record` after `backward`. `activations` and `gradients` hold
    what it recorded, as {layer: {position: numbers}}: five quantiles of the outputs, and the root mean square of the gradient.

    Parameters
    ----------
    inputs : the inputs for which activations are computed, in evaluation mode; a tuple for several. None: gradients only
    every : record at every n-th batch; None: at each row of the history

    Examples
    --------
    >>> from autograd_mini import models, nn, viz
    >>> data = nn.data.digits().train.only(limit_per_class=5)
    >>> model = models.MLP(sizes=(64, 16, 10))
    >>> log = viz.LayerLog(data.images, every=1)
    >>> trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.1), callbacks=[log], progress=False)
    >>> history = trainer.fit(nn.data.DataLoader(data, batch_size=25), epochs=2)
    >>> list(log.gradients), list(log.gradients["layers.0 Linear"])
    (['layers.0 Linear', 'layers.2 Linear'], [1, 2, 3, 4])
    >>> figure = viz.plot_gradients(log)
    """

    in_checkpoints = False
    main_rank_only = True

    def __init__(self, inputs: Any = None, every: int | None = None) -> None:
        if every is not None and every < 1:
            raise ValueError(f"LayerLog: every must be at least 1 batch, got {every}")
        self.inputs, self.every = inputs, every
        self.activations: dict[str, dict[int, Array]] = {}
        self.gradients: dict[str, dict[int, float]] = {}
        self._count = 0

    def record(self, model: Module, position: int | None = None) -> None:
        """Records the layers of a model at this position of the x axis, by default 1, 2, 3, …"""
        self._count += 1
        at = self._count if position is None else position
        if self.inputs is not None:
            for layer, values in layer_outputs(model, self.inputs).items():
                self.activations.setdefault(layer, {})[at] = _quantiles(values)
        for layer, gradient in layer_gradients(model).items():
            self.gradients.setdefault(layer, {})[at] = _root_mean_square(gradient)

    def after_step(self, trainer: Trainer) -> None:
        if self.every is not None and trainer.iteration % self.every == 0:
            self.record(trainer.model, trainer.iteration)

    def after_row(self, trainer: Trainer, row: dict[str, float]) -> None:
        if self.every is None:
            self.record(trainer.model, trainer.iteration)


def layer_outputs(model: Module, inputs: Any) -> Layers:
    """Returns the outputs of all modules without modules inside, in the order of their first call, each as one vector.

    >>> from autograd_mini import nn
    >>> from autograd_mini.viz.plots.layers import layer_outputs
    >>> net = nn.Sequential(nn.ReLU(), nn.Hardtanh())
    >>> layer_outputs(net, [-1.0, 2.0])
    {'0 ReLU': array([0., 2.], dtype=float32), '1 Hardtanh': array([0., 1.], dtype=float32)}
    """
    found: dict[str, list[Array]] = {}
    modules = list(model.named_modules())
    leaves = [(name, module) for name, module in modules if sum(1 for _ in module.modules()) == 1]

    def observe(name: str, module: Module) -> Any:
        def hook(_: Any, inputs: Any, output: Any) -> None:
            outputs = output if isinstance(output, (tuple, list)) else (output,)
            arrays = [canvas.as_array(y).ravel() for y in outputs if isinstance(y, (Tensor, np.ndarray))]
            found.setdefault(name, []).extend(a for a in arrays if a.dtype.kind == "f")

        return module.register_forward_hook(hook)

    handles = [observe(_layer_name(name, module), module) for name, module in leaves]
    try:
        with evaluation(model), ag.fork_rng(0):
            model(*(inputs if isinstance(inputs, tuple) else (inputs,)))
    finally:
        for handle in handles:
            handle.remove()
    return {name: np.concatenate(parts) for name, parts in found.items() if any(part.size for part in parts)}


def layer_gradients(model: Module) -> Layers:
    """Returns the gradients of each module's own parameters as one vector; modules without gradients are left out.

    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> from autograd_mini.viz.plots.layers import layer_gradients
    >>> net = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    >>> net[0](ag.ones((1, 1))).sum().backward()
    >>> layer_gradients(net)
    {'0 Linear': array([1., 1.], dtype=float32)}
    """
    modules = dict(model.named_modules())
    found: dict[str, list[Array]] = {}
    for name, p in model.named_parameters():
        if p.grad is not None:
            owner = name.rpartition(".")[0]
            while owner not in modules:  # parameters in a list or dict
                owner = owner.rpartition(".")[0]
            found.setdefault(_layer_name(owner, modules[owner]), []).append(p.grad._data.ravel())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _layer_name(path: str, module: Module) -> str:
    return f"{path} {type(module).__name__}".strip()


def _quantiles(values: Array) -> Array:
    finite = values[np.isfinite(values)]
    return np.quantile(finite, QUANTILES) if finite.size else np.full(len(QUANTILES), np.nan)


def _root_mean_square(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


# -- the plots ----------------------------------------------------------------------------------------------------------------


def plot_gradients(source: LayerLog | Module, path: Path = None, *, xlabel: str = "batch", title: str = "") -> Plot:
    """Plots the root mean square of the gradient of each layer: over time from a `LayerLog`, or now from a module.

    The axis is logarithmic, so that vanishing and exploding gradients are visible: those of the first layers lie orders of
    magnitude below or above the others. Raises ValueError if there are no gradients.

    Parameters
    ----------
    source : a `LayerLog`, or a module after `backward`
    path : the file to write, if any
    xlabel, title : texts of the figure

    Examples
    --------
    >>> from autograd_mini import models, nn, viz
    >>> model = models.MLP(sizes=(4, 8, 8, 3))
    >>> nn.cross_entropy(model([[0.0, 1.0, 2.0, 3.0]]), [1]).backward()
    >>> [label.get_text() for label in viz.plot_gradients(model).axes[0].get_yticklabels()]
    ['layers.0 Linear', 'layers.2 Linear', 'layers.4 Linear']
    """
    _check_source("plot_gradients", source)
    if not isinstance(source, LayerLog):
        return _gradient_dots({name: _root_mean_square(g) for name, g in layer_gradients(source).items()}, path, title)
    if not source.gradients:
        raise ValueError("plot_gradients: the log is empty; pass it to a trainer as a callback, or call log.record(model)")
    figure, axes = canvas.new_figure(title)
    lines = {}
    for i, (name, curve) in enumerate(source.gradients.items()):
        x, y = canvas.curve_points(curve)
        shade = _depth_colour(i, len(source.gradients))
        (lines[name],) = axes.plot(
            x, y, linewidth=2, color=shade, **{**canvas.marker_style(y), "marker": MARKERS[i % len(MARKERS)]}
        )
    if any(v > 0 for curve in source.gradients.values() for v in curve.values()):
        axes.set_yscale("log")
    axes.set(xlabel=label(xlabel), ylabel=label("root mean square of the gradient"))
    canvas.use_integer_ticks(axes)
    canvas.add_legend(axes, lines)
    return canvas.save_figure(figure, path)


def _check_source(caller: str, source: object) -> None:
    if not isinstance(source, (LayerLog, Module)):
        raise TypeError(f"{caller}: expected a LayerLog or a module, got {type(source).__name__}")


def _depth_colour(number: int, count: int) -> Any:
    """Returns a colour from dark (the first layer) to light (the last one)."""
    from matplotlib import colormaps

    return colormaps["viridis"](0.9 * number / max(count - 1, 1))


def _gradient_dots(sizes: Mapping[str, float], path: Path, title: str) -> Plot:
    if not sizes:
        raise ValueError("plot_gradients: no parameter of the module has a gradient; call loss.backward() first")
    figure, axes = canvas.new_figure(title, (7, 1.3 + 0.32 * len(sizes)))
    places, values = list(range(len(sizes))), list(sizes.values())
    axes.plot(values, places, color="0.6", linewidth=1.2)
    axes.scatter(values, places, s=60, c=[_depth_colour(i, len(sizes)) for i in places], zorder=2)
    axes.set_yticks(range(len(sizes)), [literal(name) for name in sizes])
    axes.invert_yaxis()
    if any(size > 0 for size in sizes.values()):
        axes.set_xscale("log")
    axes.set_xlabel(label("root mean square of the gradient"))
    return canvas.save_figure(figure, path)


def plot_activations(
    source: LayerLog | Module,
    inputs: Any = None,
    path: Path = None,
    *,
    xlabel: str = "batch",
    title: str = "",
) -> Plot:
    """Plots the outputs of each layer, one panel per layer: their distribution over time from a `LayerLog`, or now.

    Over time, the line is the median, and the bands contain 50 % and 90 % of the outputs. Now is a histogram for `inputs`. Of
    more than 16 layers, 16 are shown, evenly chosen. Raises ValueError if there is nothing to show.

    Parameters
    ----------
    source : a `LayerLog` with inputs, or a module
    inputs : for a module, the inputs to run it on; a tuple for several
    path : the file to write, if any
    xlabel, title : texts of the figure

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import models, nn, viz
    >>> figure = viz.plot_activations(models.MLP(sizes=(4, 8, 3)), np.eye(4, dtype="float32"))
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['layers.0 Linear', 'layers.1 ReLU', 'layers.2 Linear']
    """
    _check_source("plot_activations", source)
    if isinstance(source, LayerLog):
        if not source.activations:
            raise ValueError("plot_activations: the log has no activations; create it with inputs, LayerLog(images), and train")
        return _panels(source.activations, _draw_bands, xlabel, path, title)
    if inputs is None:
        raise ValueError("plot_activations: a module needs inputs to run on: plot_activations(model, images)")
    return _panels(layer_outputs(source, inputs), _draw_histogram, "output", path, title)


def _panels(layers: Mapping[str, Any], draw: Any, xlabel: str, path: Path, title: str) -> Plot:
    """Returns a figure with a panel for each layer, from top to bottom, all with one x axis."""
    from .plot import Plot

    if not layers:
        raise ValueError("plot_activations: no layer returned a floating tensor")
    chosen = list(layers)
    if len(chosen) > MOST_PANELS:
        chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, MOST_PANELS).round().astype(int)]
        title = f"{title} {label('({shown} of {count} layers)', shown=MOST_PANELS, count=len(layers))}".strip()
    figure = Plot(figsize=(7, 0.9 + 0.95 * len(chosen)), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(len(chosen), 1, sharex=draw is _draw_bands, squeeze=False)[:, 0]
    for i, (axes, name) in enumerate(zip(panels, chosen, strict=True)):
        draw(axes, layers[name], COLOURS[i % len(COLOURS)])
        axes.set_title(literal(name), loc="left", fontsize="medium")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.set_axisbelow(True)
    panels[-1].set_xlabel(label(xlabel))
    return canvas.save_figure(figure, path)


def _draw_bands(axes: Any, curve: Mapping[int, Array], colour: str) -> None:
    x, (lowest, low, middle, high, highest) = list(curve), np.stack(list(curve.values()), axis=1)
    axes.fill_between(x, lowest, highest, color=colour, alpha=0.2, linewidth=0)
    axes.fill_between(x, low, high, color=colour, alpha=0.4, linewidth=0)
    axes.plot(x, middle, color=colour, linewidth=1.8, marker="o" if len(x) == 1 else "")
    canvas.use_integer_ticks(axes)


def _draw_histogram(axes: Any, values: Array, colour: str) -> None:
    finite = values[np.isfinite(values)]
    axes.hist(finite, BINS, density=True, color=colour, alpha=0.75)
    moments = {"mean": f"{finite.mean():.3g}", "deviation": f"{finite.std():.3g}"}
    axes.set_title(label("mean {mean}, standard deviation {deviation}", **moments), loc="right", fontsize="small")
    axes.set_yticks([])
