"""A primitive is data: one record holds all that is known about one operation. Nothing here computes or depends on tensors.

A gradient rule is written once and works on arrays and on tensors. `vjp` holds one rule per input,

    rule(xp, g, out, *inputs, **params) -> gradient of the loss with respect to that input, given g, the gradient of the output

`xp` is a namespace with every primitive by name. With `xp = arrays` the operands are NumPy arrays and the functions are
kernels: the fast path for first-order gradients. With `xp = recorded` (`apply.py`) the operands are Tensors and every call is
recorded, so the gradient can be differentiated again. A rule calls named functions of `xp` and uses operators only for
elementwise arithmetic; it need not undo broadcasting, and it never writes into its operands. A primitive with many inputs of
one role (`concatenate`) has a single joint rule, `rule(xp, needs, g, out, *inputs, **params) -> gradients`, where `needs[i]`
tells whether gradient i is needed.

A primitive with several outputs returns a tuple. Its call is one hidden node, and each output is an `item` of it; its rules get
tuples for `g` (None for an output without a gradient) and `out`. Integer and bool outputs never carry a gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from types import SimpleNamespace
from typing import Any, Final, Literal, TypeAlias

from .tools.plain_text import for_stdout

Rule: TypeAlias = Callable[..., Any]

arrays: Final = SimpleNamespace()
"""Every kernel by the name of its primitive: the `xp` of first-order gradients."""

registry: Final[dict[str, Primitive]] = {}
"""Every primitive by name."""


@dataclass(slots=True, eq=False, repr=False)
class Primitive:
    """One operation as a record; creating it registers it. Raises ValueError if the name is registered already."""

    name: str
    """Unique; pictures and messages show it."""
    kernel: Callable[..., Any]
    """`kernel(*arrays, **params) -> array`, or a tuple of arrays if `outputs` > 1. It never writes into its operands."""
    vjp: Any = ()
    """A tuple with one rule per input (None: no gradient), one joint rule, or () for an operation without a gradient."""

    _: KW_ONLY

    # -- for readers: the reference page, messages and pictures
    formula: str = ""
    """What it computes, in the field's notation."""
    derivative: Sequence[str] = ()
    """The local derivative with respect to each input, as text. δ is the gradient of the output."""
    letters: Sequence[str] = ()
    """The letters of the operands in `formula` and `derivative`, if the formula does not name them in their order."""
    kink: str = ""
    """The convention where the derivative does not exist."""
    explain: Callable[..., str] | None = None
    """`explain(*arrays, **params)`: why these operands do not fit together; called only after a kernel raised."""
    symbol: str = ""
    """A sign that pictures show instead of the name, such as "+"."""
    ordered: bool = False
    """Pictures draw its two operands in order, since exchanging them changes the result."""
    role: Literal["", "affine", "product", "sum"] = ""
    """In a lecture's notation, "affine" makes a layer's pre-activation u from a signal and its weight; "product" does so in
    graphs without an affine operation; "sum" adds the bias."""
    products: Sequence[tuple[str, int | None]] = ()
    """For each input whose gradient is a product: how the shapes combine, and which operand is the other factor."""

    # -- for the engine
    outputs: int = 1
    """The number of arrays that the kernel returns."""
    selects_output: bool = False
    """The result is one of the arrays of a call with several outputs."""
    elementwise: bool = False
    """Each output element depends only on the input elements at its own place."""
    view: bool = False
    """The result may share memory with the first input."""
    relayout: bool = False
    """The result has the operand's elements in another shape, layout or dtype, and nothing else."""
    effect: bool = False
    """It writes or draws random numbers: never merged, dropped or moved."""
    accumulate: str = ""
    """For an operation that reads a part of its first input: the primitive `f(total, g, *other inputs, **params)` that adds the
    gradient of that input to `total`, and so writes only this part."""
    in_place: bool = False
    """The kernel may write its result over its first operand, whose layout the result has: `out` may be that operand."""
    uniform: bool | slice = True
    """Which operands are promoted to one dtype: all, none (some are indices), or a slice of them."""
    constant: bool = False
    """Piecewise constant: its derivative is zero wherever it exists, and differentiating through it is not an error."""
    fast_arity: int = 0
    """1 or 2 if it has that many operands, a rule for each, and never a parameter: backward has a shorter path for these."""

    # -- for the compiler and the reports
    flops: Callable[[Sequence[Any], Sequence[Any], dict[str, Any]], int] | int | None = None
    """Floating-point operations of a call, given its inputs, outputs and parameters; see `count_flops` for the default."""
    batch: Callable[..., Any] | None = None
    """How one call computes all examples of a batch, for `vmap`: a rule of `batching/rules.py`. By default the operands of an
    elementwise operation broadcast, and another operation is called once per example."""
    nanoseconds: float = 0.15
    """What an output element costs on one thread, about; products of matrices are estimated from their FLOPs."""
    rowwise: bool | tuple[bool, ...] = False
    """Row i of the results needs only row i of the operands (True), or of those marked True and the others as a whole."""
    splits: Callable[..., bool] | None = None
    """`splits(*arrays)`: whether the kernel itself divides the rows of these operands among two threads."""
    specialize: Callable[..., Any] | None = None
    """`specialize(*arrays)`: a faster function for operands of these shapes, called as f(*arrays, out), or None."""
    scalar: str = ""
    """Its form in generated code on floats, where {0} is the first operand: a Python expression, with functions of `math`."""
    reduction: Literal["", "sum", "mean"] = ""
    """It adds the elements along its parameter `axis`, or takes their mean; a C loop can do that while it computes them."""
    value_dependent_shape: bool | Callable[..., bool] = False
    """The result's shape depends on values, so a replay cannot repeat it: always, or if this is true of the arrays."""

    joint: Rule | None = field(default=None, init=False)
    """The joint rule, if `vjp` was one; `vjp` is then ()."""

    def __post_init__(self) -> None:
        if self.name in registry:
            raise ValueError(f"a primitive named {self.name!r} is registered already")
        self.joint, self.vjp = (self.vjp, ()) if callable(self.vjp) else (None, tuple(self.vjp))
        self.derivative = tuple(self.derivative)
        registry[self.name] = self
        setattr(arrays, self.name, self.kernel)

    @property
    def differentiable(self) -> bool:
        return bool(self.vjp) or self.joint is not None

    def count_flops(self, inputs: Sequence[Any], outputs: Sequence[Any], params: dict[str, Any]) -> int:
        """Floating-point operations of one call; a multiplication and an addition count as two.

        By default a view has none, and any other operation one for each element of the largest array: the result of an
        elementwise operation, the operand of a reduction.
        """
        if callable(self.flops):
            return int(self.flops(inputs, outputs, params))
        if self.flops is not None:
            return self.flops
        return 0 if self.view else max((a.size for a in (*inputs, *outputs)), default=0)

    def has_fixed_shape(self, *arrays: Any) -> bool:
        """Whether the result's shape depends on the shapes of the operands alone."""
        depends = self.value_dependent_shape
        return not (depends(*arrays) if callable(depends) else depends)

    def __repr__(self) -> str:
        return for_stdout(f"<primitive {self.name}: {self.formula}>")

    def __reduce__(self) -> tuple[Any, ...]:
        return registry.__getitem__, (self.name,)
