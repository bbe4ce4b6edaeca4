"""A compiled step notices what has changed around it since it was recorded, or refuses at once: it never goes on as if not.

Each program runs eagerly and compiled, and must give the same numbers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.jit.trace import TraceError

Compile = Callable[..., Any]
X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)


def both(program: Callable[[Compile], Any]) -> None:
    """What a program gives with `ag.jit` is what it gives without."""
    results = []
    for compile in (lambda f: f, ag.jit):
        ag.manual_seed(0)
        results.append(program(compile))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5, atol=1e-7)


def trained(compile: Compile, net: nn.Module, optimizer: Any, *, clip: float | None = None) -> Callable[[Any], float]:
    def step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = ag.square(net(x) - 1).mean()
        loss.backward()
        if clip:
            nn.clip_grad_value(net.parameters(), clip)
        optimizer.step()
        return loss.detach()

    compiled = compile(step)
    return lambda x: compiled(Tensor(x)).item()


# -- gradients and where they lie ----------------------------------------------------------------------------------------------


def test_gradients_that_no_kernel_writes_in_place_reach_the_fused_update() -> None:
    def program(compile: Compile) -> list[float]:
        net = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 2))
        step = trained(compile, net, nn.SGD(net.parameters(), lr=0.5), clip=0.1)
        return [step(X) for _ in range(6)]

    both(program)


def test_embeddings_and_numbers_beside_layers() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.table, self.scale, self.last = nn.Embedding(5, 3), nn.Parameter(1.5), nn.Linear(3, 1)

        def forward(self, i: Tensor) -> Tensor:
            return self.last(self.table(i) * self.scale)

    def program(compile: Compile) -> list[float]:
        net = Net()
        step = trained(compile, net, nn.Adam(net.parameters(), lr=0.1))
        return [step(np.array([0, 3, 3, i % 5])) for i in range(6)]

    both(program)


def test_plans_that_move_different_parameters_take_turns() -> None:
    def program(compile: Compile) -> list[float]:
        net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))
        step = trained(compile, net, nn.SGD(net.parameters(), lr=0.1))
        losses = []
        for frozen, rows in ((True, 8), (False, 8), (True, 5), (False, 5), (True, 8)):
            (net[2].freeze if frozen else net[2].unfreeze)()
            losses += [step(X[:rows]) for _ in range(4)]
        return losses

    both(program)


def test_kept_gradients_keep_their_values() -> None:
    def program(compile: Compile) -> list[Any]:
        net = nn.Linear(3, 1)
        step, kept = trained(compile, net, nn.SGD(net.parameters(), lr=0.1)), []
        for i in range(7):
            step(X[: 8 if i % 2 else 5])
            kept.append(net.weight.grad)
        return [g.tolist() for g in kept]

    both(program)


def test_a_parameter_met_first_as_another_tensor_gets_its_gradient() -> None:
    def program(compile: Compile) -> list[Any]:
        w = Tensor([1.0, 2.0], requires_grad=True)
        alias = w.detach()

        @compile
        def step(x: Tensor) -> Tensor:
            total = (alias * 2).sum()
            w.data = w.detach() * 0.9
            ag.square(w * x).sum().backward()
            return total

        found = []
        for _ in range(4):
            w.grad = None
            step(Tensor([1.0, 2.0]))
            found.append(w.grad.tolist())
        return found

    both(program)


# -- optimizers ----------------------------------------------------------------------------------------------------------------


def test_groups_that_are_replaced() -> None:
    def program(compile: Compile) -> list[float]:
        net = nn.Linear(3, 1)
        optimizer = nn.SGD(net.parameters(), lr=0.1)
        step = trained(compile, net, optimizer)
        losses = [step(X) for _ in range(4)]
        optimizer.param_groups[0] = {**optimizer.param_groups[0], "lr": 0.01}
        return losses + [step(X) for _ in range(4)]

    both(program)


def test_two_optimizers_over_some_of_the_same_parameters() -> None:
    def program(compile: Compile) -> list[Any]:
        w, b, c = (Tensor(np.full(3, v, np.float32), requires_grad=True) for v in (1.0, 2.0, 3.0))
        first, second = nn.SGD([w, b], lr=0.1), nn.SGD([w, b, c], lr=0.01)

        @compile
        def step(x: Tensor) -> Tensor:
            for p in (w, b, c):
                p.grad = None
            loss = ag.square(w * x + b * c).sum()
            loss.backward()
            first.step()
            second.step()
            return loss.detach()

        losses = [step(Tensor(X[0])).item() for _ in range(6)]
        return losses + w.tolist() + b.tolist() + c.tolist()

    both(program)


def test_optimizers_with_other_groups_take_over() -> None:
    def program(compile: Compile) -> list[float]:
        net = nn.Linear(3, 2)
        groups = [{"params": [net.weight], "lr": 0.1}, {"params": [net.bias], "lr": 0.001}]
        losses = []
        for first, second in (
            (nn.Adam(net.parameters(), lr=0.1), nn.SGD(groups, lr=0.1)),
            (nn.SGD([dict(g) for g in groups], lr=0.1), nn.Adam(net.parameters(), lr=0.1)),
        ):
            step = trained(compile, net, nn.SwitchOptimizer(first, second, at=4))
            losses += [step(X) for _ in range(8)]
        return losses

    both(program)


def test_a_schedule_inside_the_step() -> None:
    def program(compile: Compile) -> list[float]:
        net = nn.Linear(3, 1)
        optimizer = nn.SGD(net.parameters(), lr=0.5)
        schedule = nn.StepLR(optimizer, step_size=2, gamma=0.5)

        @compile
        def step(x: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss = ag.square(net(x) - 1).mean()
            loss.backward()
            optimizer.step()
            schedule.step()
            return loss.detach()

        return [*(step(Tensor(X)).item() for _ in range(8)), optimizer.param_groups[0]["lr"]]

    both(program)


def test_averaged_weights_inside_a_prediction() -> None:
    def program(compile: Compile) -> list[float]:
        net = nn.Linear(3, 1)
        ema = nn.EMA(net.parameters(), 0.5)

        @compile
        def predict(x: Tensor) -> Tensor:
            with ag.no_grad(), ema.average_parameters():
                return net(x).sum()

        found = []
        for i in range(6):
            net.weight.data = net.weight.detach() + i
            ema.update()
            found += [predict(Tensor(X)).item(), net.weight.sum().item()]
        return found

    both(program)


def test_nothing_is_loaded_when_anything_is_wrong() -> None:
    net = nn.Linear(3, 2)
    optimizer = nn.Adam(net.parameters())
    net(X).sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    state["state"][0]["exp_avg"] += 99
    state["state"][1]["exp_avg"] = np.zeros(7)
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(ValueError, match="parameter 1: exp_avg: expected shape"):
        optimizer.load_state_dict(state)
    after = optimizer.state_dict()["state"]
    for i, values in before["state"].items():
        assert all(np.array_equal(after[i][name], value) for name, value in values.items())


# -- modules -------------------------------------------------------------------------------------------------------------------


def test_numbers_among_the_attributes_of_modules() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            self.beta, self.mode = 1.0, "sum"

        def forward(self, x: Tensor) -> Tensor:
            return (x * self.beta).sum() if self.mode == "sum" else (x * self.beta).mean()

    def program(compile: Compile) -> list[float]:
        net, found = Scaled(), []
        f = compile(lambda x: net(x))
        for beta, mode in ((1.0, "sum"), (1.0, "sum"), (1.0, "sum"), (2.0, "sum"), (2.0, "mean"), (1.0, "sum")):
            net.beta, net.mode = beta, mode
            found += [f(Tensor(X + 1)).item() for _ in range(3)]
        return found

    both(program)


@pytest.mark.parametrize("number", [float, np.float64, np.float32, np.int64])
def test_a_callback_that_anneals_a_weight_reaches_the_compiled_trainer(number: Callable[[int], Any]) -> None:
    """Also by numbers of NumPy's, as `np.linspace` gives them."""

    class Annealed(nn.Callback):
        def after_row(self, trainer: nn.Trainer, row: dict[str, float]) -> None:
            trainer.model.beta = number(len(trainer.history))

    class Model(nn.Module):
        def __init__(self) -> None:
            self.layer, self.beta = nn.Linear(3, 1), 0.0

        def training_step(self, batch: tuple[Tensor, ...]) -> dict[str, Tensor]:
            return {"loss": ag.square(self.layer(batch[0]) - 1).mean() + self.beta * ag.square(self.layer.weight).sum()}

    def program(jit: bool) -> list[float]:
        ag.manual_seed(0)
        model = Model()
        trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.1), callbacks=[Annealed()], progress=False, jit=jit)
        trainer.fit(nn.data.DataLoader(X, np.zeros(8, np.int64), batch_size=2), 4)
        return [row["loss"] for row in trainer.history]

    assert program(jit=True) == program(jit=False)


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net.__setitem__(0, nn.Linear(3, 2)),
        lambda net: net.append(nn.Tanh()),
        lambda net: setattr(net[0], "bias", None),
        lambda net: setattr(net[1], "p", 1.0),
        lambda net: net.register_forward_hook(lambda module, inputs, output: output * 3),
        lambda net: net.eval(),
        lambda net: net[0].weight.requires_grad and setattr(net[0].weight, "data", net[0].weight.detach() * 2),
    ],
    ids=["an item", "one more", "no bias", "a number", "a hook", "inference", "weights"],
)
def test_networks_that_are_changed(change: Callable[[Any], Any]) -> None:
    def program(compile: Compile) -> list[Any]:
        net = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.0))
        f = compile(lambda x: net(x).sum().detach())
        found = [f(Tensor(X)).item() for _ in range(4)]
        change(net)
        return found + [f(Tensor(X)).item() for _ in range(4)]

    both(program)


def test_hooks_of_tensors() -> None:
    def program(compile: Compile) -> list[Any]:
        w = Tensor([1.0, 2.0], requires_grad=True)

        @compile
        def step(x: Tensor) -> None:
            w.grad = None
            (w * x).sum().backward()

        found = []
        for i in range(9):
            if i == 3:
                first = w.register_hook(lambda g: g * 2)
            if i == 6:
                w.register_hook(lambda g: g + 1)
                first()
            step(Tensor([1.0, 3.0]))
            found.append(w.grad.tolist())
        return found

    both(program)


def test_whether_a_gradient_is_wanted_is_looked_at_again() -> None:
    def program(compile: Compile) -> list[float]:
        w = Tensor(2.0, requires_grad=True)
        f = compile(lambda x: x * 2 if w.requires_grad else x * 3)
        found = []
        for wanted in (True, True, True, False, False, False, True):
            w.requires_grad = wanted
            found.append(f(Tensor(1.0)).item())
        return found

    both(program)


def test_inference_gives_each_part_its_own_mode_back() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            self.layer, self.fixed = nn.Linear(3, 1), nn.BatchNorm1d(1)

        def training_step(self, batch: tuple[Tensor, ...]) -> dict[str, Tensor]:
            return {"loss": self.fixed(self.layer(batch[0])).mean()}

    model = Model()
    model.fixed.eval()
    trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.1), progress=False)
    trainer.evaluate(nn.data.DataLoader(X, np.zeros(8, np.int64)))
    assert model.training
    assert not model.fixed.training


# -- calls ---------------------------------------------------------------------------------------------------------------------


def test_a_compiled_forward_pass_inside_a_compiled_step() -> None:
    def program(compile: Compile) -> list[float]:
        net = nn.Linear(3, 1)
        forward = compile(net.forward)
        optimizer = nn.SGD(net.parameters(), lr=0.1)

        @compile
        def step(x: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss = ag.square(forward(x) - 1).mean()
            loss.backward()
            optimizer.step()
            return loss.detach()

        return [step(Tensor(X)).item() for _ in range(5)]

    both(program)


def test_python_floats_leave_the_dtype_to_the_tensors_beside_them() -> None:
    f = ag.jit(lambda x, beta: x.sum() * beta)
    for beta in (0.1, 0.2, 0.3, 0.4):
        assert f(Tensor(X), beta).dtype == np.float32
        assert f(Tensor(X.astype(np.float64)), beta).item() == (Tensor(X.astype(np.float64)).sum() * beta).item()


def test_numbers_of_every_kind_give_the_dtypes_of_eager_code() -> None:
    """Python's and NumPy's numbers and 0-d arrays leave the choice to a tensor beside them, which a 0-d tensor does not."""
    factors: tuple[Any, ...] = (
        0.5, np.float64(0.5), np.array(0.5), Tensor(0.5, dtype="float64"), np.float32(0.5), np.array(3), np.int8(3), Tensor(3),
    )  # fmt: skip
    for x in (Tensor(1.5), Tensor([1.5]), Tensor(2, dtype="int8"), Tensor([2], dtype="int8")):
        f = ag.jit(lambda x, factor: x * factor)
        for factor in [factor for factor in factors for _ in range(3)]:
            given, wanted = f(x, factor), x * factor
            assert (given.dtype, given.tolist()) == (wanted.dtype, wanted.tolist()), factor


def test_numpy_integers_are_static_like_pythons() -> None:
    """By their value: a new object of the same value needs no new plan."""
    f = ag.jit(lambda x, k: x[k] * k)
    for k in [*np.arange(3), *np.arange(3), *np.arange(3)]:
        assert f(Tensor([1.0, 2.0, 3.0]), k).item() == (k + 1) * k
    assert len(f.plans) == 3


def test_an_argument_that_is_assigned_to_counts_as_written() -> None:
    """In every call, be it eager, recorded or replayed: the gradient of an older graph would be wrong."""

    @ag.jit
    def double(x: Tensor) -> None:
        x.data = x * 2

    x, w = Tensor([1.0, 2.0]), Tensor([3.0, 4.0], requires_grad=True)
    for i in range(4):
        older = (w * x).sum()
        double(x)
        assert x.tolist() == [2.0 ** (i + 1), 2.0 ** (i + 2)]
        with pytest.raises(RuntimeError, match="was modified in place after"):
            older.backward()


@pytest.mark.parametrize(
    ("function", "good", "bad", "error"),
    [
        (lambda i: ag.one_hot(i, 3), np.array([0, 2]), np.array([0, 3]), IndexError),
        (lambda p: ag.bernoulli(p), np.array([0.0, 1.0]), np.array([0.0, 1.5]), ValueError),
    ],
    ids=["one_hot", "bernoulli"],
)
def test_values_are_checked_in_each_replay(function: Any, good: Any, bad: Any, error: type[Exception]) -> None:
    f = ag.jit(function)
    for _ in range(3):
        f(good)
    with pytest.raises(error, match=r"must lie in \[0, "):
        f(bad)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (
            lambda x, net: setattr(t := ag.zeros((8, 3)), "data", x) or t + 1,
            "that the function itself created",
        ),
        (lambda x, net: copy.deepcopy(net)(x).detach(), "deepcopy"),
        (lambda x, net: (net.load_state_dict(net.state_dict()), x + 1)[1], r"\.data"),
        (lambda x, net: (ag.manual_seed(0), x + 1)[1], "manual_seed runs only while tracing"),
        (lambda x, net: (ag.get_rng_state(), x + 1)[1], "get_rng_state"),
        (lambda x, net: (nn.SGD(net.parameters()).state_dict(), x + 1)[1], "state_dict"),
    ],
    ids=["a tensor made inside", "deepcopy", "state_dict", "manual_seed", "get_rng_state", "state of an optimizer"],
)
def test_what_a_replay_would_not_repeat_is_refused(function: Any, told: str) -> None:
    net = nn.Linear(3, 1)
    f = ag.jit(lambda x: function(x, net))
    f(Tensor(X))
    with pytest.raises(TraceError, match=told):
        f(Tensor(X))


def test_a_graph_from_before_is_walked_back_only_while_nobody_writes_its_operands() -> None:
    """As without jit, the gradient by a value that is no longer there is refused, and a new graph is another recording."""
    w = Tensor(3.0, requires_grad=True)
    graphs = [w * w]

    @ag.jit
    def slope(x: Tensor) -> Tensor:
        w.grad = None
        (x * graphs[0]).backward()
        return w.grad.copy()

    assert [slope(Tensor(x)).item() for x in (1.0, 2.0, 3.0)] == [6.0, 12.0, 18.0]
    w.data = Tensor(10.0)
    with pytest.raises(RuntimeError, match="modified in place after"):
        slope(Tensor(1.0))
    graphs[0] = w * w
    assert [slope(Tensor(x)).item() for x in (1.0, 2.0, 3.0)] == [20.0, 40.0, 60.0]
