"""A primitive is data: one record holds all that is known about one operation. Nothing here computes, or knows tensors.

The gradient rule is written once and is duck-typed. `vjp` holds one rule per input,

    rule(xp, g, out, *inputs, **params) -> gradient of the loss by that input, given g = gradient by the output

where `xp` is a namespace with every primitive by name. With `xp = arrays` the operands are NumPy arrays and the functions are
bare kernels: the fast first-order path. With `xp = recorded` (`apply.py`) the operands are Tensors and every call is recorded,
so the gradient can be differentiated again. A rule calls named functions of `xp` and uses operators only for plain
elementwise arithmetic; it need not undo broadcasting and never writes into what it was given. A primitive with many inputs
of one role (`concatenate`) has a single joint rule, `rule(xp, needs, g, out, *inputs, **params) -> gradients`, where
`needs[i]` tells whether gradient i is wanted.

A primitive with several outputs returns a tuple. Its call is one hidden node, and each output an `item` of it; its rules get
tuples for `g` (None where no gradient arrived) and `out`. Integer and bool outputs never carry a gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, Final, TypeAlias

Rule: TypeAlias = Callable[..., Any]

arrays: Final = SimpleNamespace()
"""Every kernel by the name of its primitive: the `xp` of first-order gradients."""

registry: Final[dict[str, Primitive]] = {}
"""Every primitive by name."""


class Primitive:
    """One operation as a record.

    name         unique, as pictures and messages show it
    kernel       `kernel(*arrays, **params) -> array` (a tuple of them with `outputs` > 1); it never writes into its operands
    vjp          a tuple with a rule per input (None: no gradient), one joint rule, or () for an operation without a gradient
    formula      what it computes, in the field's notation
    derivative   the local derivative by each input, as text for pictures
    kink         the convention where the derivative does not exist
    explain      `explain(*arrays, **params)`: why these operands cannot be combined; asked only after a kernel raised
    outputs      the number of arrays that the kernel returns
    elementwise  each output element depends on the input elements at its own place
    view         the result may share memory with the first input
    effect       it writes or draws: never merged, dropped or moved
    uniform      its operands share one dtype (not so where some are indices or conditions)
    constant     piecewise constant: its derivative is zero wherever it exists, and differentiating through it is no mistake
    """

    __slots__ = (
        "constant",
        "derivative",
        "effect",
        "elementwise",
        "explain",
        "fast_arity",
        "formula",
        "joint",
        "kernel",
        "kink",
        "name",
        "outputs",
        "uniform",
        "view",
        "vjp",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        kernel: Callable[..., Any],
        vjp: Sequence[Rule | None] | Rule = (),
        *,
        formula: str = "",
        derivative: Sequence[str] = (),
        kink: str = "",
        explain: Callable[..., str] | None = None,
        outputs: int = 1,
        elementwise: bool = False,
        view: bool = False,
        effect: bool = False,
        uniform: bool = True,
        constant: bool = False,
    ):
        if name in registry:
            raise ValueError(f"a primitive named {name!r} is registered already")
        self.name, self.kernel = name, kernel
        self.joint: Rule | None = vjp if callable(vjp) else None
        self.vjp: tuple[Any, ...] = () if callable(vjp) else tuple(vjp)
        self.formula, self.derivative, self.kink, self.explain = formula, tuple(derivative), kink, explain
        self.outputs, self.elementwise, self.view, self.effect = outputs, elementwise, view, effect
        self.uniform, self.constant = uniform, constant
        # 1 or 2 for the rows of `ops/_make.py`: that many operands with a rule each, and never a parameter.
        self.fast_arity = 0
        registry[name] = self
        setattr(arrays, name, kernel)

    @property
    def differentiable(self) -> bool:
        return bool(self.vjp) or self.joint is not None

    def __repr__(self) -> str:
        return f"<primitive {self.name}: {self.formula}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return registry.__getitem__, (self.name,)
