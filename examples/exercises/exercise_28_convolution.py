"""Exercise 28: MNIST and CIFAR-10 with and without convolution.

The recipes of `autograd-mini train`: on MNIST one hidden layer of 128 units compared with two convolutions of stride 2; on
CIFAR-10 one of 512 units compared with two convolutions, each followed by pooling. A convolution has built-in knowledge:
neighbouring pixels are related, and a feature may appear anywhere, so one small filter is applied at all positions.

    python examples/exercises/exercise_28_convolution.py [--quick] [--out DIR]
"""

from __future__ import annotations

from dataclasses import replace

import autograd_mini as ag
from autograd_mini import nn, viz
from autograd_mini.examples.study import Study, run
from autograd_mini.models.recipes import OPTIMIZERS, RECIPES, Recipe
from autograd_mini.nn.training.trainer import Row

NETWORKS = {"mlp": "without convolution", "cnn": "with convolution"}
CURVES = {"training": "accuracy", "test": "val_accuracy"}


def train_recipe(recipe: Recipe, data: nn.data.Dataset) -> tuple[nn.Module, list[Row]]:
    """Returns the trained model of a recipe and its history, with the test images for validation."""
    ag.manual_seed(recipe.seed)
    model = recipe.build()
    optimizer = OPTIMIZERS[recipe.optimizer](model.parameters(), lr=recipe.lr)
    decay = nn.Schedule(nn.ExponentialLR(optimizer, recipe.lr_decay))
    batches = nn.data.DataLoader(data.train, batch_size=recipe.batch_size, shuffle=True, seed=recipe.seed)
    history = nn.Trainer(model, optimizer, callbacks=[decay], progress=False).fit(
        batches, recipe.epochs, nn.data.DataLoader(data.test, batch_size=500)
    )
    return model, history


def exercise(study: Study, epochs: dict[str, int]) -> str:
    rows, gains = [], []
    for name, count in epochs.items():
        data, accuracy = study.data(name), {}
        curves: dict[str, list[float]] = {}
        for kind, title in NETWORKS.items():
            model, history = train_recipe(replace(RECIPES[kind, name], epochs=count, seed=study.seed), data)
            accuracy[kind] = 100 * history[-1]["val_accuracy"]
            rows.append(
                {
                    "data": study.data_name(name),
                    "network": title,
                    "weights": sum(p.size for p in model.parameters()),
                    "epochs": count,
                    "training %": 100 * history[-1]["accuracy"],
                    "test %": accuracy[kind],
                }
            )
            curves |= {f"{title}, {split}": [row[key] for row in history] for split, key in CURVES.items()}
        viz.plot_losses(curves, study.figure(f"{name}.png"), ylabel="accuracy", title=study.data_name(name))
        errors = {kind: 100 - value for kind, value in accuracy.items()}
        gain = accuracy["cnn"] - accuracy["mlp"]
        gains.append(
            f"{'gains' if gain >= 0 else 'loses'} {abs(gain):.1f} points on {study.data_name(name)} ({accuracy['cnn']:.1f} % "
            f"instead of {accuracy['mlp']:.1f} %, {errors['cnn'] / max(errors['mlp'], 1e-9):.2f} times the errors)"
        )
    study.table("accuracy", rows)
    weights = [float(row["weights"]) for row in rows]
    ratio = [mlp / cnn for mlp, cnn in zip(weights[::2], weights[1::2], strict=True)]
    return (
        f"After the same number of epochs, convolution {' and '.join(gains)}. The networks without convolution have "
        f"{' and '.join(f'{value:.1f}' for value in ratio)} times as many weights as those with it."
    )


FULL = {"epochs": {"mnist": 3, "cifar10": 5}}
QUICK = {"epochs": {"mnist": 2, "cifar10": 2}}

if __name__ == "__main__":
    run(exercise, FULL, QUICK)
