"""The homework as tests for pytest; the fixtures come from `autograd_mini.testing.grading.pytest_plugin`."""

from __future__ import annotations

from typing import Any

import pytest

from autograd_mini.examples.course.homework import TASKS


@pytest.mark.parametrize("name", TASKS)
def test_task(grade: Any, submission: Any, name: str) -> None:
    grade(getattr(submission, name), title=name, **TASKS[name])
