"""Every model takes its layers, optimizer, limits of gradients and accumulation by command line, and resumes with the same bytes."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from autograd_mini import nn
from autograd_mini.cli.main import main
from autograd_mini.cli.options import choose, override
from autograd_mini.cli.run import CONFIG, Run, claim_run, stored_recipe
from autograd_mini.jit.c.build import compiler
from autograd_mini.models.recipes import MODELS, OPTIMIZERS, Recipe

LAYERS = {
    "gan": "12,20",
    "dcgan": "6",
    "cgan": "6",
    "wgan-gp": "6",
    "cnn": "4,6",
    "conv-ae": "4,6",
    "conv-vae": "4,6",
    "ssgan": "20,12",
}
FLAGS: dict[str, Any] = {
    "accumulate": 2, "clip_grad_norm": 0.5, "clip_grad_value": 0.1, "keep_every": 2, "iterations": 8, "every": 2, "batch_size": 8,
    "limit_per_class": 4,
}  # fmt: skip


def recipe_of(model: str, optimizer: str = "rmsprop", **flags: Any) -> Recipe:
    gan = "frechet" in MODELS[model].row_metrics
    labels = {"labelled_per_class": 2} if model == "ssgan" else {}
    flags = {**FLAGS, "optimizer": optimizer, "keep_best": "d_loss" if gan else "val_loss", **labels, **flags}
    recipe = override(choose(model, "digits"), flags, layers=LAYERS.get(model, "12,6"))
    return dataclasses.replace(recipe, frechet=False)


def kill_at(trainer: nn.Trainer, at: int) -> None:
    """Ends training after some batches as a kill does: nothing is written."""
    step = trainer._step

    def killed(*arguments: Any) -> None:
        step(*arguments)
        if trainer.iteration >= at:
            raise KeyboardInterrupt

    trainer._step = killed  # type: ignore[method-assign]


def train(recipe: Recipe, folder: Path, *kills: int) -> dict[str, bytes]:
    """Trains a run, which is killed after some batches and resumed; returns its files."""
    for number, at in enumerate((*kills, 10**9)):
        claim = claim_run(folder) if number else folder
        with Run(stored_recipe(folder) if number else recipe, claim, resume=number > 0, progress=False) as run:
            kill_at(run.trainer, at)
            with suppress(KeyboardInterrupt):
                run.train()
    names = [
        path for path in folder.iterdir() if path.suffix in (".safetensors", ".csv", ".json") and path.name != "timing.csv"
    ]
    return {path.name: path.read_bytes() for path in names}


@pytest.mark.parametrize("model", MODELS)
def test_every_model_trains_with_all_options_and_resumes_to_the_same_bytes(model: str, tmp_path: Path) -> None:
    recipe = recipe_of(model, **({"kl_warmup": 5, "free_bits": 0.01} if "vae" in model else {}))
    files = train(recipe, tmp_path / "whole")
    assert {"checkpoint.safetensors", "checkpoint-best.safetensors", "checkpoint-000004.safetensors", CONFIG} <= files.keys()
    assert train(recipe, tmp_path / "killed", 3, 7) == files


@pytest.mark.parametrize("model", MODELS)
def test_layers_are_the_hidden_layers_of_the_model(model: str) -> None:
    sizes = [int(n) for n in LAYERS.get(model, "12,6").split(",")]
    shapes = [array.shape for array in recipe_of(model).build().state_dict().values()]
    for size in sizes:
        assert any(shape[:1] == (size,) for shape in shapes), (size, shapes)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_trains_a_classifier_and_a_gan(optimizer: str, tmp_path: Path) -> None:
    for model in ("mlp", "gan"):
        recipe = recipe_of(model, optimizer, iterations=4, keep_best=None)
        with Run(recipe, tmp_path / model, progress=False) as run:
            run.train()
            kind = getattr(OPTIMIZERS[optimizer], "func", OPTIMIZERS[optimizer])
            assert all(isinstance(update.optimizer, kind) for update in run.trainer.updates.values())
            betas = {group.get("betas") for update in run.trainer.updates.values() for group in update.optimizer.param_groups}
            assert betas in ({None}, {(0.5, 0.999)} if model == "gan" else {(0.9, 0.999)})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("mlp --layers 3,x", "--layers 3,x: expected numbers"),
        ("mlp --layers 0", "--layers 0: expected numbers"),
        ("dcgan --layers 3,4,5,6,7", "cannot be halved that often"),
        ("mlp --optimizer lion", "unknown optimizer 'lion'; expected one of: adam, adamw"),
        ("mlp --kl-warmup 5", "only for VAEs"),
        ("gan --free-bits 0.1", "only for VAEs"),
        ("mlp --keep-best fun", "keep_best: expected one of epoch, iteration, loss, accuracy"),
        ("mlp --accumulate 0", "--accumulate"),
        ("mlp --backend cuda", "backend must be"),
        ("mlp --clip-grad-norm -1", "--clip-grad-norm"),
    ],
)
def test_options_that_do_not_fit_are_named(
    arguments: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *arguments.split(), "--out", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err


def test_event_files_are_written_to_the_folder_of_the_run(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    with Run(recipe_of("mlp", tensorboard=True, iterations=4), tmp_path / "run", progress=False) as run:
        run.train()
    assert len(list((tmp_path / "run/events").glob("events.out.tfevents.*"))) == 1


@pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
@pytest.mark.parametrize("model", ["mlp", "conv-vae", "gan"])
def test_a_killed_run_with_loops_in_c_ends_with_the_same_bytes(model: str, tmp_path: Path) -> None:
    """The first steps after a kill are loops in C too, so they round as those of an undisturbed run."""
    recipe = recipe_of(model, backend="auto")
    assert recipe.backend == "c"
    assert train(recipe, tmp_path / "killed", 3, 4) == train(recipe, tmp_path / "undisturbed")
