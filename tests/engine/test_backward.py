"""The backward pass: what it stores in `.grad`, what accumulates, what raises an error, and graphs of a million nodes."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given

import autograd_mini as ag
from autograd_mini import Tensor
from autograd_mini.backward import fast_sweep, reachable, sweep
from autograd_mini.primitive import arrays
from autograd_mini.testing.program import Program, programs


def leaf(*values: float) -> Tensor:
    return Tensor(list(values) if len(values) > 1 else values[0], dtype=np.float64, requires_grad=True)


@pytest.mark.parametrize(
    ("function", "at", "expected"),
    [
        (lambda x: x * x, 3, 6),
        (lambda x: x - x, 3, 0),
        (lambda x: x / x, 3, 0),
        (lambda x: x + x, 3, 2),
        (lambda x: (x * x) * (x * x), 2, 32),
    ],
)
def test_every_use_of_a_tensor_contributes_to_its_gradient(function: object, at: float, expected: float) -> None:
    x = leaf(at)
    function(x).backward()  # type: ignore[operator]
    assert x.grad is not None
    assert x.grad.item() == expected


def test_a_second_backward_pass_doubles_every_gradient() -> None:
    x = leaf(3)
    u = (x * x).retain_grad()
    y = u * u
    y.backward()
    once = x.grad.item(), u.grad.item()
    y.backward()
    assert (x.grad.item(), u.grad.item()) == (2 * once[0], 2 * once[1])
    assert once == (108, 18)


def test_gradients_share_no_memory() -> None:
    """A rule may return one array for two inputs; users can still change each gradient separately."""
    a, b = leaf(1, 2), leaf(3, 4)
    s = (a + b).retain_grad()
    upstream = np.ones(2)
    s.backward(upstream)
    arrays = [a.grad.data, b.grad.data, s.grad.data, upstream]
    for i, x in enumerate(arrays):
        for y in arrays[i + 1 :]:
            assert not np.shares_memory(x, y)
    first = a.grad
    s.backward(upstream)
    assert first.tolist() == [1, 1], "a later pass does not change an earlier gradient"
    assert a.grad.tolist() == [2, 2]


def test_a_gradient_has_its_own_writeable_memory() -> None:
    """Also if the rule returns a view: the gradient of a sum is a broadcast array."""
    x = leaf(1, 2, 3)
    x.sum().backward()
    x.grad.data[0] = 7
    assert x.grad.tolist() == [7, 1, 1]


REPEATED = [
    lambda x: x.sum(),
    lambda x: x.mean(axis=0).sum(),
    lambda x: ag.broadcast_to(x, (4, 2, 3)).sum(),
    lambda x: ag.trace(x[:, :2]),
    lambda x: ag.expand_dims(x, 0).sum(),
    lambda x: (x + x).sum(),
    lambda x: x[0].sum() + x.T.sum(),
]


@pytest.mark.parametrize("number", range(len(REPEATED)))
def test_gradients_handed_out_have_no_repeated_elements(number: int) -> None:
    """A write into one element of a gradient changes this element alone, in every way to get the gradient."""
    function = REPEATED[number]
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    u = (x * 1.0).retain_grad()
    function(u).backward()
    one = np.array(1.0)
    handed_out = [x.grad, u.grad, ag.grad(function(x), x), *ag.grad(function(u), [u, x]), ag.grad(function)(x.detach()),
                  ag.vjp(function, x.detach())[1](one)[0], ag.value_and_grad(function)(x.detach())[1]]  # fmt: skip
    for gradient in handed_out:
        expected = gradient.data.copy()
        gradient.data[0, 1] = expected[0, 1] = 7.0
        np.testing.assert_array_equal(gradient.data, expected)
    for i, a in enumerate(handed_out):
        assert not any(np.shares_memory(a.data, b.data) for b in handed_out[i + 1 :])


READ_ONLY = np.full(3, 2.0)
READ_ONLY.flags.writeable = False
FOREIGN = bytearray(np.full(3, 2.0).tobytes())


@pytest.mark.parametrize("kept", [READ_ONLY, np.frombuffer(FOREIGN)], ids=["read-only", "foreign"])
def test_a_gradient_shares_no_memory_that_its_rule_keeps(kept: np.ndarray) -> None:
    """A rule may return a constant that it marks as read-only, or a view of memory that belongs to no array."""

    @ag.primitive((lambda xp, g, y, x: kept,), formula="2x")
    def keeping_double(x: np.ndarray) -> np.ndarray:
        return x * 2

    x = Tensor(np.ones(3), requires_grad=True)
    for _ in range(2):
        x.grad = None
        keeping_double(x).sum().backward()
        assert x.grad.tolist() == [2, 2, 2]
        x.grad.data[0] = 7
        assert kept.tolist() == [2, 2, 2]


@pytest.mark.parametrize("jit", [False, True])
def test_a_gradient_shares_no_memory_with_what_a_hook_returns(jit: bool) -> None:
    constant, x = Tensor(np.full(3, 2.0)), Tensor(np.ones(3), requires_grad=True)
    x.register_hook(lambda g: constant)

    def step() -> None:
        x.grad = None
        (x * x).sum().backward()

    run = ag.jit(step) if jit else step
    for _ in range(4):
        run()
        assert x.grad.tolist() == [2, 2, 2]
        x.grad.data[0] = 7
        assert constant.tolist() == [2, 2, 2]


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_gradient_has_its_inputs_dtype_whatever_the_rule_returns(create_graph: bool) -> None:
    @ag.primitive(
        (lambda xp, g, y, x: g * np.float64(2.0) * Tensor(np.ones(2)) if create_graph else g * np.ones(2) * 2,), formula="2x"
    )
    def careless_double(x: np.ndarray) -> np.ndarray:
        return x * 2

    x = Tensor(np.ones(2, np.float16), requires_grad=True)
    careless_double(x).sum().backward(create_graph=create_graph)
    assert x.grad.dtype == np.float16
    assert x.grad.tolist() == [2, 2]


@pytest.mark.parametrize("axis", [(0,), (0, 1)])
def test_a_rule_that_returns_too_few_axes_raises(axis: tuple[int, ...]) -> None:
    @ag.primitive((lambda xp, g, y, x: xp.sum(g, axis=axis, keepdims=False),), formula="x")
    def careless_copy(x: np.ndarray) -> np.ndarray:
        return x.copy()

    x = Tensor(np.ones((2, 3)), requires_grad=True)
    with pytest.raises(RuntimeError, match=r"a gradient rule returned shape .* for an input of shape \(2, 3\)"):
        careless_copy(x).sum().backward()


def test_constants_get_no_gradient() -> None:
    x, constant = leaf(1, 2), Tensor([3.0, 4.0])
    (x * constant).sum().backward()
    assert constant.grad is None
    assert not (constant * 2).requires_grad


def test_intermediates_keep_no_gradient_by_default() -> None:
    x = leaf(2)
    u = x * x
    (u * u).backward()
    assert u.grad is None


def test_retain_grad_of_one_intermediate_keeps_no_other() -> None:
    x = leaf(2)
    before = x * x
    u = (before * 2).retain_grad()
    after = u * u
    (after * 3).backward()
    assert u.grad is not None
    assert [t.grad for t in (before, after)] == [None, None]


def test_the_gradient_of_a_broadcast_0d_leaf_is_a_0d_array() -> None:
    x = leaf(2)
    (x * np.ones((3, 4))).sum().backward()
    assert isinstance(x.grad, Tensor)
    assert isinstance(x.grad.data, np.ndarray)
    assert x.grad.shape == ()
    assert x.grad.item() == 12


def test_a_vector_output_needs_an_upstream_gradient() -> None:
    y = leaf(1, 2) * 2
    with pytest.raises(RuntimeError, match=r"shape \(2,\)"):
        y.backward()


def test_an_upstream_gradient_of_the_wrong_shape_names_both_shapes() -> None:
    with pytest.raises(ValueError, match=r"shape \(2,\), like the output, got \(3,\)"):
        (leaf(1, 2) * 2).backward(np.ones(3))


def test_backward_from_a_constant_raises() -> None:
    with pytest.raises(RuntimeError, match="nothing here requires a gradient"):
        Tensor(1.0).backward()


def test_an_unused_input_raises_or_has_gradient_none() -> None:
    x, unused = leaf(1), leaf(2)
    with pytest.raises(RuntimeError, match=r"input 1.*allow_unused"):
        ag.grad(x * x, [x, unused])
    assert ag.grad(x * x, [x, unused], allow_unused=True)[1] is None


def test_grad_changes_no_grad_attribute() -> None:
    x = leaf(2)
    y = x * x
    assert ag.grad(y * y, y).item() == 8
    assert ag.grad(y * y, x).item() == 32
    assert x.grad is None
    assert y.grad is None


def test_the_gradient_of_an_output_with_respect_to_itself_is_one() -> None:
    x = leaf(2)
    assert ag.grad(x, x).item() == 1


def test_grad_visits_only_paths_to_its_inputs() -> None:
    """Hooks, and missing rules, of another branch do not matter."""
    x, other = leaf(1, 2), leaf(3, 4)
    calls: list[Tensor] = []
    side = other * 2
    side.register_hook(lambda g: calls.append(g))
    ag.grad((x * side).sum(), x)
    assert calls == []


def test_derivatives_up_to_fourth_order() -> None:
    x = leaf(2)
    y = x * x * x * x
    for expected in (32, 48, 48, 24):
        y = ag.grad(y, x, create_graph=True)
        assert y.item() == expected


def test_create_graph_makes_grad_differentiable() -> None:
    x = leaf(3)
    (x * x * x).backward(create_graph=True)
    first = x.grad
    x.grad = None
    first.backward()
    assert (first.item(), x.grad.item()) == (27, 18)


def test_a_second_pass_through_a_freed_graph_raises() -> None:
    x = leaf(2)
    y = x * x
    y.backward(free=True)
    with pytest.raises(RuntimeError, match=r"free=True"):
        y.backward()


def test_a_leaf_modified_after_its_use_raises() -> None:
    """The gradient of the old graph would use the new values, so it raises, like PyTorch."""
    w = leaf(2)
    loss = w * w
    w.data = 5.0
    with pytest.raises(RuntimeError, match="was modified in place after multiply used it"):
        loss.backward()
    (w * w).backward()
    assert w.grad.item() == 10


def test_a_constant_modified_after_its_use_raises() -> None:
    w, x = leaf(2), Tensor(3.0, dtype=np.float64)
    loss = w * x
    x.data = 7.0
    with pytest.raises(RuntimeError, match="was modified in place"):
        loss.backward()


def test_a_recorded_tensor_cannot_be_modified() -> None:
    y = leaf(2) * 2
    with pytest.raises(RuntimeError, match="only a leaf"):
        y.data = 3.0
    with pytest.raises(RuntimeError, match="index_put"):
        y[()] = 3.0


def test_assigning_data_keeps_the_memory_address() -> None:
    w = leaf(1, 2)
    before = w.data
    w.data = [5, 6]
    assert w.data is before
    assert before.tolist() == [5, 6]
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        w.data = [1, 2, 3]


def test_augmented_assignment_creates_a_new_tensor_for_a_result() -> None:
    x = leaf(1, 2)
    y = z = x * 1
    y += 1
    assert z.tolist() == [1, 2]
    assert x.tolist() == [1, 2]
    assert y.tolist() == [2, 3]
    y.sum().backward()
    assert x.grad.tolist() == [1, 1]


@pytest.mark.parametrize("dtype", [np.int64, np.bool_])
def test_integers_and_bools_have_no_gradient(dtype: type) -> None:
    with pytest.raises(TypeError, match="floating"):
        Tensor([0, 1], dtype=dtype, requires_grad=True)
    x = leaf(1, 2)
    (x * Tensor([0, 1], dtype=dtype)).sum().backward()
    assert x.grad.tolist() == [0, 1]


def test_no_grad_ends_after_exceptions_affects_one_thread_and_is_a_decorator() -> None:
    x = leaf(1)
    with ag.no_grad():
        assert not (x * 2).requires_grad
    with pytest.raises(ZeroDivisionError), ag.no_grad():
        1 / 0  # noqa: B018
    assert (x * 2).requires_grad
    seen: list[bool] = []
    with ag.no_grad():
        thread = threading.Thread(target=lambda: seen.append((x * 2).requires_grad))
        thread.start()
        thread.join()
        assert not ag.is_grad_enabled()
    assert seen == [True]
    assert not ag.no_grad()(lambda: x * 2)().requires_grad


def test_detach_needs_no_gradient_and_shares_memory() -> None:
    x = leaf(1, 2)
    y = (x * 2).detach()
    assert not y.requires_grad
    assert np.shares_memory((u := x * 1).detach().data, u.data)


def test_hooks_see_the_complete_gradient_and_may_replace_it() -> None:
    x = leaf(3)
    u = x * x
    seen: list[float] = []
    u.register_hook(lambda g: seen.append(g.item()))
    remove = u.register_hook(lambda g: g * 10)
    (u + u).backward()
    assert seen == [2]
    assert x.grad.item() == 120
    remove()
    x.grad = None
    (u + u).backward()
    assert x.grad.item() == 12
    u.register_hook(lambda g: Tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"\(\).*\(2,\)"):
        (u + u).backward()


def test_a_million_nodes_build_backpropagate_and_are_freed_without_recursion() -> None:
    """Runs in a separate process with a small recursion limit; the garbage collector must find nothing."""
    code = """
import gc, sys, weakref
import autograd_mini as ag
sys.setrecursionlimit(60)
gc.collect(); gc.disable()
x = ag.Tensor(0.0, requires_grad=True)
y = x
for _ in range(1_000_000):
    y = y + 1.0
middle = weakref.ref(y)
y.backward()
assert (y.item(), x.grad.item()) == (1e6, 1.0)
del y
assert middle() is None
unreachable = gc.collect()
assert not any(isinstance(o, ag.Tensor) for o in gc.garbage)
assert unreachable == 0, unreachable
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr


def test_a_graph_has_no_reference_cycles() -> None:
    """Reference counts alone free a graph, also one with several outputs and second order."""
    gc.collect()
    gc.disable()
    try:
        x = leaf(1, 2)
        y = ag.softmax(x * x).sum()
        g = ag.grad(y, x, create_graph=True)
        g.sum().backward()
        watched = [weakref.ref(y), weakref.ref(g)]
        x.grad = None
        del y, g
        assert [w() for w in watched] == [None, None]
    finally:
        gc.enable()


def test_shared_subgraphs_cost_linear_time() -> None:
    """A visit of every path would take 2**200 steps."""
    x = leaf(1)
    y = x
    for _ in range(200):
        y = (y + y) * 0.5
    y.backward()
    assert x.grad.item() == 1


def test_only_leaves_can_be_copied_and_pickled() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    for clone in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert clone.tolist() == [1, 2]
        assert (clone.requires_grad, clone.name, clone.is_leaf) == (True, "x", True)
        assert not np.shares_memory(clone.data, x.data)
    with pytest.raises(RuntimeError, match="detach"):
        pickle.dumps(x * 2)


def test_two_threads_that_train_at_once_get_the_same_results_as_one() -> None:
    """Modes are thread-local, and intermediate gradients are in a table of the call."""

    def train(results: dict[int, list[float]], key: int) -> None:
        rng = np.random.default_rng(key)
        w = Tensor(rng.standard_normal((4, 4)), requires_grad=True)
        for _ in range(60):
            loss = ag.tanh(w @ w).sum()
            loss.backward(free=True)
            w.data = w.data - 0.01 * w.grad.data
            w.grad = None
            with ag.no_grad():
                w @ w
        results[key] = w.tolist()

    alone: dict[int, list[float]] = {}
    together: dict[int, list[float]] = {}
    for key in (1, 2):
        train(alone, key)
    threads = [threading.Thread(target=train, args=(together, key)) for key in (1, 2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert alone == together


@given(programs())
def test_the_fast_loop_gives_the_bits_of_the_readable_one(program: Program) -> None:
    """`fast_sweep` is an optimization of `sweep` and nothing else."""
    inputs = [Tensor(np.array(a), requires_grad=True) for a in program.inputs]
    outputs = [y for y in program(*inputs) if y.requires_grad]
    nodes = reachable(outputs)
    seeds = {y._seq: np.ones(y.shape, y.dtype) for y in outputs}
    with np.errstate(all="ignore"), ag.no_grad():
        readable = sweep(nodes, dict(seeds), set(), arrays, False)
        fast = fast_sweep(nodes, dict(seeds), set(), arrays)
    assert readable.keys() == fast.keys()
    assert all(np.asarray(readable[seq]).tobytes() == np.asarray(fast[seq]).tobytes() for seq in readable)


@pytest.mark.parametrize("outputs", [(0,), (1,), (0, 1)])
def test_a_call_with_several_outputs_has_the_same_gradient_in_every_kind_of_pass(outputs: tuple[int, ...]) -> None:
    """The fast pass, the recorded one and the observed one; the outputs may be used alone, together, or twice."""
    matrix = np.array([[2.0, 1.0], [0.5, 3.0]])
    x = Tensor(matrix, requires_grad=True)
    sign_and_log = ag.slogdet(x * 1.0)
    y = sum((sign_and_log[i] * (i + 2.0) for i in outputs), Tensor(0.0)) + sign_and_log[1]
    expected = np.linalg.inv(matrix).T * (1 + 3 * (1 in outputs))
    seen: list[str] = []
    found = [ag.grad(y, x), ag.grad(y, x, create_graph=True)]
    y.backward(observe=lambda node, *_: seen.append(node._primitive.name))
    for gradient in (*found, x.grad):
        np.testing.assert_allclose(gradient.data, expected, rtol=1e-12)
    assert "slogdet" in seen
