"""Options of `train` and other commands: models, images, layers, optimizers, gradients and checkpoints."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from autograd_mini.models.recipes import OPTIMIZERS

Option = Annotated[
    list[str],
    typer.Option(
        metavar="NAME=VALUE",
        help="Set an option of the model, such as beta=4; can be repeated. An unknown NAME lists all options.",
    ),
]
GridOption = Annotated[
    list[str],
    typer.Option(
        "--option",
        metavar="NAME=VALUE,…",
        help="Values to try: of a field of the recipe (lr, batch_size, optimizer, epochs …) or an option of the model.",
    ),
]
Jobs = Annotated[int, typer.Option(min=1, help="Train N runs at a time, each in a process with one thread.")]
Cluster = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Train on the workers of a running Dask scheduler, such as tcp://HOST:8786."),
]
Latent = Annotated[int | None, typer.Option(min=1, help="Number of latent dimensions, for models with a latent space.")]
Size = Annotated[
    str | None,
    typer.Option(
        metavar="HxW",
        help="Crop images at the centre and scale them to height x width, such as 30x50, or 28 for 28x28; sides of 8 or more.",
        show_default="that of the images",
    ),
]
Channels = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=4,
        help="Convert images to 1 channel (grey), 2 (grey and opacity), 3 (colour) or 4 (colour and opacity).",
        show_default="that of the images",
    ),
]
Epochs = Annotated[int | None, typer.Option(min=1, help="Train for N epochs.")]
Iterations = Annotated[int | None, typer.Option(min=1, help="Train for N batches instead of epochs.")]
TotalEpochs = Annotated[int | None, typer.Option(min=1, help="Train for N epochs in total, including those already done.")]
TotalIterations = Annotated[int | None, typer.Option(min=1, help="Train for N batches in total instead of epochs.")]
Rate = Annotated[float | None, typer.Option(min=0, help="Learning rate.")]
Patience = Annotated[int | None, typer.Option(min=1, help="With early stopping: stop after N logged rows without improvement.")]
Seed = Annotated[int, typer.Option(min=0, help="Random seed; the same seed gives the same results.")]

Layers = Annotated[
    str | None,
    typer.Option(
        metavar="N,…",
        help="Hidden layers of the model, its encoder or its generator, for example 256,64: units of dense layers, or channels "
        "of convolutions. A decoder or discriminator mirrors them.",
    ),
]
OptimizerName = Annotated[str | None, typer.Option(help=f"One of {', '.join(OPTIMIZERS)}.")]
BackendName = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="numpy|c|auto",
        help="Compile steps to NumPy calls, or also to loops in C; auto uses C if there is a compiler.",
        show_default="numpy",
    ),
]
Accumulate = Annotated[
    int | None,
    typer.Option(min=1, help="Do one step per N batches, as with batches N times as large."),
]
ClipGradNorm = Annotated[float | None, typer.Option(min=0, help="Scale the gradients of a step down to this joint norm.")]
ClipGradValue = Annotated[float | None, typer.Option(min=0, help="Limit each element of a gradient to this size.")]
KLWarmup = Annotated[
    int | None,
    typer.Option("--kl-warmup", min=1, help="For VAEs: raise the KL divergence's weight from 0 in N batches."),
]
FreeBits = Annotated[
    float | None,
    typer.Option(min=0, help="For VAEs: let each latent dimension use this many nats of KL divergence without a penalty."),
]
KeepBest = Annotated[
    str | None,
    typer.Option(metavar="METRIC", help="Also keep the checkpoint of the best row by this metric (val_loss …)."),
]
KeepEvery = Annotated[int | None, typer.Option(min=1, help="Also keep the checkpoint of every N-th logged row.")]
TensorBoardFlag = Annotated[
    bool, typer.Option("--tensorboard", help="Write event files for TensorBoard to the folder events. Needs tensorboardX.")
]

VAE_OPTIONS: Final = ("kl_warmup", "free_bits")
"""Options of the command line that are options of the model."""


def parse_layers(text: str) -> tuple[int, ...]:
    """Parses numbers such as 256,64. Raises ValueError unless there are one or more, each 1 or more.

    >>> from autograd_mini.cli.training_options import parse_layers
    >>> parse_layers("256,64")
    (256, 64)
    """
    numbers = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in numbers):
        raise ValueError(f"--layers {text}: expected numbers of units or channels, each 1 or more, such as 256,64")
    return tuple(map(int, numbers))
