"""Submissions from files and notebooks, reports in notebooks and as JSON, the plugin for pytest, and the example course."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autograd_mini.examples.course import grade_all
from autograd_mini.examples.course.homework import TASKS, grade_homework
from autograd_mini.testing import grade, load_submission
from autograd_mini.testing.grading import pytest_plugin

COURSE = Path(grade_all.__file__).parent
SUBMISSIONS = sorted((COURSE / "submissions").glob("*.py"))


def graded(student: Any) -> Any:
    return grade(student, lambda x: (x * x).sum(), 2)


def test_a_missing_function_costs_its_points_and_names_those_that_exist(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def slope(x):\n    return 2 * x\n")
    submission = load_submission(tmp_path / "a.py")
    assert graded(submission.slope).score == 2
    result = graded(submission.gradient)
    assert result.score == 0
    assert "a.py does not define 'gradient'; it defines slope" in str(result)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def slope(x):\n    return 2 x\n", r"SyntaxError: .* at line 2"),
        ("import not_a_module\n", "ModuleNotFoundError: No module named 'not_a_module'"),
        ("import sys\nsys.exit(0)\n", "SystemExit: 0"),
    ],
)
def test_a_broken_file_is_a_failure_with_its_reason(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.py").write_text(text)
    submission = load_submission(tmp_path / "a.py")
    failure = graded(submission.slope).results[0].failure
    assert failure is not None
    assert re.search(message, failure.message)


def test_what_a_file_defines_before_an_error_is_graded(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def slope(x):\n    return 2 * x\nslope(undefined)\n")
    assert graded(load_submission(tmp_path / "a.py").slope).score == 2


def test_a_notebook_is_graded_without_its_magic_commands_and_broken_cells(tmp_path: Path) -> None:
    cells = ["%matplotlib inline\n!ls\ndef slope(x):\n    return 2 * x", "slope(undefined)", "def other(x):\n    return x"]
    notebook = {
        "cells": [{"cell_type": "code", "source": c.splitlines(keepends=True)} for c in cells]
        + [{"cell_type": "markdown", "source": ["# 1 +"]}]
    }
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook))
    submission = load_submission(tmp_path / "a.ipynb")
    assert graded(submission.slope).score == 2
    assert graded(submission.other).score == 0
    assert "cell 2 of a.ipynb raised NameError" in str(graded(submission.third))
    (tmp_path / "b.ipynb").write_text("{}")
    assert "not a notebook" in str(graded(load_submission(tmp_path / "b.ipynb").slope))


def test_a_notebook_shows_a_table_in_which_texts_are_escaped() -> None:
    page = grade(lambda x: "<script>", lambda x: (x * x).sum(), title="<b>")._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.startswith("<b>&lt;b&gt;: 0 of 1 points</b><table>")


def test_the_report_has_the_fields_of_gradescope() -> None:
    report = json.loads(json.dumps(graded(lambda x: -2 * x).as_dict()))
    (test,) = report["tests"]
    assert {k: test[k] for k in ("name", "score", "max_score", "status")} == {
        "name": "gradient for x", "score": 0, "max_score": 2, "status": "failed",
    }  # fmt: skip
    assert (test["entry"], test["expected"], test["found"], test["inputs"]) == ("∂L/∂x", 2, -2, {"x": "1.0"})
    assert test["output"].splitlines()[0].startswith("∂L/∂x must be 2, yours is -2")


@pytest.mark.parametrize("path", SUBMISSIONS, ids=lambda path: path.stem)
def test_the_reports_of_the_course_are_current(path: Path) -> None:
    """`python examples/course/grade_all.py` writes them; all three submissions are wrong, none loses all points."""
    grades = grade_homework(path)
    report = grade_all.report(grades)
    assert "\n\n".join(map(repr, grades)) + "\n" == (COURSE / "reports" / f"{path.stem}.txt").read_text("utf-8")
    assert json.loads((COURSE / "reports" / f"{path.stem}.json").read_text("utf-8")) == json.loads(json.dumps(report))
    assert 0 < report["score"] < report["max_score"] == sum(sum(task["points"].values()) for task in TASKS.values())


def run_pytest(*arguments: str) -> int:
    """Runs pytest with the plugin in this process."""
    return int(
        pytest.main(
            ["--import-mode=importlib", "-p", "no:cacheprovider", "-p", "no:xdist", "-q", *arguments], plugins=[pytest_plugin]
        )
    )


TESTS = """
import autograd_mini as ag

def test_square(grade, submission):
    grade(submission.square, lambda x: (x * x).sum(), points=2)

def test_relu(grade, submission):
    grade(submission.relu, ag.relu, points=3, title="ReLU")

def test_grader_is_broken(grade, submission):
    grade(submission.square, ag.round, points=1)
"""
HOMEWORK = "def square(x):\n    return 2 * x\n\ndef relu(x):\n    return x\n"


@pytest.fixture
def homework(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a homework and a submission, in which pytest runs."""
    (tmp_path / "test_homework_of_a_course.py").write_text(TESTS)
    (tmp_path / "homework.py").write_text(HOMEWORK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check_report(path: Path) -> None:
    report = json.loads(path.read_text("utf-8"))
    assert (report["score"], report["max_score"]) == (2, 5)
    found = {test["name"].rpartition("::")[2]: test["status"] for test in report["tests"]}
    assert found == {"square: gradient for x": "passed", "ReLU: gradient for x": "failed", "test_grader_is_broken": "failed"}
    (broken,) = [test for test in report["tests"] if "broken" in test["name"]]
    assert "checked nothing" in broken["output"]


def test_the_plugin_prints_points_and_writes_a_report(homework: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An error of the grader is a test of its own, not a missing one."""
    assert run_pytest("--submission", "homework.py", "--grade-report", "report.json", "test_homework_of_a_course.py") == 1
    printed = capsys.readouterr().out
    assert "2 of 5 points" in printed
    assert "✗ ReLU: gradient for x: 0 of 3" in printed
    check_report(homework / "report.json")


@pytest.mark.slow
def test_the_plugin_works_on_the_command_line_and_with_several_processes(homework: Path) -> None:
    options = ["-p", "autograd_mini.testing.grading.pytest_plugin", "-p", "no:cacheprovider", "-n", "2"]
    files = ["--submission", "homework.py", "--grade-report", "report.json", "test_homework_of_a_course.py"]
    done = subprocess.run([sys.executable, "-m", "pytest", *options, *files], capture_output=True, text=True, encoding="utf-8")
    assert "2 of 5 points" in done.stdout
    check_report(homework / "report.json")


def test_without_a_submission_the_plugin_says_what_to_pass(homework: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_pytest("test_homework_of_a_course.py") == 1
    assert "pytest --submission homework.py" in capsys.readouterr().out
