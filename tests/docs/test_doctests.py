"""All examples in docstrings run, and every public function has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

import autograd_mini as ag

ROOT = Path(__file__).resolve().parent.parent.parent


def _modules() -> list[str]:
    """Returns all modules of the engine and the layers, by the name that users import."""
    names = []
    for layer in ("autograd_mini", "nn", "models", "viz", "playground", "cli"):
        prefix = "" if layer == "autograd_mini" else "autograd_mini."
        for path in (ROOT / layer).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if parts[-1] != "__main__" and "programs" not in parts:
                names.append(prefix + ".".join(p for p in parts if p != "__init__"))
    return sorted(names)


@pytest.mark.parametrize("name", _modules())
def test_examples_in_docstrings_run(name: str) -> None:
    module = importlib.import_module(name)
    functions = {
        f"{name}.{attribute}": value for attribute, value in vars(module).items()
        if hasattr(value, "primitive") and callable(value) and getattr(value, "__name__", "") == attribute
    }  # fmt: skip
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    # The scope is empty, so an example must import what it uses and can be pasted anywhere.
    tests = finder.find(module, name, globs={"__name__": name})
    known = {test.name for test in tests}
    for label, function in functions.items():
        if label not in known:
            tests += finder.find(function, label, globs={"__name__": name})
    for test in tests:
        runner.run(test)
    assert runner.failures == 0


def test_every_public_function_has_an_example() -> None:
    """A student can paste the example of each function of `ag`."""
    public = {
        n: v
        for n, v in vars(ag).items()
        if not n.startswith("_") and callable(v) and getattr(v, "__module__", "").startswith("autograd_mini")
    }
    assert len(public) > 60
    bare = [n for n, v in public.items() if ">>>" not in (inspect.getdoc(v) or "")]
    assert bare == []
