"""The mutation runner: it changes one place at a time, and finds exactly the changes that tests do not notice."""

from __future__ import annotations

import ast
from pathlib import Path

import mutants
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

TOY = '''"""A docstring with 1 + 1."""
from __future__ import annotations

LIMIT: int = 3


def count(values: list[int], strict: bool = True) -> int:
    total = 0
    for value in values:
        if value > LIMIT or not strict:
            total += 1
    if total < 0:
        raise ValueError("less than 0")
    return total
'''
TESTS = """from toy import count

def test_values_above_the_limit_are_counted():
    assert count([1, 3, 5, 9]) == 2
    assert count([1, 5], strict=False) == 2
"""


def test_a_mutant_changes_one_operator_constant_condition_argument_or_statement() -> None:
    found = {str(mutant) for mutant in mutants.mutants(TOY)}
    assert {
        "4: 3 → (4)",
        "7: True → (False)",
        "10: value > LIMIT → (value >= LIMIT)",
        "10: value > LIMIT or not strict → (value > LIMIT and (not strict))",
        "10: value > LIMIT or not strict → (not (value > LIMIT or not strict))",
        "10: not strict → (strict)",
        "11: total += 1 → total -= 1",
        "11: total += 1 → pass",
        '13: raise ValueError("less than 0") → pass',
    } <= found
    assert not any(text.startswith(("1:", "2:")) for text in found), "docstrings and imports are not code"
    assert "sorted(x)" in {m.after.strip("()") + ")" for m in mutants.mutants("sorted(x, key=len)")}
    assert {m.after for m in mutants.mutants("f(a, b)")} >= {"(f(b, a))"}
    assert "(f(a, a))" not in {m.after for m in mutants.mutants("x = f(a, a)")}, "equal arguments are not exchanged"


def test_every_mutant_differs_from_the_source_in_meaning_and_compiles() -> None:
    """Also in a file whose characters have several bytes, where offsets in bytes and in characters differ."""
    source = (ROOT / "autograd_mini/checkpoint.py").read_text(encoding="utf-8")
    assert not source.isascii()
    found = mutants.mutants(source)
    assert len(found) > 40
    original = ast.dump(ast.parse(source))
    for mutant in found:
        changed = mutant.apply(source.encode()).decode()
        assert ast.dump(ast.parse(changed)) != original
        assert len(changed.splitlines()) <= len(source.splitlines()), "lines of tracebacks stay near"


def test_the_survivors_are_the_changes_without_a_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "toy.py").write_text(TOY, encoding="utf-8")
    (tmp_path / "test_toy.py").write_text(TESTS, encoding="utf-8")
    chosen = [("toy.py", m) for m in mutants.mutants(TOY) if m.line in (7, 13)]
    tests_for = lambda path, mutant: ["test_toy.py"]
    alive = mutants.survivors(tmp_path, chosen, tests_for, jobs=2)
    assert [str(mutant) for _, mutant in alive] == ['13: raise ValueError("less than 0") → pass']
    assert "survived  toy.py:13" in capsys.readouterr().out
    assert (tmp_path / "toy.py").read_text(encoding="utf-8") == TOY, "the repository itself does not change"
    (tmp_path / "test_toy.py").write_text("def test():\n    assert False\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"the tests fail on the unchanged source: test_toy\.py"):
        mutants.survivors(tmp_path, chosen, tests_for)


def test_long_mutants_show_the_part_around_the_change_and_have_different_keys() -> None:
    call = "f(" + ", ".join(f"argument_{i}={i}" for i in range(20)) + ")"
    found = [m for m in mutants.mutants(f"x = {call}\ny = {call}\n") if "argument" in m.before]
    assert len(found) == 40
    assert all(len(str(m)) < 3 * mutants.WIDTH for m in found)
    assert len({m.key for m in found}) == 40, "which argument is missing, and in which line"


def test_a_folder_stands_for_its_files_and_a_sample_repeats_with_its_seed() -> None:
    folder = mutants.files(ROOT, ["autograd_mini/memory", "autograd_mini/memory/arena.py"])
    assert folder == sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "autograd_mini/memory").glob("*.py"))
    found = mutants.candidates(ROOT, "autograd_mini/memory/malloc.py")
    assert mutants.sample(found, 3, seed=1) == mutants.sample(found, 3, seed=1)
    assert mutants.sample(found, 3, seed=1) != mutants.sample(found, 3, seed=2)
    assert mutants.sample(found, None) == found


def test_every_area_and_its_tests_exist() -> None:
    named = {path for area, tests in mutants.AREAS.items() for path in (area, *tests) if "/" in path} | set(mutants.CHECKED)
    assert sorted(path for path in named if not (ROOT / path).exists()) == []
    assert mutants.tests_of("autograd_mini/testing/check.py") == mutants.AREAS["autograd_mini/testing"]
    assert mutants.tests_of("autograd_mini/apply.py") == ["tests/engine", "tests/graph"]
    with pytest.raises(ValueError, match=r"no area contains setup\.py"):
        mutants.tests_of("setup.py")


def test_the_list_of_equivalent_mutants_is_current() -> None:
    """An entry whose mutant no longer exists is removed."""
    for path, entries in mutants.EQUIVALENT.items():
        keys = {m.key for m in mutants.mutants((ROOT / path).read_text(encoding="utf-8"), check=False)}
        assert sorted(set(entries) - keys) == [], path


@pytest.mark.slow
@pytest.mark.parametrize("path", mutants.CHECKED)
def test_at_least_95_percent_of_a_sample_of_mutants_are_noticed(path: str) -> None:
    chosen = mutants.sample(mutants.candidates(ROOT, path), 40)
    alive = mutants.survivors(ROOT, chosen, lambda path, _: mutants.tests_of(path), jobs=2)
    assert len(alive) <= 0.05 * len(chosen), "\n".join(f"{path}:{mutant}" for path, mutant in alive)
