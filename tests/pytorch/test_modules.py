"""Modules, containers and hooks under PyTorch's names."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, nn


def named() -> Any:
    return nn.Sequential(OrderedDict([("hidden", nn.Linear(2, 3)), ("act", nn.ReLU(inplace=True)), ("out", nn.Linear(3, 1))]))


def test_a_sequential_of_a_dict_has_names() -> None:
    net = named()
    assert list(net.state_dict()) == ["hidden.weight", "hidden.bias", "out.weight", "out.bias"]
    assert [name for name, _ in net.named_children()] == ["hidden", "act", "out"]
    assert net.hidden is net[0]
    assert (len(net), [type(m).__name__ for m in net]) == (3, ["Linear", "ReLU", "Linear"])
    plain = nn.Sequential(*net)
    x = np.ones((4, 2), np.float32)
    np.testing.assert_array_equal(net(x).data, plain(x).data)
    assert len(list(net.parameters())) == 4


def test_a_named_sequential_can_be_sliced_changed_and_copied() -> None:
    net = named()
    part = net[1:]
    assert list(part.state_dict()) == ["out.weight", "out.bias"]
    assert part.out is net.out
    assert not hasattr(part, "hidden")
    net[0] = new = nn.Linear(2, 3, bias=False)
    assert net.hidden is new
    net.append(nn.Tanh())
    assert [name for name, _ in net.named_children()] == ["hidden", "act", "out", "3"]
    twin = copy.deepcopy(net)
    assert twin.hidden is twin[0]
    assert twin.hidden is not new


def test_pytorchs_state_loads_into_a_named_sequential() -> None:
    net, other = named(), named()
    assert other.load_state_dict(net.state_dict()) == ([], [])
    keys = other.load_state_dict({"hidden.bias": np.zeros(3, np.float32), "more": np.zeros(1)}, strict=False)
    assert keys.missing_keys == ["hidden.weight", "out.weight", "out.bias"]
    assert keys.unexpected_keys == ["more"]


def test_parts_are_registered_by_name() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", ag.zeros(2))
            self.register_buffer("scratch", ag.zeros(2), persistent=False)
            self.register_buffer("nothing", None)
            self.register_parameter("scale", nn.Parameter(ag.ones(2)))
            self.register_parameter("bias", None)
            self.add_module("inner", nn.Linear(2, 2))
            self.weights = nn.ParameterList([ag.ones(1), nn.Parameter(ag.ones(2), requires_grad=False)])
            self.heads = nn.ParameterDict({"a": ag.ones(3)})

    net: Any = Net()
    keys = ["count", "scale", "inner.weight", "inner.bias", "weights.0", "weights.1", "heads.a"]
    assert list(net.state_dict()) == keys
    assert net.nothing is net.bias is None
    assert [name for name, _ in net.named_parameters(recurse=False)] == ["scale"]
    assert next(iter(net.named_parameters(prefix="net")))[0] == "net.scale"
    assert [name for name, _ in net.named_buffers()] == ["count"]
    assert net.get_submodule("inner") is net.inner
    assert net.get_submodule("") is net
    assert net.get_parameter("heads.a") is net.heads["a"]
    assert not net.weights[1].requires_grad
    for use, error, match in (
        (lambda: net.get_submodule("outer"), AttributeError, "no module 'outer'; it has .*inner"),
        (lambda: net.get_parameter("x"), AttributeError, "no parameter 'x'"),
        (lambda: net.register_buffer("a.b", ag.ones(1)), ValueError, "without dots"),
        (lambda: net.register_parameter("p", ag.ones(1)), TypeError, r"nn\.Parameter\(tensor\)"),
        (lambda: net.add_module("m", ag.relu), TypeError, "must be a Module"),
    ):
        with pytest.raises(error, match=match):
            use()


def test_hooks_run_before_and_after_and_can_be_removed() -> None:
    for make in (lambda: nn.Linear(2, 2), lambda: nn.Sequential(nn.Sequential(nn.Linear(2, 2)))):
        net: Any = make()
        inner = net if isinstance(net, nn.Linear) else net[0]
        x = ag.ones(1, 2)
        before = net(x).data.copy()
        handle = inner.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 2,))
        doubled = net(x).data
        assert not np.array_equal(doubled, before)
        np.testing.assert_array_equal(doubled, net(x).data)
        handle.remove()
        np.testing.assert_array_equal(net(x).data, before)
        after = inner.register_forward_hook(lambda module, inputs, output: output * 0)
        assert not net(x).data.any()
        after()
        np.testing.assert_array_equal(net(x).data, before)


def test_a_compiled_step_notices_a_new_hook() -> None:
    layer = nn.Linear(2, 2)
    step = ag.jit(lambda x: layer(x).detach())
    x = ag.ones(1, 2)
    before = [step(x).data.copy() for _ in range(4)][-1]
    layer.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 2,))
    expected = layer(x).data
    assert not np.array_equal(expected, before)
    for _ in range(4):
        np.testing.assert_allclose(step(x).data, expected, rtol=1e-6)


def test_a_handle_of_a_tensor_removes_its_hook() -> None:
    x = Tensor(3.0, requires_grad=True)
    with x.register_hook(lambda g: g * 10):
        (x * x).backward()
    (x * x).backward()
    assert x.grad is not None
    assert x.grad.item() == 66


@pytest.mark.parametrize("dtype", ["float64", "float16", "float32"])
def test_a_module_is_converted_with_its_buffers_and_trains_on(dtype: str) -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    net(ag.ones(4, 2)).sum().backward()
    convert = {"float64": net.double, "float16": net.half, "float32": net.float}[dtype]
    assert convert() is net
    assert {p.dtype for p in net.parameters()} | {b.dtype for b in net.buffers() if b.dtype.kind == "f"} == {np.dtype(dtype)}
    optimizer = nn.SGD(net.parameters(), lr=0.1)
    step = ag.jit(lambda x: _step(net, optimizer, x))
    start = net[2].weight.data.copy()
    for _ in range(4):
        loss = step(Tensor(np.arange(8.0).reshape(4, 2).astype(dtype)))
    assert loss.dtype == np.dtype(dtype)
    assert not np.array_equal(net[2].weight.data, start)
    assert net.to("cpu").to(ag.device("cpu")) is net


def _step(net: Any, optimizer: Any, x: Any) -> Any:
    optimizer.zero_grad()
    loss = (net(x) - 1).square().mean()
    loss.backward()
    optimizer.step()
    return loss.detach()


def test_gradients_can_be_zeroed_instead_of_deleted() -> None:
    for owner in (nn.Linear(2, 1), None):
        layer = owner or nn.Linear(2, 1)
        target: Any = layer if owner is not None else nn.SGD(layer.parameters())
        layer(ag.ones(1, 2)).sum().backward()
        target.zero_grad(set_to_none=False)
        assert layer.weight.grad is not None
        assert layer.weight.grad.tolist() == [[0, 0]]
        target.zero_grad(set_to_none=True)
        assert layer.weight.grad is None


def test_requires_grad_is_set_for_all_parameters() -> None:
    net = nn.Linear(2, 1)
    assert not any(p.requires_grad for p in net.requires_grad_(False).parameters())
    assert all(p.requires_grad for p in net.requires_grad_().parameters())


@pytest.mark.parametrize(
    "use", [lambda: nn.ReLU().cuda(), lambda: nn.Linear(2, 1).to("cuda:0"), lambda: nn.ReLU().to(device="mps")]
)
def test_another_device_is_refused(use: Callable[[], Any]) -> None:
    with pytest.raises(RuntimeError, match="tensors are always on the CPU"):
        use()


def test_utilities_clip_and_flatten() -> None:
    layer = nn.Linear(2, 1)
    layer.weight.grad, layer.bias.grad = Tensor([[3.0, 0.0]]), Tensor([4.0])
    assert nn.utils.clip_grad_norm_(layer.parameters(), 1.0).item() == 5
    np.testing.assert_allclose(layer.weight.grad.data, [[0.6, 0.0]], rtol=1e-6)
    nn.utils.clip_grad_value_(layer.parameters(), 0.5)
    assert layer.bias.grad.tolist() == [0.5]
    vector = nn.utils.parameters_to_vector(layer.parameters())
    nn.utils.vector_to_parameters(vector * 2, layer.parameters())
    np.testing.assert_allclose(nn.utils.parameters_to_vector(layer.parameters()).data, vector.data * 2)
    with pytest.raises(ValueError, match="expected 3 elements, got 2"):
        nn.utils.vector_to_parameters(ag.ones(2), layer.parameters())


def test_a_module_that_is_added_to_a_container_runs_in_it() -> None:
    """`add_module` and an assignment make a module an item, in the order of the calls, as in PyTorch."""
    net = nn.Sequential(nn.Linear(2, 3))
    net.add_module("act", nn.ReLU())
    net.append(nn.Linear(3, 1))
    net.double = nn.Lambda(lambda x: 2 * x)
    assert [name for name, _ in net.named_children()] == ["0", "act", "2", "double"]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    x = np.ones((4, 2), np.float32)
    np.testing.assert_array_equal(net(x).data, 2 * net[2](net[0](x).relu()).data)
    assert net.act is net[1]
    assert getattr(net, "0") is net[0]
    net.act = new = nn.Tanh()
    assert (net[1], len(net)) == (new, 4)
    part = net[1:]
    assert part.act is new
    assert not hasattr(part, "0.weight")
    assert copy.deepcopy(net).act is not new
    assert pickle.loads(pickle.dumps(nn.Sequential(OrderedDict(a=nn.ReLU())))).a is not None

    blocks = nn.ModuleList([nn.Linear(1, 1)])
    blocks.add_module("last", nn.Linear(1, 1))
    assert [*blocks.state_dict()] == ["0.weight", "0.bias", "last.weight", "last.bias"]
    with pytest.raises(AttributeError, match="'Sequential' object has no attribute 'hidden'"):
        net.hidden  # noqa: B018


def test_items_of_dicts_are_attributes() -> None:
    parts = nn.ModuleDict({"encoder": nn.Linear(2, 2)})
    assert parts.encoder is parts["encoder"]
    parts.encoder = new = nn.Linear(2, 3)
    parts.decoder = nn.Linear(3, 2)
    parts.add_module("act", nn.ReLU())
    parts.update({"norm": nn.LayerNorm(2)})
    assert parts["encoder"] is new
    assert list(parts) == ["encoder", "decoder", "act", "norm"]
    assert [*parts.state_dict()][:3] == ["encoder.weight", "encoder.bias", "decoder.weight"]
    weights = nn.ParameterDict({"a": ag.ones(2)})
    assert weights.a is weights["a"] is next(iter(weights.values()))
    assert [*weights.keys()] == ["a"]
    assert len(nn.ParameterList([ag.ones(2)]).extend([ag.ones(1), ag.zeros(3)])) == 3


def test_a_buffer_that_gets_a_new_value_stays_a_buffer() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(1, 1)
            self.register_buffer("steps", ag.zeros(1, dtype=ag.int64))
            self.register_buffer("scratch", ag.zeros(1), persistent=False)

        def forward(self, x: Any) -> Any:
            self.steps = self.steps + 1
            self.scratch = self.scratch + 1
            return self.linear(x)

    net = Net()
    net(ag.ones(1, 1))
    net(ag.ones(1, 1))
    assert net.state_dict()["steps"].tolist() == [2]
    assert "scratch" not in net.state_dict()
    other = Net()
    other.load_state_dict(net.state_dict())
    assert other.steps.tolist() == [2]


@pytest.mark.filterwarnings("ignore:jit")
def test_a_compiled_step_counts_in_a_buffer() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            self.register_buffer("steps", ag.zeros(1))

        def forward(self, x: Any) -> Any:
            self.steps = self.steps + 1
            return x * self.steps

    net = Counter()
    step = ag.jit(net)
    assert [step(ag.ones(1)).item() for _ in range(5)] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert net.state_dict()["steps"].tolist() == [5.0]


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_sequences_are_padded_to_the_longest(batch_first: bool, side: str) -> None:
    rows = [np.arange(2.0 * n).reshape(n, 2) + n for n in (3, 1, 2)]
    expected = np.full((3, 3, 2), -1.0)
    for i, row in enumerate(rows):
        place = slice(len(row)) if side == "right" else slice(3 - len(row), 3)
        expected[i, place] = row
    leaves = [Tensor(row, requires_grad=True) for row in rows]
    padded = nn.utils.rnn.pad_sequence(leaves, batch_first, padding_value=-1.0, padding_side=side)
    np.testing.assert_array_equal(padded.data, expected if batch_first else expected.swapaxes(0, 1))
    (padded * padded).sum().backward()
    for leaf, row in zip(leaves, rows, strict=True):
        np.testing.assert_array_equal(leaf.grad.data, 2 * row)


@pytest.mark.parametrize(
    ("sequences", "options", "match"),
    [
        ([], {}, "got shapes none"),
        ([np.ones((2, 3)), np.ones((2, 4))], {}, r"got shapes \(2, 3\), \(2, 4\)"),
        ([1.0], {}, r"got shapes \(\)"),
        ([[1.0]], {"padding_side": "top"}, "padding_side must be .*'top'"),
    ],
)
def test_sequences_that_cannot_be_padded_are_refused(sequences: Any, options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        nn.utils.rnn.pad_sequence(sequences, **options)


def test_lists_of_modules_change_like_lists() -> None:
    a, b, c = nn.ReLU(), nn.Tanh(), nn.Linear(2, 2)
    for kind in (nn.ModuleList, lambda items: nn.Sequential(*items)):
        modules, expected = kind([a, b]), [a, b]
        for items in (modules, expected):
            items.insert(1, c)
            items += [a]
            del items[0]
        assert list(modules) == expected
        assert modules.pop() is expected.pop()
        assert list(modules) == expected
        assert list(modules.state_dict()) == ["0.weight", "0.bias"]
    with pytest.raises(TypeError, match="items with names cannot move"):
        named().pop(0)
    with pytest.raises(TypeError, match="must be a Module, got function"):
        nn.ModuleList().insert(0, lambda x: x)


def test_softplus_has_beta_and_a_data_set_its_tensors() -> None:
    x = Tensor([[-1.0, 2.0]])
    np.testing.assert_allclose(nn.Softplus(beta=2)(x).data, np.log1p(np.exp(2 * x.data)) / 2, rtol=1e-6)
    assert str(nn.Softplus(2.0)) == "Softplus(beta=2.0, threshold=20.0)"
    rows = nn.data.TensorDataset(x, np.ones(1)).tensors
    assert [type(t) for t in rows] == [Tensor, Tensor]
    assert rows[0].tolist() == x.tolist()


def test_a_tensor_does_not_silently_replace_a_parameter() -> None:
    """As in PyTorch: it would not be trained any more."""
    layer = nn.Linear(2, 2)
    with pytest.raises(TypeError, match=r"Linear\.weight is a Parameter"):
        layer.weight = ag.ones((2, 2))
    layer.weight = nn.Parameter(ag.zeros((2, 2)))
    layer.weight.data = ag.ones((2, 2))
    with ag.no_grad():
        layer.weight += 1
    assert isinstance(layer.weight, nn.Parameter)
    assert layer.weight.tolist() == [[2.0, 2.0], [2.0, 2.0]]
    layer.bias = None
    assert len(list(layer.parameters())) == 1
