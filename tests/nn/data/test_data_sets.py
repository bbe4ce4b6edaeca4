"""Data sets: their contents, where their files come from, and that a damaged file is never accepted."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograd_mini import nn

DataError, DownloadError = nn.data.DataError, nn.data.DownloadError
Source, cache_folder, fetch = nn.data.fetch.Source, nn.data.fetch.cache_folder, nn.data.fetch.fetch
MNIST, read_idx = nn.data.datasets.MNIST, nn.data.idx.read_idx

Server = tuple[Callable[..., Source], list[str]]  # makes a source whose mirrors behave as named; the requests so far


def idx(array: np.ndarray) -> bytes:
    """Returns the array in IDX format, uncompressed."""
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def mnist_folder() -> Path:
    folder = Path(os.environ.get("AUTOGRAD_MINI_DATA", "")) / "mnist"
    if not (folder / "train-images-idx3-ubyte.gz").exists():
        pytest.skip("needs MNIST in $AUTOGRAD_MINI_DATA/mnist")
    return folder


# -- sets ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits() -> nn.data.Dataset:
    return nn.data.digits()


def test_digits_are_scaled_typed_and_split_without_overlap(digits: nn.data.Dataset) -> None:
    both = np.concatenate([digits.train.images, digits.test.images])
    assert (len(digits.train), len(digits.test), digits.image_shape) == (1442, 355, (8, 8))
    assert (both.dtype, both.min(), both.max()) == (np.float32, 0, 1)
    assert digits.train.labels.dtype == np.int64
    assert len(np.unique(both.reshape(1797, -1), axis=0)) == 1797, "an image is in both parts, or missing"


def test_the_split_of_digits_is_fixed_and_keeps_the_proportions_of_the_classes(digits: nn.data.Dataset) -> None:
    assert digits.test.labels[:12].tolist() == [5, 0, 9, 8, 7, 1, 2, 6, 3, 4, 0, 2]
    for c in range(10):
        share = np.mean(digits.test.labels == c) / np.mean(digits.train.labels == c)
        assert 0.95 < share < 1.05


def test_only_returns_the_first_images_of_the_requested_classes(digits: nn.data.Dataset) -> None:
    few = digits.train.only(classes=[3, 1], limit_per_class=20)
    assert sorted(few.labels.tolist()) == [1] * 20 + [3] * 20
    np.testing.assert_array_equal(few.images[few.labels == 3], digits.train.images[digits.train.labels == 3][:20])


@pytest.mark.parametrize(("arguments", "message"), [({"classes": [11]}, "class 11"), ({"limit_per_class": 0}, "at least 1")])
def test_only_raises_for_missing_classes_and_limits_below_1(
    digits: nn.data.Dataset, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        digits.train.only(**arguments)


def test_mnist_is_read_from_the_users_folder_without_changing_it(mnist_folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in mnist_folder.iterdir()}
    mnist = nn.data.mnist()
    assert (mnist.train.images.shape, mnist.test.images.shape) == ((60000, 28, 28), (10000, 28, 28))
    assert mnist.train.labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert np.bincount(mnist.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.train.images.mean() == pytest.approx(0.13066, abs=1e-5)
    assert {path: path.stat().st_mtime_ns for path in mnist_folder.iterdir()} == before


def test_the_digests_in_the_table_match_the_files(mnist_folder: Path) -> None:
    found = {name: hashlib.sha256((mnist_folder / name).read_bytes()).hexdigest() for name in MNIST.digests}
    assert found == MNIST.digests


def test_fashion_mnist_has_the_format_of_mnist_in_another_folder_with_other_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOGRAD_MINI_DATA", str(tmp_path))
    (tmp_path / "fashion_mnist").mkdir()
    for name in nn.data.datasets.FASHION_MNIST.digests:
        content = np.arange(10, dtype=np.uint8) if "labels" in name else RANDOM
        (tmp_path / "fashion_mnist" / name).write_bytes(gzip.compress(idx(content)))
    data = nn.data.fashion_mnist()
    assert (data.name, data.image_shape, data.classes[9]) == ("fashion_mnist", (4, 4), "ankle boot")
    np.testing.assert_array_equal(data.test.images * 255, RANDOM)


def test_cifar10_has_the_right_order_of_bytes_and_channels() -> None:
    """The means of the channels have the published values; a wrong order of bytes or channels would change them."""
    if not (Path(os.environ.get("AUTOGRAD_MINI_DATA", "")) / "cifar10" / "test_batch.bin").exists():
        pytest.skip("needs CIFAR-10 in $AUTOGRAD_MINI_DATA/cifar10")
    test = nn.data.datasets._cifar_split(nn.data.cifar.TEST_FILES)
    first = nn.data.datasets._cifar_split(nn.data.cifar.TRAINING_FILES[:1])
    assert (test.images.shape, test.images.dtype, test.labels.dtype) == ((10000, 3, 32, 32), np.float32, np.int64)
    assert [nn.data.cifar.CLASSES[label] for label in test.labels[:4]] == ["cat", "ship", "ship", "airplane"]
    assert np.bincount(test.labels).tolist() == [1000] * 10
    assert first.images.mean((0, 2, 3)) == pytest.approx([0.4914, 0.4822, 0.4465], abs=0.003)
    neighbours = np.abs(np.diff(test.images, axis=3)).mean()
    assert neighbours < 0.06, "neighbouring pixels differ too much: rows and columns are mixed up"


def test_a_cifar_file_has_a_label_and_three_planes_of_rows_per_record(tmp_path: Path) -> None:
    """Written byte by byte: the label first, then all red pixels row by row, then green, then blue."""
    content = bytearray(2 * 3073)
    content[0], content[3073] = 7, 9
    marks = {(0, 0, 0, 1): 11, (0, 1, 2, 3): 22, (1, 2, 31, 31): 33, (1, 0, 31, 0): 44}
    for (n, channel, row, column), value in marks.items():
        content[n * 3073 + 1 + channel * 1024 + row * 32 + column] = value
    path = tmp_path / "batch.bin"
    path.write_bytes(content)
    images, labels = nn.data.cifar.read_batch(path, hashlib.sha256(content).hexdigest())
    assert (images.shape, images.dtype, labels.shape, labels.tolist()) == ((2, 3, 32, 32), np.uint8, (2,), [7, 9])
    assert {place: int(images[place]) for place in marks} == marks
    assert np.count_nonzero(images) == len(marks)


def test_an_error_names_a_damaged_cifar_file(tmp_path: Path) -> None:
    path = tmp_path / "test_batch.bin"
    path.write_bytes(bytes(3073))
    with pytest.raises(DataError, match=r"test_batch\.bin: damaged or another file"):
        nn.data.cifar.read_batch(path, DIGEST)


# -- IDX files -------------------------------------------------------------------------------------------------------------


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)))
def test_reading_an_idx_file_returns_the_array_that_was_written(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray
) -> None:
    path = tmp_path_factory.mktemp("idx") / "a.gz"
    path.write_bytes(gzip.compress(idx(array)))
    np.testing.assert_array_equal(read_idx(path, array.ndim), array)


RANDOM = np.random.default_rng(0).integers(0, 256, (10, 4, 4), dtype=np.uint8)
WHOLE = gzip.compress(idx(RANDOM))


def flip_bit(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        pytest.param(WHOLE[:-30], "truncated", id="gzip cut short"),
        pytest.param(flip_bit(WHOLE), "corrupt", id="one bit flipped"),
        pytest.param(idx(RANDOM), "Not a gzipped file", id="not compressed"),
        pytest.param(b"", "magic", id="empty"),
        pytest.param(gzip.compress(b"<html>not found</html>"), "magic", id="another kind of file"),
        pytest.param(gzip.compress(idx(RANDOM[0])), "magic number 00000803 .*got 00000802", id="too few axes"),
        pytest.param(gzip.compress(idx(RANDOM)[:-1]), "159 of 160 bytes", id="array cut short"),
        pytest.param(gzip.compress(idx(RANDOM)[:10]), "6 of 12 bytes", id="header cut short"),
        pytest.param(gzip.compress(idx(RANDOM) + b"x"), "more bytes", id="too long"),
        pytest.param(gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12), "cannot hold the shape", id="2**96 bytes promised"),
        pytest.param(gzip.compress(b"\0\0\x08\x03\0\1" + b"\0\0\0\1" * 2 + b"\0\0"), "hold the shape", id="4 GB promised"),
    ],
)
def test_an_error_names_the_damaged_file_and_the_cause(tmp_path: Path, content: bytes, cause: str) -> None:
    path = tmp_path / "damaged.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"damaged\.gz.*{cause}"):
        read_idx(path, 3)


@given(st.integers(0, len(WHOLE) - 1))
def test_every_truncated_file_raises(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "cut.gz"
    path.write_bytes(WHOLE[:length])
    with pytest.raises(DataError):
        read_idx(path, 3)


@pytest.mark.parametrize(
    ("labels", "cause"),
    [(np.zeros(9, np.uint8), "10 images, but .* 9 labels"), (np.full(10, 77, np.uint8), "expected labels below 10, got 77")],
)
def test_images_and_labels_that_do_not_match_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: np.ndarray, cause: str
) -> None:
    monkeypatch.setenv("AUTOGRAD_MINI_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    for kind, array in (("images-idx3", RANDOM), ("labels-idx1", labels)):
        (tmp_path / "mnist" / f"train-{kind}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
    with pytest.raises(DataError, match=cause):
        nn.data.datasets._idx_split(MNIST, "train", 10)


# -- finding and downloading -----------------------------------------------------------------------------------------------

CONTENT = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def tar(**members: bytes | str) -> bytes:
    """A gzipped tar file of members by path, `__` standing for `/`; a string is the target of a symbolic link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                archive.addfile(entry)
            else:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


ARCHIVE = tar(
    inside__a=CONTENT,
    inside__b=b"other",
    **{
        "..__outside": b"evil",
        "inside__link": "/etc/hostname",
        "inside__self": "self",
        "inside__loop": "pool",
        "inside__pool": "loop",
    },
)


def archive_source(mirrors: tuple[str, ...] = (), archive: bytes = ARCHIVE) -> Source:
    digests = {"set.tar.gz": hashlib.sha256(archive).hexdigest(), "a": DIGEST, "b": DIGEST, "link": DIGEST, "missing": DIGEST}
    digests |= {"self": DIGEST, "loop": DIGEST}
    return Source("set", mirrors, digests, archive="set.tar.gz", inside="inside")


class Mirrors(BaseHTTPRequestHandler):
    """One server that plays several mirrors: the first part of the path says how it behaves."""

    asked: list[str]

    def __init__(self, asked: list[str], *args: object) -> None:
        self.asked = asked
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        behaviour = self.path.split("/")[1]
        self.asked.append(behaviour)
        if behaviour == "broken":
            self.send_error(500)
            return
        whole = ARCHIVE if behaviour == "archive" else CONTENT
        self.send_response(200)
        self.send_header("Content-Length", "abc" if behaviour == "wordy" else str(len(whole)))
        self.end_headers()
        self.wfile.write({"forged": whole[::-1], "interrupted": whole[:100_000]}.get(behaviour, whole))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("AUTOGRAD_MINI_DATA", raising=False)
    monkeypatch.setenv("AUTOGRAD_MINI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    asked: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Mirrors, asked)) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        address = f"http://127.0.0.1:{http.server_port}"
        yield lambda *names: Source("set", tuple(f"{address}/{n}" for n in names), {"file.gz": DIGEST}), asked
        http.shutdown()
        thread.join()


def test_a_file_is_downloaded_into_the_cache_once(server: Server) -> None:
    source, asked = server
    path = fetch(source("good"), "file.gz")
    assert path == cache_folder() / "set" / "file.gz"
    assert path.read_bytes() == CONTENT
    assert fetch(source("good"), "file.gz") == path
    assert asked == ["good"], "the second call used the network again"


@pytest.mark.parametrize("fault", ["broken", "forged", "interrupted", "wordy"])
def test_the_next_mirror_is_tried_if_one_fails(server: Server, fault: str) -> None:
    source, asked = server
    assert fetch(source(fault, "good"), "file.gz").read_bytes() == CONTENT
    assert asked == [fault, "good"]


def test_if_every_mirror_fails_the_error_lists_all_causes_and_no_file_remains(server: Server) -> None:
    source, _ = server
    with pytest.raises(DownloadError) as caught:
        fetch(source("broken", "forged", "interrupted"), "file.gz")
    for cause in (
        "HTTP Error 500",
        f"expected SHA-256 digest {DIGEST}",
        "100000 of 256000 bytes",
        "$AUTOGRAD_MINI_DATA/set/file.gz",
    ):
        assert cause in str(caught.value)
    assert list((cache_folder() / "set").iterdir()) == []


def test_no_file_remains_after_an_interrupted_download(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    source, _ = server

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("autograd_mini.tools.atomic_files.os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(source("good"), "file.gz")
    assert list((cache_folder() / "set").iterdir()) == []


def test_a_later_download_removes_what_a_killed_one_left(server: Server) -> None:
    source, _ = server
    (cache_folder() / "set").mkdir(parents=True)
    (cache_folder() / "set" / ".file.gz.0a1b2c3d.tmp").write_bytes(b"half")
    fetch(source("good"), "file.gz")
    assert [path.name for path in (cache_folder() / "set").iterdir()] == ["file.gz"]


def test_a_users_file_that_is_not_a_regular_file_is_reported(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading from a pipe would wait for ever."""
    source, _ = server
    (tmp_path / "own" / "set").mkdir(parents=True)
    monkeypatch.setenv("AUTOGRAD_MINI_DATA", str(tmp_path / "own"))
    os.mkfifo(tmp_path / "own" / "set" / "file.gz")
    with pytest.raises(OSError, match=r"file\.gz: expected a regular file, not a pipe"):
        fetch(source("good"), "file.gz")


def test_the_users_own_file_has_priority_over_cache_and_network(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, asked = server
    own = tmp_path / "own" / "set" / "file.gz"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    monkeypatch.setenv("AUTOGRAD_MINI_DATA", str(tmp_path / "own"))
    assert fetch(source("good"), "file.gz") == own
    assert asked == []
    assert not cache_folder().exists()


def test_a_file_is_extracted_from_a_downloaded_archive(server: Server) -> None:
    make, asked = server
    source = archive_source(make("archive").mirrors)
    assert fetch(source, "a").read_bytes() == CONTENT
    assert fetch(source, "a") == cache_folder() / "set" / "a"
    assert asked == ["archive"], "the archive was downloaded again"
    assert {path.name for path in cache_folder().parent.rglob("*")} == {"cache", "set", "set.tar.gz", "a"}, (
        "other files were unpacked too"
    )


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("b", f"expected SHA-256 digest {DIGEST}"),
        ("missing", "missing"),
        ("link", "link"),
        ("../outside", "outside"),
        ("self", "self"),
        ("loop", "loop"),
    ],
)
def test_each_file_of_an_archive_is_checked(server: Server, name: str, cause: str) -> None:
    make, _ = server
    source = archive_source(make("archive").mirrors)
    source = replace(source, digests={**source.digests, "../outside": DIGEST})
    with pytest.raises(DataError, match=rf"set\.tar\.gz: damaged or another archive.*{cause}"):
        fetch(source, name)
    assert [path.name for path in (cache_folder() / "set").iterdir()] == ["set.tar.gz"]


def test_a_users_own_archive_is_read_and_an_error_names_a_damaged_one(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, asked = server
    own = tmp_path / "own" / "set" / "set.tar.gz"
    own.parent.mkdir(parents=True)
    monkeypatch.setenv("AUTOGRAD_MINI_DATA", str(tmp_path / "own"))
    own.write_bytes(ARCHIVE[: len(ARCHIVE) // 2])
    with pytest.raises(DataError, match=r"own.*set\.tar\.gz: damaged"):
        fetch(archive_source(), "a")
    own.write_bytes(ARCHIVE)
    assert fetch(archive_source(), "a").read_bytes() == CONTENT
    assert asked == []
