"""Files: arrays are loaded bit for bit, in the public format, and writes are atomic."""

from __future__ import annotations

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
    assert header == {"__metadata__": {"epoch": "3"}, "0.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
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
