"""What a compiled function must not mix up: signatures, memory of its results, and the state from before a failed trace."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.apply import apply_effect
from autograd_mini.primitive import Primitive, registry

RNG = np.random.default_rng(0)


def same_bits(found: Tensor, expected: Tensor) -> bool:
    return (found.dtype, found.shape, found.data.tobytes()) == (expected.dtype, expected.shape, expected.data.tobytes())


def test_the_default_dtype_belongs_to_the_signature() -> None:
    """Integers become floats of the default dtype, so a plan is valid for one default only."""
    function = lambda x: ag.exp(x) / 3
    compiled = ag.jit(function)
    x = Tensor([1, 2, 3])
    try:
        for dtype in ["float32"] * 3 + ["float64"] * 3 + ["float16", "float32", "float64"] * 2:
            ag.set_default_dtype(dtype)
            found = compiled(x)
            assert found.dtype == dtype
            assert same_bits(found, function(x))
    finally:
        ag.set_default_dtype("float32")


ARRANGEMENTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "reversed": lambda a: np.ascontiguousarray(a[:, ::-1])[:, ::-1],
    "gaps": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
}


def test_the_memory_layout_of_an_argument_belongs_to_the_signature() -> None:
    """NumPy adds in the order of memory, so each layout of one shape gets the bits and the layout of eager mode."""
    function = lambda x: (ag.reshape(x.T, -1) * 2, ag.sum(ag.exp(x)), ag.sum(x * x, axis=0), ag.exp(x))
    compiled = ag.jit(function, exact=True)
    for _ in range(4):
        for arrange in ARRANGEMENTS.values():
            x = ag.from_numpy(arrange(RNG.normal(size=(37, 29)).astype(np.float32)))
            for found, expected in zip(compiled(x), function(x), strict=True):
                np.testing.assert_array_equal(found.data, expected.data)
                assert found.data.strides == expected.data.strides


RETURNED: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "the gradient": lambda g, loss: g,
    "a view": lambda g, loss: g.T,
    "a row": lambda g, loss: g[0],
    "reshaped": lambda g, loss: ag.reshape(g, -1),
    "detached": lambda g, loss: g.detach(),
    "twice": lambda g, loss: (g, g),
    "with its loss": lambda g, loss: {"g": g, "loss": loss.detach()},
}


@pytest.mark.parametrize("name", RETURNED)
def test_returned_gradients_keep_their_values_in_later_replays(name: str) -> None:
    """A result belongs to the caller: no later call writes into it, and writing into it changes no later result."""

    def step(x: Tensor, w: Tensor) -> Any:
        loss = ag.square(ag.tanh(x @ w)).sum()
        return RETURNED[name](ag.grad(loss, w), loss)

    compiled = ag.jit(step, exact=True)
    w = Tensor(RNG.normal(size=(3, 4)), requires_grad=True)
    xs = [Tensor(RNG.normal(size=(5, 3))) for _ in range(6)]
    leaves = lambda result: ag.transform.leaves(result)
    kept = [compiled(x, w) for x in xs]
    for x, result in zip(xs, kept, strict=True):
        for found, expected in zip(leaves(result), leaves(step(x, w)), strict=True):
            np.testing.assert_array_equal(found.data, expected.data)
    for result in kept:
        for tensor in leaves(result):
            if tensor.data.flags.writeable:
                tensor.data[...] = np.nan
    for found, expected in zip(leaves(compiled(xs[0], w)), leaves(step(xs[0], w)), strict=True):
        np.testing.assert_array_equal(found.data, expected.data)


def test_a_failed_trace_restores_what_was_there_before_its_first_write() -> None:
    """Undone in reverse order: a flag that was read before an object was saved keeps its first value."""
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    net.note = "before"
    mark = Primitive("mark_module", lambda module: setattr(module, "note", "during"), formula="", effect=True, uniform=False)

    @ag.no_grad()
    def step(x: Tensor) -> Tensor:
        net(x)  # reads `training`
        net.eval()
        apply_effect(mark, (), {"module": net}, writes=(net,))  # saves all attributes, `training` among them
        net.train()
        net.eval()
        y = net(x)
        if ag.is_recording():
            y.sum().item()  # cannot be traced
        return y

    try:
        compiled = ag.jit(step)
        compiled(ag.ones((1, 2)))
        net.train()
        net.note = "before"
        state = ag.get_rng_state()
        with pytest.raises(ag.TraceError):
            compiled(ag.ones((1, 2)))
        assert (net.training, net[1].training, net.note) == (True, True, "before")
        assert ag.get_rng_state() == state
    finally:
        del registry["mark_module"]


@pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8", ">i4"])
def test_a_compiled_function_accepts_arrays_in_any_byte_order(dtype: str) -> None:
    """Results have the native order, also those that share memory with an argument."""
    compiled = ag.jit(lambda x: (x * 2, x[1:], x))
    for k in range(4):
        found = compiled(np.array([1, 256, k], dtype))
        assert [y.dtype for y in found] == [np.dtype(dtype).newbyteorder("=")] * 3
        assert all(y.data.dtype.isnative for y in found)
        assert [y.tolist() for y in found] == [[2, 512, 2 * k], [256, k], [1, 256, k]]


CREATED_INSIDE: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
    "LayerNorm": lambda: nn.LayerNorm(3),
    "Linear": lambda: nn.Linear(3, 3),
    "a network": lambda: nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.PReLU(), nn.Linear(2, 3)),
    "GRU": lambda: lambda x, gru=nn.GRU(3, 3): gru(x)[0],
    "a copy": lambda: copy.deepcopy(nn.Linear(3, 3)),
    "a parameter": lambda: nn.Parameter(ag.randn(2, 3)).__mul__,
    "a buffer": lambda: nn.Buffer(ag.randn(2, 3)).__mul__,
    "filled": lambda: nn.init.xavier_normal_(ag.zeros((3, 3))).__matmul__,
    "assigned": lambda: lambda x, t=ag.zeros((2, 3)): setattr(t, "data", x) or t + x,
}


@pytest.mark.parametrize("name", CREATED_INSIDE)
def test_a_function_that_creates_layers_runs_eagerly_with_a_warning(name: str) -> None:
    """Each call initializes new parameters with new random numbers, as in eager code."""
    create = CREATED_INSIDE[name]
    function = lambda x: create()(x).detach() * 2
    x = Tensor(RNG.normal(size=(3, 3) if name == "filled" else (2, 3)).astype(np.float32))
    ag.manual_seed(5)
    expected = [function(x) for _ in range(4)]
    compiled = ag.jit(function, exact=True)
    ag.manual_seed(5)
    found = [compiled(x)]
    with pytest.warns(UserWarning, match=r"falling back to eager mode.*(into a tensor of shape .* that it has|creates a .*)"):
        found.append(compiled(x))
    found += [compiled(x), compiled(x)]
    assert all(same_bits(a, b) for a, b in zip(found, expected, strict=True))
    assert "create layers and" in compiled.eager_reason


@pytest.mark.parametrize("create", [nn.ReLU, lambda: nn.MaxPool1d(1), lambda: nn.Sequential(nn.Tanh(), nn.Dropout(0.5))])
def test_a_function_that_creates_layers_without_parameters_is_compiled(create: Callable[[], nn.Module]) -> None:
    compiled = ag.jit(lambda x: create()(x))
    for k in range(4):
        compiled(Tensor([[1.0, k]]))
    assert len(compiled.plans) == 1


@ag.primitive((lambda xp, g, y, a, b: g * b, lambda xp, g, y, a, b: g * (a + 1)), elementwise=True, formula="(a + 1) b")
def row_by_row(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """An elementwise kernel may get an operand as `out`; rows that it has written are then gone."""
    a, b = np.broadcast_arrays(a, b)
    out = np.empty(a.shape, a.dtype) if out is None else out
    for i in range(len(a)):
        np.multiply(a[i] + 1, b[i], out=out[i])
    return out


TWO_OPERANDS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "row by row": row_by_row, "xlogy": ag.xlogy, "subtract": ag.subtract, "power": ag.power, "logaddexp": ag.logaddexp, "arctan2": ag.arctan2,
    "maximum": ag.maximum,
}  # fmt: skip
VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "transposed": lambda y: y.T, "reversed": lambda y: y[::-1, ::-1], "a row": lambda y: y[1], "itself": lambda y: y,
}  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", TWO_OPERANDS)
def test_a_result_does_not_overwrite_an_operand_while_a_view_of_it_is_read(name: str, view: str) -> None:
    """The same in loops of C; gradients of such operations are two more of them."""

    def function(x: Tensor) -> list[Tensor]:
        y = ag.exp(x) + 1
        first = TWO_OPERANDS[name](y, VIEWS[view](y)) * 2
        y = ag.exp(-x) + 1
        second = TWO_OPERANDS[name](VIEWS[view](y), y) * 2
        return [first, second, ag.grad(lambda x: TWO_OPERANDS[name](x * x + 1, VIEWS[view](x * x + 1)).sum())(x)]

    compiled, looped = ag.jit(function, exact=True), ag.jit(function, backend="auto")
    for seed in range(4):
        x = Tensor(np.random.default_rng(seed).normal(size=(24, 24)))
        expected = function(x)
        for found, in_loop, right in zip(compiled(x), looped(x), expected, strict=True):
            np.testing.assert_array_equal(found.data, right.data)
            np.testing.assert_allclose(in_loop.data, right.data, rtol=1e-12, atol=1e-12)


def test_tensors_with_one_gradient_have_gradients_and_updates_of_their_own() -> None:
    """A sum gives all its operands the same array; three parameters, each with momentum, in one flat group or not."""

    def make() -> tuple[list[Tensor], Callable[[Tensor], Tensor]]:
        weights = [Tensor(np.arange(6.0).reshape(2, 3) / 7 + k, requires_grad=True) for k in range(3)]
        a, b, c = weights
        optimizer = nn.SGD([a, b, c], lr=0.1, momentum=0.9)

        def step(x: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss = ag.square(a + b + c - x).sum()
            loss.backward()
            optimizer.step()
            return loss.detach()

        return weights, step

    (eager, step), (compiled, function) = make(), make()
    run = ag.jit(function, exact=True)
    for k in range(6):
        x = ag.full((2, 3), float(k))
        assert run(x).item() == step(x).item()
        for p, q in zip(compiled, eager, strict=True):
            np.testing.assert_array_equal(p.data, q.data)
            np.testing.assert_array_equal(p.grad.data, q.grad.data)  # type: ignore[union-attr]
    with ag.no_grad():
        compiled[0].grad.zero_()  # type: ignore[union-attr]
    np.testing.assert_array_equal(compiled[1].grad.data, eager[1].grad.data)  # type: ignore[union-attr]


def test_a_variable_of_an_enclosing_function_that_is_deleted_raises_as_in_eager_code() -> None:
    def enclosing() -> tuple[Callable[[Tensor], Tensor], Callable[[], None]]:
        factor = 2.0

        def delete() -> None:
            nonlocal factor
            del factor

        return (lambda x: x * factor), delete

    function, delete = enclosing()
    compiled = ag.jit(function)
    for _ in range(3):
        assert compiled(Tensor([1.0])).tolist() == [2.0]
    delete()
    with pytest.raises(NameError):
        compiled(Tensor([1.0]))
