"""When a function gets another plan, what a plan returns, and what tracing rejects."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from jit_helpers import batches, check_same_bits, training_step

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.jit.trace import TraceError


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    state = ag.get_rng_state()
    ag.manual_seed(0)
    yield
    ag.set_rng_state(state)


# -- one function, several plans ----------------------------------------------------------------------------------------------


def test_each_combination_of_shapes_flags_and_modes_has_its_plan() -> None:
    """A smaller last batch, evaluation, frozen layers and no_grad each get a plan, and use it again later."""
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))

    @ag.jit
    def step(x: ag.Tensor) -> list[ag.Tensor]:
        net.zero_grad()
        loss = net(x).square().mean()
        if loss.requires_grad:
            loss.backward()
        return [loss.detach(), *[p.grad.copy() if p.grad is not None else ag.zeros(1) for p in net.parameters()]]

    def check(x: ag.Tensor) -> None:
        state = ag.get_rng_state()
        expected = [t.tolist() for t in step.function(x)]
        ag.set_rng_state(state)
        assert [t.tolist() for t in step(x)] == expected

    large, small = ag.ones((4, 3)), ag.ones((2, 3))
    for _ in range(2):
        for x in (large, small):
            for _ in range(3):
                check(x)
        net.eval()
        check(large)
        check(large)
        net.train()
        net[0].freeze()
        check(large)
        check(large)
        net[0].unfreeze()
    assert len(step.plans) == 4
    with ag.no_grad():
        for _ in range(3):
            check(large)
    assert len(step.plans) == 5


def test_at_most_eight_plans_are_kept() -> None:
    compiled = ag.jit(lambda x: x + 1)
    for n in range(1, 20):
        for _ in range(3):
            assert compiled(ag.zeros(n)).shape == (n,)
    assert len(compiled.plans) == 8


def test_repr_shows_the_name_and_the_number_of_plans() -> None:
    """Also for a callable object that has attributes named `function` and `plans`."""

    def double(x: ag.Tensor) -> ag.Tensor:
        return x + x

    compiled = ag.jit(double)
    assert repr(compiled) == "<jit double, plans: 0>"
    for size in (2, 2, 3, 3):
        compiled(ag.ones(size))
    assert repr(compiled) == "<jit double, plans: 2>"

    class Both(nn.Module):
        def __init__(self) -> None:
            self.function, self.plans = nn.Linear(2, 2), 3

        def forward(self, x: ag.Tensor) -> ag.Tensor:
            return self.function(x) * self.plans

    model = Both().freeze()
    compiled = ag.jit(model)
    with pytest.raises(RuntimeError, match=r"^Both: there is no plan yet"):
        _ = compiled.plan
    x = ag.ones((1, 2))
    for _ in range(3):
        np.testing.assert_array_equal(compiled(x), model(x))
    assert repr(compiled) == "<jit Both, plans: 1>"


def test_a_replaced_layer_and_a_new_parameter_group_need_a_new_plan() -> None:
    net = nn.Sequential(nn.Linear(2, 2))
    net.head = nn.Linear(2, 1)
    step = ag.jit(lambda x: net.head(x).detach())
    x = ag.ones((1, 2))
    for _ in range(3):
        step(x)
    net.head = nn.Linear(2, 1)
    assert step(x).tolist() == net.head(x).tolist()
    late = ag.Tensor([1.0], requires_grad=True)
    optimizer = nn.SGD(net.head.parameters(), lr=0.1)

    @ag.jit
    def train(x: ag.Tensor) -> None:
        optimizer.zero_grad()
        (net.head(x).sum() + late.sum()).backward()
        optimizer.step()

    for _ in range(3):
        train(x)
    optimizer.add_param_group({"params": [late]})
    train(x)
    assert late.tolist() == pytest.approx([0.9])


def test_a_replay_uses_loaded_state() -> None:
    """A compiled step sees the effect of load_state_dict on model and optimizer."""

    def make() -> tuple[nn.Module, Any, Callable[..., Any]]:
        net = nn.Linear(3, 2)
        optimizer = nn.Adam(net.parameters(), lr=0.1)
        return net, optimizer, training_step(net, optimizer, lambda x: net(x).square().sum())

    data = batches((4, 3), count=8)
    net, optimizer, step = make()
    ag.manual_seed(5)
    compiled = ag.jit(step)
    for batch in data[:4]:
        compiled(*batch)
    weights, state = net.state_dict(), optimizer.state_dict()
    first = [t.tolist() for t in compiled(*data[4])]
    compiled(*data[5])
    net.load_state_dict(weights)
    optimizer.load_state_dict(state)
    assert [t.tolist() for t in compiled(*data[4])] == first


LIVE: dict[str, Callable[[ag.Tensor, ag.Tensor], ag.Tensor]] = {
    "detach": lambda x, w: x @ (w.detach() * 2),
    "grad": lambda x, w: ag.grad(lambda v: (v * v).sum())(w.detach()),
    "vjp": lambda x, w: ag.vjp(lambda a, b: a @ (b * 2), x, w.detach())[1](ag.ones((2, 3)))[0],
    "from_numpy": lambda x, w: x @ (ag.from_numpy(w._data) * 2),
}


@pytest.mark.parametrize("way", LIVE)
@pytest.mark.parametrize("trained", [False, True])
def test_a_replay_reads_the_current_values_of_captured_tensors(way: str, trained: bool) -> None:
    """Also if the function uses the tensor as a detached leaf, as the variable of a transform or through its array."""
    w, x = ag.Tensor(np.eye(3, dtype=np.float32), requires_grad=trained), ag.ones((2, 3))
    compiled = ag.jit(lambda x: LIVE[way](x, w))
    for value in (1.0, 2.0, 3.0, 4.0):
        w.data = np.full((3, 3), value)
        assert compiled(x).tolist() == LIVE[way](x, w).tolist()


# -- results and rejections ---------------------------------------------------------------------------------------------------


def test_later_replays_do_not_change_earlier_results() -> None:
    w = ag.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)

    @ag.jit
    def step(x: ag.Tensor) -> Any:
        w.grad = None
        h = ag.tanh(w * x)
        h.sum().backward()
        return h.detach(), h.detach().T, w.grad, x, ag.ones(2)

    results = [step(ag.full((2, 2), value)) for value in (0.1, 0.2, 0.3, 0.4, 0.5)]
    for value, (h, t, g, x, ones) in zip((0.1, 0.2, 0.3, 0.4, 0.5), results, strict=True):
        expected = np.tanh(w.detach().numpy() * np.float32(value))
        np.testing.assert_allclose(h.numpy(), expected, rtol=1e-6)
        np.testing.assert_allclose(t.numpy(), expected.T, rtol=1e-6)
        np.testing.assert_allclose(g.numpy(), (1 - expected**2) * value, rtol=1e-5)
        assert x.tolist() == [[pytest.approx(value)] * 2] * 2
        assert ones.tolist() == [1.0, 1.0]


def test_one_tensor_may_be_several_arguments_or_a_parameter() -> None:
    w = ag.Tensor([2.0], requires_grad=True)
    product = ag.jit(lambda a, b: (a * b * w).detach())
    x, y = ag.Tensor([3.0]), ag.Tensor([5.0])
    for a, b in [(x, x), (x, x), (x, x), (x, y), (y, x), (w, x), (w, x), (w, x), (w, w), (x, w), (x, w.detach()), (x, y)]:
        assert product(a, b).item() == a.item() * b.item() * 2


def test_arguments_may_be_nested_and_passed_by_keyword() -> None:
    compiled = ag.jit(lambda batch, *, scale: {"y": batch["a"] * scale + batch["b"][0], "n": None})
    for k in range(4):
        y = compiled({"a": np.full(3, k, np.float32), "b": [np.ones(3, np.float32)]}, scale=2.0)
        assert y["y"].tolist() == [2.0 * k + 1] * 3
        assert y["n"] is None


def test_reading_a_value_while_tracing_raises_and_changes_nothing() -> None:
    """Weights, optimizer state, gradients and the random stream are as before."""
    reads: dict[str, Callable[[ag.Tensor], Any]] = {
        "item": lambda t: t.item(), "data": lambda t: t.data, "float": float, "bool": bool, "numpy": lambda t: t.numpy(),
        "tolist": lambda t: t.tolist(), "Tensor": lambda t: ag.Tensor(t), "array": np.asarray,
    }  # fmt: skip
    for read in reads.values():
        net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        optimizer = nn.Adam(net.parameters())

        def step(x: ag.Tensor, net: Any = net, optimizer: Any = optimizer, read: Any = read) -> None:
            optimizer.zero_grad()
            loss = (net(x) * ag.rand(3, 2)).sum()
            loss.backward()
            optimizer.step()
            read(loss.detach())

        compiled = ag.jit(step)
        x = ag.Tensor([[1.0, 2.0], [3.0, 5.0], [0.0, 1.0]])
        compiled(x)
        weights, state, stream = net.state_dict(), optimizer.state_dict(), ag.get_rng_state()
        grads = [p.grad for p in net.parameters()]
        with pytest.raises(TraceError, match="not available while tracing"):
            compiled(x)
        assert [p.grad for p in net.parameters()] == grads or all(
            p.grad is g for p, g in zip(net.parameters(), grads, strict=True)
        )
        assert all(np.array_equal(weights[k], v) for k, v in net.state_dict().items())
        again = optimizer.state_dict()
        assert all(np.array_equal(state["state"][n][k], v) for n, s in again["state"].items() for k, v in s.items())
        assert ag.get_rng_state() == stream


@pytest.mark.parametrize(
    "function", [lambda x: x[x > 0], lambda x: ag.nonzero(x)[0], lambda x: ag.argwhere(x)], ids=["mask", "nonzero", "argwhere"]
)
def test_tracing_rejects_shapes_that_depend_on_values(function: Callable[..., Any]) -> None:
    compiled = ag.jit(function)
    compiled(ag.Tensor([1.0, -1.0]))
    with pytest.raises(TraceError, match="depends on values"):
        compiled(ag.Tensor([1.0, -1.0]))


def test_results_that_require_a_gradient_are_rejected() -> None:
    w = ag.Tensor([1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="jit the whole step"):
        ag.jit(lambda x: x * w)(ag.ones(1))
    with pytest.raises(RuntimeError, match="jit the whole step"):
        ag.jit(lambda x: x.detach())(w * 2)
    with ag.no_grad():
        assert ag.jit(lambda x: x * w)(w * 2).tolist() == [2.0]


def test_views_of_a_large_returned_result_give_the_same_bits() -> None:
    """A row block whose result is returned is not split; its calls and views keep their order."""
    w = ag.rand(512, 512) * 0.01

    def function(x: ag.Tensor) -> tuple[ag.Tensor, ...]:
        y = ag.tanh(x @ w)
        return y[:3], y[::2].T, ag.tanh(y @ w).sum(axis=1)

    check_same_bits(lambda: function, batches((512, 512), count=4))


def test_an_error_in_a_replay_names_the_operation() -> None:
    compiled = ag.jit(lambda z, t: nn.cross_entropy(z, t))
    z = ag.zeros((2, 3))
    for _ in range(3):
        compiled(z, ag.Tensor([0, 2]))
    with pytest.raises(IndexError, match=r"targets must lie in \[0, 3\)"):
        compiled(z, ag.Tensor([0, 3]))
    assert compiled(z, ag.Tensor([0, 2])).item() == pytest.approx(np.log(3), rel=1e-6)


def test_a_nested_compiled_function_becomes_part_of_the_outer_plan() -> None:
    inner = ag.jit(lambda x: ag.tanh(x) * 2)
    outer = ag.jit(lambda x: inner(x) + inner(x + 0.0))
    for _ in range(4):
        assert outer(ag.Tensor([0.5])).item() == pytest.approx(4 * np.tanh(0.5), rel=1e-6)
    assert [row.call.primitive.name for row in outer.plan.rows].count("tanh") == 2


def test_two_threads_may_call_one_compiled_function() -> None:
    compiled = ag.jit(lambda x: ag.tanh(x * 2).sum())
    wrong: list[float] = []

    def work(value: float) -> None:
        for _ in range(50):
            result = compiled(ag.full((50,), value)).item()
            if result != pytest.approx(50 * np.tanh(2 * value), rel=1e-5):
                wrong.append(value)

    pair = [threading.Thread(target=work, args=(value,)) for value in (0.1, 0.7)]
    for thread in pair:
        thread.start()
    for thread in pair:
        thread.join()
    assert not wrong


def test_methods_and_transforms_can_be_compiled() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(2, 1)

        @ag.jit
        def predict(self, x: ag.Tensor) -> ag.Tensor:
            return self.layer(x).detach()

    a, b = Model(), Model()
    x = ag.Tensor([[1.0, 2.0]])
    for _ in range(3):
        assert a.predict(x).tolist() == a.layer(x).tolist()
        assert b.predict(x).tolist() == b.layer(x).tolist()
    slope = ag.jit(ag.grad(lambda x: (x**3).sum()))
    curve = ag.jit(ag.hessian(lambda x: (x**3).sum()))
    for value in (1.0, 2.0, 3.0, 4.0):
        assert slope(ag.Tensor([value])).tolist() == pytest.approx([3 * value**2])
        assert curve(ag.Tensor([value])).tolist() == [pytest.approx([6 * value])]


def test_a_replay_allocates_less_than_one_matrix() -> None:
    """All large arrays lie in the buffers of the plan."""
    import tracemalloc

    x = ag.Tensor(np.ones((256, 256), np.float32))
    w = ag.Tensor(np.ones((256, 256), np.float32), requires_grad=True)
    optimizer = nn.Adam([w])

    @ag.jit
    def step() -> ag.Tensor:
        optimizer.zero_grad()
        loss = ag.tanh((x @ w) * 0.01).square().sum()
        loss.backward()
        optimizer.step()
        return loss.detach()

    for _ in range(4):
        step()
    tracemalloc.start()
    step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < x.data.nbytes
