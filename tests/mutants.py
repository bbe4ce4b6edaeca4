"""Mutation tests: changes a source file in one place at a time and lists the changes that no test notices.

    python tests/mutants.py autograd_mini/backward.py
    python tests/mutants.py autograd_mini/checkpoint.py --tests tests/graph/test_checkpoint.py --sample 40 --jobs 2

Each mutant changes one operator, constant, condition, argument or statement, and runs the tests of its area in a copy of the
repository. A mutant that survives is either a behaviour without a test, or equivalent: nobody can observe the change; then it is
listed in EQUIVALENT with the reason. Tests run with hypothesis's fixed seed, so a second run gives the same list.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).resolve().parent.parent

AREAS = {
    "autograd_mini/testing": ["tests/engine/test_testing.py", "tests/viz/test_viz_check.py"],
    "autograd_mini/backward.py": [
        "tests/engine/test_backward.py", "tests/engine/test_transform.py", "tests/graph", "-k", "not million",
    ],
    "autograd_mini/checkpoint.py": ["tests/graph/test_checkpoint.py"],
    "autograd_mini/transform.py": ["tests/engine/test_transform.py", "tests/engine/test_backward.py", "-k", "not million"],
    "autograd_mini/ops": ["tests/ops", "tests/engine/test_primitives.py"],
    "autograd_mini/jit": ["tests/jit"],
    "autograd_mini": ["tests/engine", "tests/graph"],
    "nn": ["tests/nn"],
    "models": ["tests/models"],
    "viz": ["tests/viz"],
    "cli": ["tests/cli"],
}  # fmt: skip
"""The tests of each file or folder, with options of pytest; the longest entry that fits counts."""

CHECKED = [
    "autograd_mini/backward.py", "autograd_mini/checkpoint.py", "autograd_mini/transform.py",
    "autograd_mini/testing/check.py", "autograd_mini/testing/differences.py", "autograd_mini/testing/properties.py",
    "autograd_mini/testing/blame.py", "autograd_mini/testing/strategies.py",
]  # fmt: skip
"""The files of which the slow test tries a sample of mutants."""

_NO_NUMBER = "no tensor has this creation number"
EQUIVALENT: dict[str, dict[str, str]] = {
    "autograd_mini/backward.py": {
        "not y.ndim → (not not y.ndim)": "0-d arrays and NumPy scalars give the same values; it is an optimization",
    },
    "autograd_mini/checkpoint.py": {
        "output._seq < start → (output._seq <= start)": _NO_NUMBER,
        "x._seq > start → (x._seq >= start)": _NO_NUMBER,
        "x._seq < start → (x._seq <= start)": _NO_NUMBER,
        "False → (True)": "of `uniform`, which only calls by `apply.promote` read; the record is never called in this way",
    },
    "autograd_mini/transform.py": {
        "n_inputs < n_outputs → (n_inputs <= n_outputs)": "for equal numbers both modes need as many passes",
        "run.pullback([d if d.requires_grad else None for d in dummies], creat… → "
        "(run.pullback([d if d.requires_grad else None for d in dummies]))": "the dummies require a gradient, so it is recorded",
    },
}
"""Mutants that nobody can observe, by file and text without line number, and why."""


@dataclass(frozen=True)
class Mutant:
    """One change: the bytes from `start` to `end` of a file are replaced."""

    line: int
    start: int
    end: int
    before: str
    after: str

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.after.encode() + source[self.end :]

    def __str__(self) -> str:
        return f"{self.line}: {_on_one_line(self.before)} → {_on_one_line(self.after)}"


def _on_one_line(text: str, width: int = 70) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


# -- what is changed --------------------------------------------------------------------------------------------------------

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.MatMult: ast.Mult,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


FIXED = ("isinstance", "hasattr", "getattr", "setattr", "zip", "map")
"""Functions whose arguments keep their order: an exchange fails at once."""


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Yields what may stand in the place of a node: an expression for an expression, a statement for a statement."""
    match node:
        case ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op) if type(op) in SWAPS:
            yield _with(node, op=SWAPS[type(op)]())
        case ast.Compare(ops=[op]) if type(op) in SWAPS:
            yield _with(node, ops=[SWAPS[type(op)]()])
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.IfExp(test=test):
            yield _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.Call(args=args, keywords=keywords):
            for i, keyword in enumerate(keywords):
                if keyword.arg != "strict":  # of zip: all callers pass sequences of one length
                    yield _with(node, keywords=keywords[:i] + keywords[i + 1 :])
            if len(args) > 1 and ast.unparse(node.func) not in FIXED and not any(isinstance(a, ast.Starred) for a in args[:2]):
                yield _with(node, args=[args[1], args[0], *args[2:]])
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.Continue() | ast.Break():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
    if isinstance(node, ast.AugAssign):
        yield ast.Pass()


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def code_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yields the nodes that run: no docstrings, annotations, imports for type checkers, or texts of messages."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, (ast.JoinedStr, ast.Assert)):
                continue
            if isinstance(node, ast.UnaryOp) and isinstance(child, ast.Constant):
                continue  # −2 often means the same as −1; the sign is changed instead
            if isinstance(child, ast.keyword) and child.arg == "strict":
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.FunctionDef) and any("overload" in ast.unparse(d) for d in child.decorator_list):
                continue
            yield child
            yield from code_nodes(child)


def mutants(source: str) -> list[Mutant]:
    """Returns all mutants of a source file, in order."""
    data = source.encode()
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found: list[Mutant] = []
    tree = ast.parse(source)
    for node in code_nodes(tree):
        conditions = [node.test] if isinstance(node, ast.If) else node.ifs if isinstance(node, ast.comprehension) else []
        replacements = [(node, change) for change in changes(node)]
        replacements += [(test, ast.UnaryOp(ast.Not(), test)) for test in conditions]
        for old, new in replacements:
            start = starts[old.lineno - 1] + old.col_offset  # type: ignore[attr-defined]
            end = starts[old.end_lineno - 1] + old.end_col_offset  # type: ignore[attr-defined]
            text = ast.unparse(ast.fix_missing_locations(new))
            after = text if isinstance(old, ast.stmt) else f"({text})"
            mutant = Mutant(old.lineno, start, end, data[start:end].decode(), after)  # type: ignore[attr-defined]
            if _compiles(mutant.apply(data)):
                found.append(mutant)
    return sorted(set(found), key=lambda m: (m.start, m.end, m.after))


def _compiles(source: bytes) -> bool:
    try:
        compile(source, "<mutant>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


# -- running the tests ------------------------------------------------------------------------------------------------------


def tests_of(path: str) -> list[str]:
    """Returns the tests of the area that a file belongs to."""
    area = max((a for a in AREAS if path == a or path.startswith(a + "/")), key=len, default=None)
    if area is None:
        raise ValueError(f"no area contains {path}; pass --tests, or add it to AREAS")
    return AREAS[area]


def run_tests(folder: Path, tests: Sequence[str], timeout: float | None = None) -> bool:
    """Runs tests in a copy of the repository; returns whether all passed in time."""
    settings = {"PYTHONDONTWRITEBYTECODE": "1", "HYPOTHESIS_PROFILE": "ci", "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, **settings, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    try:
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=timeout).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def copy_repository(root: Path, target: Path) -> Path:
    """Copies the files of a repository without history and caches."""
    ignored = shutil.ignore_patterns(".git", "__pycache__", ".*cache", ".hypothesis", "runs", "build", "*.egg-info")
    return Path(shutil.copytree(root, target, ignore=ignored))


def survivors(root: Path, path: str, chosen: Sequence[Mutant], tests: Sequence[str], jobs: int = 1) -> list[Mutant]:
    """Runs the tests on each mutant of a file and returns those for which all tests pass.

    Parameters
    ----------
    root : the repository
    path : the file, relative to it
    chosen : the mutants
    tests : files or folders, relative to the repository; they must pass on the unchanged source
    jobs : number of processes
    """
    source = (root / path).read_bytes()
    with tempfile.TemporaryDirectory() as scratch:
        copies: Queue[Path] = Queue()
        for i in range(jobs):
            copies.put(copy_repository(root, Path(scratch) / str(i)))
        start = time.monotonic()
        if not run_tests(Path(scratch) / "0", tests):
            raise RuntimeError(f"the tests fail on the unchanged source: {' '.join(tests)}")
        timeout = 30 + 5 * (time.monotonic() - start)

        def survives(mutant: Mutant) -> bool:
            folder = copies.get()
            try:
                (folder / path).write_bytes(mutant.apply(source))
                alive = run_tests(folder, tests, timeout)
                if alive:
                    print(f"survived  {path}:{mutant}", flush=True)
                return alive
            finally:
                (folder / path).write_bytes(source)
                copies.put(folder)

        with ThreadPoolExecutor(jobs) as pool:
            alive = list(pool.map(survives, chosen))
    return [mutant for mutant, lives in zip(chosen, alive, strict=True) if lives]


def is_equivalent(path: str, mutant: Mutant) -> bool:
    """Returns whether a mutant is in the list of those that nobody can observe."""
    return str(mutant).partition(": ")[2] in EQUIVALENT.get(path, {})


def sample(found: Sequence[Mutant], count: int | None, seed: int = 0) -> list[Mutant]:
    """Returns `count` of the mutants, chosen at random and in order, or all of them."""
    if count is None or count >= len(found):
        return list(found)
    return sorted(random.Random(seed).sample(list(found), count), key=lambda m: m.start)


def main() -> None:
    parser = argparse.ArgumentParser(description="List the changes of a source file that no test notices.")
    parser.add_argument("path", help="the file to change, such as autograd_mini/backward.py")
    parser.add_argument("--tests", nargs="+", help="tests to run; those of the file's area by default")
    parser.add_argument("--sample", type=int, metavar="N", help="try N mutants, chosen at random")
    parser.add_argument("--seed", type=int, default=0, help="of the choice")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="run N mutants at the same time")
    parser.add_argument("--list", action="store_true", help="print the mutants and run nothing")
    options = parser.parse_args()
    everything = mutants((ROOT / options.path).read_text(encoding="utf-8"))
    chosen = sample([m for m in everything if not is_equivalent(options.path, m)], options.sample, options.seed)
    if options.list:
        print("\n".join(f"{options.path}:{mutant}" for mutant in chosen))
        return
    alive = survivors(ROOT, options.path, chosen, options.tests or tests_of(options.path), options.jobs)
    print(f"{len(chosen) - len(alive)} of {len(chosen)} mutants were noticed")


if __name__ == "__main__":
    main()
