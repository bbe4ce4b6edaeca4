"""`grade`: right submissions get all points, each kind of mistake is found and described, and no case passes without checking."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.testing import Grade, GradientError, arrays
from autograd_mini.testing import grade as grade_fully
from autograd_mini.testing.grading.compare import Closeness, explain
from autograd_mini.testing.grading.grade import distribute


def grade(student: Any, reference: Any, points: Any = 1.0, **options: Any) -> Grade:
    """Grades with fewer examples, which is enough for the mistakes here."""
    return grade_fully(student, reference, points, **{"examples": 15, **options})


ARRAYS = [arrays((2, 2)), arrays(2), arrays((3, 2))]


def affine(W: Any, b: Any, x: Any) -> Any:
    return ag.square(x @ ag.transpose(W) + b).mean()


def affine_gradients(W: Any, b: Any, x: Any) -> Any:
    delta = 2 * (x @ W.T + b) / (len(x) * len(b))
    return delta.T @ x, delta.sum(0), delta @ W


# -- right submissions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "student",
    [
        affine_gradients,
        lambda W, b, x: dict(zip("Wbx", affine_gradients(W, b, x), strict=True)),
        lambda W, b, x: [g.tolist() for g in affine_gradients(W, b, x)],
        lambda W, b, x: tuple(ag.Tensor(g) for g in affine_gradients(W, b, x)),
    ],
    ids=["tuple", "dict", "lists", "tensors"],
)
def test_a_right_gradient_gets_all_points_in_any_form(student: Any) -> None:
    result = grade(student, affine, 6, inputs=ARRAYS)
    assert result, result
    assert [(r.name, r.score) for r in result.results] == [(f"gradient for {n}", 2) for n in "Wbx"]


@pytest.mark.parametrize(
    ("student", "reference"),
    [
        (lambda x: (x > 0) * 1.0, ag.relu),
        (lambda x: (x >= 0) * 1.0, ag.relu),  # either value at the kink
        (lambda x: np.sign(x), lambda x: ag.abs(x).sum()),
        (lambda x: 1 / x, ag.log),  # nan for negative numbers, inf at 0: not compared
        (lambda x, n: n * x ** np.maximum(n - 1, 0) * (n > 0), lambda x, n: x**n),
    ],
    ids=["relu", "relu at 0: 1", "abs", "log", "an integer argument"],
)
def test_kinks_undefined_values_and_integers_cost_no_points(student: Any, reference: Any) -> None:
    with_integers = [arrays(3), arrays(3, dtype=np.int64, lo=0, hi=3)]
    result = grade(student, reference, inputs=with_integers if reference.__code__.co_argcount == 2 else None)
    assert result, result
    assert len(result.results) == 1


def new_primitive(rule: Any, kernel: Any, name: str) -> Any:
    return ag.primitive(rule if isinstance(rule, tuple) else (rule,), name=f"graded_{name}")(kernel)


def test_a_right_primitive_gets_all_points() -> None:
    cube = new_primitive(lambda xp, g, y, x: g * 3 * x * x, lambda x: x**3, "cube")
    result = grade(cube, lambda x: x * x * x, 4)
    assert [r.name for r in result.results] == ["value", "gradient for x", "second derivatives", "float32"]
    assert (bool(result), result.score) == (True, 4)
    product = new_primitive((lambda xp, g, y, a, b: g * b, lambda xp, g, y, a, b: g * a), lambda a, b: a * b, "product")
    result = grade(product, ag.multiply)
    assert result, result
    assert {name for r in result.results for name in (r.name.partition(", ")[2],)} == {"", "broadcasting"}


class Scaled(nn.Module):
    """The reference: s · (x Wᵀ)."""

    def __init__(self) -> None:
        self.weight, self.scale = nn.Parameter(np.ones((3, 2))), nn.Parameter(np.ones(3))

    def forward(self, x: Any) -> Any:
        return self.scale * (x @ self.weight.T)


class Written(Scaled):
    def forward(self, x: Any) -> Any:
        return nn.functional.linear(x, self.weight) * self.scale


class Smaller(Scaled):
    def forward(self, x: Any) -> Any:
        return self.scale * (x @ self.weight.T) / 5


class Constant(Scaled):
    def forward(self, x: Any) -> Any:
        return ag.Tensor(self.scale.data) * (x @ self.weight.T)


@pytest.mark.parametrize("student", [Written, Written()])
@pytest.mark.parametrize("reference", [Scaled, Scaled()])
def test_a_right_layer_gets_all_points_as_a_class_or_an_object(student: Any, reference: Any) -> None:
    before = None if isinstance(student, type) else student.scale.data.copy()
    result = grade(student, reference, 8, inputs=[arrays((2, 2))])
    assert [r.name for r in result.results] == ["output", *(f"gradient for {n}" for n in ("x", "weight", "scale"))]
    assert result, result
    if before is not None:
        np.testing.assert_array_equal(student.scale.data, before)


def test_reference_layers_of_the_library_can_be_used() -> None:
    class Mine(nn.Module):
        def __init__(self) -> None:
            self.weight, self.bias = nn.Parameter(np.zeros((2, 3))), nn.Parameter(np.zeros(2))

        def forward(self, x: Any) -> Any:
            return x @ self.weight.T + self.bias

    assert grade(Mine, nn.Linear(3, 2), inputs=[arrays((2, 3))])


# -- wrong submissions --------------------------------------------------------------------------------------------------------


def failed(result: Grade) -> dict[str, Any]:
    return {r.name: r.failure for r in result.results if r.failure}


def test_partial_credit_entry_numbers_and_smallest_input() -> None:
    """The bias is wrong by the factor n; everything else stays right and keeps its points."""

    def student(W: Any, b: Any, x: Any) -> Any:
        dW, db, dx = affine_gradients(W, b, x)
        return dW, 3 * db, dx

    result = grade(student, affine, {"gradient for W": 3, "gradient for b": 2, "gradient for x": 1}, inputs=ARRAYS)
    assert (result.score, result.max_score, bool(result)) == (4, 6, False)
    failure = failed(result)["gradient for b"]
    assert failure.expected == pytest.approx(failure.found / 3)
    assert failure.entry.startswith("∂L/∂b[")
    assert failure.hint == "yours is 3 times too large: is a mean over the 3 rows missing?"
    numbers = [np.array(eval(text)) for text in failure.inputs.values()]
    assert list(failure.inputs) == ["W", "b", "x"]
    assert sum(int((n != 0).sum()) for n in numbers) == 1, "one number that is not 0 suffices"
    assert f"smallest failing input: W = {failure.inputs['W']}" in str(result)


MISTAKES: dict[str, tuple[Callable[..., Any], Callable[..., Any], str]] = {
    "sign": (lambda x: -2 * x, lambda x: (x * x).sum(), "must be 2, yours is -2 (your sign is wrong"),
    "factor": (lambda x: x, lambda x: (x * x).sum(), "must be 2, yours is 1 (yours is 0.5 times the right value)"),
    "zero": (lambda x: 0 * x, lambda x: (x * x).sum(), "must be 2, yours is 0 (yours is 0 everywhere)"),
    "nan": (lambda x: x / x * 2 * x, lambda x: (x * x).sum(), "must be 0, yours is nan (yours is not finite)"),
    "no return": (lambda x: None, lambda x: (x * x).sum(), "the gradient for x is None; does your function lack a `return`?"),
    "text": (lambda x: "2x", lambda x: (x * x).sum(), "must be an array of numbers, got str '2x'"),
    "error": (lambda x: x / undefined, lambda x: (x * x).sum(), "raised NameError: name 'undefined' is not defined"),  # type: ignore[name-defined] # noqa: F821
    "pair": (lambda a, b: a, lambda a, b: (a * b).sum(), "must return 2 gradients, for a, b, got ndarray"),
    "three": (lambda a, b: (a, b, a), lambda a, b: (a * b).sum(), "must return 2 gradients, for a, b, got 3 values"),
    "dict": (lambda a, b: {"a": b}, lambda a, b: (a * b).sum(), "must return a gradient for 'b', got only a"),
    "summed": (lambda x: (2 * x).sum(), lambda x: (x * x).sum(), "must have shape"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_gradient_is_described(mistake: str) -> None:
    student, reference, message = MISTAKES[mistake]
    result = grade(student, reference, 2)
    assert result.score == 0
    assert message in str(result)
    assert "smallest failing input: " in str(result)


def test_an_argument_that_is_changed_in_place_is_named() -> None:
    def student(x: Any) -> Any:
        x *= 2
        return x

    assert "changes its argument x in place; work on a copy" in str(grade(student, lambda x: (x * x).sum()))


def test_messages_use_the_names_of_the_student() -> None:
    result = grade(lambda height, width: (height, width), lambda a, b: (a * b).sum())
    assert list(failed(result)) == ["gradient for height", "gradient for width"]
    assert "∂L/∂width" in str(result)


PRIMITIVES: dict[str, tuple[Any, Any, Any, set[str], str]] = {
    "no upstream": (lambda xp, g, y, x: 2 * x, lambda x: x * x, lambda x: x * x, {"gradient for x", "second derivatives"}, "multiply yours by the upstream gradient g"),
    "value": (lambda xp, g, y, x: g * 2 * x, lambda x: 2 * x, lambda x: x * x, {"value"}, "the value"),
    "second": (lambda xp, g, y, x: g * 2 * np.asarray(getattr(x, "data", x)), lambda x: x * x, lambda x: x * x, {"second derivatives"}, "second derivative"),
    "float64": (lambda xp, g, y, x: g * 2 * x, lambda x: (x * x).astype(np.float64), lambda x: x * x, {"float32"}, "must be float32, yours is float64"),
    "rule raises": (lambda xp, g, y, x: g * undefined, lambda x: x * x, lambda x: x * x, {"gradient for x", "second derivatives", "float32"}, "your gradient rule raised NameError"),  # type: ignore[name-defined] # noqa: F821
}  # fmt: skip


@pytest.mark.parametrize("mistake", PRIMITIVES)
def test_a_wrong_primitive_loses_the_points_of_what_is_wrong(mistake: str) -> None:
    rule, kernel, reference, wrong, message = PRIMITIVES[mistake]
    result = grade(new_primitive(rule, kernel, mistake.replace(" ", "_")), reference, 4)
    assert set(failed(result)) == wrong
    assert message in str(result)
    assert result.score == 4 - len(wrong)


def test_a_rule_that_ignores_broadcasting_of_its_operands_fails_only_there() -> None:
    """Undoing broadcasting is the engine's task; using the wrong operand's shape is not."""
    rules = (lambda xp, g, y, a, b: g * b, lambda xp, g, y, a, b: g * a if a.shape == b.shape else g * 0)
    result = grade(new_primitive(rules, lambda a, b: a * b, "half"), ag.multiply)
    assert set(failed(result)) == {"gradient for b, broadcasting", "second derivatives, broadcasting"}


@pytest.mark.parametrize(
    ("student", "wrong", "message"),
    [
        (Smaller, {"output", "gradient for x", "gradient for weight", "gradient for scale"}, "yours is 0.2 times the right value"),
        (Constant, {"gradient for scale"}, "yours is 0 everywhere"),
        (lambda: 3, {"output", "gradient for x", "gradient for weight", "gradient for scale"}, "must be a subclass of nn.Module, got int"),
        (lambda: nn.Linear(2, 3), {"output", "gradient for x", "gradient for weight", "gradient for scale"},
         "must have the parameters weight (3, 2), scale (3,), it has weight (3, 2), bias (3,)"),
    ],
)  # fmt: skip
def test_a_wrong_layer_is_described(student: Any, wrong: set[str], message: str) -> None:
    result = grade(student, Scaled, 4, inputs=[arrays((2, 2))], kind="layer")
    assert set(failed(result)) == wrong
    assert message in str(result)
    assert result.score == 4 - len(wrong)


def test_an_endless_loop_ends() -> None:
    def student(x: Any) -> Any:
        while True:
            with suppress(Exception):
                x = x + 1

    assert "took longer than 0.3 s; is there an endless loop?" in str(grade(student, lambda x: (x * x).sum(), seconds=0.3))


def test_exit_in_a_submission_is_a_failure_and_does_not_end_the_grader() -> None:
    class Layer(nn.Module):
        def forward(self, x: Any) -> Any:
            raise SystemExit(3)

    report = str(grade(lambda x: exit(1), lambda x: ag.square(x).sum()))
    assert "0 of 1 points" in report
    assert "your function raised SystemExit: 1" in report
    assert grade(Layer(), nn.Tanh(), inputs=[arrays((2, 2))]).score == 0


def test_complex_numbers_are_no_gradient() -> None:
    assert "must be real" in str(grade(lambda x: 2 * x + 0j, lambda x: ag.square(x).sum()))


def test_grading_works_in_a_thread_where_no_alarm_is_possible() -> None:
    results: list[Grade] = []
    thread = threading.Thread(target=lambda: results.append(grade(lambda x: 2 * x, lambda x: (x * x).sum())))
    thread.start()
    thread.join()
    assert results[0]


def test_the_same_submission_gets_the_same_report() -> None:
    student = lambda x: np.where(np.abs(x) > 2.9, 0, 2 * x)
    first, second = (repr(grade(student, lambda x: (x * x).sum(), examples=100)) for _ in range(2))
    assert first == second
    assert "yours is 0" in first, "a rare mistake is found"


def test_random_results_are_a_failure_and_no_crash() -> None:
    rng = np.random.default_rng(0)
    result = grade(lambda x: 2 * x + rng.normal(size=x.shape), lambda x: (x * x).sum())
    assert not result
    assert "must be" in str(result)


# -- no vacuous checks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("student", "reference", "options", "message"),
    [
        (lambda x: 0 * x, lambda x: ag.round(x).sum(), {}, "all 0"),
        (lambda x: 1 + x, lambda x: ag.round(x).sum(), {}, "all 0"),
        (lambda x: 0 * x, ag.relu, {"inputs": [arrays(3, lo=-3, hi=-1)]}, "all 0"),
        (lambda x: x, lambda x: (x * x).sum(), {"inputs": [np.zeros(0)]}, "no number was compared"),
        (lambda x: x, lambda x: ag.sqrt(x).sum(), {"inputs": [arrays(2, lo=-3, hi=-1)]}, "no number was compared"),
        (lambda x: x, lambda x: 1e-9 * x.sum(), {}, "all 0"),
        (lambda n: n, lambda n: (n * n).sum(), {"inputs": [np.array([1, 2])]}, "no argument of n is floating"),
        (ag.relu, ag.relu, {}, "same object"),
    ],
    ids=["constant", "constant, wrong", "flat inputs", "empty", "undefined", "tiny", "integers", "itself"],
)
def test_a_case_that_checks_nothing_is_refused(student: Any, reference: Any, options: Any, message: str) -> None:
    with pytest.raises(GradientError, match=f"grade: .*{message}"):
        grade(student, reference, **options)


def test_second_derivatives_that_are_zero_are_left_out_unless_they_have_points() -> None:
    double = new_primitive(lambda xp, g, y, x: g * 2, lambda x: 2 * x, "double")
    result = grade(double, lambda x: 2 * x, 6)
    assert [(r.name, r.score) for r in result.results] == [("value", 2), ("gradient for x", 2), ("float32", 2)]
    with pytest.raises(GradientError, match="'second derivatives' checked nothing"):
        grade(double, lambda x: 2 * x, {"second derivatives": 1})


def test_a_reference_with_a_wrong_gradient_or_an_error_is_not_used() -> None:
    wrong = new_primitive(lambda xp, g, y, x: g, lambda x: x * x, "wrong_reference")
    with pytest.raises(GradientError, match="the gradient of the reference is wrong: for x"):
        grade(lambda x: np.ones(x.shape), wrong, kind="gradient")
    with pytest.raises(GradientError, match=r"the reference raised ValueError: .* at W = "):
        grade(affine_gradients, affine, inputs=[arrays((2, 3)), arrays(2), arrays((3, 2))])


def test_the_convention_of_the_reference_can_be_demanded_at_kinks() -> None:
    student = lambda x: (x >= 0) * 1.0
    assert grade(student, ag.relu)
    assert "must be 0, yours is 1" in str(grade(student, ag.relu, kinks=True))


# -- points and inputs --------------------------------------------------------------------------------------------------------


def test_points_are_distributed_by_name_and_pattern() -> None:
    names = ["value", "gradient for a", "gradient for b"]
    assert distribute(6, names) == dict.fromkeys(names, 2)
    assert distribute({"value": 1, "gradient*": 4, "gradient for b": 1}, names) == dict(zip(names, (1, 2, 3), strict=True))
    assert distribute({"gradient for a[0]": 1}, ["gradient for a[0]"]) == {"gradient for a[0]": 1}, "a name is no pattern"


def test_inputs_of_several_kinds_make_cases_of_their_own() -> None:
    student = lambda x: 2 * x if x.ndim == 1 else x
    families = {"vectors": [arrays(3)], "matrices": arrays((2, 2)).map(lambda x: (x,))}
    result = grade(student, lambda x: (x * x).sum(), {"*vectors": 3, "*matrices": 5}, inputs=families)
    assert [(r.name, r.score) for r in result.results] == [("gradient for x, vectors", 3), ("gradient for x, matrices", 0)]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"points": 0}, ValueError, "points must be positive, got 0"),
        ({"points": {"value": 1}}, ValueError, "no case is named 'value'; the cases are: gradient for x"),
        ({"kind": "rule"}, ValueError, "kind must be one of gradient, layer, primitive, or None, got 'rule'"),
        ({"examples": 0}, ValueError, "examples must be at least 1, got 0"),
        ({"inputs": np.zeros(3)}, ValueError, "inputs must be a list with one strategy or array per argument"),
        ({"inputs": []}, ValueError, "inputs must be a list"),
        ({"reference": 3}, TypeError, "the reference must be a function or a module, got int"),
        (
            {"student": Scaled, "reference": nn.Linear(2, 3)},
            ValueError,
            "pass `inputs`, one strategy per argument of the layer",
        ),
    ],
)
def test_bad_arguments_name_what_was_expected(options: Any, error: Any, message: str) -> None:
    defaults = {"student": lambda x: 2 * x, "reference": lambda x: (x * x).sum()}
    with pytest.raises(error, match=f"grade: .*{message}"):
        grade(**{**defaults, **options})


@pytest.mark.parametrize(
    ("found", "expected", "hint"),
    [
        (np.arange(6.0).reshape(3, 2), np.arange(6.0).reshape(3, 2).T, "yours is the transpose"),
        (np.array([[1.0, 2], [3, 4]]), np.array([[1.0, 3], [2, 4]]), "yours is the transpose"),
        (np.ones((4, 2)), np.full(2, 4.0), "sum yours over axis 0"),
        (np.ones((2, 4)), np.full(2, 4.0), "sum yours over axis 1"),
        (np.ones((4, 2)), np.full((1, 2), 4.0), "sum yours over axis 0, with keepdims=True"),
        (np.arange(2.0), np.arange(2.0).reshape(2, 1), "the numbers are right"),
        (np.array(3.0), np.array([1.0, 2.0]), "yours is the sum of the right one"),
        (np.ones(3), np.ones(2), ""),
        (np.array([1.0, 5.0]), np.array([1.0, 2.0]), ""),
        (np.array([2.5, 5.0]), np.array([1.0, 2.0]), "yours is 2.5 times the right value"),
    ],
)
def test_hints(found: Any, expected: Any, hint: str) -> None:
    failure = explain("w", found, expected, Closeness(1e-6, 1e-9), {})
    assert failure is not None
    assert failure.hint == hint
    assert explain("w", expected, expected, Closeness(1e-6, 1e-9), {}) is None
