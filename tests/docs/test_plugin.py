"""What pytest and hypothesis find in an installed package."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import hypothesis
from hypothesis import strategies as st

import autograd_mini as ag
from autograd_mini.testing import plugin

ROOT = Path(__file__).resolve().parent.parent.parent

PROGRAM = """
import autograd_mini as ag
import pytest

def test_a_right_gradient(gradcheck):
    assert gradcheck(lambda x: ag.tanh(x).sum(), [0.5, -1.0])

def test_a_wrong_gradient(gradcheck):
    with pytest.raises(Exception, match="gradient"):
        gradcheck(lambda x: (x * x.detach()).sum(), [2.0])

DRAWN = []

@pytest.mark.parametrize("number", [1, 2])
def test_seeded(seeded, number):
    DRAWN.append(ag.rand(3).numpy().tolist())

def test_each_test_has_its_own_seed():
    assert len(DRAWN) == 2 and DRAWN[0] != DRAWN[1]
"""


def test_fixtures_work_in_a_users_test(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(PROGRAM, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "autograd_mini.testing.plugin",
        "-p",
        "no:cacheprovider",
        "-q",
        str(tmp_path),
    ]
    # An installed package has registered its plugin already, and pytest refuses to register it twice.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert "5 passed" in result.stdout, result.stdout + result.stderr
    assert result.returncode == 0


def test_hypothesis_draws_tensors_by_type() -> None:
    plugin.register_types()

    @hypothesis.given(st.from_type(ag.Tensor))
    @hypothesis.settings(max_examples=20, database=None, derandomize=True)
    def draw(x: ag.Tensor) -> None:
        assert isinstance(x, ag.Tensor)
        assert x.requires_grad
        seen.add(x.dtype)

    seen: set[object] = set()
    draw()
    assert len(seen) > 1, "several dtypes"


def test_entry_points_exist() -> None:
    points = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    assert set(points) == {"pytest11", "hypothesis"}
    for target in (target for group in points.values() for target in group.values()):
        module, _, name = target.partition(":")
        assert hasattr(import_module(module), name or "__name__")


def test_the_hook_of_hypothesis_imports_neither_pytest_nor_a_layer() -> None:
    code = (
        "import sys; from autograd_mini.testing.plugin import register_types; register_types(); "
        "assert not {'pytest', 'autograd_mini.nn', 'autograd_mini.testing.strategies'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
