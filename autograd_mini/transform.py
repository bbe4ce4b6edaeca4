"""Differentiates functions of nested lists, tuples and dicts of tensors: `grad(f)`, `vjp`, `jvp`, `jacobian` and others.

All of them use reverse mode, because each rule is written once. Forward mode is the transpose of a transpose: the pullback
g ↦ Jᵀ g is linear in g, so its own pullback is v ↦ J v, computed by the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeAlias, overload

import numpy as np

from .apply import as_tensor_beside, widest_float
from .backward import gradients, reachable
from .ops.shape import copy, reshape, stack
from .state import enable_grad, mode, modes, tick
from .tensor import Tensor, leaf

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]

Tree: TypeAlias = Any
Function: TypeAlias = Callable[..., Any]


# -- trees -----------------------------------------------------------------------------------------------------------------


def leaves(tree: Tree) -> list[Any]:
    """Returns the leaves of nested lists, tuples and dicts, in order."""
    if isinstance(tree, dict):
        return [x for value in tree.values() for x in leaves(value)]
    if isinstance(tree, (list, tuple)):
        return [x for value in tree for x in leaves(value)]
    return [tree]


def rebuild(tree: Tree, values: Sequence[Any]) -> Tree:
    """Returns a tree of the same structure with other leaves."""
    remaining = iter(values)

    def build(node: Tree) -> Tree:
        if isinstance(node, dict):
            return {key: build(value) for key, value in node.items()}
        if isinstance(node, tuple) and hasattr(node, "_fields"):
            return type(node)(*[build(value) for value in node])
        if isinstance(node, (list, tuple)):
            return type(node)(build(value) for value in node)
        return next(remaining)

    return build(tree)


# -- one pass, shared by all transforms --------------------------------------------------------------------------------------


def _variable(name: str, value: Any, dtype: np.dtype[Any]) -> Tensor:
    """Returns a variable of this transform: a new leaf, or a recorded copy if an outer transform differentiates `value` too."""
    x = as_tensor_beside(value, dtype)
    if x.dtype.kind != "f":
        raise TypeError(f"{name}: cannot differentiate with respect to a tensor of {x.dtype}; use a floating dtype")
    if x.requires_grad:
        return copy(x)
    variable = x.detach()
    variable.requires_grad = True
    return variable


class _Pass:
    """One forward pass of `function` on its own variables, which can be differentiated many times."""

    def __init__(
        self, name: str, function: Function, args: Sequence[Any], argnums: Sequence[int] | None, kwargs: dict[str, Any]
    ):
        self.name = name
        self.argnums = list(range(len(args))) if argnums is None else [_position(name, n, len(args)) for n in argnums]
        with enable_grad():
            start = tick()
            self.trees = [args[n] for n in self.argnums]
            dtype = widest_float(leaves(list(args)))
            self.variables = [[_variable(name, x, dtype) for x in leaves(tree)] for tree in self.trees]
            replaced = list(args)
            for n, tree, variables in zip(self.argnums, self.trees, self.variables, strict=True):
                replaced[n] = rebuild(tree, variables)
            inputs = tuple(x for variables in self.variables for x in variables)
            with mode("variables", (*modes().variables, *inputs)):
                self.output = function(*replaced, **kwargs)
        self.inputs = [x for variables in self.variables for x in variables]
        self.outputs = [self._check_output(y) for y in leaves(self.output)]
        self.live = [y for y in self.outputs if y.requires_grad]
        # Gradients are recorded only if a tensor from outside this pass requires a gradient through it.
        self.nested = any(t._seq < start for t in reachable(self.live).values())

    def _check_output(self, y: Any) -> Tensor:
        if not isinstance(y, Tensor):
            raise TypeError(f"{self.name}: the function must return tensors, got {y!r} of type {type(y).__name__}")
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
        return [rebuild(tree, [next(remaining) for _ in xs]) for tree, xs in zip(self.trees, self.variables, strict=True)]

    def value(self) -> Tree:
        """Returns the function's output, detached from this pass unless an outer transform differentiates it."""
        return self.output if self.nested else rebuild(self.output, [y.detach() for y in self.outputs])


def _position(name: str, n: int, count: int) -> int:
    if not -count <= n < count:
        raise ValueError(f"{name}: argnums {n} is out of range; the function was called with {count} arguments")
    return n % count


def _argnums(argnums: int | Sequence[int]) -> list[int]:
    return [argnums] if isinstance(argnums, int) else list(argnums)


def _check_scalar(name: str, outputs: Sequence[Tensor]) -> None:
    if len(outputs) != 1 or outputs[0].size != 1:
        shapes = ", ".join(str(y.shape) for y in outputs)
        raise ValueError(f"{name}: the function must return one scalar, got shape {shapes}; use ag.vjp or ag.jacobian")


# -- the transforms -----------------------------------------------------------------------------------------------------------


@overload
def grad(target: Function, /, *, argnums: int | Sequence[int] = 0) -> Function: ...
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
    argnums: int | Sequence[int] = 0,
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
        nested list, tuple or dict of tensors
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
    """
    if not callable(target):
        if inputs is None:
            raise TypeError(f"grad: expected grad(function) or grad(outputs, inputs), got only a {type(target).__name__}")
        return _grad_of_tensors(target, inputs, gradients, create_graph=create_graph, allow_unused=allow_unused)
    if inputs is not None or gradients is not None:
        raise TypeError("grad: grad(f) takes no inputs; call the function that it returns with them: grad(f)(x)")
    with_value = value_and_grad(target, argnums=argnums)
    return wraps(target)(lambda *args, **kwargs: with_value(*args, **kwargs)[1])


def _grad_of_tensors(outputs: Any, inputs: Any, seeds: Any, **options: Any) -> Any:
    one_output = isinstance(outputs, Tensor)
    grads = gradients(
        [outputs] if one_output else list(outputs),
        [inputs] if isinstance(inputs, Tensor) else list(inputs),
        None if seeds is None else [seeds] if one_output else list(seeds),
        **options,
    )
    return grads[0] if isinstance(inputs, Tensor) else grads


def value_and_grad(f: Function, *, argnums: int | Sequence[int] = 0) -> Function:
    """Returns the function x ↦ (f(x), ∂f/∂x), which needs one pass; `argnums` as in `grad`.

    >>> import autograd_mini as ag
    >>> ag.value_and_grad(lambda w: (w["a"] * w["b"]).sum())({"a": ag.Tensor(2.0), "b": ag.Tensor(5.0)})
    (Tensor(10.0), {'a': Tensor(5.0), 'b': Tensor(2.0)})
    """

    @wraps(f)
    def transformed(*args: Any, **kwargs: Any) -> tuple[Tree, Tree]:
        run = _Pass("grad", f, args, _argnums(argnums), kwargs)
        _check_scalar("grad", run.outputs)
        grads = run.by_argument(run.pullback([np.ones(run.outputs[0].shape)]))
        return run.value(), grads[0] if isinstance(argnums, int) else tuple(grads)

    return transformed


def vjp(f: Function, *primals: Any) -> tuple[Tree, Function]:
    """Returns f(x) and its pullback g ↦ Jᵀ g: from a gradient with the output's structure to one gradient per argument.

    >>> import autograd_mini as ag
    >>> y, pull = ag.vjp(lambda x: x * x, [1.0, 2.0, 3.0])
    >>> pull([1.0, 0.0, 1.0])
    (Tensor([2., 0., 6.]),)
    """
    # A list of numbers is one tensor, not a tree of tensors.
    run = _Pass("vjp", f, _as_tensors(primals), None, {})

    def pullback(upstream: Tree) -> tuple[Tree, ...]:
        return tuple(run.by_argument(run.pullback(_flatten_like("vjp", upstream, run.output, run.outputs))))

    return run.value(), pullback


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Tree, Tree]:
    """Returns f(x) and its directional derivative J v; the tangents v have the structure of the primals.

    >>> import autograd_mini as ag
    >>> ag.jvp(lambda x: x * x, ([1.0, 2.0],), ([1.0, 10.0],))
    (Tensor([1., 4.]), Tensor([ 2., 40.]))
    """
    if len(primals) != len(tangents):
        raise ValueError(f"jvp: expected one tangent for each of {len(primals)} primals, got {len(tangents)} tangents")
    run = _Pass("jvp", f, _as_tensors(primals), None, {})
    v = [x for tree, t in zip(run.trees, tangents, strict=True) for x in _flatten_like("jvp", t, tree, leaves(tree))]
    return run.value(), rebuild(run.output, _pushforward(run, [v])[0])


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


def jacobian(f: Function, *, argnums: int = 0, mode: str | None = None) -> Function:
    """Returns the function x ↦ J with shape (*output, *input); for trees, a tree like the output of trees like the input.

    `mode` is "reverse" (a pass per output element), "forward" (a pass per input element), or None for fewer passes.

    >>> import autograd_mini as ag
    >>> ag.jacobian(lambda x: x * x)(ag.Tensor([1.0, 2.0]))
    Tensor([[2., 0.],
            [0., 4.]], shape=(2, 2))
    """
    if mode not in (None, "reverse", "forward"):
        raise ValueError(f"jacobian: mode must be 'reverse', 'forward' or None, got {mode!r}")

    @wraps(f)
    def transformed(*args: Any, **kwargs: Any) -> Tree:
        run = _Pass("jacobian", f, args, [argnums], kwargs)
        n_inputs, n_outputs = (sum(t.size for t in tensors) for tensors in (run.inputs, run.outputs))
        forward = mode == "forward" or (mode is None and n_inputs < n_outputs)
        blocks = (_jacobian_by_columns if forward else _jacobian_by_rows)(run)
        return rebuild(run.output, [run.by_argument(row)[0] for row in blocks])

    return transformed


def _units(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Returns all unit vectors: each is one in one element of one tensor and zero elsewhere."""
    directions = []
    for k, t in enumerate(tensors):
        for i in range(t.size):
            unit = [np.zeros(s.shape, s.dtype) for s in tensors]
            unit[k].reshape(-1)[i] = 1
            directions.append([leaf(u) for u in unit])
    return directions


def _jacobian_by_rows(run: _Pass) -> list[list[Tensor]]:
    """Computes the Jacobian's blocks [output][input], one row per output element."""
    rows = iter([run.pullback(unit) for unit in _units(run.outputs)])
    blocks = []
    for y in run.outputs:
        own_rows = [next(rows) for _ in range(y.size)]
        blocks.append([
            reshape(stack([row[j] for row in own_rows]), y.shape + x.shape)
            if own_rows else leaf(np.zeros(y.shape + x.shape, x.dtype))
            for j, x in enumerate(run.inputs)
        ])  # fmt: skip
    return blocks


def _jacobian_by_columns(run: _Pass) -> list[list[Tensor]]:
    """Computes the same blocks, one column per input element."""
    columns = iter(_pushforward(run, _units(run.inputs)))
    own_columns = [[next(columns) for _ in range(x.size)] for x in run.inputs]
    return [
        [
            reshape(stack([column[i] for column in own_columns[j]], axis=-1), y.shape + x.shape)
            if own_columns[j]
            else leaf(np.zeros(y.shape + x.shape, y.dtype))
            for j, x in enumerate(run.inputs)
        ]
        for i, y in enumerate(run.outputs)
    ]


def hessian(f: Function, *, argnums: int = 0) -> Function:
    """Returns the function x ↦ H, the Hessian of a scalar f, with shape (*input, *input).

    >>> import autograd_mini as ag
    >>> ag.hessian(lambda x: (x ** 3).sum())(ag.Tensor([1.0, 2.0]))
    Tensor([[ 6.,  0.],
            [ 0., 12.]], shape=(2, 2))
    """
    return jacobian(grad(f, argnums=argnums), argnums=argnums)


def hvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Tree, ...]:
    """Returns H v, the product of the Hessian of a scalar f and the tangents, without computing H.

    >>> import autograd_mini as ag
    >>> ag.hvp(lambda x: (x ** 3).sum(), ([1.0, 2.0],), ([1.0, 1.0],))
    (Tensor([ 6., 12.]),)
    """
    everything = tuple(range(len(primals)))
    return tuple(jvp(grad(f, argnums=everything), primals, tangents)[1])


def _as_tensors(trees: Sequence[Tree]) -> list[Tree]:
    """Converts lists of numbers to tensors, as NumPy does; leaves trees of tensors unchanged."""
    dtype = widest_float(leaves(list(trees)))
    return [as_tensor_beside(tree, dtype) if _is_list_of_numbers(tree) else tree for tree in trees]


def _is_list_of_numbers(tree: Tree) -> bool:
    return (
        isinstance(tree, (list, tuple))
        and bool(tree)
        and not any(isinstance(x, (Tensor, np.ndarray, dict)) for x in leaves(tree))
    )


def _flatten_like(name: str, values: Tree, tree: Tree, likes: Sequence[Any]) -> list[Any]:
    """Returns a tree as a flat list and checks its structure and shapes.

    Parameters
    ----------
    name : the transform, for error messages
    values : the tree to flatten
    tree : a tree of the expected structure
    likes : its leaves, which have the expected shapes
    """
    flat = _leaves_like(tree, values)
    if len(flat) != len(likes):
        raise ValueError(f"{name}: expected {len(likes)} tensors in the structure of {type(tree).__name__}, got {len(flat)}")
    for value, like in zip(flat, likes, strict=True):
        if np.shape(value) != np.shape(like):
            raise ValueError(f"{name}: expected shape {np.shape(like)}, got {np.shape(value)}")
    return flat


def _leaves_like(tree: Tree, values: Tree) -> list[Any]:
    """Returns the values at the positions of the leaves of `tree`; a list of numbers at such a position is one value.

    It stays a list: the pass converts it to the dtype of the tensor to which it belongs.
    """
    if isinstance(tree, dict) and isinstance(values, dict) and tree.keys() == values.keys():
        return [x for key, value in tree.items() for x in _leaves_like(value, values[key])]
    if isinstance(tree, (list, tuple)) and isinstance(values, (list, tuple)) and len(tree) == len(values):
        return [x for part, value in zip(tree, values, strict=True) for x in _leaves_like(part, value)]
    one = _is_list_of_numbers(values) and not isinstance(tree, (dict, list, tuple))
    return [values] if one else leaves(values)
