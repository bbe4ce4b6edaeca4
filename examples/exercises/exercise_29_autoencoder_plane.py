"""Exercise 29: an autoencoder to two dimensions: 100 images each of 0 and 1, then of 0, 1 and 2.

The network 784-256-64-2-64-256-784 is trained on these few images without labels. The leave-one-out 5-NN accuracy in the latent
plane measures how well the classes are separated, for the training images and for unseen test images.

    python examples/exercises/exercise_29_autoencoder_plane.py [--quick] [--out DIR]
"""

from __future__ import annotations

import numpy as np

import autograd_mini as ag
from autograd_mini import models, nn, viz
from autograd_mini.examples.study import Study, run
from autograd_mini.tensor import Array

NEIGHBOURS = 5


def train(images: Array, epochs: int, seed: int) -> tuple[models.Autoencoder, float]:
    """Returns a trained autoencoder and its last loss in nats per image."""
    ag.manual_seed(seed)
    model = models.Autoencoder()
    trainer = nn.Trainer(model, nn.Adam(model.parameters(), lr=1e-3), progress=False)
    rows = trainer.fit(nn.data.DataLoader(images, batch_size=20, shuffle=True, seed=seed), epochs)
    return model, rows[-1]["loss"]


def encode(model: models.Autoencoder, images: Array) -> Array:
    with ag.no_grad():
        return model.latent(images).numpy()


def extent(z: Array) -> tuple[float, float, float, float]:
    """Returns the bounding rectangle of the points: left, right, bottom, top."""
    (left, bottom), (right, top) = z.min(axis=0).tolist(), z.max(axis=0).tolist()
    return left, right, bottom, top


def exercise(study: Study, groups: list[tuple[int, ...]], per_class: int, epochs: int) -> str:
    data = study.data("mnist")
    rows: list[dict[str, str | int | float]] = []
    for classes in groups:
        name = "".join(map(str, classes))
        training, test = data.train.only(classes, per_class), data.test.only(classes, per_class)
        model, loss = train(training.images, epochs, study.seed)
        z, unseen = encode(model, training.images), encode(model, test.images)
        rows.append(
            {
                "digits": ", ".join(map(str, classes)),
                "images": len(training),
                "loss (nats)": loss,
                f"{NEIGHBOURS}-NN %": 100 * models.metrics.knn_accuracy(z, training.labels, NEIGHBOURS),
                f"{NEIGHBOURS}-NN %, unseen": 100 * models.metrics.knn_accuracy(unseen, test.labels, NEIGHBOURS),
                "chance %": 100 / len(classes),
            }
        )
        title = f"{len(training)} images in two dimensions"
        viz.plot_scatter(z, training.labels, study.figure(f"latent-{name}.png"), title=title)
        plane = study.figure(f"plane-{name}.png")
        viz.plot_latent_plane(
            model.decode, plane, image_shape=(28, 28), extent=extent(z), title="images that the decoder draws"
        )
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
        f"No label was used in training, but the class of an image can be predicted from its neighbours in the plane: {each}; "
        f"chance is {rows[-1]['chance %']:.0f} % for the last. From two numbers per image, the decoder reconstructs it with a "
        f"loss of {rows[-1]['loss (nats)']:.0f} nats. The figures show what it draws for points of the plane where no image "
        "lies, between the classes and outside them."
    )


GROUPS = [(0, 1), (0, 1, 2)]
FULL = {"groups": GROUPS, "per_class": 100, "epochs": 200}
QUICK = {"groups": GROUPS, "per_class": 20, "epochs": 60}

if __name__ == "__main__":
    run(exercise, FULL, QUICK)
