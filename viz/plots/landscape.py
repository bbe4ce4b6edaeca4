"""`plot_landscape`: the loss as a function of two directions in the space of the parameters, with the paths of optimizers.

Two parameters are the axes themselves. Otherwise the axes are the two directions in which the paths vary most (their principal
components) or, without paths, two random directions in which every filter has the norm of the network's own filter
(Li et al., Visualizing the Loss Landscape of Neural Nets, 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np

import autograd_mini as ag
from autograd_mini.nn.module import Module, evaluation
from autograd_mini.tensor import Array, Tensor

from ..graph.nodes import Names, named_parameters
from . import canvas
from .canvas import COLOURS, MARKERS, Path
from .figures import Extent, check_grid
from .scales import choose_scale
from .texts import label

if TYPE_CHECKING:
    from .plot import Plot

State: TypeAlias = "Mapping[str, Any] | Sequence[Any] | Array | Tensor"
"""The values of all parameters: a state dict, or a list with one array for each parameter, or the array of the only one."""

MARGIN: Final = 0.25  # of the range of the paths, on each side
LEVELS: Final = 24  # contour lines
WIDE: Final = 30  # from this ratio of the largest to the smallest loss on, the colours are logarithmic


class Plane(NamedTuple):
    """A plane in the space of parameters: the points `centre + a · first + b · second`, with the labels of its axes."""

    centre: Array
    first: Array
    second: Array
    labels: tuple[str, str]

    def coordinates(self, states: Array) -> Array:
        """Returns (a, b) of the points of the plane that are closest to `states` (N, size), as (N, 2)."""
        basis = np.stack([self.first, self.second], axis=1)
        return np.linalg.lstsq(basis, (states - self.centre).T, rcond=None)[0].T


def plot_landscape(
    function: Callable[[], Any],
    params: Names,
    path: Path = None,
    *,
    paths: Mapping[str, Sequence[State]] | None = None,
    directions: tuple[State, State] | None = None,
    extent: Extent | None = None,
    size: int = 31,
    seed: int = 0,
    title: str = "",
) -> Plot:
    """Plots the loss around the current parameters along two directions, as contours, with the paths of optimizers.

    If there are two numbers to train, they are the axes. Otherwise the axes are the two principal components of the paths, or
    random directions if there are no paths. Colours are logarithmic if the loss varies much. Modules run in evaluation mode.
    The parameters have their former bits afterwards, and random numbers drawn by `function` do not change the random stream.

    Parameters
    ----------
    function : computes the loss, a scalar, from the parameters; the same data each time
    params : the tensors that `function` uses: a module, or a dict of name to Tensor
    path : the file to write, if any
    paths : name of an optimizer to the states that it passed, such as `[model.state_dict(), …]`, or for parameters that are not
        a module, lists of one array per parameter
    directions : two states, used as directions from the current parameters
    extent : (left, right, bottom, top) in units of the directions; by default the paths with a margin
    size : the loss is evaluated at size × size points
    seed : of the random directions
    title : title of the figure

    Raises
    ------
    ValueError
        if nothing can be trained, the loss is not a scalar, or a state does not fit the parameters

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import nn, viz
    >>> w = ag.Tensor([-1.5, 1.0], requires_grad=True)
    >>> loss = lambda: w[0] ** 2 + 10 * w[1] ** 2
    >>> optimizer, states = nn.SGD([w], lr=0.08), []
    >>> for _ in range(10):
    ...     states.append(w.data.copy())
    ...     loss().backward()
    ...     optimizer.step()
    ...     optimizer.zero_grad()
    >>> figure = viz.plot_landscape(loss, {"w": w}, paths={"SGD": states}, size=9)
    >>> figure.axes[0].get_xlabel()
    'w[0]'
    """
    if not callable(function):
        raise TypeError(
            f"plot_landscape: expected a function that computes the loss, got {type(function).__name__}; pass lambda: …"
        )
    parameters = {name: p for name, p in named_parameters(params) if p._requires_grad}
    if not parameters:
        raise ValueError("plot_landscape: no parameter in `params` requires a gradient; create one with requires_grad=True")
    if sum(p.size for p in parameters.values()) < 2:
        raise ValueError("plot_landscape: one number has no plane; plot its curve, such as plot_losses({'L': {w: loss, …}})")
    here = _flatten(parameters, [p._data for p in parameters.values()])
    tracks = {name: _flatten_all(parameters, name, states) for name, states in (paths or {}).items() if len(states)}
    plane = _choose_plane(parameters, here, tracks, directions, seed)
    shown = {name: plane.coordinates(states) for name, states in tracks.items()}
    extent = _surrounding([*shown.values(), plane.coordinates(here[None])], bool(tracks)) if extent is None else extent
    check_grid("plot_landscape", extent, size)
    model = params if isinstance(params, Module) else None
    losses = _evaluate(function, parameters, plane, extent, size, model)
    figure, axes = canvas.new_figure(title, (6, 5.4))
    axes.grid(False)
    _draw_contours(figure, axes, losses, extent)
    lines = _draw_paths(axes, shown) if shown else {label("now"): axes.plot(*plane.coordinates(here[None]).T, "P", **_MARK)[0]}
    left, right, bottom, top = extent
    axes.set(xlabel=plane.labels[0], ylabel=plane.labels[1], xlim=(left, right), ylim=(bottom, top))
    canvas.add_legend(axes, lines)
    return canvas.save_figure(figure, path)


_MARK: Final[dict[str, Any]] = {"color": "white", "markeredgecolor": "black", "markersize": 11, "linestyle": "none"}


def _flatten(parameters: Mapping[str, Tensor], state: State) -> Array:
    """Returns a state as one float64 vector. Raises ValueError if it does not fit the parameters."""
    if isinstance(state, Mapping):
        if missing := [name for name in parameters if name not in state]:
            raise ValueError(f"plot_landscape: a state has no value for {missing[0]!r}, only for {', '.join(state)}")
        arrays = [canvas.as_array(state[name]) for name in parameters]
    else:
        arrays = _parts(state)
    shapes = [p.shape for p in parameters.values()]
    if [a.shape for a in arrays] != shapes:
        got = ", ".join(str(a.shape) for a in arrays)
        raise ValueError(f"plot_landscape: a state must have the shapes {', '.join(map(str, shapes))}, got {got}")
    return np.concatenate([np.asarray(a, np.float64).ravel() for a in arrays])


def _parts(state: State) -> list[Array]:
    """Returns the arrays of a state."""
    if isinstance(state, (Tensor, np.ndarray)):
        return [canvas.as_array(state)]
    return [canvas.as_array(a) for a in (state.values() if isinstance(state, Mapping) else state)]


def _flatten_all(parameters: Mapping[str, Tensor], name: str, states: Sequence[State]) -> Array:
    """Returns the states of a path as rows (N, size)."""
    if isinstance(states, Mapping):
        raise ValueError(
            f"plot_landscape: the path {name!r} must be a list of states, such as [model.state_dict(), …], got a dict"
        )
    first, last = (_parts(states[k]) for k in (0, -1))
    if len(states) > 1 and any(a.size and np.may_share_memory(a, b) for a, b in zip(first, last, strict=False)):
        raise ValueError(
            f"plot_landscape: the states of {name!r} share their memory, so all are the last one; "
            "append copies, such as model.state_dict() or [p.data.copy() for p in parameters]"
        )
    return np.stack([_flatten(parameters, state) for state in states])


# -- the plane ----------------------------------------------------------------------------------------------------------------


def _choose_plane(
    parameters: Mapping[str, Tensor],
    here: Array,
    tracks: Mapping[str, Array],
    directions: tuple[State, State] | None,
    seed: int,
) -> Plane:
    if directions is not None:
        first, second = (_flatten(parameters, direction) for direction in directions)
        return Plane(here, first, second, (label("direction {number}", number=1), label("direction {number}", number=2)))
    if here.size == 2:
        names = [f"{name}{list(index) if p.ndim else ''}" for name, p in parameters.items() for index in np.ndindex(p.shape)]
        return Plane(np.zeros(2), np.array([1.0, 0.0]), np.array([0.0, 1.0]), (names[0], names[1]))
    if sum(map(len, tracks.values())) > 2:
        return _principal_plane(here, np.concatenate(list(tracks.values())))
    rng = np.random.default_rng(seed)
    first, second = (_random_direction(parameters, rng) for _ in range(2))
    return Plane(
        here, first, second, (label("random direction {number}", number=1), label("random direction {number}", number=2))
    )


def _principal_plane(here: Array, states: Array) -> Plane:
    """Returns the plane through `here` in the two directions that show most of the distances of the states from it."""
    _, sizes, directions = np.linalg.svd(states - here, full_matrices=False)
    shares = sizes**2 / max(float((sizes**2).sum()), 1e-300)
    labels = [
        label("principal direction {number} ({share} % of the variation)", number=k + 1, share=f"{100 * shares[k]:.0f}")
        for k in range(2)
    ]
    return Plane(here, directions[0], directions[1], (labels[0], labels[1]))


def _random_direction(parameters: Mapping[str, Tensor], rng: np.random.Generator) -> Array:
    """Returns a direction in which each row of a weight (one filter) has the norm of that row; vectors such as biases stay."""
    parts = []
    only_vectors = all(p.ndim < 2 for p in parameters.values())
    for p in parameters.values():
        noise = rng.normal(size=p.shape)
        if p.ndim < 2 and not only_vectors:
            parts.append(np.zeros(p.size))
            continue
        axes = tuple(range(1, p.ndim)) if p.ndim > 1 else None
        own, random = (np.sqrt((a**2).sum(axis=axes, keepdims=True)) for a in (p._data.astype(np.float64), noise))
        parts.append((noise * own / np.maximum(random, 1e-300)).ravel())
    direction = np.concatenate(parts)
    return direction if direction.any() else rng.normal(size=direction.shape)  # all parameters are 0


def _surrounding(groups: Sequence[Array], has_paths: bool) -> Extent:
    """Returns the rectangle around points of the plane, with a margin; around a single point, one unit on each side."""
    points = np.concatenate(groups)
    low, high = points.min(axis=0), points.max(axis=0)
    room = MARGIN * (high - low) if has_paths else np.ones(2)
    room = np.where(room > 0, room, max(float(room.max()), 1e-6) if has_paths else 1.0)
    (left, bottom), (right, top) = (low - room).tolist(), (high + room).tolist()
    return left, right, bottom, top


# -- the losses ---------------------------------------------------------------------------------------------------------------


def _evaluate(
    function: Callable[[], Any],
    parameters: Mapping[str, Tensor],
    plane: Plane,
    extent: Extent,
    size: int,
    model: Module | None,
) -> Array:
    """Returns the loss at size × size points of the plane, bottom row first."""
    left, right, bottom, top = extent
    losses = np.empty((size, size))
    quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
    mode = evaluation(model) if model is not None else nullcontext()
    with _kept(parameters.values()), mode, ag.no_grad(), quiet:
        for i, b in enumerate(np.linspace(bottom, top, size)):
            for j, a in enumerate(np.linspace(left, right, size)):
                _load(parameters.values(), plane.centre + a * plane.first + b * plane.second)
                with ag.fork_rng(0):
                    value = canvas.as_array(function())
                if value.size != 1:
                    raise ValueError(f"plot_landscape: function() must return a scalar loss, got shape {value.shape}")
                losses[i, j] = value.item()
    return losses


@contextmanager
def _kept(parameters: Any) -> Iterator[None]:
    """Restores the arrays of the parameters after the block."""
    originals = [(p, p._data) for p in parameters]
    try:
        yield
    finally:
        for p, array in originals:
            p._data = array


def _load(parameters: Any, state: Array) -> None:
    """Gives each parameter a new array with its part of the vector."""
    start = 0
    for p in parameters:
        p._data = state[start : start + p.size].reshape(p.shape).astype(p.dtype)
        start += p.size


# -- the picture --------------------------------------------------------------------------------------------------------------


def _draw_contours(figure: Any, axes: Any, losses: Array, extent: Extent) -> None:
    from matplotlib.colors import LogNorm, Normalize

    finite = losses[np.isfinite(losses)]
    if not finite.size:
        raise ValueError("plot_landscape: the loss is not finite at any point of the plane; pass a smaller extent")
    low, high = float(finite.min()), float(finite.max())
    is_log = low > 0 and high > WIDE * low
    if not is_log and choose_scale(finite) != "linear":
        high = float(np.quantile(finite, 0.95))  # the few larger values have the colour of the largest level
    high = high if high > low else low + max(abs(low), 1.0) * 1e-6
    levels = np.geomspace(low, high, LEVELS) if is_log else np.linspace(low, high, LEVELS)
    norm = LogNorm(low, high) if is_log else Normalize(low, high)
    left, right, bottom, top = extent
    x, y = np.linspace(left, right, losses.shape[1]), np.linspace(bottom, top, losses.shape[0])
    z = np.ma.masked_invalid(losses)
    extend = "max" if finite.max() > high else "neither"
    filled = axes.contourf(x, y, z, levels=levels, norm=norm, cmap="cividis", extend=extend)
    if finite.max() > levels[1]:
        axes.contour(x, y, z, levels=levels[1:-1], colors="white", linewidths=0.4, alpha=0.6)
    bar = figure.colorbar(filled, ax=axes, label=label("loss"), location="bottom", aspect=40)
    bar.set_ticks(_ticks(low, high, is_log))
    bar.ax.minorticks_off()
    bar.ax.xaxis.set_major_formatter("{x:.4g}")


def _ticks(low: float, high: float, is_log: bool) -> list[float]:
    """Returns at most about eight round numbers between two limits."""
    from matplotlib.ticker import MaxNLocator

    if not is_log:
        return [float(t) for t in MaxNLocator(6).tick_values(low, high) if low <= t <= high]
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    digits = (1, 2, 5) if len(powers) <= 4 else (1,)
    ticks = [d * 10.0**k for k in powers[:: max(1, len(powers) // 8)] for d in digits]
    return [t for t in ticks if low <= t <= high]


def _draw_paths(axes: Any, shown: Mapping[str, Array]) -> dict[str, Any]:
    """Draws each path from a white circle to a large mark of its own; returns the lines by name."""
    from matplotlib.patheffects import Normal, Stroke

    lines = {}
    for i, (name, points) in enumerate(shown.items()):
        style = {"color": PATH_COLOURS[i % len(PATH_COLOURS)], "marker": MARKERS[i % len(MARKERS)], "markeredgecolor": "black"}
        last = [len(points) - 1]
        (lines[name],) = axes.plot(*points.T, linewidth=2, markersize=10, markevery=last, zorder=3 + i, **style)
        lines[name].set_path_effects([Stroke(linewidth=3.6, foreground="black"), Normal()])
        axes.plot(*points[0], "o", color="white", markeredgecolor="black", markersize=7, zorder=3 + len(shown))
    return lines


PATH_COLOURS: Final = ("#E69F00", "#56B4E9", "#CC79A7", "#FFFFFF", *COLOURS[:3])  # light ones, visible on dark contours
