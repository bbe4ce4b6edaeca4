"""Exercise 29: an autoencoder to two dimensions: 100 images each of 0 and 1, then of 0, 1 and 2.

784-256-64-2-64-256-784, trained on these few images alone. Labels are not used; how far the classes come to lie apart all the
same, the leave-one-out 5-NN score says, of the images learnt from and of test images that the autoencoder has never seen.

    python examples/exercises/exercise_29_autoencoder_plane.py [--quick] [--out DIR]
"""

from __future__ import annotations

import numpy as np

import autograd_mini as ag
from autograd_mini import models, nn, viz
from autograd_mini.examples.study import Study, run
from autograd_mini.tensor import Array

NEIGHBOURS = 5


def learnt(images: Array, epochs: int, seed: int) -> tuple[models.Autoencoder, float]:
    """An autoencoder after so many epochs, and its last loss in nats per image."""
    ag.manual_seed(seed)
    model = models.Autoencoder()
    trainer = nn.Trainer(model, nn.Adam(model.parameters(), lr=1e-3), progress=False)
    rows = trainer.fit(nn.data.DataLoader(images, batch_size=20, shuffle=True, seed=seed), epochs)
    return model, rows[-1]["loss"]


def points(model: models.Autoencoder, images: Array) -> Array:
    with ag.no_grad():
        return model.latent(images).numpy()


def extent(z: Array) -> tuple[float, float, float, float]:
    """The rectangle that holds all points: left, right, bottom, top."""
    (left, bottom), (right, top) = z.min(axis=0).tolist(), z.max(axis=0).tolist()
    return left, right, bottom, top


def exercise(study: Study, groups: list[tuple[int, ...]], per_class: int, epochs: int) -> str:
    data = study.data("mnist")
    rows: list[dict[str, str | int | float]] = []
    for classes in groups:
        name = "".join(map(str, classes))
        train, test = data.train.only(classes, per_class), data.test.only(classes, per_class)
        model, loss = learnt(train.images, epochs, study.seed)
        z, unseen = points(model, train.images), points(model, test.images)
        rows.append(
            {
                "digits": ", ".join(map(str, classes)),
                "images": len(train),
                "loss (nats)": loss,
                f"{NEIGHBOURS}-NN %": 100 * models.metrics.knn_accuracy(z, train.labels, NEIGHBOURS),
                f"{NEIGHBOURS}-NN %, unseen": 100 * models.metrics.knn_accuracy(unseen, test.labels, NEIGHBOURS),
                "chance %": 100 / len(classes),
            }
        )
        title = f"{len(train)} images in two dimensions"
        viz.plot_scatter(z, train.labels, study.figure(f"latent-{name}.png"), title=title)
        plane = study.figure(f"plane-{name}.png")
        viz.plot_latent_plane(model.decode, plane, image_shape=(28, 28), extent=extent(z), title="what the decoder draws there")
        shown = np.linspace(0, len(test) - 1, 10).astype(int)
        viz.plot_reconstructions(
            test.images[shown],
            model.reconstruct(test.images[shown]),
            study.figure(f"unseen-{name}.png"),
            image_shape=(28, 28),
            title="test images",
        )
    study.table("classes in the latent plane", rows)
    score, unseen_score = f"{NEIGHBOURS}-NN %", f"{NEIGHBOURS}-NN %, unseen"
    each = "; ".join(f"{row['digits']}: {row[score]:.1f} %, of unseen images {row[unseen_score]:.1f} %" for row in rows)
    return (
        f"No label was used, and still an image's neighbours in the plane tell its class: {each}; chance would be "
        f"{rows[-1]['chance %']:.0f} % for the last. From two numbers per image the decoder draws it again at "
        f"{rows[-1]['loss (nats)']:.0f} nats. The planes show what it draws where no image lay, between the classes and beyond."
    )


if __name__ == "__main__":
    GROUPS = [(0, 1), (0, 1, 2)]
    run(
        exercise,
        full={"groups": GROUPS, "per_class": 100, "epochs": 200},
        quick={"groups": GROUPS, "per_class": 20, "epochs": 60},
    )
