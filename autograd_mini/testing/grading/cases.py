"""What is compared: for a gradient, a layer or a primitive, the cases with their names.

Every kind becomes the same thing, a `Program` of the reference and one of the student: named leaves and a function of them. The
cases compare outputs and gradients of the two.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from ...backward import gradients
from ...primitive import registry
from ...state import enable_grad
from ...tensor import Array, Tensor, leaf, to_array
from ..check import GradientError, derivatives, evaluate, leaf_requiring_grad
from ..differences import Tolerance, as_vector
from .compare import Closeness, Failure, as_numbers, call, explain, to_text

Kind: TypeAlias = Literal["gradient", "layer", "primitive"]

UPSTREAM: Final = (2.0, -1.0, 0.5, 3.0, -1.5)  # repeated over the elements of an output: readable, and no two neighbours equal
_EXACT: Final = Tolerance()


class Vacuous(GradientError):
    """Raised if a case checked nothing, so that a wrong submission could pass it."""


@dataclass
class Case:
    """One thing that is compared. `check(inputs)` returns a Failure or None; `compared` and `largest` say what it has seen."""

    name: str
    check: Callable[[Case, Sequence[Array]], Failure | None]
    optional: bool = False
    compared: int = 0
    largest: float = 0.0

    def run(self, inputs: Sequence[Any]) -> Failure | None:
        return self.check(self, [np.asarray(x) for x in inputs])

    def note(self, expected: Array) -> None:
        """Counts what was compared, and the largest expected number."""
        finite = expected[np.isfinite(expected)]
        self.compared += finite.size
        self.largest = max(self.largest, float(np.abs(finite).max(initial=0)))

    def vacuous(self, close: Closeness) -> str:
        """Returns why the case checked nothing, or an empty text."""
        if not self.compared:
            return "no number was compared; choose inputs with elements, at which the reference is finite"
        if self.largest <= 10 * close.atol:
            return (
                f"the expected numbers are all 0 (the largest is {self.largest:.2g}), so a submission that returns 0 would pass"
            )
        return ""


@dataclass(frozen=True)
class Task:
    """A student's program and the reference, and how they are compared."""

    student: Any
    reference: Any
    names: tuple[str, ...]
    close: Closeness
    kinks: bool = False
    wrt: tuple[str, ...] = field(default=())

    def floating(self, inputs: Sequence[Array]) -> list[str]:
        """Returns the names of the inputs that have a gradient."""
        wanted = self.wrt or self.names
        return [name for name, x in zip(self.names, inputs, strict=False) if x.dtype.kind == "f" and name in wanted]


def kind_of(student: Any, reference: Any) -> Kind:
    """Returns what a student's object is: a layer, a primitive, or else the function of a gradient."""
    if any(hasattr(x, "named_parameters") for x in (student, reference)):
        return "layer"
    kernel = getattr(student, "__wrapped__", None)
    if hasattr(student, "primitive") or (kernel is not None and any(p.kernel is kernel for p in registry.values())):
        return "primitive"
    return "gradient"


def parameter_names(*functions: Any) -> tuple[str, ...]:
    """Returns the names of the positional arguments of the first function that has a signature without `*args`."""
    for function in functions:
        target = getattr(function, "forward", function)
        target = inspect.unwrap(target) if callable(target) else target
        try:
            parameters = list(inspect.signature(target).parameters.values())
        except (TypeError, ValueError):
            continue
        if inspect.isclass(function):
            parameters = parameters[1:]
        required = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty]
        if required and not any(p.kind == p.VAR_POSITIONAL for p in parameters):
            return tuple(p.name for p in required)
    return ()


# -- the reference ------------------------------------------------------------------------------------------------------------


def upstream(shape: tuple[int, ...]) -> Array:
    """Returns an upstream gradient of this shape."""
    return np.resize(np.array(UPSTREAM), shape) if shape else np.array(UPSTREAM[0])


class Program:
    """A recorded call: its output and its gradients from an upstream gradient, for leaves by name."""

    def __init__(self, function: Callable[..., Any], leaves: Mapping[str, Tensor]) -> None:
        self.leaves = dict(leaves)
        with enable_grad(), np.errstate(all="ignore"):
            output = function()
        self.output: Tensor = output if isinstance(output, Tensor) else leaf(to_array(output))
        self.function = function

    def pull(self, g: Array, create_graph: bool = False) -> dict[str, Tensor | None]:
        """Returns the gradient for each leaf; None for those that the output does not depend on."""
        wanted = {name: x for name, x in self.leaves.items() if x._requires_grad}
        if not self.output._requires_grad or not wanted:
            return dict.fromkeys(wanted)
        found = gradients(
            [self.output], list(wanted.values()), [g.astype(self.output.dtype)], create_graph=create_graph, allow_unused=True
        )
        return dict(zip(wanted, found, strict=True))


def tensors_of(names: Sequence[str], inputs: Sequence[Array], dtype: Any = np.float64) -> dict[str, Tensor]:
    """Returns a leaf for each input; floating ones require a gradient."""
    return {
        name: leaf_requiring_grad(np.array(x, dtype)) if x.dtype.kind == "f" else leaf(x.copy())
        for name, x in zip(names, inputs, strict=True)
    }


def as_gradient(gradient: Tensor | None, like: Tensor) -> Array:
    return np.zeros(like.shape) if gradient is None else np.asarray(gradient._data, np.float64)


def demand_right_reference(program: Program, g: Array) -> None:
    """Raises GradientError if the gradient of the reference disagrees with finite differences."""
    found = program.pull(g)
    for name, x in program.leaves.items():
        if x._requires_grad:
            gradient = as_gradient(found.get(name), x)
            for index in np.ndindex(x.shape):
                slope = _slope(program, g, x, index)
                if slope is not None and not np.isclose(gradient[index], slope, rtol=1e-3, atol=1e-5):
                    raise GradientError(
                        f"grade: the gradient of the reference is wrong: for {name}{list(index)} it is {gradient[index]:.8g}, "
                        f"but finite differences give {slope:.8g}"
                    )


def _slope(program: Program, g: Array, x: Tensor, index: tuple[int, ...]) -> float | None:
    """Returns the derivative of the weighted sum of the outputs by finite differences; None if they do not decide it."""

    def outputs() -> Array:
        return as_vector([y._data for y in evaluate(program.function, [])])

    here = outputs()
    weights = g.ravel().astype(np.float64)
    slopes, decidable = derivatives(outputs, here, x._data, index, _EXACT, weights, float(np.finfo(np.float64).eps))
    return float(slopes[-1]) if decidable.all() else None


# -- cases --------------------------------------------------------------------------------------------------------------------


def compare_gradient(
    task: Task, name: str, found: Any, program: Program, g: Array, inputs: Mapping[str, Array], label: str
) -> Failure | None:
    """Compares one gradient of the student with that of the reference, except at kinks of the reference."""
    x = program.leaves[name]
    expected = as_gradient(program.pull(g).get(name), x)
    numbers = as_numbers(found, f"the gradient for {name}")
    if isinstance(numbers, Failure):
        return _at(numbers, inputs)
    if numbers.shape == expected.shape and not task.kinks:
        for index in map(tuple, np.argwhere(~task.close(numbers, expected)).tolist()):
            if _slope(program, g, x, index) is None:
                numbers[index] = expected[index]  # the derivative does not exist here
    return explain(label, numbers, expected, task.close, inputs)


def gradient_cases(task: Task, sample: Sequence[Array]) -> Iterator[Case]:
    """A student's function of arrays that returns gradients: one case per argument."""
    wanted = task.floating(sample)
    for number, name in enumerate(wanted):

        def check(case: Case, inputs: Sequence[Array], name: str = name, number: int = number) -> Failure | None:
            leaves = tensors_of(task.names, inputs)
            program = Program(lambda: task.reference(*leaves.values()), leaves)
            given = dict(zip(task.names, inputs, strict=True))
            case.note(as_gradient(program.pull(np.ones(program.output.shape)).get(name), leaves[name]))
            found = _returned_gradients(task, inputs, wanted)
            if isinstance(found, Failure):
                return _at(found, given)
            label = f"∂{'L' if not program.output.shape else 'sum(f)'}/∂{name}"
            return compare_gradient(task, name, found[number], program, np.ones(program.output.shape), given, label)

        yield Case(f"gradient for {name}", check)


def _returned_gradients(task: Task, inputs: Sequence[Array], wanted: Sequence[str]) -> list[Any] | Failure:
    """Calls the student's function; returns a gradient for each name."""
    copies = [np.array(x) for x in inputs]
    result = call(task.student, copies)
    if isinstance(result, Failure):
        return result
    if changed := [
        name for name, x, y in zip(task.names, inputs, copies, strict=True) if not np.array_equal(x, y, equal_nan=True)
    ]:
        return Failure(f"your function changes its argument {changed[0]} in place; work on a copy")
    if isinstance(result, Mapping):
        if missing := [name for name in wanted if name not in result]:
            return Failure(f"your function must return a gradient for {missing[0]!r}, got only {', '.join(map(str, result))}")
        return [result[name] for name in wanted]
    if len(wanted) == 1:
        return [result[0] if isinstance(result, tuple) and len(result) == 1 else result]
    if not isinstance(result, (tuple, list)) or len(result) != len(wanted):
        got = f"{len(result)} values" if isinstance(result, (tuple, list)) else type(result).__name__
        return Failure(f"your function must return {len(wanted)} gradients, for {', '.join(wanted)}, got {got}")
    return list(result)


def _find_changed(task: Task, before: Sequence[Array], after: Sequence[Array]) -> Failure | None:
    """Returns a failure if the student's function has changed an argument."""
    for name, x, y in zip(task.names, before, after, strict=True):
        if x.tobytes() != y.tobytes():
            return Failure(f"your function changes its argument {name} in place; work on a copy")
    return None


def primitive_cases(task: Task, sample: Sequence[Array]) -> Iterator[Case]:
    """A student's operation on tensors: its value, its gradient for each operand, second derivatives, and float32."""

    def programs(inputs: Sequence[Array], dtype: Any = np.float64) -> tuple[Program, Program | Failure]:
        ours, theirs = tensors_of(task.names, inputs), tensors_of(task.names, inputs, dtype)
        result = call(lambda: Program(lambda: task.student(*theirs.values()), theirs), ())
        if isinstance(result, Program):
            changed = [
                n
                for n, x, t in zip(task.names, inputs, theirs.values(), strict=True)
                if not np.array_equal(x.astype(t.dtype), t._data, equal_nan=True)
            ]
            if changed:
                result = Failure(f"your function changes its operand {changed[0]} in place; work on a copy")
        return Program(lambda: task.reference(*ours.values()), ours), result

    def value(case: Case, inputs: Sequence[Array]) -> Failure | None:
        given = dict(zip(task.names, inputs, strict=True))
        reference, student = programs(inputs)
        expected = np.asarray(reference.output._data, np.float64)
        case.note(expected)
        if isinstance(student, Failure):
            return _at(student, given)
        return explain("the value", np.asarray(student.output._data, np.float64), expected, task.close, given)

    yield Case("value", value)
    for name in task.floating(sample):
        yield Case(f"gradient for {name}", partial(_pulled, task, name, programs))
    yield Case("second derivatives", partial(_second, task, programs), optional=True)
    yield Case("float32", partial(_single, task, programs), optional=True)


_Programs: TypeAlias = Callable[..., "tuple[Program, Program | Failure]"]


def _pulled(task: Task, name: str, programs: _Programs, case: Case, inputs: Sequence[Array]) -> Failure | None:
    given = dict(zip(task.names, inputs, strict=True))
    reference, student = programs(inputs)
    g = upstream(reference.output.shape)
    case.note(as_gradient(reference.pull(g).get(name), reference.leaves[name]))
    if isinstance(student, Failure):
        return _at(student, given)
    if student.output.shape != reference.output.shape:
        return _at(Failure(f"the value must have shape {reference.output.shape}, yours has {student.output.shape}"), given)
    found = call(lambda: student.pull(g), (), "your gradient rule")
    if isinstance(found, Failure):
        return _at(found, given)
    gradient = as_gradient(found.get(name), student.leaves[name])
    inputs_and_g = {**given, "g": g}
    return compare_gradient(task, name, gradient, reference, g, inputs_and_g, f"the gradient for {name}")


def _second(task: Task, programs: _Programs, case: Case, inputs: Sequence[Array]) -> Failure | None:
    """Compares the gradient of the gradients, weighted with fixed numbers."""
    given = dict(zip(task.names, inputs, strict=True))
    reference, student = programs(inputs)
    g = upstream(reference.output.shape)
    expected = _gradient_of_gradients(reference, g)
    for numbers in expected.values():
        case.note(numbers)
    if isinstance(student, Failure):
        return _at(student, given)
    found = call(lambda: _gradient_of_gradients(student, g), (), "the second backward pass through your gradient rule")
    if isinstance(found, Failure):
        return _at(found, given)
    for name, numbers in expected.items():
        label = f"the second derivative for {name}"
        if (failure := explain(label, found[name], numbers, task.close, {**given, "g": g})) is not None:
            return failure
    return None


def _gradient_of_gradients(program: Program, g: Array) -> dict[str, Array]:
    with enable_grad():
        first = [
            (x, program.leaves[n]) for n, x in program.pull(g, create_graph=True).items() if x is not None and x._requires_grad
        ]
        wanted = {name: x for name, x in program.leaves.items() if x._requires_grad}
        if not first:
            return {name: np.zeros(x.shape) for name, x in wanted.items()}
        found = gradients(
            [y for y, _ in first], list(wanted.values()), [upstream(y.shape) for y, _ in first], allow_unused=True
        )
    return {name: as_gradient(h, x) for (name, x), h in zip(wanted.items(), found, strict=True)}


def _single(task: Task, programs: _Programs, case: Case, inputs: Sequence[Array]) -> Failure | None:
    """Demands that float32 operands give float32 results and gradients."""
    given = dict(zip(task.names, inputs, strict=True))
    _, student = programs(inputs, np.float32)
    if isinstance(student, Failure):
        return _at(student, given)
    case.note(np.asarray(student.output._data, np.float64))
    if student.output.dtype != np.float32:
        return _at(Failure(f"for float32 operands the value must be float32, yours is {student.output.dtype}"), given)
    found = call(lambda: student.pull(upstream(student.output.shape)), (), "your gradient rule")
    if isinstance(found, Failure):
        return _at(found, given)
    for name, gradient in found.items():
        if gradient is not None and gradient.dtype != np.float32:
            return _at(
                Failure(f"for float32 operands the gradient for {name} must be float32, yours is {gradient.dtype}"), given
            )
    return None


def layer_cases(task: Task, sample: Sequence[Array]) -> Iterator[Case]:
    """A student's layer: its output, and its gradients for the inputs and for each parameter, from the same parameters."""
    reference: Any = task.reference() if inspect.isclass(task.reference) else task.reference
    expected_shapes = {name: p.shape for name, p in reference.named_parameters()}

    def programs(inputs: Sequence[Array]) -> tuple[Program, Program | Failure]:
        values = {name: upstream(shape) * 0.5 for name, shape in expected_shapes.items()}
        ours = _layer_program(reference, task.names, inputs, values)
        is_module = hasattr(task.student, "named_parameters") and not inspect.isclass(task.student)
        built = task.student if is_module else call(task.student, (), "creating your layer")
        if isinstance(built, Failure):
            return ours, built
        if not hasattr(built, "named_parameters"):
            return ours, Failure(f"your layer must be a subclass of nn.Module, got {type(built).__name__}")
        shapes = {name: p.shape for name, p in built.named_parameters()}
        if shapes != expected_shapes:
            return ours, Failure(f"your layer must have the parameters {_listed(expected_shapes)}, it has {_listed(shapes)}")
        return ours, call(lambda: _layer_program(built, task.names, inputs, values), (), "your layer")

    def output(case: Case, inputs: Sequence[Array]) -> Failure | None:
        given = dict(zip(task.names, inputs, strict=True))
        ours, theirs = programs(inputs)
        expected = np.asarray(ours.output._data, np.float64)
        case.note(expected)
        if isinstance(theirs, Failure):
            return _at(theirs, given)
        return explain(
            "the output", np.asarray(theirs.output._data, np.float64), expected, task.close, _with_parameters(given, ours)
        )

    yield Case("output", output)
    for name in (*task.floating(sample), *expected_shapes):

        def check(case: Case, inputs: Sequence[Array], name: str = name) -> Failure | None:
            ours, theirs = programs(inputs)
            given = _with_parameters(dict(zip(task.names, inputs, strict=True)), ours)
            g = upstream(ours.output.shape)
            case.note(as_gradient(ours.pull(g).get(name), ours.leaves[name]))
            if isinstance(theirs, Failure):
                return _at(theirs, given)
            if theirs.output.shape != ours.output.shape:
                return _at(Failure(f"the output must have shape {ours.output.shape}, yours has {theirs.output.shape}"), given)
            found = call(lambda: theirs.pull(g), (), "the backward pass of your layer")
            if isinstance(found, Failure):
                return _at(found, given)
            gradient = as_gradient(found.get(name), theirs.leaves[name])
            return compare_gradient(task, name, gradient, ours, g, {**given, "g": g}, f"the gradient for {name}")

        yield Case(f"gradient for {name}", check)


def _listed(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "none"


def _with_parameters(given: Mapping[str, Array], program: Program) -> dict[str, Array]:
    return {**given, **{name: x._data for name, x in program.leaves.items() if name not in given}}


def _layer_program(layer: Any, names: Sequence[str], inputs: Sequence[Array], values: Mapping[str, Array]) -> Program:
    """Records a layer with these values of its parameters, in float64."""
    leaves = tensors_of(names, inputs)
    for name, p in layer.named_parameters():
        p._data = np.array(values[name])
        leaves[name] = p
    return Program(lambda: layer(*[leaves[name] for name in names]), leaves)


def _at(failure: Failure, inputs: Mapping[str, Array]) -> Failure:
    """Returns the failure with its input."""
    return Failure(
        failure.message,
        failure.entry,
        failure.expected,
        failure.found,
        failure.hint,
        {k: to_text(v) for k, v in inputs.items()},
    )


CASES: Final[dict[str, Callable[[Task, Sequence[Array]], Iterator[Case]]]] = {
    "gradient": gradient_cases,
    "layer": layer_cases,
    "primitive": primitive_cases,
}
