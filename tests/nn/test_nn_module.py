"""Modules: names and order of parameters, loading of states, containers, and initial values."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as ag
from autograd_mini import Tensor, nn


class Net(nn.Module):
    """A network with parameters and buffers in attributes, lists, tuples and dicts."""

    def __init__(self) -> None:
        self.encoder = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        self.scale = nn.Parameter([1.0])
        self.heads = [nn.Linear(3, 1), {"mu": nn.Linear(3, 2, bias=False)}]
        self.pair = (nn.Parameter([2.0]), nn.Buffer([0, 1]))
        self.constant = Tensor([5.0], requires_grad=True)
        self.note = "not a parameter"

    def forward(self, x: Any) -> Any:
        return self.heads[0](self.encoder(x)) * self.scale  # type: ignore[operator]


NAMES = [
    "encoder.0.weight", "encoder.0.bias", "scale", "heads.0.weight", "heads.0.bias", "heads.1.mu.weight", "pair.0", "pair.1",
]  # fmt: skip


def test_parameters_and_buffers_are_named_by_path_in_order_of_assignment() -> None:
    net = Net()
    assert list(net.state_dict()) == NAMES
    assert [name for name, _ in net.named_parameters()] == NAMES[:-1]
    assert [(name, b.shape) for name, b in net.named_buffers()] == [("pair.1", (2,))]
    assert [name for name, _ in net.named_modules()] == ["", "encoder", "encoder.0", "encoder.1", "heads.0", "heads.1.mu"]
    assert [name for name, _ in net.named_children()] == ["encoder", "heads.0", "heads.1.mu"]


def test_shared_tensors_count_once_and_have_all_their_names_in_the_state() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    net[2].weight = net[0].weight
    net.append(net[0])
    assert len(list(net.parameters())) == 3
    assert len(list(net.modules())) == 4
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias", "3.weight", "3.bias"]
    assert repr(net).count("Linear(") == 3
    once = {key: value + 1 for key, value in net.state_dict().items() if key in ("0.weight", "0.bias", "2.bias")}
    net.load_state_dict(once)  # one path of a shared tensor is enough
    np.testing.assert_array_equal(net[2].weight.data, once["0.weight"])


def test_cycles_of_modules_and_containers_are_visited_once() -> None:
    net, items = Net(), []
    items.append(items)
    net.owner, net.items = [net], items  # type: ignore[attr-defined]
    assert list(net.state_dict()) == NAMES
    assert len(list(net.modules())) == 6
    assert "…" in repr(net)
    assert not net.eval().training


def test_a_misspelt_attribute_raises() -> None:
    with pytest.raises(AttributeError, match="wieght"):
        nn.Linear(2, 2).wieght  # type: ignore[attr-defined]  # noqa: B018


def test_calling_a_module_without_forward_raises() -> None:
    with pytest.raises(AttributeError, match="forward"):
        nn.Module()(1)


def test_switches_affect_all_modules_inside_and_return_the_module() -> None:
    net = Net()
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())
    assert net.freeze() is net
    assert not net(Tensor([[1.0, 2.0]])).requires_grad
    net.unfreeze()(Tensor([[1.0, 2.0]])).sum().backward()
    assert net.encoder[0].weight.grad is not None
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    visited: list[nn.Module] = []
    assert net.apply(visited.append) is net
    assert visited == list(net.modules())


def test_gradients_flow_through_frozen_modules() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
    net[2].freeze()
    net([[1.0, 2.0]]).sum().backward()
    assert net[0].weight.grad is not None
    assert net[2].weight.grad is None


def test_a_state_is_a_copy_and_is_loaded_into_the_existing_storage() -> None:
    net, other = Net(), Net()
    state = net.state_dict()
    storage = [t._data for t in (*other.parameters(), *other.buffers())]
    other.load_state_dict(state)
    for key, value in other.state_dict().items():
        np.testing.assert_array_equal(value, state[key])
    assert all(a is t._data for a, t in zip(storage, (*other.parameters(), *other.buffers()), strict=True))
    state["scale"][:] = 99
    assert net.scale.item() == 1.0
    assert other.scale.item() == 1.0


def test_backward_through_a_graph_from_before_loading_raises() -> None:
    layer = nn.Linear(2, 1)
    loss = layer([[1.0, 2.0]]).square().sum()
    layer.load_state_dict(layer.state_dict())
    with pytest.raises(RuntimeError, match="modified in place after"):
        loss.backward()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": None}, "missing scale"),
        ({"pair.0": None, "scale": None}, "missing scale; missing pair.0"),
        ({"extra": np.zeros(1)}, "unexpected extra"),
        ({"scale": np.zeros((2, 1))}, r"scale: expected float32 \(1,\), got float64 \(2, 1\)"),
        ({"pair.1": np.array([0.5, 1.5])}, r"pair.1: expected int64 \(2,\), got float64 \(2,\)"),
        ({"scale": np.array(["text"])}, "scale: expected float32"),
    ],
)
def test_a_wrong_state_raises_and_nothing_is_loaded(change: dict[str, Any], message: str) -> None:
    net = Net()
    before = net.state_dict()
    state = {key: value + 1 for key, value in before.items()} | change
    with pytest.raises(ValueError, match=message):
        net.load_state_dict({key: value for key, value in state.items() if value is not None})
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


def test_loading_with_strict_false_ignores_missing_and_unexpected_keys() -> None:
    net = Net()
    net.load_state_dict({"scale": np.array([7.0]), "extra": np.zeros(1)}, strict=False)
    assert net.scale.item() == 7.0


def test_deep_copies_are_independent_and_preserve_shared_parameters() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    twin = copy.deepcopy(net)
    assert type(twin[0].weight) is nn.Parameter
    assert twin[0].weight is twin[1].weight
    twin[0].weight.data = np.zeros((2, 2))
    assert (net[0].weight.data != 0).any()


def test_the_repr_of_a_network_has_pytorchs_form() -> None:
    net = Net()
    assert repr(net) == (
        "Net(\n"
        "  (encoder): Sequential(\n"
        "    (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "    (1): ReLU()\n"
        "  )\n"
        "  (heads.0): Linear(in_features=3, out_features=1, bias=True)\n"
        "  (heads.1.mu): Linear(in_features=3, out_features=2, bias=False)\n"
        ")"
    )


# -- containers ------------------------------------------------------------------------------------------------------------


def test_a_slice_of_a_sequential_shares_its_modules() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert len(net) == 3
    assert list(net) == [net[0], net[1], net[-1]]
    head = net[1:]
    assert isinstance(head, nn.Sequential)
    assert head[1] is net[2]
    head.append(nn.Tanh())
    assert len(net) == 3


def test_containers_accept_only_modules() -> None:
    for make in (
        lambda: nn.Sequential(nn.ReLU(), ag.relu),  # type: ignore[arg-type]
        lambda: nn.ModuleList([3]),  # type: ignore[list-item]
        lambda: nn.ModuleDict({"a": None}),  # type: ignore[dict-item]
    ):
        with pytest.raises(TypeError, match=r"nn\.Lambda"):
            make()


def test_lists_and_dicts_of_modules_name_their_items_without_a_prefix() -> None:
    assert list(nn.ModuleList([nn.Linear(1, 1)]).state_dict()) == ["0.weight", "0.bias"]
    heads = nn.ModuleDict({"b": nn.Linear(1, 1)})
    heads["a"] = nn.Identity()
    assert list(heads) == ["b", "a"]
    assert "a" in heads
    assert list(heads.state_dict()) == ["b.weight", "b.bias"]


# -- layers ----------------------------------------------------------------------------------------------------------------


def test_linear_computes_w_h_plus_b_for_any_leading_axes() -> None:
    layer = nn.Linear(3, 2, dtype=np.float64)
    x = np.arange(24.0).reshape(2, 4, 3)
    np.testing.assert_allclose(layer(x).data, x @ layer.weight.data.T + layer.bias.data)  # type: ignore[union-attr]


@pytest.mark.parametrize(("inputs", "outputs"), [(0, 3), (3, 0)])
def test_linear_works_without_features(inputs: int, outputs: int) -> None:
    assert nn.Linear(inputs, outputs)(np.zeros((2, inputs), np.float32)).shape == (2, outputs)


def test_flatten_and_unflatten_are_inverse() -> None:
    x = ag.Tensor(np.arange(24.0).reshape(2, 3, 2, 2))
    np.testing.assert_array_equal(nn.Unflatten(1, (3, 2, 2))(nn.Flatten()(x)).data, x.data)
    with pytest.raises(IndexError, match=r"expected an axis of the input .*, got dim=4"):
        nn.Unflatten(4, (1,))(x)


@pytest.mark.parametrize("sizes", [(3, 4), (-1, 4), (3, -1)])
def test_an_empty_batch_can_be_unflattened(sizes: tuple[int, ...]) -> None:
    assert nn.Unflatten(-1, sizes)(np.zeros((0, 12))).shape == (0, 3, 4)
    assert nn.Unflatten(0, sizes)(np.zeros((12, 0))).shape == (3, 4, 0)


@pytest.mark.parametrize("sizes", [(3, 3), (-1, 5), (-1, -1), (-1, 0)])
@pytest.mark.parametrize("batch", [0, 2])
def test_unflatten_raises_if_the_lengths_do_not_match_the_axis(sizes: tuple[int, ...], batch: int) -> None:
    with pytest.raises(ValueError, match=r"has length 12, which cannot be split into unflattened_size="):
        nn.Unflatten(1, sizes)(np.zeros((batch, 12)))


def test_activations_take_their_settings_by_position_or_name_and_reject_others() -> None:
    assert nn.LeakyReLU(0.5)([-1.0]).item() == nn.LeakyReLU(negative_slope=0.5)([-1.0]).item() == -0.5
    for settings in ({"slop": 1}, {"negative_slope": 1, "x": 2}):
        with pytest.raises(TypeError, match=r"LeakyReLU.*unexpected keyword argument"):
            nn.LeakyReLU(**settings)
    with pytest.raises(TypeError, match=r"Tanh.*no arguments"):
        nn.Tanh(True)  # type: ignore[call-arg]


# -- initial values --------------------------------------------------------------------------------------------------------

FAN_IN, FAN_OUT = 300, 200
SCHEMES: dict[str, tuple[Any, float]] = {
    "xavier_uniform_": ({}, math.sqrt(2 / 500)),
    "xavier_normal_": ({"gain": 2.0}, 2 * math.sqrt(2 / 500)),
    "kaiming_uniform_": ({"nonlinearity": "relu"}, math.sqrt(2 / 300)),
    "kaiming_normal_": ({"a": 0.5, "mode": "fan_out"}, math.sqrt(2 / 1.25 / 200)),
    "normal_": ({"std": 0.3}, 0.3),
    "uniform_": ({"low": -0.6, "high": 0.6}, 0.6 / math.sqrt(3)),
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_initial_values_have_mean_0_and_the_variance_of_the_paper(scheme: str, dtype: str) -> None:
    ag.manual_seed(1)
    options, std = SCHEMES[scheme]
    weight = nn.Parameter(np.zeros((FAN_OUT, FAN_IN), dtype))
    values = getattr(nn.init, scheme)(weight, **options).data.astype(float)
    assert weight.dtype == dtype
    assert abs(values.mean()) < 4 * std / math.sqrt(values.size)
    assert abs(values.std() / std - 1) < 0.01
    if "uniform" in scheme:
        assert 0.99 < abs(values).max() / (math.sqrt(3) * std) <= 1.001


def test_the_kernel_size_counts_in_both_fans() -> None:
    assert nn.init.fans(Tensor(np.zeros((8, 4, 3, 5)))) == (60, 120)
    with pytest.raises(ValueError, match=r"\(3,\)"):
        nn.init.xavier_normal_(Tensor([1.0, 2.0, 3.0]))


@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 9))
def test_the_same_seed_gives_the_same_network_bit_for_bit(seed: int, inputs: int, outputs: int) -> None:
    states = []
    for _ in range(2):
        ag.manual_seed(seed)
        states.append(nn.Linear(inputs, outputs).state_dict())
    for key, value in states[0].items():
        np.testing.assert_array_equal(value, states[1][key])
        assert (abs(value) <= 1 / math.sqrt(inputs)).all()


def test_calculate_gain_returns_the_numbers_of_the_papers() -> None:
    gains = {"linear": 1, "sigmoid": 1, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    assert {name: nn.init.calculate_gain(name) for name in gains} == pytest.approx(gains)
    assert nn.init.calculate_gain("leaky_relu", math.sqrt(5)) == pytest.approx(1 / math.sqrt(3))
    with pytest.raises(ValueError, match="swish"):
        nn.init.calculate_gain("swish")


def test_parameters_must_be_floating_point_and_buffers_may_be_integers() -> None:
    with pytest.raises(TypeError, match="int64"):
        nn.Parameter([1, 2])
    assert nn.Buffer([1, 2]).dtype == np.int64
