"""Grades all submissions and writes a report for each: `python examples/course/grade_all.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autograd_mini.examples.course.homework import grade_homework
from autograd_mini.testing import Grade
from autograd_mini.testing.grading.result import summarise

HERE = Path(__file__).parent


def report(grades: list[Grade]) -> dict[str, Any]:
    """Returns the report of a submission, as the plugin for pytest writes it."""
    tests = [{**test, "name": f"{grade.title}: {test['name']}"} for grade in grades for test in grade.as_dict()["tests"]]
    return summarise(tests)


def main() -> None:
    (HERE / "reports").mkdir(exist_ok=True)
    for path in sorted((HERE / "submissions").glob("*.py")):
        grades = grade_homework(path)
        text = "\n\n".join(map(repr, grades))
        (HERE / "reports" / f"{path.stem}.txt").write_text(text + "\n", encoding="utf-8")
        data = json.dumps(report(grades), ensure_ascii=False, indent=1)
        (HERE / "reports" / f"{path.stem}.json").write_text(data + "\n", encoding="utf-8")
        print(f"{path.name}: {sum(g.score for g in grades):g} of {sum(g.max_score for g in grades):g} points")


if __name__ == "__main__":
    main()
