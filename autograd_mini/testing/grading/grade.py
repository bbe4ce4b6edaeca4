"""`grade`: points for a student's gradient, layer or primitive, with the smallest input at which it is wrong."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, get_args

import numpy as np
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from ...tensor import Array, Tensor
from ..check import GradientError
from ..strategies import arrays, broadcastable, shapes
from .cases import (
    CASES,
    Case,
    Kind,
    Program,
    Task,
    Vacuous,
    demand_right_reference,
    kind_of,
    parameter_names,
    tensors_of,
    upstream,
)
from .compare import Closeness, Failure, describe_error
from .result import CaseResult, Grade
from .search import TooSlow, find_smallest, time_limit

SAMPLES: Final = 20  # inputs that are drawn before grading
CHECKED: Final = 5  # of them, those at which the gradient of the reference is compared with differences


def grade(
    student: Any,
    reference: Any,
    points: float | Mapping[str, float] = 1.0,
    *,
    inputs: Any = None,
    kind: Kind | None = None,
    wrt: Sequence[str] = (),
    title: str = "",
    examples: int = 50,
    kinks: bool = False,
    rtol: float = 1e-4,
    atol: float = 1e-6,
    seconds: float | None = 10,
) -> Grade:
    """Grades a student's gradient, layer or primitive by comparing it with a reference on random inputs.

    Each case is worth points by itself: "gradient for w", "output", "value", "second derivatives" and so on. A failed case
    names the entry, the expected and the student's number, and the smallest input that hypothesis finds. The inputs are the
    same each time.

    A case that checks nothing raises an error instead of giving points: no number was compared, or all expected numbers are 0.

    Parameters
    ----------
    student : what to grade, of one of three kinds. "gradient": a function of arrays that returns the gradient of the reference
        for each floating argument (for one argument, the array; for several, a tuple or a dict by name). "primitive": a
        function of tensors, such as one made by `ag.primitive`. "layer": a module, or its class
    reference : "gradient" and "primitive": the function itself, on tensors; "layer": a module or its class, whose parameters
        have the same names
    points : for all cases together, divided equally; or by name, such as `{"value": 1, "gradient*": 3}`. A pattern's points are
        divided equally among its cases, and cases that no pattern matches are not run
    inputs : one hypothesis strategy (or fixed array) per argument, or a strategy for tuples of them; or a dict of these, whose
        names become part of the names of the cases. By default arrays of all shapes with up to two axes
    kind : "gradient", "layer" or "primitive"; None: a module is a layer, what `ag.primitive` returned is a primitive, and any
        other function returns a gradient
    wrt : names of the arguments that need a gradient; all floating ones by default
    title : what is graded, in the report; the student's name of it by default
    examples : inputs per case
    kinks : also compare where the reference has no derivative, such as relu at 0; its convention counts there
    rtol, atol : relative and absolute tolerance
    seconds : limit of one call of the student's code, in the main thread; None: no limit

    Returns
    -------
    A `Grade`: `score` and `max_score`, true if all cases passed, printed as a report, shown as a table in notebooks.

    Raises
    ------
    GradientError
        if a case checks nothing, or the gradient of the reference is itself wrong
    ValueError
        for points without a case, or inputs that do not fit

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_mini as ag
    >>> from autograd_mini.testing import grade
    >>> def softplus_gradient(x):
    ...     return 1 / (1 + np.exp(x))
    >>> print(grade(softplus_gradient, lambda x: ag.softplus(x).sum(), points=4))
    softplus_gradient: 0 of 4 points
    ✗ gradient for x: 0 of 4
        ∂L/∂x must be 0.731059, yours is 0.268941
        smallest failing input: x = 1.0
    """
    _check_options(student, reference, kind, examples)
    kind = kind or kind_of(student, reference)
    student, reference = (copy.deepcopy(x) if kind == "layer" and not inspect.isclass(x) else x for x in (student, reference))
    families = _families(inputs, kind, reference, student)
    names = parameter_names(student, reference) if kind != "layer" else parameter_names(reference, student)
    close = Closeness(rtol, atol)
    cases: dict[str, tuple[Case, st.SearchStrategy[Any], list[list[Array]]]] = {}
    for family, strategy in families.items():
        samples = _samples(strategy)
        task = Task(student, reference, _names(names, len(samples[0])), close, kinks, tuple(wrt))
        _check_reference(task, kind, samples[:CHECKED])
        for case in CASES[kind](task, samples[-1]):
            case.name += f", {family}" if family else ""
            cases[case.name] = case, strategy, samples
    if not cases:
        raise Vacuous(f"grade: no argument of {', '.join(names)} is floating, so there is no gradient to compare")
    worth = distribute(points, list(cases))
    results, named = [], isinstance(points, Mapping)
    for name in filter(worth.get, cases):
        case, strategy, samples = cases[name]
        failure = _run(case, strategy, examples, seconds)
        if problem := _why_vacuous(case, failure, samples, close, seconds):
            if case.optional and not named:
                continue
            raise Vacuous(f"grade: the case {name!r} checked nothing: {problem}")
        results.append(CaseResult(name, worth[name], failure))
    if not named:  # optional cases may have been left out
        worth = distribute(points, [result.name for result in results])
        results = [result._replace(max_score=worth[result.name]) for result in results]
    return Grade(title or getattr(student, "__name__", type(student).__name__), results)


def _why_vacuous(case: Case, failure: Failure | None, samples: Sequence[Any], close: Closeness, seconds: float | None) -> str:
    """Returns why a case checked nothing, or an empty text. After a failure at the first inputs, more of them are looked at."""
    for sample in samples if failure else []:
        if not case.vacuous(close):
            break
        try:
            with time_limit(seconds):
                case.run(sample)
        except TooSlow:
            return ""
    return case.vacuous(close)


def distribute(points: float | Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """Returns the points of each case.

    >>> from autograd_mini.testing.grading.grade import distribute
    >>> distribute({"value": 1, "gradient*": 3}, ["value", "gradient for w", "gradient for b", "float32"])
    {'value': 1.0, 'gradient for w': 1.5, 'gradient for b': 1.5, 'float32': 0.0}
    """
    worth = dict.fromkeys(names, 0.0)
    for pattern, number in points.items() if isinstance(points, Mapping) else [("*", points)]:
        if not number > 0:
            raise ValueError(f"grade: points must be positive, got {number!r} for {pattern!r}")
        found = [name for name in names if name == pattern or fnmatchcase(name, pattern)]
        if not found:
            raise ValueError(f"grade: no case is named {pattern!r}; the cases are: {', '.join(names)}")
        for name in found:
            worth[name] += number / len(found)
    return worth


def _check_options(student: Any, reference: Any, kind: Any, examples: int) -> None:
    if kind not in (None, *get_args(Kind)):
        raise ValueError(f"grade: kind must be one of {', '.join(get_args(Kind))}, or None, got {kind!r}")
    if examples < 1:
        raise ValueError(f"grade: examples must be at least 1, got {examples}")
    if not callable(reference):
        raise TypeError(f"grade: the reference must be a function or a module, got {type(reference).__name__}")
    if student is reference:
        raise Vacuous("grade: student and reference are the same object, so nothing would be checked")


# -- inputs -------------------------------------------------------------------------------------------------------------------


def _families(inputs: Any, kind: str, reference: Any, student: Any) -> dict[str, st.SearchStrategy[Any]]:
    """Returns the strategies for tuples of inputs by name."""
    if inputs is not None:
        named = inputs if isinstance(inputs, Mapping) else {"": inputs}
        return {name: _as_strategy(value) for name, value in named.items()}
    count = len(parameter_names(reference) or parameter_names(student))
    if kind == "layer" or not count:
        example = "inputs=[arrays((3, 2))] for batches of 3 rows with 2 features"
        raise ValueError(f"grade: pass `inputs`, one strategy per argument of the {kind}, such as {example}")
    same = shapes(0, 2, 1, 3).flatmap(lambda shape: st.tuples(*[arrays(shape)] * count))
    if count == 1 or kind == "gradient":
        return {"": same}
    family = broadcastable(count, 2, 3).filter(lambda found: all(0 not in shape for shape in found))
    mixed = family.flatmap(lambda found: st.tuples(*[arrays(shape) for shape in found]))
    return {"": same, "broadcasting": mixed}


def _as_strategy(inputs: Any) -> st.SearchStrategy[Any]:
    if isinstance(inputs, st.SearchStrategy):
        return inputs.map(lambda drawn: drawn if isinstance(drawn, (tuple, list)) else (drawn,))
    if isinstance(inputs, (np.ndarray, Tensor, float, int, str)) or not isinstance(inputs, Sequence) or not len(inputs):
        raise ValueError(f"grade: inputs must be a list with one strategy or array per argument, got {inputs!r:.80}")
    return st.tuples(*[x if isinstance(x, st.SearchStrategy) else st.just(_as_array(x)) for x in inputs])


def _as_array(value: Any) -> Array:
    return np.asarray(value._data if isinstance(value, Tensor) else value)


def _samples(strategy: st.SearchStrategy[Any]) -> list[list[Array]]:
    """Returns a few drawn inputs."""
    drawn: list[list[Array]] = []

    def collect(found: Any) -> None:
        drawn.append([np.asarray(x) for x in found])

    find_smallest(strategy, collect, SAMPLES)
    return drawn


def _names(names: Sequence[str], count: int) -> tuple[str, ...]:
    """Returns a name for each input."""
    return tuple(names) if len(names) == count else tuple(f"argument {i + 1}" for i in range(count))


def _check_reference(task: Task, kind: str, samples: Sequence[Sequence[Array]]) -> None:
    """Raises GradientError if the reference fails, or its gradient disagrees with finite differences, at drawn inputs."""
    for sample in samples:
        try:
            if kind == "layer":
                reference: Any = task.reference() if inspect.isclass(task.reference) else task.reference
                reference(*tensors_of(task.names, sample).values())
                continue
            leaves = tensors_of(task.names, sample)
            program = Program(lambda leaves=leaves: task.reference(*leaves.values()), leaves)
            demand_right_reference(program, upstream(program.output.shape))
        except (GradientError, HypothesisException):
            raise
        except Exception as error:
            given = ", ".join(f"{name} = {x.tolist()!r:.60}" for name, x in zip(task.names, sample, strict=True))
            raise GradientError(f"grade: the reference raised {describe_error(error)} at {given}") from error


def _run(case: Case, strategy: st.SearchStrategy[Any], examples: int, seconds: float | None) -> Failure | None:
    """Runs a case on drawn inputs; a call that takes too long fails without a search for a smaller input."""
    slow: list[Failure] = []

    def check(inputs: Sequence[Array]) -> Failure | None:
        if slow:
            return None
        try:
            with time_limit(seconds):
                return case.run(inputs)
        except TooSlow as error:
            slow.append(Failure(f"your code {error}"))
            return None

    failure = find_smallest(strategy, check, examples)
    return slow[0] if slow else failure
