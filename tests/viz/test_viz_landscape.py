"""The loss along two directions: its values, the directions, the paths of optimizers, and what stays unchanged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, models, nn, viz
from autograd_mini.viz.plots import landscape
from autograd_mini.viz.plots.landscape import Plane

pytest.importorskip("matplotlib")
X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
Y = np.arange(12) % 2


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The planes and the losses that the plots computed."""
    seen: list[Any] = []
    original = landscape._evaluate

    def spy(function: Any, parameters: Any, plane: Plane, extent: Any, size: int, model: Any) -> Any:
        losses = original(function, parameters, plane, extent, size, model)
        seen.append((plane, extent, losses))
        return losses

    monkeypatch.setattr(landscape, "_evaluate", spy)
    return seen


def lines_of(figure: Any) -> list[np.ndarray]:
    return [line.get_xydata() for line in figure.axes[0].lines]


def test_two_numbers_are_the_axes_and_the_losses_are_those_of_the_function(evaluated: list[Any]) -> None:
    w = Tensor([0.5, -0.5], requires_grad=True)
    figure = viz.plot_landscape(lambda: w[0] ** 2 + 10 * (w[1] - 1) ** 2, {"w": w}, extent=(-1, 1, 0, 3), size=4)
    (_, _, losses), axes = evaluated[0], figure.axes[0]
    a, b = np.meshgrid(np.linspace(-1, 1, 4), np.linspace(0, 3, 4))
    np.testing.assert_allclose(losses, a**2 + 10 * (b - 1) ** 2, rtol=1e-5)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("w[0]", "w[1]")
    assert lines_of(figure)[0].tolist() == [[0.5, -0.5]], "the current point"


def test_the_axes_of_two_scalars_have_their_names() -> None:
    a, b = Tensor(1.0, requires_grad=True), Tensor(2.0, requires_grad=True)
    axes = viz.plot_landscape(lambda: (a * b - 1) ** 2, {"a": a, "b": b}, size=3).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("a", "b")


def test_paths_lie_where_the_optimizer_was() -> None:
    w = Tensor([1.0, 1.0], requires_grad=True)
    states = {"SGD": [np.array([1.0, 1.0]), np.array([0.5, 0.2])], "Adam": [Tensor([1.0, 1.0]), Tensor([0.0, -2.0])]}
    lines = lines_of(viz.plot_landscape(lambda: (w * w).sum(), {"w": w}, paths=states, size=3))
    np.testing.assert_allclose(lines[0], [[1, 1], [0.5, 0.2]], atol=1e-12)
    np.testing.assert_allclose(lines[2], [[1, 1], [0, -2]], atol=1e-12)


@pytest.fixture
def net() -> Any:
    ag.manual_seed(0)
    return models.MLP((3, 4, 2))


def test_parameters_keep_their_bits_their_arrays_and_the_random_stream(net: Any) -> None:
    """Also if the function raises an error, and although it draws random numbers."""
    arrays = [p.data for p in net.parameters()]
    bits, stream = [a.tobytes() for a in arrays], ag.get_rng_state()
    loss = lambda: nn.cross_entropy(net(X + ag.randn(12, 3)), Y)
    viz.plot_landscape(loss, net, size=3)

    def fails() -> Tensor:
        raise OSError("no data")

    with pytest.raises(OSError, match="no data"):
        viz.plot_landscape(fails, net, size=3)
    assert all(p.data is a for p, a in zip(net.parameters(), arrays, strict=True))
    assert [p.data.tobytes() for p in net.parameters()] == bits
    assert ag.get_rng_state() == stream
    assert net.training


def test_random_directions_have_the_norm_of_each_filter_and_leave_biases(net: Any, evaluated: list[Any]) -> None:
    """Li et al. (2018), filter normalisation."""
    viz.plot_landscape(lambda: nn.cross_entropy(net(X), Y), net, size=2)
    plane, extent, _ = evaluated[0]
    assert extent == (-1, 1, -1, 1)
    for direction in (plane.first, plane.second):
        start = 0
        for p in net.parameters():
            part = direction[start : start + p.size].reshape(p.shape)
            start += p.size
            if p.ndim == 1:
                assert not part.any()
            else:
                np.testing.assert_allclose(np.linalg.norm(part, axis=1), np.linalg.norm(p.data, axis=1), rtol=1e-6)
    assert abs(plane.first @ plane.second) < 0.9 * np.linalg.norm(plane.first) * np.linalg.norm(plane.second)


def test_the_centre_of_the_plane_is_the_current_loss(net: Any, evaluated: list[Any]) -> None:
    loss = lambda: nn.cross_entropy(net(X), Y)
    viz.plot_landscape(loss, net, size=3)
    assert evaluated[0][2][1, 1] == pytest.approx(loss().item(), rel=1e-6)


def test_principal_directions_contain_a_path_that_lies_in_a_plane(net: Any, evaluated: list[Any]) -> None:
    """A path in a known plane is shown without distortion, and the loss along it is the loss of its states."""
    rng = np.random.default_rng(1)
    here = [p.data.copy() for p in net.parameters()]
    u, v = ([rng.normal(size=a.shape) for a in here] for _ in range(2))
    weights = [(3.0, 0.0), (2.0, 0.5), (1.0, 0.4), (0.0, 0.0)]
    states = [[a + s * p + t * q for a, p, q in zip(here, u, v, strict=True)] for s, t in weights]
    figure = viz.plot_landscape(lambda: nn.cross_entropy(net(X), Y), net, paths={"path": states}, size=2)
    plane = evaluated[0][0]
    shown = lines_of(figure)[0]
    for state, (a, b) in zip(states, shown, strict=True):
        flat = np.concatenate([np.ravel(part) for part in state])
        np.testing.assert_allclose(plane.centre + a * plane.first + b * plane.second, flat, atol=1e-6)
    for direction in (plane.first, plane.second):
        assert np.linalg.norm(direction) == pytest.approx(1)
    shares = [float(label.split("(")[1].split(" %")[0]) for label in plane.labels]
    assert sum(shares) == pytest.approx(100, abs=1)
    left, right, bottom, top = evaluated[0][1]
    assert left < shown[:, 0].min() <= shown[:, 0].max() < right
    assert bottom < shown[:, 1].min() <= shown[:, 1].max() < top


def test_states_may_be_state_dicts_with_buffers() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    states = []
    for _ in range(3):
        states.append(model.state_dict())
        with ag.no_grad():
            model[0].weight -= 0.1
    running = model[1].running_mean.data.copy()
    viz.plot_landscape(lambda: model(X).square().mean(), model, paths={"down": states}, size=2)
    np.testing.assert_array_equal(model[1].running_mean.data, running)


def test_directions_can_be_given(net: Any, evaluated: list[Any]) -> None:
    states = [{name: k * np.ones(p.shape) for name, p in net.named_parameters()} for k in (1, 2)]
    viz.plot_landscape(lambda: nn.cross_entropy(net(X), Y), net, directions=(states[0], states[1]), size=2)
    assert evaluated[0][0].first.tolist() == [1.0] * sum(p.size for p in net.parameters())


@pytest.mark.parametrize("function", [lambda w: w.sum() * 0, lambda w: ag.log(w.sum()), lambda w: ag.exp(50 * w.sum())])
def test_flat_undefined_and_steep_losses_can_be_drawn(function: Any) -> None:
    """The logarithm is nan in half of the plane, the exponential overflows in a corner."""
    w = Tensor([1.0, 1.0], requires_grad=True)
    figure = viz.plot_landscape(lambda: function(w), {"w": w}, extent=(-2, 3, -2, 3), size=6)
    figure.draw_without_rendering()
    assert len(figure.axes) == 2


W, V = Tensor([1.0, 2.0], requires_grad=True), Tensor(1.0, requires_grad=True)


@pytest.mark.parametrize(
    ("function", "params", "options", "message"),
    [
        (lambda: W.sum(), {"w": Tensor([1.0])}, {}, "no parameter in `params` requires a gradient"),
        (lambda: V * V, {"v": V}, {}, "one number has no plane"),
        (lambda: W * 1, {"w": W}, {}, r"must return a scalar loss, got shape \(2,\)"),
        (lambda: W.sum() * np.nan, {"w": W}, {}, "not finite at any point"),
        (lambda: W.sum(), {"w": W}, {"paths": {"a": [np.zeros(3)]}}, r"the shapes \(2,\), got \(3,\)"),
        (lambda: W.sum(), {"w": W}, {"paths": {"a": [{"v": np.zeros(2)}]}}, "no value for 'w', only for v"),
        (lambda: W.sum(), {"w": W}, {"paths": {"a": [W, W]}}, "the states of 'a' share their memory, .* append copies"),
        (lambda: W.sum(), {"w": W}, {"paths": {"a": [[W.data], [W.data]]}}, "share their memory"),
        (lambda: W.sum(), {"w": W}, {"paths": {"a": {"w": W.data}}}, "the path 'a' must be a list of states"),
        (lambda: W.sum(), {"w": W}, {"extent": (0, 1, 1, 1)}, r"left < right and bottom < top, got \(0, 1, 1, 1\)"),
    ],
)
def test_bad_input_raises_value_error(function: Any, params: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"plot_landscape: .*{message}"):
        viz.plot_landscape(function, params, size=2, **options)


def test_a_loss_instead_of_a_function_is_refused() -> None:
    with pytest.raises(
        TypeError, match=r"plot_landscape: expected a function that computes the loss, got Tensor; pass lambda: …"
    ):
        viz.plot_landscape(W.sum(), {"w": W})  # type: ignore[arg-type]
