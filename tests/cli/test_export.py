"""Generated images as single files and as one array: complete, in the model's size, and the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import autograd_mini as ag
from autograd_mini.__main__ import main
from autograd_mini.cli import export
from autograd_mini.cli.finished_run import FinishedRun
from autograd_mini.cli.sampling import export_samples
from autograd_mini.models.recipes import RECIPES, Recipe
from autograd_mini.tools.locks import FolderClaim


def finished(tmp_path: Path, model: str, channels: int = 3) -> FinishedRun:
    recipe: Recipe = RECIPES[model, "digits"].with_classes(3).with_image_shape((channels, 9, 17))
    ag.manual_seed(0)
    return FinishedRun(tmp_path, recipe, recipe.build().eval())


def read(folder: Path) -> dict[str, np.ndarray]:
    return {path.name: np.asarray(Image.open(path)) for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("model", ["vae", "conv-vae", "dcgan", "cgan"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_files_and_array_have_the_same_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, channels: int
) -> None:
    """Whole images with all channels, in several batches; images of a conditional model have labels, all classes in turn."""
    monkeypatch.setattr(export, "IMAGES_PER_BATCH", 4)
    run = finished(tmp_path, model, channels)
    for kind, name in ((export.Format.png, "images"), (export.Format.npz, "images.npz")):
        ag.manual_seed(1)
        export_samples(run, 10, tmp_path / name, kind)
    files, arrays = read(tmp_path / "images"), np.load(tmp_path / "images.npz")
    assert arrays["images"].shape == (10, 9, 17, *([channels] if channels > 1 else []))
    np.testing.assert_array_equal(np.stack(list(files.values())), arrays["images"])
    assert len(np.unique(arrays["images"])) > 5, "the images are not blank"
    labels = [number % 3 for number in range(10)]
    assert list(files) == [f"{i:05d}-{label}.png" if model == "cgan" else f"{i:05d}.png" for i, label in enumerate(labels)]
    assert (arrays["labels"].tolist() == labels) if model == "cgan" else ("labels" not in arrays)


def test_pixels_are_the_rounded_values_of_the_model(tmp_path: Path) -> None:
    run = finished(tmp_path, "vae")
    ag.manual_seed(2)
    expected = run.model.sample(6).numpy().reshape(6, 3, 9, 17).transpose(0, 2, 3, 1) * 255
    ag.manual_seed(2)
    export_samples(run, 6, tmp_path / "images.npz", export.Format.npz)
    np.testing.assert_allclose(np.load(tmp_path / "images.npz")["images"], expected, atol=0.501)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    run, written = finished(tmp_path, "vae"), []
    for seed in (3, 3, 4):
        ag.manual_seed(seed)
        export_samples(run, 5, tmp_path / "images.npz", export.Format.npz)
        written.append((tmp_path / "images.npz").read_bytes())
    assert written[0] == written[1] != written[2]


def test_only_a_batch_of_images_is_in_memory(tmp_path: Path) -> None:
    """Images arrive in batches whose size depends on their shape, not on how many there are."""
    asked = []

    def draw(count: int, first: int) -> ag.Tensor:
        asked.append((first, count))
        return ag.zeros((count, 3, 128, 128))

    sizes = [len(batch) for batch in export.generate(draw, 200, (3, 128, 128))]
    assert sizes == [count for _, count in asked] == [85, 85, 30]
    assert [first for first, _ in asked] == [0, 85, 170]


def test_an_export_replaces_an_earlier_one_and_nothing_else(tmp_path: Path) -> None:
    run, folder = finished(tmp_path, "vae"), tmp_path / "images"
    for n in (5, 2):
        export_samples(run, n, folder, export.Format.png)
        assert len(read(folder)) == n
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="has other files than an export of images"):
        export_samples(run, 2, folder, export.Format.png)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    """An error leaves nothing behind; what a killed process left is used by the next export; two at a time are refused."""

    def draw(count: int, first: int) -> ag.Tensor:
        assert not (tmp_path / "images").exists()
        if first:
            raise RuntimeError("stopped")
        return ag.zeros((count, 1, 8, 8))

    with pytest.raises(RuntimeError, match="stopped"):
        export.write_files(draw, 501, (1, 8, 8), tmp_path / "images")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".images.tmp").mkdir()
    (tmp_path / ".images.tmp" / "00007.png").write_text("half")
    with FolderClaim(tmp_path / ".images.tmp"):
        import threading

        errors: list[BaseException] = []

        def attempt() -> None:
            try:
                export.write_files(draw, 3, (1, 8, 8), tmp_path / "images")
            except OSError as error:
                errors.append(error)

        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
        assert "is in use by" in str(errors[0])
        assert (tmp_path / ".images.tmp" / "00007.png").exists(), "the other export is not disturbed"
    export.write_files(draw, 3, (1, 8, 8), tmp_path / "images")
    assert sorted(read(tmp_path / "images")) == ["00000.png", "00001.png", "00002.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_the_command_writes_files_and_arrays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["train", "vae", "--limit-per-class", "2", "--epochs", "1", "--out", str(run)]) == 0
    for flags, path in (
        (["--format", "png"], run / "samples-png"),
        (["--format", "npz"], run / "samples.npz"),
        (["--format", "npz", "--out", str(tmp_path / "x.npz")], tmp_path / "x.npz"),
    ):
        capsys.readouterr()
        assert main(["sample", str(run), "--n", "3", *flags]) == 0
        assert capsys.readouterr().out == f"{path}\n"
    assert np.load(run / "samples.npz")["images"].shape == (3, 8, 8)
    assert main(["sample", str(run), "--format", "npz", "--out", str(tmp_path / "x.npy")]) == 2
    assert "x.npy: expected a name that ends in .npz" in capsys.readouterr().err
    assert main(["sample", str(run), "--format", "gif"]) == 2
