"""Exercise 31: images of CIFAR-10 from a variational autoencoder.

The convolutional recipe of `autograd-mini train conv-vae --data cifar10` on 20,000 of the 50,000 images. Pixels are Gaussian
with the decoder's output as mean and a learnt standard deviation, so −ELBO bounds a log density, in nats per image, and may be
negative. The baseline is a model of independent Gaussian pixels, on the same held-out images.

    python examples/exercises/exercise_31_vae_cifar10.py [--quick] [--out DIR]
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

import autograd_mini as ag
from autograd_mini import nn, viz
from autograd_mini.examples.study import Study, run
from autograd_mini.models.recipes import RECIPES
from autograd_mini.tensor import Array

SHOWN, PAIRS, STEPS = 64, 6, 8


def pictures(images: Array) -> Array:
    """Returns images (N, 3072) or (N, 3, 32, 32) as (N, 32, 32, 3) in [0, 1]; means of Gaussian pixels may lie outside."""
    return np.clip(images, 0, 1).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def pixelwise_nll(train: Array, test: Array) -> float:
    """Returns the mean −log p of the test images, in nats, with a Gaussian per pixel fitted to the training images."""
    mean, variance = train.mean(axis=0, dtype=np.float64), train.var(axis=0, dtype=np.float64) + 1 / 255**2
    return float(0.5 * (np.square(test - mean) / variance + np.log(2 * np.pi * variance)).sum() / len(test))


def exercise(study: Study, images: int, epochs: int, held_out: int) -> str:
    data, recipe = study.data("cifar10"), replace(RECIPES["conv-vae", "cifar10"], epochs=epochs, seed=study.seed)
    train, test = data.train.images[:images], data.test.images[:held_out]
    ag.manual_seed(recipe.seed)
    model = recipe.build()
    batches = nn.data.DataLoader(train, batch_size=recipe.batch_size, shuffle=True, seed=recipe.seed)
    trainer = nn.Trainer(model, nn.Adam(model.parameters(), lr=recipe.lr), progress=False)
    history = trainer.fit(batches, epochs, nn.data.DataLoader(test, batch_size=100))
    study.table(
        "−ELBO, nats per image",
        [
            {
                "epoch": row["epoch"],
                "training": row["loss"],
                "held out": row["val_loss"],
                "KL part": row["val_kl"],
            }
            for row in history
        ],
    )
    curves = {"training": [row["loss"] for row in history], "held out": [row["val_loss"] for row in history]}
    viz.plot_losses(curves, study.figure("elbo.png"), ylabel="−ELBO (nats per image)")
    with trainer.inference():
        samples, reconstructions = model.sample(SHOWN).numpy(), model.reconstruct(test[:10]).numpy()
        paths = [model.interpolate(a, b, STEPS).numpy() for a, b in zip(test[:PAIRS], test[PAIRS : 2 * PAIRS], strict=True)]
    viz.plot_images(pictures(samples), study.figure("samples.png"), title="samples, z ~ N(0, I)")
    viz.plot_reconstructions(
        pictures(test[:10]), pictures(reconstructions), study.figure("reconstructions.png"), image_shape=(32, 32, 3)
    )
    title = "from one test image to another through latent space"
    viz.plot_images(pictures(np.stack(paths)), study.figure("interpolation.png"), columns=STEPS, title=title)

    first, *_, last = losses = curves["held out"]
    better = sum(later < earlier for earlier, later in pairwise(losses))
    baseline = pixelwise_nll(train, test)
    contrast, expected = (float(pictures(images).std(axis=(1, 2)).mean()) for images in (samples, test))
    blurred = contrast < expected
    return (
        f"On {study.data_name('cifar10')}, the held-out −ELBO {'falls' if last < first else 'rises'} from {first:.0f} nats per "
        f"image after one epoch to {last:.0f} after {epochs}, and improves in {better} of {epochs - 1} epochs; a model of one "
        f"Gaussian per pixel is {'worse' if baseline > last else 'still better'}, with {baseline:.0f}. The contrast within a "
        f"sampled image is {contrast / expected:.2f} times that of a test image"
        + (
            ": each pixel is the mean of its possible values, so fine structure that z does not contain is averaged away"
            * blurred
        )
        + f" (σ = {model.likelihood.sigma:.3f})."
    )


FULL = {"images": 20_000, "epochs": 6, "held_out": 1000}
QUICK = {"images": 200, "epochs": 3, "held_out": 40}

if __name__ == "__main__":
    run(exercise, FULL, QUICK)
