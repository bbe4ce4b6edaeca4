"""Differentiation of functions: `grad(f)`, `vjp`, `jvp`, `jacobian` and friends, over nested lists, tuples and dicts of
tensors.

All of them are reverse mode underneath, because a rule is written once. Forward mode is the transpose of a transpose: the
pullback g ↦ Jᵀ g is linear in g, so its own pullback is v ↦ J v, exact to the last bit of the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeAlias, overload

import numpy as np

from .backward import gradients, reachable
from .ops.shape import copy, reshape, stack
from .state import enable_grad, modes, tick
from .tensor import Tensor, as_tensor, leaf

Tree: TypeAlias = Any
Function: TypeAlias = Callable[..., Any]


# -- trees -----------------------------------------------------------------------------------------------------------------


def leaves(tree: Tree) -> list[Any]:
    """What hangs in nested lists, tuples and dicts, in order."""
    if isinstance(tree, dict):
        return [x for value in tree.values() for x in leaves(value)]
    if isinstance(tree, (list, tuple)):
        return [x for value in tree for x in leaves(value)]
    return [tree]


def rebuild(tree: Tree, values: Sequence[Any]) -> Tree:
    """A tree of the same form with other leaves."""
    supply = iter(values)

    def build(node: Tree) -> Tree:
        if isinstance(node, dict):
            return {key: build(value) for key, value in node.items()}
        if isinstance(node, tuple) and hasattr(node, "_fields"):
            return type(node)(*[build(value) for value in node])
        if isinstance(node, (list, tuple)):
            return type(node)(build(value) for value in node)
        return next(supply)

    return build(tree)


# -- one pass, shared by all transforms --------------------------------------------------------------------------------------


def _variable(name: str, value: Any) -> Tensor:
    """A tensor of this transform's own: a fresh leaf, or a recorded copy, which stays connected to an outer transform."""
    x = as_tensor(value)
    if x.dtype.kind != "f":
        raise TypeError(f"{name}: cannot differentiate by a tensor of {x.dtype}; give floats")
    if x.requires_grad:
        return copy(x)
    variable = x.detach()
    variable.requires_grad = True
    return variable


class _Pass:
    """One forward pass of `function` on variables of its own, ready to be differentiated as often as needed."""

    def __init__(
        self, name: str, function: Function, args: Sequence[Any], argnums: Sequence[int] | None, kwargs: dict[str, Any]
    ):
        self.name = name
        self.argnums = list(range(len(args))) if argnums is None else [_position(name, n, len(args)) for n in argnums]
        with enable_grad():
            start = tick()
            self.trees = [args[n] for n in self.argnums]
            self.variables = [[_variable(name, x) for x in leaves(tree)] for tree in self.trees]
            replaced = list(args)
            for n, tree, variables in zip(self.argnums, self.trees, self.variables, strict=True):
                replaced[n] = rebuild(tree, variables)
            self.output = function(*replaced, **kwargs)
        self.inputs = [x for variables in self.variables for x in variables]
        self.outputs = [self._checked(y) for y in leaves(self.output)]
        self.live = [y for y in self.outputs if y.requires_grad]
        # Only where something outside wants gradients through this pass must its own gradients be recorded.
        self.nested = any(t._seq < start for t in reachable(self.live).values())

    def _checked(self, y: Any) -> Tensor:
        if not isinstance(y, Tensor):
            raise TypeError(f"{self.name}: the function must return tensors, got {type(y).__name__}")
        return y

    def pull(self, upstream: Sequence[Any], create_graph: bool | None = None) -> list[Tensor]:
        """The gradients by all inputs for these upstream gradients; zeros where nothing depends on an input."""
        record = self._recorded(upstream) if create_graph is None else create_graph
        pairs = [(y, g) for y, g in zip(self.outputs, upstream, strict=True) if y.requires_grad and g is not None]
        found = gradients([y for y, _ in pairs], self.inputs, [g for _, g in pairs], create_graph=record, allow_unused=True)
        return [leaf(np.zeros_like(x._data)) if g is None else g for g, x in zip(found, self.inputs, strict=True)]

    def _recorded(self, directions: Sequence[Any]) -> bool:
        """Whether somebody outside may want gradients of what becomes of these upstream gradients or tangents."""
        wanted = any(isinstance(v, Tensor) and v.requires_grad for v in directions)
        return self.nested or (wanted and modes.grad_enabled)

    def form(self, found: Sequence[Any]) -> list[Tree]:
        """Results by input, put back into the form of each argument."""
        supply = iter(found)
        return [rebuild(tree, [next(supply) for _ in xs]) for tree, xs in zip(self.trees, self.variables, strict=True)]

    def value(self) -> Tree:
        """The function's output, cut off from this pass's own variables unless an outer transform is looking."""
        return self.output if self.nested else rebuild(self.output, [y.detach() for y in self.outputs])


def _position(name: str, n: int, count: int) -> int:
    if not -count <= n < count:
        raise ValueError(f"{name}: argument {n} does not exist, the function was given {count}")
    return n % count


def _argnums(argnums: int | Sequence[int]) -> list[int]:
    return [argnums] if isinstance(argnums, int) else list(argnums)


def _one_scalar(name: str, outputs: Sequence[Tensor]) -> None:
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
    """Gradients, of tensors or of a function.

    `grad(outputs, inputs)` returns the gradients of tensors by tensors and leaves every `.grad` alone; a sequence of inputs
    gives a list. `gradients` are upstream gradients, needed where an output has more than one element. An input that no
    output depends on raises RuntimeError, or gives None with `allow_unused`. `create_graph` makes the result differentiable.

    `grad(f)` returns the function x ↦ ∂f/∂x for a scalar f; `argnums` chooses the arguments (a sequence gives a tuple), each
    of which may be a nested list, tuple or dict of tensors. It can be applied again: `grad(grad(f))`.

    >>> import autograd_mini as ag
    >>> x = ag.Tensor(3.0, requires_grad=True)
    >>> ag.grad(x ** 3, x)
    Tensor(27.0)
    >>> ag.grad(ag.grad(lambda x: x ** 3))(3.0)
    Tensor(18.0)
    """
    if not callable(target):
        if inputs is None:
            raise TypeError("grad: grad(outputs, inputs) needs the inputs; grad(f) needs a function")
        return _grad_of_tensors(target, inputs, gradients, create_graph=create_graph, allow_unused=allow_unused)
    if inputs is not None or gradients is not None:
        raise TypeError("grad: grad(f) takes no inputs here; call the function it returns with them")
    with_value = value_and_grad(target, argnums=argnums)
    return wraps(target)(lambda *args, **kwargs: with_value(*args, **kwargs)[1])


def _grad_of_tensors(outputs: Any, inputs: Any, seeds: Any, **options: Any) -> Any:
    one_output = isinstance(outputs, Tensor)
    found = gradients(
        [outputs] if one_output else list(outputs),
        [inputs] if isinstance(inputs, Tensor) else list(inputs),
        None if seeds is None else [seeds] if one_output else list(seeds),
        **options,
    )
    return found[0] if isinstance(inputs, Tensor) else found


def value_and_grad(f: Function, *, argnums: int | Sequence[int] = 0) -> Function:
    """The function x ↦ (f(x), ∂f/∂x), from one pass; `argnums` as in `grad`.

    >>> import autograd_mini as ag
    >>> ag.value_and_grad(lambda w: (w["a"] * w["b"]).sum())({"a": ag.Tensor(2.0), "b": ag.Tensor(5.0)})
    (Tensor(10.0), {'a': Tensor(5.0), 'b': Tensor(2.0)})
    """

    @wraps(f)
    def transformed(*args: Any, **kwargs: Any) -> tuple[Tree, Tree]:
        run = _Pass("grad", f, args, _argnums(argnums), kwargs)
        _one_scalar("grad", run.outputs)
        found = run.form(run.pull([np.ones(run.outputs[0].shape)]))
        return run.value(), found[0] if isinstance(argnums, int) else tuple(found)

    return transformed


def vjp(f: Function, *primals: Any) -> tuple[Tree, Function]:
    """f(x) and its pullback g ↦ Jᵀ g, which takes an upstream gradient in the form of the output and returns one per argument.

    >>> import autograd_mini as ag
    >>> y, pull = ag.vjp(lambda x: x * x, [1.0, 2.0, 3.0])
    >>> pull([1.0, 0.0, 1.0])
    (Tensor([2., 0., 6.]),)
    """
    # A bare list of numbers is a tensor, not a tree of them.
    run = _Pass("vjp", f, [_tensors(p) for p in primals], None, {})

    def pullback(upstream: Tree) -> tuple[Tree, ...]:
        return tuple(run.form(run.pull(_matching("vjp", upstream, run.output, run.outputs))))

    return run.value(), pullback


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Tree, Tree]:
    """f(x) and its derivative J v along the tangents v, which have the forms of the primals.

    >>> import autograd_mini as ag
    >>> ag.jvp(lambda x: x * x, ([1.0, 2.0],), ([1.0, 10.0],))
    (Tensor([1., 4.]), Tensor([ 2., 40.]))
    """
    if len(primals) != len(tangents):
        raise ValueError(f"jvp: {len(primals)} primals need as many tangents, got {len(tangents)}")
    run = _Pass("jvp", f, [_tensors(p) for p in primals], None, {})
    v = [t for tree, tangent in zip(run.trees, tangents, strict=True) for t in _matching("jvp", tangent, tree, leaves(tree))]
    return run.value(), rebuild(run.output, _push(run, [v])[0])


def _push(run: _Pass, directions: Sequence[Sequence[Any]]) -> list[list[Tensor]]:
    """J v for several v: the pullback is run once on upstream variables, then pulled back itself."""
    recorded = [run._recorded(v) for v in directions]
    with enable_grad():
        dummies = [leaf(np.zeros_like(y._data)) for y in run.outputs]
        for dummy in dummies:
            dummy.requires_grad = dummy.dtype.kind == "f"
        pulled = run.pull([d if d.requires_grad else None for d in dummies], create_graph=True)
        results = []
        for v, record in zip(directions, recorded, strict=True):
            pairs = [(p, t) for p, t in zip(pulled, v, strict=True) if p.requires_grad]
            wanted = [d for d in dummies if d.requires_grad]
            found = iter(
                gradients([p for p, _ in pairs], wanted, [t for _, t in pairs], create_graph=record, allow_unused=True)
            )
            moved = [next(found) if d.requires_grad else None for d in dummies]
            results.append([leaf(np.zeros_like(d._data)) if m is None else m for m, d in zip(moved, dummies, strict=True)])
    return results


def jacobian(f: Function, *, argnums: int = 0, mode: str | None = None) -> Function:
    """The function x ↦ J with shape (*output, *input); a tree in or out gives a tree of trees (output outside).

    `mode` is "reverse" (a pass per output element), "forward" (a pass per input element), or None for whichever needs fewer.

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
        many_in, many_out = (sum(t.size for t in tensors) for tensors in (run.inputs, run.outputs))
        forward = mode == "forward" or (mode is None and many_in < many_out)
        blocks = (_by_columns if forward else _by_rows)(run)
        return rebuild(run.output, [run.form(row)[0] for row in blocks])

    return transformed


def _units(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Every direction that moves one element of one tensor."""
    directions = []
    for k, t in enumerate(tensors):
        for i in range(t.size):
            unit = [np.zeros(s.shape, s.dtype) for s in tensors]
            unit[k].reshape(-1)[i] = 1
            directions.append([leaf(u) for u in unit])
    return directions


def _by_rows(run: _Pass) -> list[list[Tensor]]:
    """The Jacobian's blocks [output][input], a row per output element."""
    rows = iter([run.pull(unit) for unit in _units(run.outputs)])
    blocks = []
    for y in run.outputs:
        taken = [next(rows) for _ in range(y.size)]
        blocks.append([
            reshape(stack([row[j] for row in taken]), y.shape + x.shape)
            if taken else leaf(np.zeros(y.shape + x.shape, x.dtype))
            for j, x in enumerate(run.inputs)
        ])  # fmt: skip
    return blocks


def _by_columns(run: _Pass) -> list[list[Tensor]]:
    """The same blocks, a column per input element."""
    columns = iter(_push(run, _units(run.inputs)))
    taken = [[next(columns) for _ in range(x.size)] for x in run.inputs]
    return [
        [
            reshape(stack([column[i] for column in taken[j]], axis=-1), y.shape + x.shape)
            if taken[j]
            else leaf(np.zeros(y.shape + x.shape, y.dtype))
            for j, x in enumerate(run.inputs)
        ]
        for i, y in enumerate(run.outputs)
    ]


def hessian(f: Function, *, argnums: int = 0) -> Function:
    """The function x ↦ H of second derivatives of a scalar f, with shape (*input, *input).

    >>> import autograd_mini as ag
    >>> ag.hessian(lambda x: (x ** 3).sum())(ag.Tensor([1.0, 2.0]))
    Tensor([[ 6.,  0.],
            [ 0., 12.]], shape=(2, 2))
    """
    return jacobian(grad(f, argnums=argnums), argnums=argnums)


def hvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Tree, ...]:
    """H v, the Hessian of a scalar f times the tangents, without ever building H.

    >>> import autograd_mini as ag
    >>> ag.hvp(lambda x: (x ** 3).sum(), ([1.0, 2.0],), ([1.0, 1.0],))
    (Tensor([ 6., 12.]),)
    """
    everything = tuple(range(len(primals)))
    return tuple(jvp(grad(f, argnums=everything), primals, tangents)[1])


def _tensors(tree: Tree) -> Tree:
    """A list of plain numbers as the tensor that a NumPy user means by it; trees of tensors as they are."""
    if isinstance(tree, (list, tuple)) and tree and not any(isinstance(x, (Tensor, np.ndarray, dict)) for x in leaves(tree)):
        return as_tensor(tree)
    return tree


def _matching(name: str, given: Tree, tree: Tree, likes: Sequence[Any]) -> list[Any]:
    """`given` as a flat list whose tensors have the shapes of `likes`, the leaves of `tree`."""
    values = _by_leaf(tree, given)
    if len(values) != len(likes):
        raise ValueError(f"{name}: expected {len(likes)} tensors in the form of {type(tree).__name__}, got {len(values)}")
    for value, like in zip(values, likes, strict=True):
        if np.shape(value) != np.shape(like):
            raise ValueError(f"{name}: expected shape {np.shape(like)}, got {np.shape(value)}")
    return values


def _by_leaf(tree: Tree, given: Tree) -> list[Any]:
    """What `given` has in the places of the leaves of `tree`; there a list of numbers is a tensor."""
    if isinstance(tree, dict) and isinstance(given, dict) and tree.keys() == given.keys():
        return [x for key, value in tree.items() for x in _by_leaf(value, given[key])]
    if isinstance(tree, (list, tuple)) and isinstance(given, (list, tuple)) and len(tree) == len(given):
        return [x for part, value in zip(tree, given, strict=True) for x in _by_leaf(part, value)]
    return leaves(given if isinstance(tree, (dict, list, tuple)) else _tensors(given))
