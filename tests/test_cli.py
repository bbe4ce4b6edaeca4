"""The command line: a run leaves all its results behind, and every mistake is one line on stderr and exit code 2."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autograd_mini import models, nn, viz
from autograd_mini.__main__ import main

ROOT = Path(__file__).parent.parent
ALWAYS = {"config.json", "metrics.csv", "timing.csv", "checkpoint.safetensors", "model.safetensors", "loss.png"}


@pytest.fixture
def no_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Graphviz."""
    for command in ("_system_dot", "_pygraphviz"):
        monkeypatch.setattr(viz.render, command, lambda format: [])


@pytest.mark.parametrize(
    ("model", "flags", "pictures"),
    [
        ("mlp", [], set()),
        ("ae", ["--classes", "0,1,2", "--limit-per-class", "30"], {"latent.png", "reconstructions.png"}),
        ("vae", ["--latent", "3"], {"latent.png", "reconstructions.png", "samples.png"}),
        ("vae", ["--latent", "1"], {"reconstructions.png", "samples.png"}),
    ],
)
@pytest.mark.usefixtures("no_renderer")
def test_a_run_leaves_all_its_results_even_without_a_renderer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, flags: list[str], pictures: set[str]
) -> None:
    folder = tmp_path / "run"
    assert main(["train", model, *flags, "--epochs", "2", "--out", str(folder)]) == 0
    assert {path.name for path in folder.iterdir()} == ALWAYS | pictures | {"graph.dot"}
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in pictures | {"loss.png"})
    config = json.loads((folder / "config.json").read_text())
    assert (config["model"], config["data"], config["epochs"]) == (model, "digits", 2)
    said = capsys.readouterr()
    assert "epoch 2: on test images loss" in said.out
    assert "instead of graph.svg: no Graphviz" in said.err.splitlines()[-1]


def test_the_same_seed_gives_the_same_weights_which_the_saved_file_holds(tmp_path: Path) -> None:
    states = []
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main(["train", "mlp", "--epochs", "1", "--seed", seed, "--out", str(tmp_path / name)]) == 0
        states.append(nn.load(tmp_path / name / "model.safetensors"))
    models.MLP((64, 128, 10)).load_state_dict(states[0])
    for name, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][name])
    assert any(np.any(array != states[2][name]) for name, array in states[0].items())


def test_resume_goes_on_from_the_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["train", "mlp", "--limit-per-class", "20"]
    assert main([*flags, "--epochs", "3", "--out", str(tmp_path / "whole")]) == 0
    assert main([*flags, "--epochs", "1", "--out", str(tmp_path / "parts")]) == 0
    assert main([*flags, "--epochs", "3", "--resume", "--out", str(tmp_path / "parts")]) == 0
    whole, parts = (nn.load(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    for name, array in whole.items():
        np.testing.assert_array_equal(array, parts[name])
    capsys.readouterr()
    assert main(["train", "vae", "--resume", "--out", str(tmp_path / "parts")]) == 2
    assert "holds a run with model mlp, not vae" in capsys.readouterr().err


def test_a_run_goes_on_by_its_own_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags need not be given again: the folder knows them."""
    monkeypatch.chdir(tmp_path)
    flags = ["--seed", "7", "--latent", "3", "--batch-size", "50", "--limit-per-class", "20"]
    assert main(["train", "vae", *flags, "--epochs", "3", "--out", "whole"]) == 0
    assert main(["train", "vae", *flags, "--epochs", "1"]) == 0
    assert main(["train", "vae", "--epochs", "3", "--resume"]) == 0
    whole, parts = (nn.load(folder / "model.safetensors") for folder in (Path("whole"), Path("runs/vae-digits")))
    for name, array in whole.items():
        np.testing.assert_array_equal(array, parts[name])
    for name in ("config.json", "metrics.csv", "checkpoint.safetensors"):
        assert Path("whole", name).read_bytes() == Path("runs/vae-digits", name).read_bytes()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--seed", "7"], "holds a run with seed 0, not 7"),
        (["--batch-size", "9"], "holds a run with batch_size 32, not 9"),
        (["--latent", "3"], "sizes (64, 128, 32, 2), not (64, 128, 32, 3)"),
        (["--classes", "0,1"], "classes None, not (0, 1)"),
    ],
)
def test_what_fixes_the_course_of_a_run_cannot_change_on_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], told: str
) -> None:
    command = ["train", "ae", "--out", str(tmp_path / "run")]
    assert main([*command, "--epochs", "1", "--limit-per-class", "5"]) == 0
    before = (tmp_path / "run" / "checkpoint.safetensors").read_bytes()
    assert main([*command, "--resume", "--epochs", "2", *flags]) == 2
    assert told in capsys.readouterr().err
    assert (tmp_path / "run" / "checkpoint.safetensors").read_bytes() == before


def test_a_run_may_go_on_with_another_learning_rate(tmp_path: Path) -> None:
    command = ["train", "mlp", "--limit-per-class", "5", "--out", str(tmp_path / "run")]
    assert main([*command, "--epochs", "1"]) == 0
    before = nn.load(tmp_path / "run" / "model.safetensors")
    assert main([*command, "--epochs", "2", "--resume", "--lr", "0"]) == 0
    for name, array in nn.load(tmp_path / "run" / "model.safetensors").items():
        np.testing.assert_array_equal(array, before[name])


def test_no_run_writes_over_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ["train", "mlp", "--epochs", "1", "--limit-per-class", "5"]
    for expected in ("mlp-digits", "mlp-digits-2", "mlp-digits-3"):
        assert main(flags) == 0
        assert capsys.readouterr().out.strip().endswith(f"results in {Path('runs', expected)}")
    before = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    assert main([*flags, "--out", "runs/mlp-digits"]) == 2
    said = capsys.readouterr().err
    assert "holds a run already" in said
    assert "--resume" in said
    assert {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()} == before
    assert main(["train", "mlp", "--resume", "--epochs", "2"]) == 0
    assert capsys.readouterr().out.strip().endswith(f"results in {Path('runs', 'mlp-digits-3')}"), "not the last one went on"


def test_a_run_that_diverges_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "mlp", "--lr", "1e38", "--epochs", "3", "--out", str(tmp_path / "run")]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("autograd-mini: ")
    assert "a lower learning rate may help" in last


@pytest.mark.parametrize("model", ["mlp", "ae", "vae"])
def test_draw_writes_the_training_graph(tmp_path: Path, model: str) -> None:
    path = tmp_path / "graph.dot"
    assert main(["draw", model, "--out", str(path)]) == 0
    text = path.read_text()
    assert "<b>loss</b>" in text
    assert all(f"<b>{name}</b>" in text for name in nn_names(model))


def nn_names(model: str) -> list[str]:
    recipe = models.recipes.RECIPES[model, "digits"]
    return [name for name, _ in models.recipes.MODELS[model](recipe.sizes).named_parameters()]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train"], "MODEL"),
        (["train", "perceptron"], "unknown model 'perceptron'; there are mlp, ae, vae"),
        (["train", "vae", "--data", "letters"], "unknown data set 'letters'; there are digits, mnist"),
        (
            ["train", "vae", "--data", "cifar10"],
            "no recipe for vae on cifar10; there are some for digits, mnist, fashion_mnist",
        ),
        (["train", "vae", "--bogus"], "--bogus"),
        (["train", "vae", "--epochs", "0"], "--epochs"),
        (["train", "vae", "--epochs", "many"], "--epochs"),
        (["train", "vae", "--lr", "inf"], "lr must lie in"),
        (["train", "vae", "--latent", "0"], "--latent"),
        (["train", "mlp", "--latent", "2"], "an mlp has no latent space"),
        (["train", "vae", "--classes", "one"], "expected numbers such as 0,1,2, got 'one'"),
        (["train", "vae", "--classes", "0,12"], "no images of class 12"),
        (["train", "vae", "--resume"], "config.json: no such file; there is no run to go on with"),
        (["train", "vae", "--out", "a_file/run"], "a_file"),
        (["draw", "vae", "--out", "graph.gif"], "expected a name that ends in .svg"),
        (["draw", "vae", "--out", "nowhere/graph.dot"], "nowhere"),
        (["fly"], "fly"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a_file").write_text("")
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.err.startswith("autograd-mini: ")
    assert told in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)


@pytest.mark.usefixtures("no_renderer")
def test_draw_without_a_renderer_says_how_to_get_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", "vae", "--out", str(tmp_path / "graph.svg")]) == 2
    assert "pip install" in capsys.readouterr().err


def test_damaged_data_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = tmp_path / "mnist" / "train-images-idx3-ubyte.gz"
    damaged.parent.mkdir()
    for name in nn.data.datasets.MNIST.digests:
        (damaged.parent / name).write_bytes(b"not data")
    monkeypatch.setenv("AUTOGRAD_MINI_DATA", str(tmp_path))
    assert main(["train", "vae", "--data", "mnist", "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err == f"autograd-mini: {damaged}: truncated or corrupt: Not a gzipped file (b'no')\n"


def command(*arguments: str, prelude: str = "") -> subprocess.Popen[str]:
    """The command line in a process of its own, after a prelude of Python."""
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
        while "epoch 2/" not in process.stderr.readline(200):  # the bar writes \r, which text mode reads as a line's end
            pass
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"saved to {tmp_path / 'run' / 'checkpoint.safetensors'}" in err
    assert f"go on with: autograd-mini train vae --data digits --resume --out {tmp_path / 'run'}\n" in err
    assert "Traceback" not in err
    assert (tmp_path / "run" / "samples.png").exists()


def test_without_typer_one_line_says_what_to_install() -> None:
    with command(prelude="import sys; sys.modules['typer'] = None") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err == 'autograd-mini: the command line needs typer: pip install "autograd-mini[train]"\n'
