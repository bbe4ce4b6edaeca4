"""Folders of pictures: which files are found, their classes, what is skipped, damaged files, and the cache."""

from __future__ import annotations

import io
import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autograd_mini import nn
from autograd_mini.nn.data import image_folder
from autograd_mini.nn.data.pictures import cache, load
from autograd_mini.nn.data.pictures.layout import find_pictures, sort_names

ImageFolder = nn.data.ImageFolder


def make(root: Path, *names: str) -> Path:
    """Creates files; those of pictures have a colour that depends on their number."""
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".png", ".jpg"):
            Image.new("L", (4, 4), 20 * i).save(path)
        else:
            path.touch()
    return root


def names_of(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in find_pictures(root).paths]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRAD_MINI_CACHE", str(tmp_path_factory.mktemp("cache")))


# -- layouts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["", "train/"])
def test_two_folders_whose_names_are_equal_in_unicode_are_refused(tmp_path: Path, part: str) -> None:
    """They look the same; one of them would be lost, or both would be one class without notice."""
    make(tmp_path, *(f"{part}{name}/{i}.png" for i, name in enumerate(["Caf\u00e9", "Cafe\u0301", "tea"])), "test/tea/3.png")
    with pytest.raises(ValueError, match=r"'Cafe\\u0301' and 'Caf\\xe9' have the same name, Café, .*; rename or merge them"):
        find_pictures(tmp_path)
    make(tmp_path / "other", "Cafe\u0301/0.png", "tea/1.png")
    assert find_pictures(tmp_path / "other").classes == ("Caf\u00e9", "tea"), "one form alone is fine"


def test_two_training_folders_that_differ_in_case_are_refused(tmp_path: Path) -> None:
    make(tmp_path, "train/a/0.png", "Train/b/1.png", "test/a/2.png")
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("this file system does not distinguish them")
    with pytest.raises(ValueError, match=r"both Train and train; rename or merge"):
        find_pictures(tmp_path)
    make(tmp_path / "classes", "A/0.png", "a/1.png")
    assert find_pictures(tmp_path / "classes").classes == ("A", "a"), "classes may differ in case"


def test_folders_inside_a_class_belong_to_it_and_hidden_ones_are_skipped_at_every_level(tmp_path: Path) -> None:
    make(tmp_path, "cats/a.png", "cats/more/b.png", "cats/.ipynb_checkpoints/c.png", "cats/__MACOSX/d.png", "dogs/._e.png")
    make(tmp_path, "dogs/deep/er/f.png", ".git/g.png", "__MACOSX/cats/h.png", "empty/deeper/i.txt", "notes.txt", "loose.png")
    layout = find_pictures(tmp_path)
    assert names_of(tmp_path) == ["cats/a.png", "cats/more/b.png", "dogs/deep/er/f.png"]
    assert (layout.classes, layout.labels.tolist(), layout.is_test) == (("cats", "dogs"), [0, 0, 1], None)
    assert layout.skipped == f"{tmp_path}: skipped " + ", ".join(
        [
            "1 folder without pictures (empty)",
            "4 hidden folders (.git, __MACOSX, cats/.ipynb_checkpoints, …)",
            "1 picture outside the class folders (loose.png)",
            "1 file that is not a picture (notes.txt)",
            "1 hidden file (dogs/._e.png)",
        ]
    )


def test_one_line_says_what_is_skipped_and_none_if_nothing_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ImageFolder(make(tmp_path, "cats/a.png", "dogs/b.png"))
    assert capsys.readouterr().err == ""
    ImageFolder(make(tmp_path, "empty/c.txt"))
    assert capsys.readouterr().err == f"{tmp_path}: skipped 1 folder without pictures (empty)\n"
    ImageFolder(tmp_path, quiet=True)
    assert capsys.readouterr().err == ""


def test_the_folder_of_a_training_run_is_never_a_class(tmp_path: Path) -> None:
    make(tmp_path, "cats/a.png", "dogs/b.png", "runs/one/config.json", "runs/one/metrics.csv", "runs/one/loss.png")
    make(tmp_path, "two/config.json", "two/checkpoint.safetensors", "two/samples/1.png", "cats/three/.lock", "cats/three/c.png")
    layout = find_pictures(tmp_path)
    assert layout.classes == ("cats", "dogs")
    assert names_of(tmp_path) == ["cats/a.png", "dogs/b.png"]
    assert layout.skipped.endswith("skipped 3 folders of training runs (cats/three, runs/one, two)")
    with pytest.raises(ValueError, match="two: the folder of a training run, not of pictures"):
        find_pictures(tmp_path / "two")
    assert find_pictures(tmp_path / "two" / "samples").classes == ()
    make(tmp_path, "settings/config.json", "settings/d.png")
    assert "settings" in find_pictures(tmp_path).classes, "a config.json alone does not make a run"


@pytest.mark.parametrize("test", ["test", "val", "valid", "validation", "Test"])
def test_train_and_test_folders_keep_their_pictures_apart(tmp_path: Path, test: str) -> None:
    make(tmp_path, "train/cats/a.png", "train/dogs/b.png", "train/dogs/c.png", f"{test}/dogs/d.png", f"{test}/cats/e.png")
    pictures = ImageFolder(tmp_path, grey=True)
    train, found = pictures.split()
    assert pictures.classes == ("cats", "dogs")
    assert (train[:][1].tolist(), found[:][1].tolist()) == ([0, 1, 1], [0, 1])
    assert np.rint(255 * train[:][0][:, 0, 0]).tolist() == [0, 20, 40]
    assert np.rint(255 * found[:][0][:, 0, 0]).tolist() == [80, 60]


def test_of_several_test_folders_the_first_name_is_used_and_others_are_named(tmp_path: Path) -> None:
    make(tmp_path, "train/cats/a.png", "train/dogs/b.png", "val/cats/c.png", "test/cats/d.png", "extra/e.png")
    layout = find_pictures(tmp_path)
    assert layout.is_test is not None
    assert names_of(tmp_path) == ["train/cats/a.png", "train/dogs/b.png", "test/cats/d.png"]
    assert layout.skipped.endswith("2 folders beside the training and test folders (extra, val)")


def test_train_and_test_folders_without_classes(tmp_path: Path) -> None:
    make(tmp_path, "train/a.png", "train/b.png", "val/c.png")
    pictures = ImageFolder(tmp_path)
    assert [len(part) for part in pictures.split()] == [2, 1]
    assert (pictures.has_classes, pictures.classes) == (False, (tmp_path.name,))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train/cats/a.png", "train/dogs/b.png", "test/c.png"], "train has the classes cats, dogs, but test has none"),
        (["train/a.png", "test/dogs/c.png"], "train has the classes none, but test has dogs"),
        (["train/cats/a.png", "train/dogs/b.png", "test/cow/c.png"], "classes cats, dogs, but test has cow"),
    ],
)
def test_a_test_folder_that_does_not_fit_is_refused(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_pictures(make(tmp_path, *names))


def test_train_is_a_class_among_others_and_a_single_folder_around_all_is_entered(tmp_path: Path) -> None:
    make(tmp_path / "a", "bus/a.png", "train/b.png")
    assert find_pictures(tmp_path / "a").classes == ("bus", "train")
    make(tmp_path / "b", "train/cats/a.png", "train/dogs/b.png")
    assert find_pictures(tmp_path / "b").classes == ("cats", "dogs")
    make(tmp_path / "c", "pets/train/cats/a.png", "pets/train/dogs/b.png", "pets/test/dogs/c.png")
    assert find_pictures(tmp_path / "c").labels.tolist() == [0, 1, 1]
    make(tmp_path / "d", "cats/a.png", "cats/b.png")
    assert find_pictures(tmp_path / "d").classes == ("cats",)


def test_numbers_sort_as_numbers(tmp_path: Path) -> None:
    make(tmp_path, *(f"{i}/a.png" for i in (10, 2, 1, 0)))
    assert find_pictures(tmp_path).classes == ("0", "1", "2", "10")
    assert sort_names(["0.5", "-3", "10", "-20", "007"]) == ["-20", "-3", "0.5", "007", "10"]
    assert sort_names(["v10a", "v9", "v10", "a", ""]) == ["", "a", "v9", "v10", "v10a"]
    assert sort_names(["cats 2", "3", "Cats"]) == ["3", "Cats", "cats 2"]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/a.png", "root/dogs/b.png")
    try:
        (tmp_path / "root" / "cats").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "root" / "dogs" / "up").symlink_to(tmp_path / "root")
        (tmp_path / "root" / "dogs" / "nowhere.png").symlink_to(tmp_path / "none.png")
    except OSError:
        pytest.skip("needs symbolic links")
    assert names_of(tmp_path / "root") == ["cats/a.png", "dogs/b.png"]


def test_classes_can_be_selected_and_ordered(tmp_path: Path) -> None:
    make(tmp_path, "train/a/1.png", "train/b/2.png", "train/c/3.png", "test/a/4.png", "test/c/5.png")
    pictures = ImageFolder(tmp_path, grey=True, classes=["c", "a"])
    train, test = pictures.split()
    assert (pictures.classes, train[:][1].tolist(), test[:][1].tolist()) == (("c", "a"), [0, 1], [0, 1])
    assert np.rint(255 * train[:][0][:, 0, 0]).tolist() == [40, 0]
    for wrong in (["d"], [], ["a", "a"]):
        with pytest.raises(ValueError, match="expected different names out of a, b, c"):
            ImageFolder(tmp_path, classes=wrong)


def test_a_folder_without_pictures_says_what_is_there_instead(tmp_path: Path) -> None:
    make(tmp_path, "__MACOSX/a.png", "notes.txt")
    with pytest.raises(FileNotFoundError, match=r": no images \(.*; 1 hidden folder \(__MACOSX\), 1 file that is not a"):
        ImageFolder(tmp_path)
    with pytest.raises(FileNotFoundError, match="none: no such folder"):
        ImageFolder(tmp_path / "none")
    with pytest.raises(NotADirectoryError, match=r"notes\.txt: a file, expected a folder"):
        ImageFolder(tmp_path / "notes.txt")


# -- loading ---------------------------------------------------------------------------------------------------------------


def test_damaged_files_are_an_error_or_reported_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, "a/0.png", "a/1.png", "b/2.png", "b/3.png")
    for name in ("a/0.png", "b/3.png"):
        (tmp_path / name).write_bytes(b"\x89PNG no more")
    with pytest.raises(nn.data.DataError, match=r"0\.png: cannot be read as an image"):
        ImageFolder(tmp_path).load()
    pictures = ImageFolder(tmp_path, grey=True, skip_damaged=True)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": cannot")[0] for line in lines] == [
        f"skipped: {tmp_path / name}" for name in ("a/0.png", "b/3.png")
    ]
    assert (len(pictures), [path.name for path in pictures.paths]) == (2, ["1.png", "2.png"])
    images, labels = pictures[:]
    assert (np.rint(255 * images[:, 0, 0]).tolist(), labels.tolist()) == ([20, 40], [0, 1])
    (tmp_path / "a" / "1.png").unlink()
    (tmp_path / "b" / "2.png").unlink()
    with pytest.raises(nn.data.DataError, match="none of the 2 images can be read"):
        ImageFolder(tmp_path, skip_damaged=True)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """More pictures than are decoded without a cache."""
    return make(tmp_path / "many", *(f"{c}/{i}.png" for c in "ab" for i in range(6)), "b/z.png")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Makes 13 pictures many, and lists how many pictures each call decodes."""
    calls: list[int] = []
    original = image_folder.decode_all
    monkeypatch.setattr(image_folder, "MANY", 10)
    monkeypatch.setattr(load, "MANY", 10)
    monkeypatch.setattr(image_folder, "decode_all", lambda paths, *a, **k: calls.append(len(paths)) or original(paths, *a, **k))
    return calls


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_keep_the_order_and_a_line_tells_of_the_work(
    many: Path, decoded: list[int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(load, "CHUNK", 2)
    monkeypatch.setattr(load, "thread_count", lambda: threads)
    lazy, whole = (ImageFolder(many, (4, 4), grey=True) for _ in range(2))
    for a, b in zip(lazy[:], whole.load()[:], strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.rint(255 * lazy[:][0][:, 0, 0]).tolist() == [20 * i for i in range(13)]
    assert capsys.readouterr().err == f"reading 13 images, {threads} at a time\n"


def cache_files() -> list[Path]:
    folder = nn.data.fetch.cache_folder() / "pictures"
    return sorted(folder.iterdir()) if folder.exists() else []


def test_the_cache_is_used_until_a_name_a_size_or_a_time_changes(many: Path, decoded: list[int]) -> None:
    def colours(**settings: object) -> list[float]:
        return np.rint(255 * ImageFolder(many, (4, 4), grey=True, **settings).load()[:][0][:, 0, 0]).tolist()  # type: ignore[arg-type]

    before = colours()
    assert colours() == before
    assert (len(decoded), len(cache_files())) == (1, 1)
    (path,) = cache_files()
    if os.name == "posix":
        assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    (many / "b" / "z.png").rename(many / "b" / "0z.png")  # another name
    assert colours() == [*before[:7], before[12], *before[7:12]]
    Image.new("L", (4, 4), 7).save(many / "a" / "0.png", compress_level=0)  # another size
    assert colours()[0] == 7
    content = (many / "a" / "0.png").read_bytes()
    Image.new("L", (4, 4), 9).save(many / "a" / "0.png", compress_level=0)  # another time
    assert len(content) == (many / "a" / "0.png").stat().st_size
    os.utime(many / "a" / "0.png", ns=(1, 1))
    assert colours()[0] == 9
    assert (len(decoded), len(cache_files())) == (4, 1)
    colours(background="black")
    assert (len(decoded), len(cache_files())) == (5, 2)


def test_a_damaged_cache_is_decoded_again_without_a_word(
    many: Path, decoded: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = ImageFolder(many, (4, 4)).load()[:][0]
    (path,) = cache_files()
    content = path.read_bytes()
    capsys.readouterr()
    rng = np.random.default_rng(0)
    damages = [b"", b"PK", content[:-30], content[: len(content) // 2], b"\x80\x04\x95" + content[3:]]
    for place in rng.integers(0, len(content), 12):
        damages.append(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
    harmless = 0  # a flipped byte of the archive's times, for example
    for damage in damages:
        path.write_bytes(damage)
        harmless += cache.read_cache(path, json.loads(str(np.load(io.BytesIO(content))["about"]))["fingerprint"]) is not None
        np.testing.assert_array_equal(ImageFolder(many, (4, 4)).load(progress=False)[:][0], whole)
    assert capsys.readouterr().err == ""
    assert len(decoded) == 1 + len(damages) - harmless
    assert harmless < len(damages) / 2


def test_a_cache_with_objects_or_of_another_user_is_not_read(
    many: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ImageFolder(many, (4, 4)).load()
    (path,) = cache_files()
    np.savez(path, about=np.array([print], dtype=object), images=np.array([print], dtype=object))
    ImageFolder(many, (4, 4)).load()
    assert len(decoded) == 2
    if hasattr(os, "getuid"):
        monkeypatch.setattr(os, "getuid", lambda: 12345)
        ImageFolder(many, (4, 4)).load()
        assert len(decoded) == 3


def test_the_cache_remembers_damaged_files(many: Path, decoded: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    (many / "a" / "3.png").write_bytes(b"no picture")
    for _ in range(2):
        capsys.readouterr()
        assert len(ImageFolder(many, (4, 4), skip_damaged=True)) == 12
        assert "3.png: cannot be read" in capsys.readouterr().err
    assert len(decoded) == 1
    with pytest.raises(nn.data.DataError, match=r"3\.png: cannot be read"):
        ImageFolder(many, (4, 4)).load()


def test_a_cache_that_cannot_be_written_is_said(
    many: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(image_folder, "MANY", 10)
    (tmp_path / "file").touch()
    monkeypatch.setenv("AUTOGRAD_MINI_CACHE", str(tmp_path / "file"))
    assert len(ImageFolder(many, (4, 4)).load()[:][0]) == 13
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "classes", "tested"),
    [
        (("pets/pets/pets/cats/1.png", "pets/pets/pets/dogs/1.png"), ("cats", "dogs"), None),
        (("a/b/train/cats/1.png", "a/b/train/dogs/1.png", "a/b/test/dogs/2.png"), ("cats", "dogs"), [False, False, True]),
        (("train/dogs/1.png", "train/dogs/2.png"), ("dogs",), None),
        (("dogs/1.png", "dogs/2.png"), ("dogs",), None),
        (("train/cats/1.png", "train/dogs/1.png", "valid/dogs/2.png", "test/3.png"), ("cats", "dogs"), [False, False, True]),
        (("train/1.png", "valid/a/2.png", "test/3.png"), (), [False, True]),
    ],
)  # fmt: skip
def test_layouts_of_archives_and_contests(
    tmp_path: Path, files: tuple[str, ...], classes: tuple[str, ...], tested: list[bool] | None
) -> None:
    """Folders around all others are entered, and a test folder without labels gives way to one with them."""
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    layout = find_pictures(tmp_path)
    assert layout.classes == classes
    assert tested == (None if layout.is_test is None else layout.is_test.tolist())
