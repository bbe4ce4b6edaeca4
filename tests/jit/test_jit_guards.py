"""A compiled step notices changes around it, or rejects what it could not notice; it never gives outdated results.

Each program runs eagerly and compiled, and must give the same results.
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


def check_program(program: Callable[[Compile], Any]) -> None:
    """Checks that a program gives the same results with and without `ag.jit`."""
    results = []
    for compile in (lambda f: f, ag.jit):
        ag.manual_seed(0)
        results.append(program(compile))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5, atol=1e-7)


def training_step(compile: Compile, net: nn.Module, optimizer: Any, *, clip: float | None = None) -> Callable[[Any], float]:
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


def test_a_fused_update_gets_gradients_that_no_kernel_writes_in_place() -> None:
    def program(compile: Compile) -> list[float]:
        net = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 2))
        step = training_step(compile, net, nn.SGD(net.parameters(), lr=0.5), clip=0.1)
        return [step(X) for _ in range(6)]

    check_program(program)


def test_embeddings_and_scalar_parameters_train_together() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.table, self.scale, self.last = nn.Embedding(5, 3), nn.Parameter(1.5), nn.Linear(3, 1)

        def forward(self, i: Tensor) -> Tensor:
            return self.last(self.table(i) * self.scale)

    def program(compile: Compile) -> list[float]:
        net = Net()
        step = training_step(compile, net, nn.Adam(net.parameters(), lr=0.1))
        return [step(np.array([0, 3, 3, i % 5])) for i in range(6)]

    check_program(program)


def test_plans_that_update_different_parameters_can_alternate() -> None:
    def program(compile: Compile) -> list[float]:
        net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))
        step = training_step(compile, net, nn.SGD(net.parameters(), lr=0.1))
        losses = []
        for frozen, rows in ((True, 8), (False, 8), (True, 5), (False, 5), (True, 8)):
            (net[2].freeze if frozen else net[2].unfreeze)()
            losses += [step(X[:rows]) for _ in range(4)]
        return losses

    check_program(program)


def test_a_gradient_that_a_user_holds_keeps_its_values() -> None:
    def program(compile: Compile) -> list[Any]:
        net = nn.Linear(3, 1)
        step, kept = training_step(compile, net, nn.SGD(net.parameters(), lr=0.1)), []
        for i in range(7):
            step(X[: 8 if i % 2 else 5])
            kept.append(net.weight.grad)
        return [g.tolist() for g in kept]

    check_program(program)


def test_a_parameter_that_is_first_used_through_an_alias_gets_its_gradient() -> None:
    def program(compile: Compile) -> list[Any]:
        w = Tensor([1.0, 2.0], requires_grad=True)
        alias = w.detach()

        @compile
        def step(x: Tensor) -> Tensor:
            total = (alias * 2).sum()
            w.data = w.detach() * 0.9
            ag.square(w * x).sum().backward()
            return total

        results = []
        for _ in range(4):
            w.grad = None
            step(Tensor([1.0, 2.0]))
            results.append(w.grad.tolist())
        return results

    check_program(program)


# -- optimizers ----------------------------------------------------------------------------------------------------------------


def test_a_replaced_parameter_group_is_used() -> None:
    def program(compile: Compile) -> list[float]:
        net = nn.Linear(3, 1)
        optimizer = nn.SGD(net.parameters(), lr=0.1)
        step = training_step(compile, net, optimizer)
        losses = [step(X) for _ in range(4)]
        optimizer.param_groups[0] = {**optimizer.param_groups[0], "lr": 0.01}
        return losses + [step(X) for _ in range(4)]

    check_program(program)


def test_two_optimizers_may_share_parameters() -> None:
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

    check_program(program)


def test_a_switch_to_an_optimizer_with_other_groups_is_noticed() -> None:
    def program(compile: Compile) -> list[float]:
        net = nn.Linear(3, 2)
        groups = [{"params": [net.weight], "lr": 0.1}, {"params": [net.bias], "lr": 0.001}]
        losses = []
        for first, second in (
            (nn.Adam(net.parameters(), lr=0.1), nn.SGD(groups, lr=0.1)),
            (nn.SGD([dict(g) for g in groups], lr=0.1), nn.Adam(net.parameters(), lr=0.1)),
        ):
            step = training_step(compile, net, nn.SwitchOptimizer(first, second, at=4))
            losses += [step(X) for _ in range(8)]
        return losses

    check_program(program)


def test_a_schedule_may_run_inside_the_step() -> None:
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

    check_program(program)


def test_averaged_weights_may_be_applied_inside_the_step() -> None:
    def program(compile: Compile) -> list[float]:
        net = nn.Linear(3, 1)
        ema = nn.EMA(net.parameters(), 0.5)

        @compile
        def predict(x: Tensor) -> Tensor:
            with ag.no_grad(), ema.average_parameters():
                return net(x).sum()

        results = []
        for i in range(6):
            net.weight.data = net.weight.detach() + i
            ema.update()
            results += [predict(Tensor(X)).item(), net.weight.sum().item()]
        return results

    check_program(program)


def test_invalid_optimizer_state_loads_nothing() -> None:
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


def test_a_changed_attribute_of_a_module_is_noticed() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            self.beta, self.mode = 1.0, "sum"

        def forward(self, x: Tensor) -> Tensor:
            return (x * self.beta).sum() if self.mode == "sum" else (x * self.beta).mean()

    def program(compile: Compile) -> list[float]:
        net, results = Scaled(), []
        f = compile(lambda x: net(x))
        for beta, mode in ((1.0, "sum"), (1.0, "sum"), (1.0, "sum"), (2.0, "sum"), (2.0, "mean"), (1.0, "sum")):
            net.beta, net.mode = beta, mode
            results += [f(Tensor(X + 1)).item() for _ in range(3)]
        return results

    check_program(program)


@pytest.mark.parametrize("number", [float, np.float64, np.float32, np.int64])
def test_a_compiled_trainer_notices_a_weight_that_a_callback_changes(number: Callable[[int], Any]) -> None:
    """Also if the weight is a NumPy number, as from `np.linspace`."""

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
    ids=["replaced item", "appended item", "removed bias", "number", "hook", "eval", "weights"],
)
def test_a_changed_network_is_noticed(change: Callable[[Any], Any]) -> None:
    def program(compile: Compile) -> list[Any]:
        net = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.0))
        f = compile(lambda x: net(x).sum().detach())
        results = [f(Tensor(X)).item() for _ in range(4)]
        change(net)
        return results + [f(Tensor(X)).item() for _ in range(4)]

    check_program(program)


def test_new_and_removed_tensor_hooks_are_noticed() -> None:
    def program(compile: Compile) -> list[Any]:
        w = Tensor([1.0, 2.0], requires_grad=True)

        @compile
        def step(x: Tensor) -> None:
            w.grad = None
            (w * x).sum().backward()

        results = []
        for i in range(9):
            if i == 3:
                first = w.register_hook(lambda g: g * 2)
            if i == 6:
                w.register_hook(lambda g: g + 1)
                first()
            step(Tensor([1.0, 3.0]))
            results.append(w.grad.tolist())
        return results

    check_program(program)


def test_a_changed_requires_grad_is_noticed() -> None:
    def program(compile: Compile) -> list[float]:
        w = Tensor(2.0, requires_grad=True)
        f = compile(lambda x: x * 2 if w.requires_grad else x * 3)
        results = []
        for requires_grad in (True, True, True, False, False, False, True):
            w.requires_grad = requires_grad
            results.append(f(Tensor(1.0)).item())
        return results

    check_program(program)


def test_evaluation_restores_the_mode_of_each_part() -> None:
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


def test_a_compiled_step_may_call_a_compiled_forward_pass() -> None:
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

    check_program(program)


def test_a_python_float_does_not_decide_the_dtype() -> None:
    f = ag.jit(lambda x, beta: x.sum() * beta)
    for beta in (0.1, 0.2, 0.3, 0.4):
        assert f(Tensor(X), beta).dtype == np.float32
        assert f(Tensor(X.astype(np.float64)), beta).item() == (Tensor(X.astype(np.float64)).sum() * beta).item()


def test_every_kind_of_number_gives_the_dtype_of_eager_code() -> None:
    """Python numbers, NumPy numbers and 0-d arrays take the dtype of the other operand; a 0-d tensor does not."""
    factors: tuple[Any, ...] = (
        0.5, np.float64(0.5), np.array(0.5), Tensor(0.5, dtype="float64"), np.float32(0.5), np.array(3), np.int8(3), Tensor(3),
    )  # fmt: skip
    for x in (Tensor(1.5), Tensor([1.5]), Tensor(2, dtype="int8"), Tensor([2], dtype="int8")):
        f = ag.jit(lambda x, factor: x * factor)
        for factor in [factor for factor in factors for _ in range(3)]:
            result, expected = f(x, factor), x * factor
            assert (result.dtype, result.tolist()) == (expected.dtype, expected.tolist()), factor


def test_numpy_integers_are_part_of_the_signature() -> None:
    """They count by value: a new object with the same value needs no new plan."""
    f = ag.jit(lambda x, k: x[k] * k)
    for k in [*np.arange(3), *np.arange(3), *np.arange(3)]:
        assert f(Tensor([1.0, 2.0, 3.0]), k).item() == (k + 1) * k
    assert len(f.plans) == 3


def test_an_argument_that_the_function_assigns_counts_as_modified() -> None:
    """In eager, traced and replayed calls: otherwise, an older graph would compute a wrong gradient."""

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
def test_each_replay_checks_values(function: Any, good: Any, bad: Any, error: type[Exception]) -> None:
    f = ag.jit(function)
    for _ in range(3):
        f(good)
    with pytest.raises(error, match=r"must lie in \[0, "):
        f(bad)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, net: copy.deepcopy(net)(x).detach(), "deepcopy"),
        (lambda x, net: (net.load_state_dict(net.state_dict()), x + 1)[1], r"\.data"),
        (lambda x, net: (ag.manual_seed(0), x + 1)[1], "manual_seed runs only while tracing"),
        (lambda x, net: (ag.get_rng_state(), x + 1)[1], "get_rng_state"),
        (lambda x, net: (nn.SGD(net.parameters()).state_dict(), x + 1)[1], "state_dict"),
    ],
    ids=["deepcopy", "state_dict", "manual_seed", "get_rng_state", "state of an optimizer"],
)
def test_tracing_rejects_what_a_replay_would_not_repeat(function: Any, message: str) -> None:
    net = nn.Linear(3, 1)
    f = ag.jit(lambda x: function(x, net))
    f(Tensor(X))
    with pytest.raises(TraceError, match=message):
        f(Tensor(X))


def test_an_older_graph_is_differentiated_only_if_its_operands_are_unchanged() -> None:
    """As in eager code, a backward pass through modified operands raises; a new graph is traced again."""
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
