"""Exercise 23: regression of a linear and a funnel-shaped function, and classification into two classes.

Linear regression is a network of one affine layer; gradient descent finds the solution of the normal equations. The funnel
f(x₁, x₂) = 10 − 10 exp(−0.2 (x₁² + x₂²)) − exp((cos x₁ + cos x₂)/2) on [−5, 5]² needs hidden layers. Two classes need one
sigmoid output; the prediction is class 1 if it is at least ½.

    python examples/exercises/exercise_23_regression.py [--quick] [--out DIR]
"""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd_mini as ag
from autograd_mini import Tensor, nn, viz
from autograd_mini.examples.study import Study, run
from autograd_mini.tensor import Array

NOISE = 0.1
LINE = np.array([1.5, -2.0, 0.5])  # two slopes and the intercept


def fit(model: nn.Module, loss: Any, x: Array, y: Array, epochs: int, lr: float, batch_size: int = 50) -> None:
    """Trains with Adam and a cosine schedule of the learning rate."""
    optimizer = nn.Adam(model.parameters(), lr=lr)
    schedule = nn.Schedule(nn.CosineAnnealingLR(optimizer, T_max=epochs))
    update = nn.Update(lambda batch: {"loss": loss(model(batch[0]), batch[1])}, optimizer)
    trainer = nn.Trainer(model, {"": update}, callbacks=[schedule], progress=False)
    trainer.fit(nn.data.DataLoader(x, y, batch_size=batch_size, shuffle=True), epochs)


def predict(model: nn.Module, points: Array) -> Array:
    with ag.no_grad():
        return model(points.astype(np.float32)).numpy()[:, 0]


def fit_line(study: Study, epochs: int) -> float:
    """Returns the largest difference between gradient descent and the normal equations."""
    rng = np.random.default_rng(study.seed)
    x = rng.uniform(-1, 1, (200, 2)).astype(np.float32)
    design = np.column_stack([x, np.ones(len(x))])
    y = (design @ LINE + NOISE * rng.standard_normal(len(x))).astype(np.float32)
    layer = nn.Linear(2, 1)
    fit(layer, nn.mse_loss, x, y[:, None], epochs, lr=0.1, batch_size=len(x))
    fitted, exact = np.concatenate([p.data.ravel() for p in layer.parameters()]), np.linalg.lstsq(design, y, rcond=None)[0]
    rows = zip(("slope 1", "slope 2", "intercept"), LINE, exact, fitted, strict=True)
    keys = ("", "truth", "normal equations", "gradient descent")
    study.table("a line", [dict(zip(keys, [row[0], *map(float, row[1:])], strict=True)) for row in rows])
    return float(np.abs(exact - fitted).max())


def fit_funnel(study: Study, samples: int, hidden: int, epochs: int) -> tuple[float, float, float]:
    """Returns the noise-free test errors of the network and of an affine function, and the network's value at 0."""
    x, y = nn.data.funnel_samples(samples, NOISE, study.seed)
    network = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1))
    affine = nn.Linear(2, 1)
    for model, lr in ((network, 0.01), (affine, 0.1)):
        fit(model, nn.mse_loss, x, y, epochs, lr)
    points = np.random.default_rng(study.seed + 1).uniform(-5, 5, (10_000, 2))
    truth = nn.data.funnel(points)
    errors = {name: float(np.mean((predict(m, points) - truth) ** 2)) for name, m in (("network", network), ("affine", affine))}
    origin = np.zeros((1, 2))
    study.table(
        f"the funnel, from {samples} samples with noise of standard deviation {NOISE}",
        [
            {"": "truth", "test error (MSE)": 0.0, "f(0, 0)": float(nn.data.funnel(origin)[0])},
            {"": "network", "test error (MSE)": errors["network"], "f(0, 0)": float(predict(network, origin)[0])},
            {"": "affine function", "test error (MSE)": errors["affine"], "f(0, 0)": float(predict(affine, origin)[0])},
        ],
    )
    surfaces = {"truth": nn.data.funnel, "network": lambda p: predict(network, p), "affine": lambda p: predict(affine, p)}
    viz.plot_surface(surfaces, study.figure("surfaces.png"))
    return errors["network"], errors["affine"], float(predict(network, origin)[0])


def classify_moons(study: Study, samples: int, hidden: int, epochs: int) -> tuple[float, float]:
    """Returns the accuracy on new points, and that of the nearest arc."""
    x, labels = nn.data.moons(samples, noise=0.15, seed=study.seed)
    network = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, 1))
    fit(network, nn.binary_cross_entropy_with_logits, x, labels[:, None].astype(np.float32), epochs, lr=0.02)
    new, truth = nn.data.moons(2000, noise=0.15, seed=study.seed + 1)
    probability = ag.sigmoid(Tensor(predict(network, new))).numpy()
    accuracy = float(np.mean((probability >= 0.5) == truth))
    nearest = float(np.mean(nearest_arc(new) == truth))
    study.table("two classes", [{"new points": len(new), "accuracy with p ≥ ½": accuracy, "of the nearest arc": nearest}])
    _draw_boundary(study, network, new, truth)
    return accuracy, nearest


def nearest_arc(points: Array) -> Array:
    """Returns the class whose points without noise are nearest: no boundary can be much better."""
    arcs, classes = nn.data.moons(1000, noise=0.0, seed=0)
    distance = np.square(points[:, None] - arcs[None]).sum(axis=2)
    return classes[distance.argmin(axis=1)]


def _draw_boundary(study: Study, network: nn.Module, points: Array, labels: Array) -> None:
    figure = viz.plot_scatter(points, labels, xlabel="$x_1$", ylabel="$x_2$", title="decision boundary σ(u) = ½")
    axes = figure.axes[0]
    x, y = np.meshgrid(np.linspace(*axes.get_xlim(), 200), np.linspace(*axes.get_ylim(), 200))
    u = predict(network, np.stack([x.ravel(), y.ravel()], axis=1)).reshape(x.shape)
    axes.contour(x, y, u, levels=[0.0], colors="black", linewidths=2)  # σ(0) = ½
    viz.plots.canvas.save_figure(figure, study.figure("boundary.png"))


def exercise(study: Study, samples: int, hidden: int, epochs: int) -> str:
    gap = fit_line(study, 300)
    network, affine, bottom = fit_funnel(study, samples, hidden, epochs)
    accuracy, nearest = classify_moons(study, samples // 2, 16, epochs)
    return (
        f"Gradient descent on one affine layer agrees with the normal equations to {gap:.0e}. The funnel is not affine: the "
        f"mean squared error of the best affine function is {affine:.2f}, that of the network {network:.4f}, while the "
        f"variance of the noise in the training data is {NOISE**2:.2f}; at the bottom the network returns {bottom:.2f} instead "
        f"of −e = −2.72. The decision boundary, where the sigmoid is ½, classifies {accuracy:.1%} of new points correctly; the "
        f"noise mixes the classes, so that even the nearest arc without noise is right only for {nearest:.1%}."
    )


FULL = {"samples": 1000, "hidden": 64, "epochs": 400}
QUICK = {"samples": 1000, "hidden": 32, "epochs": 40}

if __name__ == "__main__":
    run(exercise, FULL, QUICK)
