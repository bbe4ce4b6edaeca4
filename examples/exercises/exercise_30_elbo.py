"""Exercise 30: the ELBO is a lower bound: the proof, a model on which every term is known exactly, and MNIST.

The script prints the proof below. The exact model is p(z) = N(0, I), p(x|z) = N(W z + b, s² I): log p(x), the true
posterior p(z|x) and, for any Gaussian q(z|x) with independent dimensions, the ELBO have closed forms.

    python examples/exercises/exercise_30_elbo.py [--quick] [--out DIR]
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

import autograd_mini as ag
from autograd_mini import models, nn, viz
from autograd_mini.examples.exercises.tractable import LinearGaussian
from autograd_mini.examples.study import Study, run
from autograd_mini.models import metrics
from autograd_mini.tensor import Array

REPEATS = 50  # evaluations of L_K on the exact model, which has few points

PROOF = """\
**Claim.** For every density q(z|x) that is positive if p(x, z) is,

    log p(x) = ELBO + KL(q(z|x) ‖ p(z|x)),    ELBO = E_q[log p(x, z) − log q(z|x)] = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)),

and KL ≥ 0; so ELBO ≤ log p(x), with equality if and only if q(z|x) = p(z|x).

**Proof.** By Bayes' rule p(x) = p(x, z) / p(z|x) for every z. Take logarithms, insert q, and take the mean over z ~ q(z|x);
the left side does not depend on z:

    log p(x) = E_q[log p(x, z)/q(z|x)] + E_q[log q(z|x)/p(z|x)].

The first mean is the ELBO; with p(x, z) = p(x|z) p(z) it is E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)). The second is
KL(q(z|x) ‖ p(z|x)). Since log is concave, Jensen's inequality gives −KL = E_q[log p(z|x)/q(z|x)] ≤ log E_q[p(z|x)/q(z|x)]
= log ∫ p(z|x) dz = 0. Since log is strictly concave, equality requires a constant p(z|x)/q(z|x), which must be 1. ∎

**With K draws.** With w = p(x, z)/q(z|x), E_q[w] = p(x). L_K = E log (1/K) Σ w_k, with L_1 the ELBO, is at most
log E[(1/K) Σ w_k] = log p(x), by Jensen again. A mean of K weights is the average of the means of all its
subsets of M ≤ K weights; since log is concave, its logarithm is at least the average of their logarithms, so L_M ≤ L_K."""


def fit(model: LinearGaussian, x: Array, steps: int) -> None:
    """Maximises the ELBO with respect to q."""
    optimizer = nn.Adam([model.mu, model.logvar], lr=0.2)
    schedule = nn.CosineAnnealingLR(optimizer, T_max=steps)
    for _ in range(steps):
        optimizer.zero_grad()
        (-ag.sum(model.elbo(x))).backward(free=True)
        optimizer.step()
        schedule.step()


def exact(study: Study, points: int, steps: int, ks: list[int]) -> tuple[float, dict[str, list[float]]]:
    """Returns the largest error of log p(x) = ELBO + KL over models and q, and the bounds L_K of the last model."""
    rng = np.random.default_rng(study.seed)
    rows, errors = [], []
    for kind, orthogonal in (("W with orthogonal columns", True), ("any W", False)):
        model = LinearGaussian(points, latent=4, observed=8, noise=0.5, rng=rng, orthogonal=orthogonal)
        x = model.draw(rng)
        for state in ("random", "fitted"):
            if state == "fitted":
                fit(model, x, steps)
            evidence, bound, kl = model.log_evidence(x), model.elbo(x).detach().numpy(), model.kl_to_posterior(x)
            errors.append(float(np.abs(evidence - bound - kl).max()))
            rows.append(
                {
                    "model": kind,
                    "q": state,
                    "log p(x)": float(evidence.mean()),
                    "ELBO": float(bound.mean()),
                    "KL to p(z given x)": float(kl.mean()),
                    "least KL": model.least_kl(x),
                    "largest error": errors[-1],
                }
            )
    study.table(f"linear-Gaussian model, mean of {points} points, nats", rows)
    bounds = [np.mean([metrics.importance_weighted_bound(model, x, k, rows=points * k) for _ in range(REPEATS)]) for k in ks]
    return max(errors), {"L_K": [float(b) for b in bounds], "log p(x)": [float(evidence.mean())] * len(ks)}


def on_mnist(study: Study, epochs: int, images: int, ks: list[int]) -> list[float]:
    """Returns the bounds L_K of a VAE on binarised test images, mean in nats."""
    data = study.data("mnist")
    ag.manual_seed(study.seed)
    model = models.VAE((784, 200, 20), binarize=True)
    trainer = nn.Trainer(model, nn.Adam(model.parameters(), lr=1e-3), progress=False)
    trainer.fit(nn.data.DataLoader(data.train.images, batch_size=100, shuffle=True, seed=study.seed), epochs)
    binary = ag.bernoulli(data.test.images[:images])
    return [float(metrics.importance_weighted_bound(model, binary, k).mean()) for k in ks]


def exercise(study: Study, points: int, steps: int, epochs: int, images: int, ks: list[int]) -> str:
    study.say(PROOF)
    error, known = exact(study, points, steps, ks)
    bounds = on_mnist(study, epochs, images, ks)
    study.table(
        "bounds on log p(x) by the number of draws K, nats",
        [
            {"K": k, "linear-Gaussian": a, "its log p(x)": b, "MNIST": c}
            for k, a, b, c in zip(ks, known["L_K"], known["log p(x)"], bounds, strict=True)
        ],
    )
    plot_bounds(study, ks, {"linear-Gaussian model": known, "MNIST, a VAE": {"L_K": bounds}})
    rising = all(a <= b for a, b in pairwise(bounds))
    return (
        f"On a model for which every term is known exactly, log p(x) − ELBO equals KL(q(z|x) ‖ p(z|x)) to {error:.0e} nats for "
        f"every q that was tried, random or fitted. "
        f"On {study.data_name('MNIST')} the bounds {'rise' if rising else 'do not all rise'} with K: "
        f"{', '.join(f'{value:.2f} for K = {k}' for k, value in zip(ks, bounds, strict=True))}. So the ELBO is at least "
        f"{bounds[-1] - bounds[0]:.2f} nats below log p(x) there."
    )


def plot_bounds(study: Study, ks: list[int], panels: dict[str, dict[str, list[float]]]) -> None:
    """Plots the bounds over the number of draws, one panel per model."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(9, 3.5), layout="constrained")
    for axes, (title, curves) in zip(drawing.subplots(1, len(panels)), panels.items(), strict=True):
        for i, (name, values) in enumerate(curves.items()):
            style = {"color": viz.plots.canvas.COLOURS[i], "linestyle": viz.plots.canvas.LINES[i], "marker": "" if i else "o"}
            axes.plot(ks, values, label=name, **style)
        axes.set(xscale="log", xlabel="draws K", ylabel="nats", title=title)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False)
    viz.plots.canvas.save_figure(drawing, study.figure("bounds.png"))


FULL = {"points": 100, "steps": 2000, "epochs": 10, "images": 1000, "ks": [1, 5, 50, 500]}
QUICK = {"points": 20, "steps": 800, "epochs": 10, "images": 100, "ks": [1, 5, 50, 500]}

if __name__ == "__main__":
    run(exercise, FULL, QUICK)
