"""Mutation tests: changes a source file in one place at a time and lists the changes that no test notices.

    python tests/mutants.py autograd_mini/backward.py
    python tests/mutants.py autograd_mini/checkpoint.py --tests tests/graph/test_checkpoint.py --sample 40 --jobs 2
    python tests/mutants.py autograd_mini nn models --sample 150 --seed 1 --lines lines

Each mutant changes one operator, constant, condition, argument or statement, and runs the tests of its area in a copy of the
repository; with `--lines`, the tests that run the changed line, as `line_map.py` recorded them. A mutant that survives is either
a behaviour without a test, or equivalent: nobody can observe the change; then it is listed in `equivalent_mutants.py` with the
reason. Tests run with hypothesis's fixed seed, so a second run gives the same list.
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
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import TypeAlias

from equivalent_mutants import EQUIVALENT

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


@dataclass(frozen=True)
class Mutant:
    """One change: the bytes from `start` to `end` of a file are replaced."""

    line: int
    start: int
    end: int
    before: str
    after: str
    code: str = ""  # the line itself

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.after.encode() + source[self.end :]

    @property
    def lines(self) -> range:
        """The numbers of the lines that it changes."""
        return range(self.line, self.line + self.before.count("\n") + 1)

    @property
    def key(self) -> str:
        """The mutant without its line number, which other changes of the file would change."""
        return f"{self.code} | {str(self).partition(': ')[2]}"

    def __str__(self) -> str:
        before, after = (" ".join(text.split()) for text in (self.before, self.after))
        if max(len(before), len(after)) > WIDTH:  # the part around the change, in one style of quotes
            before, after = _in_one_style(self.before), _in_one_style(self.after)
            same = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
            before, after = before[max(same - 20, 0) :], after[max(same - 20, 0) :]
        return f"{self.line}: {_shorten(before)} → {_shorten(after)}"


WIDTH = 70


def _shorten(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def _in_one_style(code: str) -> str:
    """Returns code as Python prints it, on one line."""
    try:
        tree = ast.parse(code)
    except SyntaxError:  # an expression on several lines
        tree = ast.parse(f"({code})")
    return " ".join(ast.unparse(tree).split())


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
            starred = any(isinstance(a, ast.Starred) for a in args[:2])
            if len(args) > 1 and ast.unparse(node.func) not in FIXED and not starred and ast.dump(args[0]) != ast.dump(args[1]):
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
            if isinstance(child, ast.FunctionDef) and ast.unparse(child.body[-1]) == "...":
                continue  # an overload, or a signature for type checkers
            yield child
            yield from code_nodes(child)


def mutants(source: str, check: bool = True) -> list[Mutant]:
    """Returns all mutants of a source file, in order; without `check`, also the few that Python refuses."""
    data = source.encode()
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    lines = source.splitlines()
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
            line = old.lineno  # type: ignore[attr-defined]
            mutant = Mutant(line, start, end, data[start:end].decode(), after, lines[line - 1].strip())
            if not check or _compiles(mutant.apply(data)):
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


Choice: TypeAlias = "Callable[[str, Mutant], Sequence[str]]"


def survivors(
    root: Path, chosen: Sequence[tuple[str, Mutant]], tests_for: Choice, jobs: int = 1, check: bool = True
) -> list[tuple[str, Mutant]]:
    """Runs tests on each mutant and returns those for which all tests pass.

    Parameters
    ----------
    root : the repository
    chosen : pairs of a file, relative to it, and a mutant
    tests_for : returns the tests of a mutant, relative to the repository; they must pass on the unchanged source
    jobs : number of processes
    check : run the tests on the unchanged source first, once for each selection; without it, they are known to pass
    """
    seconds: dict[tuple[str, ...], float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        copies: Queue[Path] = Queue()
        for i in range(jobs):
            copies.put(copy_repository(root, Path(scratch) / str(i)))

        def run_unchanged(folder: Path, tests: Sequence[str]) -> float:
            if (key := tuple(tests)) not in seconds:
                start = time.monotonic()
                if check and not run_tests(folder, tests):
                    raise RuntimeError(f"the tests fail on the unchanged source: {' '.join(tests)}")
                seconds[key] = time.monotonic() - start if check else 60.0
            return seconds[key]

        def survives(case: tuple[str, Mutant]) -> bool:
            path, mutant = case
            folder, tests = copies.get(), tests_for(path, mutant)
            source = (root / path).read_bytes()
            try:
                timeout = 30 + 5 * run_unchanged(folder, tests)
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
    return [case for case, lives in zip(chosen, alive, strict=True) if lives]


def is_equivalent(path: str, mutant: Mutant) -> bool:
    """Returns whether a mutant is in the list of those that nobody can observe."""
    return mutant.key in EQUIVALENT.get(path, {})


def files(root: Path, paths: Iterable[str]) -> list[str]:
    """Returns the source files among some files and folders, relative to the repository."""
    found = [root / path for path in paths]
    sources = {file for path in found for file in (path.rglob("*.py") if path.is_dir() else [path])}
    return sorted(file.relative_to(root).as_posix() for file in sources)


def sample(found: Sequence[tuple[str, Mutant]], count: int | None, seed: int = 0) -> list[tuple[str, Mutant]]:
    """Returns `count` of the mutants, chosen at random and in order, or all of them."""
    if count is None or count >= len(found):
        return list(found)
    return sorted(random.Random(seed).sample(list(found), count), key=lambda case: (case[0], case[1].start))


def candidates(root: Path, path: str) -> list[tuple[str, Mutant]]:
    """Returns all mutants of a file that somebody could observe."""
    return [(path, m) for m in mutants((root / path).read_text(encoding="utf-8")) if not is_equivalent(path, m)]


def main() -> None:
    parser = argparse.ArgumentParser(description="List the changes of source files that no test notices.")
    parser.add_argument("paths", nargs="+", help="the files or folders to change, such as autograd_mini/backward.py")
    parser.add_argument("--tests", nargs="+", help="tests to run; those of the file's area by default")
    parser.add_argument("--lines", nargs="+", metavar="NAME", help="run the tests of the changed line; see line_map.py")
    parser.add_argument("--budget", type=float, default=30, metavar="SECONDS", help="of tests per mutant, with --lines")
    parser.add_argument("--sample", type=int, metavar="N", help="try N mutants, chosen at random")
    parser.add_argument("--seed", type=int, default=0, help="of the choice")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="run N mutants at the same time")
    parser.add_argument("--list", action="store_true", help="print the mutants and run nothing")
    options = parser.parse_args()
    everything = [case for path in files(ROOT, options.paths) for case in candidates(ROOT, path)]
    chosen = sample(everything, options.sample, options.seed)
    if options.list:
        print("\n".join(f"{path}:{mutant}" for path, mutant in chosen))
        return
    tests_for: Choice = lambda path, _: options.tests or tests_of(path)
    if options.lines:
        from line_map import LineMap

        lines = LineMap(options.lines)
        tests_for = lambda path, mutant: lines.tests_of(path, mutant.lines, options.budget)
    alive = survivors(ROOT, chosen, tests_for, options.jobs, check=not options.lines)
    print(f"{len(chosen) - len(alive)} of {len(chosen)} mutants were noticed")


if __name__ == "__main__":
    main()
