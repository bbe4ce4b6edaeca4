"""Differentiates functions of nested lists, tuples and dicts of tensors: `grad(f)`, `vjp`, `jvp`, `jacobian` and others.

All of them use reverse mode, because each rule is written once. Forward mode is the transpose of a transpose: the pullback
g ↦ Jᵀ g is linear in g, so its own pullback is v ↦ J v, computed by the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from operator import index
from reprlib import repr as short
from typing import Any, TypeAlias, overload

import numpy as np

from .apply import as_tensor_beside, widest_float
from .backward import gradients, reachable
from .ops.shape import copy
from .state import enable_grad, mode, modes, tick
from .tensor import Tensor, leaf
from .tools.arguments import flag, flags
from .trees import Tree, check_primals, flatten_like, leaves, numbers_to_tensors, rebuild

__all__ = ["elementwise_grad", "grad", "hvp", "jvp", "value_and_grad", "vjp"]

Function: TypeAlias = Callable[..., Any]
Argnums: TypeAlias = "int | Sequence[int]"


# -- one pass, shared by all transforms --------------------------------------------------------------------------------------


def _variable(name: str, n: int, value: Any, dtype: np.dtype[Any]) -> Tensor | None:
    """Returns a variable of this transform: a new leaf, or a recorded copy if an outer transform differentiates `value` too.

    None, which often stands for a missing bias in a tree, stays None.
    """
    if value is None:
        return None
    try:
        x = as_tensor_beside(value, dtype)
    except (TypeError, ValueError):
        raise TypeError(
            f"{name}: cannot differentiate with respect to argument {n}: expected floating tensors, arrays or numbers, or "
            f"nested lists, tuples and dicts of them, got {short(value)} of type {type(value).__name__}; argnums selects other "
            "arguments"
        ) from None
    if x.dtype.kind != "f":
        raise TypeError(
            f"{name}: cannot differentiate with respect to a tensor of {x.dtype}: argument {n} has {short(value)}, but only "
            "floats have gradients; write 3.0 for 3, convert an array with .astype(float), or select others by argnums"
        )
    if x.requires_grad:
        return copy(x)
    variable = x.detach()
    variable.requires_grad = True
    return variable


class _Pass:
    """One forward pass of `function` on its own variables, which can be differentiated many times."""

    def __init__(
        self,
        name: str,
        function: Function,
        args: Sequence[Any],
        argnums: Argnums,
        kwargs: dict[str, Any],
        has_aux: bool = False,
    ):
        self.name = name
        has_aux = flag(name, "has_aux", has_aux)
        self.argnums = _positions(name, argnums, len(args))
        with enable_grad():
            self.start = tick()
            dtype = widest_float(leaves(list(args)))
            self.trees = [numbers_to_tensors(args[n], dtype) for n in self.argnums]
            self.variables = [
                [_variable(name, n, x, dtype) for x in leaves(tree)] for n, tree in zip(self.argnums, self.trees, strict=True)
            ]
            replaced = list(args)
            for n, tree, variables in zip(self.argnums, self.trees, self.variables, strict=True):
                replaced[n] = rebuild(tree, variables)
            self.inputs = [x for variables in self.variables for x in variables if x is not None]
            with mode("variables", (*modes().variables, *self.inputs)):
                result = function(*replaced, **kwargs)
        self.output: Tree
        self._aux: Tree
        self.output, self._aux = _split_aux(name, result) if has_aux else (result, None)
        self.outputs = [self._check_output(y) for y in leaves(self.output)]
        self.live = [y for y in self.outputs if y.requires_grad]
        # Gradients are recorded only if a tensor from outside this pass requires a gradient through it.
        self.nested = self._uses_older(self.live)

    def _uses_older(self, tensors: Sequence[Tensor]) -> bool:
        """Whether a tensor from outside this pass requires a gradient through `tensors`."""
        return any(t._seq < self.start for t in reachable(tensors).values())

    def _check_output(self, y: Any) -> Tensor:
        if not isinstance(y, Tensor):
            raise TypeError(
                f"{self.name}: the function must return tensors, got {short(y)} of type {type(y).__name__}"
                + (
                    "; is a `return` missing?"
                    if y is None
                    else "; has_aux=True is for a function that returns other things too"
                )
            )
        return y

    def pullback(self, upstream: Sequence[Any], create_graph: bool | None = None) -> list[Tensor]:
        """Computes the gradients with respect to all inputs for these upstream gradients; zeros for unused inputs."""
        record = self.needs_graph(upstream) if create_graph is None else create_graph
        pairs = [(y, g) for y, g in zip(self.outputs, upstream, strict=True) if y.requires_grad and g is not None]
        grads = gradients([y for y, _ in pairs], self.inputs, [g for _, g in pairs], create_graph=record, allow_unused=True)
        return [leaf(np.zeros_like(x._data)) if g is None else g for g, x in zip(grads, self.inputs, strict=True)]

    def needs_graph(self, directions: Sequence[Any]) -> bool:
        """Whether gradients that are computed from these upstream gradients or tangents may be differentiated again."""
        differentiable = any(isinstance(v, Tensor) and v.requires_grad for v in directions)
        return self.nested or (differentiable and modes().grad_enabled)

    def by_argument(self, results: Sequence[Any]) -> list[Tree]:
        """Returns a flat list with one result per input as one tree per argument."""
        remaining = iter(results)
        return [
            rebuild(tree, [None if x is None else next(remaining) for x in xs])
            for tree, xs in zip(self.trees, self.variables, strict=True)
        ]

    def value(self) -> Tree:
        """Returns the function's output, detached from this pass unless an outer transform differentiates it."""
        return self.output if self.nested else rebuild(self.output, [y.detach() for y in self.outputs])

    def aux(self) -> Any:
        """Returns what the function also returned, with its tensors detached as in `value`."""
        values = leaves(self._aux)
        inner = [isinstance(x, Tensor) and x.requires_grad and not self._uses_older([x]) for x in values]
        return rebuild(self._aux, [x.detach() if detach else x for x, detach in zip(values, inner, strict=True)])


def _split_aux(name: str, result: Any) -> tuple[Tree, Any]:
    if not (isinstance(result, (tuple, list)) and len(result) == 2):
        raise TypeError(
            f"{name}: with has_aux=True the function must return a pair (output, aux), got {short(result)} of type "
            f"{type(result).__name__}"
        )
    return result[0], result[1]


def _is_one(argnums: Argnums) -> bool:
    """Whether `argnums` names one argument by an int, so that the result is not a tuple."""
    return isinstance(argnums, (int, np.integer))


def _positions(name: str, argnums: Argnums, count: int) -> list[int]:
    """Returns the positions of the arguments to differentiate with respect to, in [0, count)."""
    try:
        numbers = [index(n) for n in ((argnums,) if _is_one(argnums) else argnums)]  # type: ignore[union-attr,arg-type]
    except TypeError:
        raise TypeError(f"{name}: argnums must be an int or a sequence of ints, got {argnums!r}") from None
    for n in numbers:
        if not -count <= n < count:
            raise ValueError(f"{name}: argnums {n} is out of range; the function was called with {count} arguments by position")
    positions = [n % count for n in numbers]
    if not positions or len(set(positions)) != len(positions):
        raise ValueError(f"{name}: argnums must name at least one argument, and each of them once, got {argnums!r}")
    return positions


def _check_function(name: str, f: Any) -> None:
    if not callable(f):
        raise TypeError(f"{name}: expected a function, got {short(f)} of type {type(f).__name__}")


def _check_scalar(name: str, outputs: Sequence[Tensor]) -> None:
    if len(outputs) != 1 or outputs[0].size != 1:
        shapes = ", ".join(str(y.shape) for y in outputs)
        raise ValueError(f"{name}: the function must return one scalar, got shape {shapes}; use ag.vjp or ag.jacobian")


# -- the transforms -----------------------------------------------------------------------------------------------------------


@overload
def grad(target: Function, /, *, argnums: Argnums = 0, has_aux: bool = False) -> Function: ...
@overload
def grad(
    target: Tensor | Sequence[Tensor],
    inputs: Tensor,
    gradients: Any = None,
    *,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> Any: ...
@overload
def grad(
    target: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor],
    gradients: Any = None,
    *,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> list[Any]: ...
def grad(
    target: Any,
    inputs: Any = None,
    gradients: Any = None,
    *,
    argnums: Argnums = 0,
    has_aux: bool = False,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> Any:
    """Returns gradients of tensors, or the gradient of a function.

    `grad(outputs, inputs)` returns the gradients of tensors with respect to tensors and does not change any `.grad`.
    `grad(f)` returns the function x ↦ ∂f/∂x for a scalar f. It can be applied again: `grad(grad(f))`.

    Parameters
    ----------
    target : a tensor, a sequence of tensors, or a function
    inputs : the tensor to differentiate with respect to; a sequence gives a list of gradients
    gradients : the gradient with respect to each output, needed if an output has more than one element
    argnums : for a function, which argument to differentiate with respect to; a sequence gives a tuple. An argument may be a
        nested list, tuple or dict of tensors, with None where something is missing; a list of numbers is one tensor
    has_aux : for a function that returns a pair (scalar, aux): the result is then (gradient, aux), and aux may be anything
    create_graph : record the pass, so that the result can be differentiated again
    allow_unused : return None for an input that no output depends on, instead of raising RuntimeError

    Examples
    --------
    >>> import autograd_mini as ag
    >>> x = ag.Tensor(3.0, requires_grad=True)
    >>> ag.grad(x ** 3, x)
    Tensor(27.0)
    >>> ag.grad(ag.grad(lambda x: x ** 3))(3.0)
    Tensor(18.0)
    >>> ag.grad(lambda x: ((x * x).sum(), "done"), has_aux=True)([1.0, 2.0])
    (Tensor([2., 4.]), 'done')
    """
    if not callable(target):
        if inputs is None:
            raise TypeError(f"grad: expected grad(function) or grad(outputs, inputs), got only a {type(target).__name__}")
        return _grad_of_tensors(target, inputs, gradients, create_graph=create_graph, allow_unused=allow_unused)
    if inputs is not None or gradients is not None:
        raise TypeError("grad: grad(f) takes no inputs; call the function that it returns with them: grad(f)(x)")

    @wraps(target)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        run, grads = _scalar_pass("grad", target, args, argnums, kwargs, has_aux)
        return (grads, run.aux()) if has_aux else grads

    return transformed


def _scalar_pass(
    name: str, f: Function, args: Sequence[Any], argnums: Argnums, kwargs: dict[str, Any], has_aux: bool
) -> tuple[_Pass, Tree]:
    """Runs a scalar function forward and backward; returns the pass and the gradient by argument."""
    run = _Pass(name, f, args, argnums, kwargs, has_aux)
    _check_scalar(name, run.outputs)
    return run, _one_or_all(argnums, run.by_argument(run.pullback([np.ones(run.outputs[0].shape)])))


def _one_or_all(argnums: Argnums, results: Sequence[Tree]) -> Tree:
    return results[0] if _is_one(argnums) else tuple(results)


def _grad_of_tensors(outputs: Any, inputs: Any, seeds: Any, **options: Any) -> Any:
    flags("grad", **options)
    one_output = isinstance(outputs, Tensor)
    for name, values in (("outputs", outputs), ("inputs", inputs)):
        if not hasattr(values, "__iter__"):
            raise TypeError(f"grad: {name} must be a tensor or a list of tensors, got {values!r}")
    grads = gradients(
        [outputs] if one_output else list(outputs),
        [inputs] if isinstance(inputs, Tensor) else list(inputs),
        None if seeds is None else [seeds] if one_output else list(seeds),
        **options,
    )
    return grads[0] if isinstance(inputs, Tensor) else grads


def value_and_grad(f: Function, *, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Returns the function x ↦ (f(x), ∂f/∂x), which needs one pass; `argnums` and `has_aux` as in `grad`.

    With `has_aux` it is x ↦ ((f(x), aux), ∂f/∂x).

    >>> import autograd_mini as ag
    >>> ag.value_and_grad(lambda w: (w["a"] * w["b"]).sum())({"a": ag.Tensor(2.0), "b": ag.Tensor(5.0)})
    (Tensor(10.0), {'a': Tensor(5.0), 'b': Tensor(2.0)})
    """
    _check_function("value_and_grad", f)

    @wraps(f)
    def transformed(*args: Any, **kwargs: Any) -> tuple[Tree, Tree]:
        run, grads = _scalar_pass("value_and_grad", f, args, argnums, kwargs, has_aux)
        return ((run.value(), run.aux()) if has_aux else run.value()), grads

    return transformed


def elementwise_grad(f: Function, *, argnums: Argnums = 0) -> Function:
    """Returns the derivative of an elementwise function f: result i is ∂f(x)ᵢ/∂xᵢ. It can be applied again.

    Raises ValueError if f is not elementwise; a second backward pass with other upstream gradients checks that.

    >>> import autograd_mini as ag
    >>> ag.elementwise_grad(ag.square)([1.0, 2.0, 3.0])
    Tensor([2., 4., 6.])
    """
    _check_function("elementwise_grad", f)

    @wraps(f)
    def transformed(*args: Any, **kwargs: Any) -> Tree:
        run = _Pass("elementwise_grad", f, args, argnums, kwargs)
        shapes = {y.shape for y in run.outputs} | {x.shape for x in run.inputs}
        if len(shapes) != 1:
            raise ValueError(
                "elementwise_grad: expected an elementwise function, whose output has the shape of its arguments, got shapes "
                f"{', '.join(map(str, sorted(shapes)))}; use ag.grad or ag.jacobian"
            )
        grads = run.pullback([np.ones(y.shape, y.dtype) for y in run.outputs])
        if modes().tracer is None:
            _check_elementwise(run, grads)
        return _one_or_all(argnums, run.by_argument(grads))

    return transformed


def _check_elementwise(run: _Pass, grads: Sequence[Tensor]) -> None:
    """Raises ValueError unless upstream gradients w give w times `grads`, as they do if the Jacobian is diagonal."""
    # Products with powers of two are exact, so rounding makes no difference.
    weights = 2.0 ** np.random.default_rng(0).integers(0, 4, run.inputs[0].shape)
    for g, weighted in zip(grads, run.pullback([weights] * len(run.outputs), create_graph=False), strict=True):
        if not np.allclose(weighted._data, g._data * weights, rtol=1e-3, atol=16 * np.finfo(g.dtype).tiny, equal_nan=True):
            raise ValueError(
                "elementwise_grad: the function is not elementwise: an element of its output depends on other elements of its "
                "argument; use ag.jacobian, or ag.grad of its sum"
            )


def vjp(f: Function, *primals: Any, has_aux: bool = False) -> Any:
    """Returns f(x) and its pullback g ↦ Jᵀ g: from a gradient with the output's structure to one gradient per argument.

    With `has_aux`, f returns a pair (output, aux), and `vjp` returns (output, pullback, aux).

    >>> import autograd_mini as ag
    >>> y, pull = ag.vjp(lambda x: x * x, [1.0, 2.0, 3.0])
    >>> pull([1.0, 0.0, 1.0])
    (Tensor([2., 0., 6.]),)
    """
    _check_function("vjp", f)
    run = _Pass("vjp", f, primals, range(len(primals)), {}, has_aux)

    def pullback(upstream: Tree) -> tuple[Tree, ...]:
        return tuple(run.by_argument(run.pullback(flatten_like("vjp", upstream, run.output, run.outputs))))

    return (run.value(), pullback, run.aux()) if has_aux else (run.value(), pullback)


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any], *, has_aux: bool = False) -> Any:
    """Returns f(x) and its directional derivative J v; the tangents v have the structure of the primals.

    With `has_aux`, f returns a pair (output, aux), and `jvp` returns (output, J v, aux).

    >>> import autograd_mini as ag
    >>> ag.jvp(lambda x: x * x, ([1.0, 2.0],), ([1.0, 10.0],))
    (Tensor([1., 4.]), Tensor([ 2., 40.]))
    """
    _check_function("jvp", f)
    check_primals("jvp", primals, tangents)
    run = _Pass("jvp", f, primals, range(len(primals)), {}, has_aux)
    v = [x for tree, t in zip(run.trees, tangents, strict=True) for x in flatten_like("jvp", t, tree, leaves(tree))]
    result = run.value(), rebuild(run.output, _pushforward(run, [v])[0])
    return (*result, run.aux()) if has_aux else result


def _pushforward(run: _Pass, directions: Sequence[Sequence[Any]]) -> list[list[Tensor]]:
    """Computes J v for several v: the pullback runs once on variables for the upstream gradients and is differentiated then."""
    recorded = [run.needs_graph(v) for v in directions]
    with enable_grad():
        dummies = [leaf(np.zeros_like(y._data)) for y in run.outputs]
        for dummy in dummies:
            dummy.requires_grad = dummy.dtype.kind == "f"
        products = run.pullback([d if d.requires_grad else None for d in dummies], create_graph=True)
        results = []
        for v, record in zip(directions, recorded, strict=True):
            pairs = [(p, t) for p, t in zip(products, v, strict=True) if p.requires_grad]
            wanted = [d for d in dummies if d.requires_grad]
            grads = iter(
                gradients([p for p, _ in pairs], wanted, [t for _, t in pairs], create_graph=record, allow_unused=True)
            )
            tangents = [next(grads) if d.requires_grad else None for d in dummies]
            results.append([leaf(np.zeros_like(d._data)) if t is None else t for t, d in zip(tangents, dummies, strict=True)])
    return results


def hvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any], *, has_aux: bool = False) -> Any:
    """Returns H v, the product of the Hessian of a scalar f and the tangents, without computing H.

    It is a tuple with one entry per primal; with `has_aux` the result is (H v, aux).

    >>> import autograd_mini as ag
    >>> ag.hvp(lambda x: (x ** 3).sum(), ([1.0, 2.0],), ([1.0, 1.0],))
    (Tensor([ 6., 12.]),)
    """
    _check_function("hvp", f)
    check_primals("hvp", primals, tangents)
    everything = tuple(range(len(primals)))
    _, products, *aux = jvp(grad(f, argnums=everything, has_aux=has_aux), primals, tangents, has_aux=has_aux)
    return (tuple(products), *aux) if has_aux else tuple(products)
