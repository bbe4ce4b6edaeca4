"""The command line: a run writes all its results, and every error is one line on stderr and exit code 2."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import models, nn, viz
from autograd_mini.__main__ import main
from autograd_mini.cli.run import Run
from autograd_mini.models.metrics import feature_classifier
from autograd_mini.models.recipes import RECIPES

ROOT = Path(__file__).parent.parent.parent
ALWAYS = {"config.json", "metrics.csv", "timing.csv", "checkpoint.safetensors", "model.safetensors", "summary.txt", "loss.png"}
LATENT = {"reconstructions.png", "interpolation.png"}  # of every model with a latent space


@pytest.fixture
def no_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulates a machine without Graphviz."""
    for command in ("_system_dot", "_pygraphviz"):
        monkeypatch.setattr(viz.graph.render, command, lambda format: [])


@pytest.mark.parametrize(
    ("model", "flags", "pictures"),
    [
        ("mlp", [], {"accuracy.png", "confusion.png"}),
        ("cnn", ["--classes", "0,1"], {"accuracy.png", "confusion.png"}),
        ("cnn", ["--preset", "contest-pool-2"], {"accuracy.png", "confusion.png"}),
        ("ae", ["--classes", "0,1,2", "--limit-per-class", "30"], {*LATENT, "latent.png", "plane.png"}),
        ("conv-ae", ["--limit-per-class", "30"], {*LATENT, "latent.png"}),
        ("denoising-ae", ["--limit-per-class", "30"], {*LATENT, "latent.png", "restored.png"}),
        ("vae", ["--latent", "3"], {*LATENT, "latent.png", "samples.png"}),
        ("vae", ["--latent", "1"], {*LATENT, "samples.png"}),
        ("vae", ["--preset", "iwae-paper", "--limit-per-class", "3"], {*LATENT, "latent.png", "samples.png"}),
        ("conv-vae", ["--limit-per-class", "30", "--latent", "2"], {*LATENT, "latent.png", "plane.png", "samples.png"}),
    ],
)
@pytest.mark.usefixtures("no_renderer")
def test_a_run_writes_all_its_results_even_without_a_renderer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, flags: list[str], pictures: set[str]
) -> None:
    folder = tmp_path / "run"
    assert main(["train", model, *flags, "--epochs", "2", "--out", str(folder)]) == 0
    assert {path.name for path in folder.iterdir()} == ALWAYS | pictures | {"graph.dot"}
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in pictures | {"loss.png"})
    config = json.loads((folder / "config.json").read_text())
    assert (config["model"], config["data"], config["epochs"]) == (model, "digits", 2)
    printed = capsys.readouterr()
    assert f"results in {folder}" in printed.out
    assert printed.out.startswith("epoch 2: loss ")
    assert "instead of graph.svg: no Graphviz" in printed.err.splitlines()[-1]


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"autograd-mini {ag.__version__}\n"


def test_the_same_seed_gives_the_same_saved_weights(tmp_path: Path) -> None:
    states = []
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main(["train", "mlp", "--epochs", "1", "--seed", seed, "--out", str(tmp_path / name)]) == 0
        states.append(nn.load(tmp_path / name / "model.safetensors"))
    models.MLP((64, 128, 10)).load_state_dict(states[0])
    for name, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][name])
    assert any(np.any(array != states[2][name]) for name, array in states[0].items())


def test_resume_uses_the_stored_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The options are stored in the folder, and the results are the same as without an interruption."""
    monkeypatch.chdir(tmp_path)
    flags = ["--seed", "7", "--latent", "3", "--batch-size", "50", "--limit-per-class", "20"]
    assert main(["train", "vae", *flags, "--epochs", "3", "--out", "whole"]) == 0
    assert main(["train", "vae", *flags, "--epochs", "1"]) == 0
    assert main(["resume", "runs/vae-digits", "--epochs", "3"]) == 0
    whole, parts = (nn.load(folder / "model.safetensors") for folder in (Path("whole"), Path("runs/vae-digits")))
    for name, array in whole.items():
        np.testing.assert_array_equal(array, parts[name])
    for name in ("config.json", "metrics.csv", "checkpoint.safetensors"):
        assert Path("whole", name).read_bytes() == Path("runs/vae-digits", name).read_bytes()


def test_resume_can_change_the_learning_rate(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert main(["train", "mlp", "--limit-per-class", "5", "--epochs", "1", "--out", str(folder)]) == 0
    before = nn.load(folder / "model.safetensors")
    assert main(["resume", str(folder), "--epochs", "2", "--lr", "0"]) == 0
    for name, array in nn.load(folder / "model.safetensors").items():
        np.testing.assert_array_equal(array, before[name])


def test_resume_continues_the_learning_rate_schedule(tmp_path: Path) -> None:
    """Also for a run that is trained for more epochs than planned."""
    recipe = replace(RECIPES["mlp", "digits"], lr_decay=0.5, limit_per_class=5, epochs=3)
    whole = Run(recipe, tmp_path / "whole", progress=False)
    whole.train()
    Run(replace(recipe, epochs=1), tmp_path / "parts", progress=False).train()
    rest = Run(recipe, tmp_path / "parts", resume=True, progress=False)
    assert rest.trainer.updates[""].optimizer.param_groups[0]["lr"] == recipe.lr / 2
    rest.train()
    for name, array in whole.model.state_dict().items():
        np.testing.assert_array_equal(array, rest.model.state_dict()[name])


def test_a_run_is_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ["train", "mlp", "--epochs", "1", "--limit-per-class", "5"]
    for expected in ("mlp-digits", "mlp-digits-2", "mlp-digits-3"):
        assert main(flags) == 0
        assert capsys.readouterr().out.strip().endswith(f"results in {Path('runs', expected)}")
    before = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    assert main([*flags, "--out", "runs/mlp-digits"]) == 2
    printed = capsys.readouterr().err
    assert "already contains a run: resume it with autograd-mini resume runs/mlp-digits" in printed
    assert {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()} == before


def test_a_run_that_diverges_is_reported_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "mlp", "--lr", "1e38", "--epochs", "3", "--out", str(tmp_path / "run")]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("autograd-mini: ")
    assert "a lower learning rate may help" in last


def test_a_preset_changes_the_recipe_and_flags_change_the_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with a preset gets a separate folder."""
    monkeypatch.chdir(tmp_path)
    command = ["train", "cnn", "--limit-per-class", "5"]
    assert main([*command, "--preset", "keras-check", "--batch-size", "25"]) == 0
    folder = Path("runs/cnn-digits-keras-check")
    config = json.loads((folder / "config.json").read_text())
    assert (config["options"], config["optimizer"], config["lr"]) == ({"variant": "keras"}, "momentum", 0.01)
    assert (config["batch_size"], config["epochs"]) == (25, 1)


def test_a_recipe_with_an_unknown_optimizer_is_rejected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "mlp", "--epochs", "1", "--limit-per-class", "5", "--out", str(tmp_path)]
    assert main(command) == 0
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"adam"', '"eve"'))
    assert main(["resume", str(tmp_path)]) == 2
    assert "invalid recipe: unknown optimizer 'eve'; expected one of: adam, adamw" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["mlp", "cnn", "ae", "vae"])
def test_draw_writes_the_training_graph(tmp_path: Path, model: str) -> None:
    path = tmp_path / "graph.dot"
    assert main(["draw", model, "--out", str(path)]) == 0
    text = path.read_text()
    assert "<b>loss</b>" in text
    assert all(f"<{part} ·" in text or f">{part} ·" in text for part in called_parts(model)), "in a box, or folded"


def called_parts(model: str) -> list[str]:
    return [name for name, part in RECIPES[model, "digits"].build().named_children() if any(True for _ in part.parameters())]


def test_draw_works_for_each_data_set_and_preset(tmp_path: Path) -> None:
    path = tmp_path / "graph.dot"
    assert main(["draw", "cnn", "--data", "cifar10", "--out", str(path)]) == 0
    assert "MaxPool2d" in path.read_text()
    assert main(["draw", "cnn", "--data", "mnist", "--preset", "contest-pool-7", "--out", str(path)]) == 0
    assert "BatchNorm2d" in path.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "MODEL"),
        (["train", "perceptron"], "unknown model 'perceptron'; available: mlp, cnn, ae"),
        (["train", "vae", "--data", "letters"], "unknown data set 'letters'; available: digits, mnist"),
        (
            ["train", "vae", "--data", "cifar10"],
            "no recipe for vae on cifar10; available for: digits, mnist, fashion_mnist",
        ),
        (["train", "vae", "--bogus"], "--bogus"),
        (["train", "vae", "--epochs", "0"], "--epochs"),
        (["train", "vae", "--epochs", "many"], "--epochs"),
        (["train", "vae", "--lr", "inf"], "lr must lie in"),
        (["train", "vae", "--latent", "0"], "--latent"),
        (["train", "mlp", "--latent", "2"], "mlp has no latent space"),
        (["train", "cnn", "--latent", "2"], "cnn has no latent space"),
        (["train", "cnn", "--preset", "keras"], "no preset 'keras' for cnn; available: keras-check, contest-pool-7"),
        (["train", "mlp", "--preset", "keras-check"], "no preset 'keras-check' for mlp; available: none"),
        (["draw", "ae", "--preset", "keras-check"], "no preset 'keras-check' for ae; available: exercise-29"),
        (["train", "vae", "--classes", "one"], "--classes one: no such class; available: 0, 1, 2"),
        (["train", "vae", "--classes", "0,12"], "--classes 12: no such class; available: 0, 1, 2"),
        (["resume", "nowhere"], "config.json: no such file; this folder does not contain a run"),
        (["train", "vae", "--out", "a_file/run"], "a_file"),
        (["draw", "vae", "--out", "graph.gif"], "expected a name that ends in .svg"),
        (["draw", "vae", "--out", "nowhere/graph.dot"], "nowhere"),
        (["draw", "vae", "--out", "a_file/graph.dot"], "a_file/graph.dot: Not a directory"),
        (["fly"], "fly"),
        (["train", "vae", "--patience", "3"], "--patience requires --early-stop"),
        (["train", "ae", "--frechet"], "--frechet and --no-frechet are only for GANs"),
        (["train", "dcgan", "--no-frechet", "--early-stop", "frechet"], "remove --no-frechet"),
        (["train", "mlp", "--classes", "3"], "mlp needs at least two classes, but digits has only one: 3"),
        (
            ["train", "mlp", "--early-stop", "f1"],
            "expected one of epoch, iteration, loss, accuracy, val_loss, val_accuracy, not 'f1'",
        ),
        (["train", "wgan-gp", "--early-stop", "loss"], "iteration, d_loss, d_real, d_fake, g_loss, frechet, not 'loss'"),
        (["train", "gan", "--option", "g_times=twice"], "g_times: expected a value such as 1, got 'twice'"),
        (["train", "ssgan", "--early-stop", "val_loss"], "d_accuracy, g_loss, errors, not 'val_loss'"),
    ],
)
def test_an_error_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    if "wgan-gp" in arguments:  # its metrics need the classifier, which is trained once
        feature_classifier("digits")
        capsys.readouterr()
    monkeypatch.chdir(tmp_path)
    Path("a_file").write_text("")
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("autograd-mini: ")
    assert message in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)


@pytest.mark.usefixtures("no_renderer")
def test_draw_without_a_renderer_says_how_to_get_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", "vae", "--out", str(tmp_path / "graph.svg")]) == 2
    assert "pip install" in capsys.readouterr().err


def test_a_damaged_data_file_is_named_in_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "mnist" / "train-images-idx3-ubyte.gz"
    damaged.parent.mkdir()
    for name in nn.data.datasets.MNIST.digests:
        (damaged.parent / name).write_bytes(b"not data")
    monkeypatch.setenv("AUTOGRAD_MINI_DATA", str(tmp_path))
    assert main(["train", "vae", "--data", "mnist", "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err == f"autograd-mini: {damaged}: truncated or corrupt: Not a gzipped file (b'no')\n"


def command(*arguments: str, prelude: str = "") -> subprocess.Popen[str]:
    """Runs the command line in a separate process, after the Python code in `prelude`."""
    program = f"{prelude}\nimport runpy\nrunpy.run_module('autograd_mini', run_name='__main__', alter_sys=True)"
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )


def test_ctrl_c_saves_the_run_and_says_so(tmp_path: Path) -> None:
    with command("train", "vae", "--epochs", "100000", "--out", str(tmp_path / "run")) as process:
        assert process.stderr is not None
        lines = iter(lambda: process.stderr.readline(200), "")  # the bar writes \r, which text mode reads as a line's end
        assert any("epoch 2/" in line for line in lines), "it ended before its second epoch"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"saved to {tmp_path / 'run' / 'checkpoint.safetensors'}" in err
    assert f"resume with: autograd-mini resume {tmp_path / 'run'}\n" in err
    assert "Traceback" not in err
    assert (tmp_path / "run" / "samples.png").exists()


def test_without_typer_one_line_says_what_to_install() -> None:
    with command(prelude="import sys; sys.modules['typer'] = None") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err == 'autograd-mini: the command line needs typer: pip install "autograd-mini[train]"\n'
