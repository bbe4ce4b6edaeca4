"""The engine's tests in Pyodide: 32-bit indices, one thread, the oldest NumPy that the library supports. Needs Node.js and npm.

`EXCLUDED` names the tests that cannot run there, each with its reason.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from playground_site import build_site, download

from autograd_mini.playground.fetch import cache_folder

ROOT = Path(__file__).resolve().parent.parent.parent
THREADS, PROCESSES, SLOW, NUMPY = "starts threads", "starts processes", "takes minutes there", "needs NumPy 2.1"
EXCLUDED = {
    "test_backward.py::test_a_million_nodes_build_backpropagate_and_are_freed_without_recursion": PROCESSES,
    "test_backward.py::test_no_grad_ends_after_exceptions_affects_one_thread_and_is_a_decorator": THREADS,
    "test_backward.py::test_the_fast_loop_gives_the_bits_of_the_readable_one": SLOW,
    "test_backward.py::test_two_threads_that_train_at_once_get_the_same_results_as_one": THREADS,
    "test_cost.py": "counts what CPython on a computer does",
    "test_memory.py::test_keep_memory_avoids_page_faults": PROCESSES,
    "test_numpy_keywords.py::test_a_keyword_means_the_same_as_in_numpy[concatenate]": NUMPY,
    "test_numpy_keywords.py::test_a_keyword_means_the_same_as_in_numpy[shape]": NUMPY,
    "test_profile.py::test_only_the_thread_that_opened_it_is_profiled": THREADS,
    "test_profile.py::test_results_are_the_same_with_and_without_a_profile": SLOW,
    "test_programs.py": SLOW,
    "test_records.py::test_a_rowwise_operation_joins_a_block_of_rows": SLOW,
    "test_slices.py::test_parts_of_any_kind_have_the_gradient_of_separate_passes": SLOW,
    "test_stateful.py": SLOW,
    "test_testing.py::test_checks_work_without_asserts": PROCESSES,
    "test_threads.py": THREADS,
}
PACKAGES = ("pytest>=8", "hypothesis<6.150", "mpmath", "graphviz")
"""Pure Python; later versions of hypothesis contain compiled code."""


def pure_packages(folder: Path) -> Path:
    """Returns a folder with the packages that the tests need, for Python 3.12 on any system."""
    if not any(folder.glob("hypothesis*.whl")):
        folder.mkdir(exist_ok=True)
        pure = (
            "--only-binary",
            ":all:",
            "--platform",
            "any",
            "--python-version",
            "3.12",
            "--implementation",
            "py",
            "--abi",
            "none",
        )
        download(folder, *pure, *PACKAGES)
    return folder


@pytest.mark.skipif(not shutil.which("node") or not shutil.which("npm"), reason="needs Node.js and npm")
def test_the_engine_passes_its_tests_in_pyodide(tmp_path: Path) -> None:
    """All tests of the engine but the excluded ones, with few random examples each."""
    site = build_site(tmp_path / "site")
    settings = {
        "pyodide": str(site / "pyodide"),
        "folders": {"/repository": str(ROOT), "/wheels": str(pure_packages(cache_folder() / "tests"))},
        "arguments": ["tests/engine", *(f"--{'deselect' if '::' in n else 'ignore'}=tests/engine/{n}" for n in EXCLUDED)],
    }
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    script = Path(__file__).parent / "engine_in_pyodide.mjs"
    result = subprocess.run(
        ["node", str(script), str(tmp_path / "settings.json")], capture_output=True, text=True, timeout=1500, check=False
    )
    report = result.stdout[-6000:] + result.stderr[-3000:]
    assert result.returncode == 0, report
    passed = re.search(r"(\d+) passed", result.stdout)
    assert passed, report
    assert int(passed[1]) > 1000, "some tests were not found"


@pytest.mark.parametrize("name", EXCLUDED)
def test_each_excluded_test_exists(name: str) -> None:
    """An exclusion is removed with its test."""
    file, _, test = name.partition("::")
    source = (ROOT / "tests" / "engine" / file).read_text(encoding="utf-8")
    assert f"def {test.partition('[')[0]}(" in source if test else source
