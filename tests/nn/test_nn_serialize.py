"""Files: arrays are loaded bit for bit, in the public format, and writes are atomic."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograd_mini import Tensor, nn

DTYPES = [np.float16, np.float32, np.float64, np.int64, np.int8, np.uint8, np.bool_]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
        st.sampled_from(DTYPES).flatmap(
            lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, min_side=0, max_dims=3, max_side=3))
        ),
        max_size=4,
    ),
    st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")), max_size=2),
)
def test_saving_and_loading_preserves_names_bits_shapes_and_dtypes(
    tmp_path: Path, state: dict[str, Any], notes: dict[str, str]
) -> None:
    path = tmp_path / "state.safetensors"
    nn.save(path, state, notes)
    loaded = nn.load(path)
    assert loaded.keys() == state.keys()
    for name, array in state.items():
        assert (loaded[name].dtype, loaded[name].shape) == (array.dtype, array.shape)
        assert loaded[name].tobytes() == array.tobytes()
    assert nn.load_metadata(path) == notes


def test_the_file_has_the_layout_of_the_safetensors_format(tmp_path: Path) -> None:
    """Eight bytes of header length, a JSON header, then row-major little-endian data: what other readers expect."""
    path = tmp_path / "w.safetensors"
    weight = np.arange(6, dtype=np.float32).reshape(3, 2).T  # (2, 3), not in row-major memory
    nn.save(path, {"0.weight": weight}, {"epoch": "3"})
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    assert length % 8 == 0
    notes = header.pop("__metadata__")
    assert header == {"0.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
    digest = notes.pop("autograd_mini.sha256")
    assert notes == {"epoch": "3"}
    assert digest == hashlib.sha256(raw.replace(digest.encode(), b"0" * 64)).hexdigest()
    assert raw[8 + length :] == struct.pack("<6f", 0, 2, 4, 1, 3, 5)


def test_a_module_can_be_saved_and_loaded(tmp_path: Path) -> None:
    net, other = (nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)) for _ in range(2))
    path = tmp_path / "net.safetensors"
    nn.save(str(path), net)
    other.load_state_dict(nn.load(path))
    np.testing.assert_array_equal(net([[1.0, 2.0]]).data, other([[1.0, 2.0]]).data)
    nn.save(path, {"t": Tensor([1.0], requires_grad=True)})
    np.testing.assert_array_equal(nn.load(path)["t"], [1.0])


def test_loaded_arrays_are_writable_and_independent_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    nn.save(path, {"a": np.zeros(3)})
    loaded = nn.load(path)
    nn.save(path, {"a": np.ones(3)})
    loaded["a"][0] = 5
    assert loaded["a"].tolist() == [5, 0, 0]


def test_a_failed_save_keeps_the_old_file_and_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.safetensors"
    nn.save(path, {"a": np.zeros(3)})

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        nn.save(path, {"a": np.ones(3)})
    assert nn.load(path)["a"].tolist() == [0, 0, 0]
    assert os.listdir(tmp_path) == ["a.safetensors"]


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_the_file_has_the_mode_of_other_new_files(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    nn.save(tmp_path / "a.safetensors", {})
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "a.safetensors")}
    assert len(modes) == 1


def test_an_error_names_a_damaged_file_and_the_cause(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    nn.save(path, {"a": np.zeros(100)})
    whole = path.read_bytes()
    for broken in (whole[:-1], whole[:20], b"", b"PK\x03\x04 not this format at all", whole + b"\0"):
        path.write_bytes(broken)
        for read in (nn.load, nn.load_metadata):
            with pytest.raises(ValueError, match=r"a\.safetensors: not a complete safetensors file: \S"):
                read(path)
    with pytest.raises(FileNotFoundError, match="absent"):
        nn.load(tmp_path / "absent")


def test_an_error_names_a_dtype_that_numpy_does_not_support(tmp_path: Path) -> None:
    path = tmp_path / "b.safetensors"
    header = json.dumps({"w": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0")
    with pytest.raises(ValueError, match=r"b\.safetensors: w has a dtype that NumPy does not support"):
        nn.load(path)


@pytest.mark.parametrize("value", [1.0, "text", np.array(["a"]), np.array([object()]), np.array([1j]), None])
def test_an_error_names_a_value_that_cannot_be_saved_and_nothing_is_written(tmp_path: Path, value: Any) -> None:
    with pytest.raises(TypeError, match=r"save: bad: expected"):
        nn.save(tmp_path / "a", {"bad": value})
    with pytest.raises(TypeError, match="metadata 'epoch' must be a string, not int"):
        nn.save(tmp_path / "a", {}, {"epoch": 3})  # type: ignore[dict-item]
    assert not os.listdir(tmp_path)


STATE = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "steps": np.array(3), "mask": np.array([True, False])}


def test_other_readers_of_the_format_read_the_same_arrays(tmp_path: Path) -> None:
    """The oracle is the library of the format, which also checks the layout; big-endian arrays are converted."""
    from safetensors import safe_open

    nn.save(tmp_path / "a", {**STATE, "big": np.arange(3, dtype=">i4"), "empty": np.zeros((0, 2))}, {"b": "2", "a": "1"})
    with safe_open(tmp_path / "a", framework="numpy") as file:
        assert {key: file.metadata()[key] for key in "ab"} == {"b": "2", "a": "1"}
        for name, array in {**STATE, "big": np.arange(3, dtype=np.int32), "empty": np.zeros((0, 2))}.items():
            found = file.get_tensor(name)
            assert (found.dtype, found.shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(found, array)


def test_every_flipped_bit_is_detected(tmp_path: Path) -> None:
    """Also in the key of the digest; a file of another program, which has none, is read without the check."""
    path = tmp_path / "a.safetensors"
    nn.save(path, {name: STATE[name] for name in sorted(STATE)[:2]}, {"epoch": "3"})
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"not a complete safetensors file|damaged: its content does not match"):
            nn.load(path)
    path.write_bytes(whole.replace(b"autograd_mini.sha256", b"modelspec.sha256hash"))
    assert nn.load_metadata(path).keys() == {"modelspec.sha256hash", "epoch"}


W, B = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, {"dtype": "U8", "shape": [2, 2], "data_offsets": [8, 12]}
HEADERS: dict[str, Any] = {
    "two arrays": {"w": W, "b": B},
    "in another order": {"b": B, "w": W, "__metadata__": {"a": "b"}},
    "an empty array at the end": {"w": W, "b": B, "e": {**B, "shape": [0, 5], "data_offsets": [12, 12]}},
    "an empty array in between": {"w": W, "b": B, "e": {**B, "shape": [0], "data_offsets": [8, 8]}},
    "an empty array in a gap": {"w": W, "b": B, "e": {**B, "shape": [0], "data_offsets": [4, 4]}},
    "a scalar": {"w": {**W, "shape": []}, "b": B},
    "a gap": {"w": {**W, "shape": [1], "data_offsets": [0, 4]}, "b": B},
    "an overlap": {"w": W, "b": {**B, "shape": [8], "data_offsets": [4, 12]}},
    "a part left out": {"w": W},
    "a part beyond the end": {"w": W, "b": {**B, "shape": [5], "data_offsets": [8, 13]}},
    "backwards": {"w": {**W, "data_offsets": [8, 0]}, "b": B},
    "a wrong shape": {"w": {**W, "shape": [3]}, "b": B},
    "a negative shape": {"w": {**W, "shape": [-2]}, "b": B},
    "a shape of floats": {"w": {**W, "shape": [2.0]}, "b": B},
    "a shape of bools": {"w": {**W, "shape": [2, True]}, "b": B},
    "a shape that is no list": {"w": {**W, "shape": 2}, "b": B},
    "an unknown dtype": {"w": {**W, "dtype": "F99"}, "b": B},
    "a dtype that is no string": {"w": {**W, "dtype": 32}, "b": B},
    "one offset": {"w": {**W, "data_offsets": [0]}, "b": B},
    "no offsets": {"w": {"dtype": "F32", "shape": [2]}, "b": B},
    "metadata of numbers": {"w": W, "b": B, "__metadata__": {"epoch": 3}},
    "metadata that are a list": {"w": W, "b": B, "__metadata__": []},
    "no metadata": {"w": W, "b": B, "__metadata__": None},
    "an entry that is a list": {"w": W, "b": [8, 12]},
    "a list": [W],
    "a number": 3,
    "spaces behind": json.dumps({"w": W, "b": B}) + "   ",
    "a number that is not JSON": '{"w":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]},"b":' + json.dumps(B) + "}",
    "nothing": "",
}  # fmt: skip


@pytest.mark.parametrize("case", HEADERS)
def test_the_library_of_the_format_accepts_the_same_files(tmp_path: Path, case: str) -> None:
    """A file is read if and only if the library reads it, and as the same arrays."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    text = HEADERS[case] if isinstance(HEADERS[case], str) else json.dumps(HEADERS[case])
    content = struct.pack("<Q", len(text.encode())) + text.encode() + bytes(range(12))
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    try:
        expected = load(content)
    except (SafetensorError, KeyError):
        with pytest.raises(ValueError, match=r"a\.safetensors: "):
            nn.load(path)
    else:
        found = nn.load(path)
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            assert (found[name].dtype, found[name].shape, found[name].tobytes()) == (array.dtype, array.shape, array.tobytes())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"b":' + json.dumps(B) + ',"w":' + json.dumps(W) + ',"w":' + json.dumps(W) + "}", "a name occurs twice"),
        (" " + json.dumps({"w": W, "b": B}), "does not start with"),
    ],
)
def test_the_specification_of_the_format_counts_where_its_library_is_lax(tmp_path: Path, text: str, reason: str) -> None:
    """It forbids equal names and asks for a brace at the start."""
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text.encode() + bytes(range(12)))
    with pytest.raises(ValueError, match=rf"a\.safetensors: not a complete safetensors file: .*{reason}"):
        nn.load(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.data())
def test_a_file_of_another_program_is_read_or_reported_by_name(tmp_path: Path, data: st.DataObject) -> None:
    """It has no digest, so that damage of the data cannot be detected, but nothing else than ValueError is raised."""
    from safetensors.numpy import save

    content = bytearray(save(STATE, {"epoch": "3"}))
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "other.safetensors"
    path.write_bytes(bytes(content))
    message = ""
    try:
        nn.load(path), nn.load_metadata(path)
    except ValueError as error:
        message = str(error)
    assert not message or str(path) in message


def test_a_file_that_is_not_a_regular_file_is_reported(tmp_path: Path) -> None:
    """Reading from a pipe would wait for ever."""
    with pytest.raises(OSError, match="expected a regular file, not a folder"):
        nn.load(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(OSError, match="pipe: expected a regular file, not a pipe"):
            nn.load(tmp_path / "pipe")


def test_reserved_names_are_reported(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="reserved for the digest"):
        nn.save(tmp_path / "a", {}, {"autograd_mini.sha256": "0"})
    with pytest.raises(ValueError, match="does not allow an array named '__metadata__'"):
        nn.save(tmp_path / "a", {"__metadata__": np.zeros(1)})
    assert not os.listdir(tmp_path)
