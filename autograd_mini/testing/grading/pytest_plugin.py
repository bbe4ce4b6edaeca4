"""A plugin for pytest: grades a submission by tests, prints the points and writes a report as JSON.

    pytest -p autograd_mini.testing.grading.pytest_plugin --submission homework.py --grade-report report.json test_homework.py

A test takes the fixtures `submission`, which holds what the student's file or notebook defines, and `grade`, which is
`autograd_mini.testing.grade` and makes the test fail if points are missing:

    def test_relu(grade, submission):
        grade(submission.relu_gradient, ag.relu, points=3)

The report has the format that Gradescope reads: score, max_score and a list of tests, each with name, score, max_score, status
and output. It also works with pytest-xdist.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from ...tools.atomic_files import atomic_write
from .grade import grade as grade_submission
from .result import Grade, summarise
from .submission import Submission, load_submission

KEY: Final = "grade"  # of a grade among the properties of a test


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("autograd_mini", "grading")
    group.addoption("--submission", metavar="FILE", help="the student's file (.py) or notebook (.ipynb)")
    group.addoption("--grade-report", metavar="FILE", help="write the points of all tests to this JSON file")


@pytest.fixture(scope="session")
def submission(request: pytest.FixtureRequest) -> Submission:
    """What the file or notebook of `--submission` defines."""
    path = request.config.getoption("--submission")
    if not path:
        pytest.fail("pass the student's file: pytest --submission homework.py", pytrace=False)
    return load_submission(path)


@pytest.fixture
def grade(request: pytest.FixtureRequest) -> Callable[..., Grade]:
    """`autograd_mini.testing.grade`, which records the points; the test fails if a case fails."""

    def run(student: Any, reference: Any, points: Any = 1.0, **options: Any) -> Grade:
        result = grade_submission(student, reference, points, **options)
        request.node.user_properties.append((KEY, result.as_dict()))
        if not result:
            pytest.fail(repr(result), pytrace=False)
        return result

    return run


class Reporter:
    """Collects the grades of all tests, prints their sum and writes the report."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.tests: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found: list[dict[str, Any]] = [value for key, value in report.user_properties if key == KEY]  # type: ignore[misc]
        if report.when == "call":
            for graded in found:
                self.tests += [{**test, "name": f"{graded['title']}: {test['name']}"} for test in graded["tests"]]
        if report.failed and not (report.when == "call" and found):
            # An error of the grader or of a fixture must not look like a smaller homework.
            text = str(report.longrepr)
            self.tests.append({"name": report.nodeid, "score": 0.0, "max_score": 0.0, "status": "failed", "output": text})

    def summary(self) -> dict[str, Any]:
        """Returns the report."""
        return summarise(self.tests)

    def pytest_sessionfinish(self) -> None:
        if self.path:
            with atomic_write(Path(self.path)) as beside:
                beside.write_text(json.dumps(self.summary(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.tests:
            terminalreporter.section("grade")
            for test in self.tests:
                sign = "✓" if test["status"] == "passed" else "✗"
                terminalreporter.line(f"{sign} {test['name']}: {test['score']:g} of {test['max_score']:g}")
            total = self.summary()
            terminalreporter.line(f"{total['score']:g} of {total['max_score']:g} points")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # not in a worker of pytest-xdist
        config.pluginmanager.register(Reporter(config.getoption("--grade-report")), "autograd_mini_grades")
