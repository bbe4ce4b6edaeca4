"""Recurrent layers: values of loops in plain NumPy, gradients of both orders, shapes, states, errors, and few operations."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.testing import gradcheck, gradgradcheck

RNG = np.random.default_rng(0)
KINDS = ("RNN", "LSTM", "GRU")
INPUT, HIDDEN, LENGTH, BATCH = 3, 4, 5, 2


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def step(kind: str, x: Any, state: list[Any], w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any = None) -> list[Any]:
    """One step for one example, as the formulas have it."""
    u, v = w_ih @ x + b_ih, w_hh @ state[0] + b_hh
    if kind == "RNN":
        return [np.tanh(u + v)]
    if kind == "LSTM":
        i, f, g, o = np.split(u + v, 4)
        c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        return [h if w_hr is None else w_hr @ h, c]
    (ur, uz, un), (vr, vz, vn) = np.split(u, 3), np.split(v, 3)
    z, n = sigmoid(uz + vz), np.tanh(un + sigmoid(ur + vr) * vn)
    return [(1 - z) * n + z * state[0]]


def run(kind: str, layer: Any, x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
    """The layer as loops over layers, directions, examples and steps, for x (T, N, I)."""
    last: list[list[Any]] = [[] for _ in states]
    for k, reverse in product(range(layer.num_layers), range(1 + layer.bidirectional)):
        if not reverse:
            below, x = x, np.zeros((*x.shape[:2], layer.output_size * (1 + layer.bidirectional)))
        weights = [0.0 if p is None else p.data for p in layer.parameters_of(k, bool(reverse))]
        ends = [s[len(last[0])].copy() for s in states]
        for n in range(x.shape[1]):
            state = [s[len(last[0])][n] for s in states]
            for t in reversed(range(len(x))) if reverse else range(len(x)):
                state = step(kind, below[t, n], state, *weights)
                x[t, n, reverse * layer.output_size : (reverse + 1) * layer.output_size] = state[0]
            for end, s in zip(ends, state, strict=True):
                end[n] = s
        for parts, end in zip(last, ends, strict=True):
            parts.append(end)
    return x, [np.stack(parts) for parts in last]


CONFIGURATIONS: list[dict[str, Any]] = [
    {}, {"bias": False}, {"num_layers": 2}, {"bidirectional": True}, {"num_layers": 2, "bidirectional": True, "batch_first": True},
]  # fmt: skip


def make(kind: str, **options: Any) -> Any:
    return getattr(nn, kind)(INPUT, HIDDEN, dtype=np.float64, **options)


def drawn_states(layer: Any, batch: tuple[int, ...] = (BATCH,)) -> list[Any]:
    lead = layer.num_layers * (1 + layer.bidirectional)
    return [RNG.standard_normal((lead, *batch, size)) for size in (layer.output_size, HIDDEN)[: layer.states]]


@pytest.mark.parametrize(
    ("kind", "options"), [*product(KINDS, CONFIGURATIONS), ("LSTM", {"proj_size": 2, "num_layers": 2})], ids=str
)
def test_values_equal_loops(kind: str, options: dict[str, Any]) -> None:
    """With and without a first state, with and without a batch."""
    layer = make(kind, **options)
    x = RNG.standard_normal((LENGTH, BATCH, INPUT))
    turn = (lambda a: np.swapaxes(a, 0, 1)) if layer.batch_first else (lambda a: a)
    given = drawn_states(layer)
    for states in (given, [np.zeros_like(s) for s in given]):
        expected, last = run(kind, layer, x, states)
        hx = None if states is not given else tuple(states) if kind == "LSTM" else states[0]
        y, ends = layer(turn(x), hx)
        np.testing.assert_allclose(turn(y.data), expected, rtol=1e-10, atol=1e-12)
        for a, b in zip(ends if kind == "LSTM" else (ends,), last, strict=True):
            np.testing.assert_allclose(a.data, b, rtol=1e-10, atol=1e-12)
    alone = [s[:, 0] for s in given]
    y, _ = layer(x[:, 0], tuple(alone) if kind == "LSTM" else alone[0])
    np.testing.assert_allclose(y.data, run(kind, layer, x[:, :1], [s[:, :1] for s in given])[0][:, 0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_both_orders_equal_differences(kind: str) -> None:
    """With respect to the sequence, the state and all weights, of all outputs and states."""
    layer = make(kind)
    function: Callable[..., Any] = getattr(ag, kind.lower())
    states = [s[0] for s in drawn_states(layer)]

    def outputs(x: Tensor, *rest: Tensor) -> Tensor:
        state, weights = rest[: len(states)], rest[len(states) :]
        y, last = function(x, state if kind == "LSTM" else state[0], *weights)
        return sum(
            (ag.sum(ag.sin(s) * (k + 1)) for k, s in enumerate((y, *(last if kind == "LSTM" else (last,))))), Tensor(0.0)
        )

    operands = [RNG.standard_normal((3, BATCH, INPUT)), *states, *layer.parameters_of(0)]
    assert gradcheck(outputs, *operands)
    assert gradgradcheck(outputs, *operands)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_is_one_step_of_the_layer(kind: str) -> None:
    layer, cell = make(kind), getattr(nn, f"{kind}Cell")(INPUT, HIDDEN, dtype=np.float64)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x = RNG.standard_normal((LENGTH, BATCH, INPUT))
    for example in (x, x[:, 0]):
        expected, _ = layer(example)
        state: Any = None
        for t in range(LENGTH):
            state = cell(example[t], state)
            np.testing.assert_allclose((state[0] if kind == "LSTM" else state).data, expected.data[t], rtol=1e-10, atol=1e-12)


def test_gates_are_right_far_from_zero() -> None:
    """Gates are 0 or 1 there, without warnings; in float32 their error is at most 1e-7."""
    z = np.linspace(-200, 200, 2001, dtype=np.float32)
    zero, one = np.zeros_like(z), np.full_like(z, 1000.0)
    h, c = ag.lstm_cell(
        z[:, None], (zero[:, None], one[:, None]), np.array([[0.0], [1.0], [0.0], [0.0]], "f"), np.zeros((4, 1), "f")
    )
    np.testing.assert_allclose(c.data[:, 0] / 1000, sigmoid(z.astype(np.float64)), atol=1e-7)
    assert np.isfinite(h.data).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_takes_few_operations(kind: str) -> None:
    """One product for the input of all steps, one per step for the state, and one operation for all gates."""
    layer, steps = make(kind), 8
    with ag.profile() as p:
        layer(ag.ones((steps, BATCH, INPUT), dtype=np.float64))
    calls = {row.name: row.calls for row in p.rows if row.kind == "forward"}
    assert calls["linear"] == 1 + steps
    assert calls.get("split", 0) == 0
    per_step = {name: n for name, n in calls.items() if n >= steps and name != "linear"}
    names = {"RNN": {"add", "tanh"}, "LSTM": {"add", "lstm_gates"}, "GRU": {"gru_gates"}}[kind]
    assert set(per_step) == names | {"getitem", "reshape"}


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_acts_between_layers_in_training_only(kind: str) -> None:
    layer = make(kind, num_layers=2, dropout=1.0)
    x = RNG.standard_normal((LENGTH, BATCH, INPUT))
    silent = make(kind, num_layers=2)
    silent.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(layer.eval()(x)[0].data, silent(x)[0].data)
    top = getattr(nn, kind)(HIDDEN, HIDDEN, dtype=np.float64)
    top.load_state_dict({name.replace("l1", "l0"): v for name, v in layer.state_dict().items() if name.endswith("l1")})
    np.testing.assert_array_equal(layer.train()(x)[0].data, top(np.zeros((LENGTH, BATCH, HIDDEN)))[0].data)
    with pytest.warns(UserWarning, match=r"dropout=0.5 changes nothing with one layer"):
        make(kind, dropout=0.5)


def test_initial_weights_have_the_bound_of_the_hidden_size() -> None:
    for kind in KINDS:
        for p in (*getattr(nn, kind)(2, 25).parameters(), *getattr(nn, f"{kind}Cell")(2, 25).parameters()):
            assert 0.1 < abs(p.data).max() <= 0.2


def test_half_precision_and_integers_work() -> None:
    for kind in KINDS:
        layer = getattr(nn, kind)(INPUT, HIDDEN, dtype=np.float16)
        y, _ = layer(ag.ones((LENGTH, BATCH, INPUT), dtype=np.float16))
        y.sum().backward()
        assert {y.dtype, *(p.grad.dtype for p in layer.parameters())} == {np.dtype(np.float16)}
        assert make(kind)(np.ones((LENGTH, BATCH, INPUT), int))[0].dtype == np.float64


def test_summary_shows_outputs_and_states() -> None:
    text = str(nn.summary(nn.LSTM(INPUT, HIDDEN), np.zeros((LENGTH, BATCH, INPUT), np.float32)))
    assert "((5, 2, 4), ((1, 2, 4), (1, 2, 4)))" in text
    assert f"{4 * HIDDEN * (INPUT + HIDDEN + 2)}" in text


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.LSTM(0, 4), ValueError, "LSTM: expected input_size ≥ 1, got input_size=0"),
        (lambda: nn.GRU(3, 1.5), TypeError, "GRU: hidden_size must be an int, got 1.5"),
        (lambda: nn.RNN(3, 4, nonlinearity="gelu"), ValueError, "RNN: nonlinearity must be .*got 'gelu'"),
        (lambda: nn.LSTM(3, 4, dropout=2.0), ValueError, r"LSTM: expected dropout in \[0, 1\], got dropout=2.0"),
        (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "proj_size < hidden_size, got proj_size=4, hidden_size=4"),
        (lambda: nn.LSTM(3, 4)(np.zeros((5, 2, 2))), ValueError, r"\(T, N, 3\) or \(T, 3\), got \(5, 2, 2\)"),
        (lambda: nn.GRU(3, 4, batch_first=True)(np.zeros(3)), ValueError, r"\(N, T, 3\) or \(T, 3\), got \(3,\)"),
        (lambda: nn.GRU(3, 4)(np.zeros((0, 2, 3))), ValueError, r"gru: expected a sequence .*T ≥ 1, got shape \(0, 2, 3\)"),
        (lambda: nn.GRU(3, 4)(np.zeros((5, 2, 3)), np.zeros((2, 4))), ValueError, r"h_0 of shape \(1, 2, 4\) .*got \(2, 4\)"),
        (lambda: nn.LSTM(3, 4)(np.zeros((5, 2, 3)), np.zeros((1, 2, 4))), ValueError, r"expected a state \(h_0, c_0\)"),
        (lambda: nn.LSTMCell(3, 4)(np.zeros((2, 3)), np.zeros((2, 4))), ValueError, r"LSTMCell: expected a state \(h, c\)"),
        (lambda: nn.GRUCell(3, 4)(np.zeros((2, 2))), ValueError, r"\(N, 3\) or \(3,\), got \(2, 2\)"),
        (lambda: nn.RNNCell(3, 4)(np.zeros((2, 3)), np.zeros((3, 4))), ValueError, r"state of shape \(2, 4\).*got \(3, 4\)"),
        (lambda: ag.rnn(np.zeros((5, 3)), np.zeros(4), np.zeros((4, 2)), np.zeros((4, 4))), ValueError, r"rnn: expected an input"),
        (lambda: ag.gru(np.zeros((5, 3)), np.zeros(3), np.zeros((12, 3)), np.zeros((12, 4))), ValueError, "state of length 4"),
    ],
)  # fmt: skip
def test_an_error_names_the_argument_and_its_value(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_the_functions_run_forward_unless_reverse_is_given(name: str) -> None:
    rng, gates = np.random.default_rng(0), {"rnn": 1, "gru": 3, "lstm": 4}[name]
    x, h = rng.normal(size=(5, 2, 3)), rng.normal(size=(2, 4))
    state = (h, h) if name == "lstm" else h
    weights = rng.normal(size=(4 * gates, 3)), rng.normal(size=(4 * gates, 4))
    function = getattr(ag, name)
    forward, backward = function(x, state, *weights)[0], function(x[::-1], state, *weights, reverse=True)[0]
    np.testing.assert_allclose(backward.data[::-1], forward.data, rtol=1e-12)
    first = function(x[:1], state, *weights)[0]
    np.testing.assert_allclose(forward.data[0], first.data[0], rtol=1e-12, err_msg="the first step needs the first input only")
