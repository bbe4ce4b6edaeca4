"""`Grade`: the points, as text, as a table in a notebook, and as JSON."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...tools.plain_text import for_stdout
from .compare import Failure


class CaseResult(NamedTuple):
    """The result of one case: its name, the points it is worth, and the failure, if any."""

    name: str
    max_score: float
    failure: Failure | None = None

    @property
    def score(self) -> float:
        """The points that were given."""
        return 0.0 if self.failure else self.max_score

    def as_dict(self) -> dict[str, Any]:
        """Returns the result as JSON values, with the names that graders of Gradescope's format expect, and details."""
        failure = self.failure
        details: dict[str, Any] = {"output": str(failure or "passed")}
        if failure:
            details |= {name: getattr(failure, name) for name in ("entry", "expected", "found", "hint")}
            details["inputs"] = dict(failure.inputs)
        status = "failed" if failure else "passed"
        return {"name": self.name, "score": self.score, "max_score": self.max_score, "status": status, **details}


def summarise(tests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns a report: the points of all tests together, and the tests.

    >>> from autograd_mini.testing.grading.result import summarise
    >>> summarise([{"score": 0.1, "max_score": 1.0}, {"score": 0.2, "max_score": 1.0}])["score"]
    0.3
    """
    return {name: round(sum(test[name] for test in tests), 6) for name in ("score", "max_score")} | {"tests": list(tests)}


class Grade:
    """The points of a submission. It is true if all cases passed; `results` holds the cases.

    >>> from autograd_mini.testing.grading.compare import Failure
    >>> from autograd_mini.testing.grading.result import CaseResult, Grade
    >>> Grade("softplus", [CaseResult("value", 1.0), CaseResult("gradient for x", 3.0, Failure("wrong"))])
    softplus: 1 of 4 points
    ✓ value: 1 of 1
    ✗ gradient for x: 0 of 3
        wrong
    """

    def __init__(self, title: str, results: Sequence[CaseResult]) -> None:
        self.title, self.results = title, list(results)

    @property
    def score(self) -> float:
        """The points that were given."""
        return round(sum(result.score for result in self.results), 6)

    @property
    def max_score(self) -> float:
        """The points of all cases."""
        return round(sum(result.max_score for result in self.results), 6)

    def __bool__(self) -> bool:
        return not any(result.failure for result in self.results)

    def __repr__(self) -> str:
        lines = [f"{self.title}: {self.score:g} of {self.max_score:g} points"]
        for result in self.results:
            lines.append(f"{'✗' if result.failure else '✓'} {result.name}: {result.score:g} of {result.max_score:g}")
            if result.failure:
                lines += [f"    {line}" for line in str(result.failure).splitlines()]
        return for_stdout("\n".join(lines))

    def as_dict(self) -> dict[str, Any]:
        """Returns the grade as JSON values: title, score, max_score, and a list of tests."""
        return {"title": self.title, **summarise([result.as_dict() for result in self.results])}

    def _repr_html_(self) -> str:
        rows = []
        for result in self.results:
            text = html.escape(str(result.failure or "")).replace("\n", "<br>")
            sign = "✗" if result.failure else "✓"
            cells = [sign, html.escape(result.name), f"{result.score:g} / {result.max_score:g}", text]
            rows.append(
                "<tr>" + "".join(f'<td style="text-align:left;vertical-align:top">{cell}</td>' for cell in cells) + "</tr>"
            )
        head = f"<b>{html.escape(self.title)}: {self.score:g} of {self.max_score:g} points</b>"
        return f"{head}<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"
