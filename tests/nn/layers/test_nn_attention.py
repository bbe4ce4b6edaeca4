"""Attention and transformers: values of loops in plain NumPy, masks, gradients, and the structure of the layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.testing import gradcheck, gradgradcheck

RNG = np.random.default_rng(0)
N, L, S, E, HEADS = 2, 3, 4, 6, 2


def attend(q: Any, k: Any, v: Any, mask: Any, scale: float) -> tuple[Any, Any]:
    """One query at a time; `mask` is added to the scores. Returns outputs and weights."""
    weights = np.zeros((len(q), len(k)))
    for i in range(len(q)):
        scores = np.array([q[i] @ k[j] * scale + mask[i, j] for j in range(len(k))])
        if np.isfinite(scores).any():
            weights[i] = np.exp(scores - scores.max())
            weights[i] /= weights[i].sum()
    return weights @ v, weights


def added(mask: Any) -> Any:
    """A mask of bools with True to attend, as numbers to add."""
    return np.where(mask, 0.0, -np.inf) if mask.dtype == bool else mask


CAUSAL = np.tri(L, S, dtype=bool)
MASKS = {
    "no mask": None,
    "bools": RNG.random((L, S)) < 0.5,
    "floats": RNG.standard_normal((L, S)),
    "no key": np.zeros((L, S), bool),
}


@pytest.mark.parametrize("name", MASKS)
def test_attention_equals_loops(name: str) -> None:
    """For stacks of sequences, with the default factor and another one; a query without keys gets 0."""
    q, k, v = (RNG.standard_normal((N, HEADS, length, width)) for length, width in ((L, E), (S, E), (S, 5)))
    mask = MASKS[name]
    for scale in (None, 0.3):
        y = ag.scaled_dot_product_attention(q, k, v, mask, scale=scale)
        for i in np.ndindex(N, HEADS):
            shift = np.zeros((L, S)) if mask is None else added(mask)
            expected, _ = attend(q[i], k[i], v[i], shift, E**-0.5 if scale is None else scale)
            np.testing.assert_allclose(y.data[i], expected, rtol=1e-10, atol=1e-12)
    if mask is None:
        causal = ag.scaled_dot_product_attention(q, k, v, is_causal=True)
        np.testing.assert_array_equal(causal.data, ag.scaled_dot_product_attention(q, k, v, CAUSAL).data)


@pytest.mark.parametrize("name", MASKS)
def test_gradients_of_both_orders_equal_differences(name: str) -> None:
    q, k, v = (RNG.standard_normal((1, length, 2)) for length in (L, S, S))
    f = lambda *x: ag.scaled_dot_product_attention(*x, MASKS[name])
    assert gradcheck(f, q, k, v)
    assert gradgradcheck(f, q, k, v)
    if name == "floats":
        assert gradcheck(lambda m: ag.scaled_dot_product_attention(q, k, v, m), MASKS[name])


def test_dropout_sets_weights_to_zero_and_preserves_their_mean() -> None:
    ag.manual_seed(0)
    x = np.eye(100)
    weights = ag.scaled_dot_product_attention(np.zeros((100, 1)), np.zeros((100, 1)), x, dropout_p=0.25).data * 100
    assert set(np.round(weights.ravel(), 6)) == {0.0, round(4 / 3, 6)}
    assert weights.mean() == pytest.approx(1, abs=0.05)


def multihead(layer: Any, q: Any, k: Any, v: Any, mask: Any) -> tuple[Any, Any]:
    """The layer as loops over examples and heads, for (N, length, width) and a mask (N, HEADS, L, S) to add."""
    if layer.in_proj_weight is None:
        weights = [layer.q_proj_weight.data, layer.k_proj_weight.data, layer.v_proj_weight.data]
    else:
        weights = np.split(layer.in_proj_weight.data, 3)
    biases = np.split(layer.in_proj_bias.data, 3)
    q, k, v = (x @ w.T + b for x, w, b in zip((q, k, v), weights, biases, strict=True))
    output, seen = np.zeros(q.shape), np.zeros((N, HEADS, q.shape[1], k.shape[1]))
    d = E // HEADS
    for n in range(N):
        for h in range(HEADS):
            part = slice(h * d, (h + 1) * d)
            output[n, :, part], seen[n, h] = attend(q[n, :, part], k[n, :, part], v[n, :, part], mask[n, h], d**-0.5)
    return output @ layer.out_proj.weight.data.T + layer.out_proj.bias.data, seen


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("widths", [(E, E), (5, 3)])
def test_multihead_attention_equals_loops(batch_first: bool, widths: tuple[int, int]) -> None:
    """With all kinds of masks together, in which True means not to attend."""
    layer = nn.MultiheadAttention(E, HEADS, kdim=widths[0], vdim=widths[1], batch_first=batch_first, dtype=np.float64)
    layer.in_proj_bias.data = RNG.standard_normal(3 * E)
    q, k, v = (RNG.standard_normal((N, length, width)) for length, width in zip((L, S, S), (E, *widths), strict=True))
    turn = (lambda x: x) if batch_first else (lambda x: np.swapaxes(x, 0, 1))
    padding = np.array([[False] * S, [False] * (S - 1) + [True]])
    per_head = RNG.standard_normal((N * HEADS, L, S))
    for attn_mask, key_padding_mask in ((None, None), (~CAUSAL, padding), (per_head, padding), (per_head, added(~padding))):
        mask = np.zeros((N, HEADS, L, S))
        if attn_mask is not None:
            extra = added(~attn_mask) if attn_mask.dtype == bool else attn_mask
            mask = mask + (extra if extra.ndim == 2 else extra.reshape(N, HEADS, L, S))
            mask = mask + added(~padding)[:, None, None]
        expected, weights = multihead(layer, q, k, v, mask)
        masks = {"attn_mask": attn_mask, "key_padding_mask": key_padding_mask}
        y, mean = layer(turn(q), turn(k), turn(v), **masks)
        np.testing.assert_allclose(turn(y.data), expected, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(mean.data, weights.mean(1), rtol=1e-10, atol=1e-12)
        y, each = layer(turn(q), turn(k), turn(v), **masks, average_attn_weights=False)
        np.testing.assert_allclose(each.data, weights, rtol=1e-10, atol=1e-12)
        assert layer(turn(q), turn(k), turn(v), **masks, need_weights=False)[1] is None
    alone, weights_alone = layer(q[0], k[0], v[0])
    expected, weights = multihead(layer, q, k, v, np.zeros((N, HEADS, L, S)))
    np.testing.assert_allclose(alone.data, expected[0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(weights_alone.data, weights[0].mean(0), rtol=1e-10, atol=1e-12)


def test_one_tensor_in_several_roles_is_projected_by_one_product() -> None:
    """The values do not depend on whether the tensors are the same object."""
    layer = nn.MultiheadAttention(E, HEADS, dtype=np.float64)
    x, memory = RNG.standard_normal((L, N, E)), RNG.standard_normal((S, N, E))
    for operands, products in (((x, x, x), 2), ((x, memory, memory), 3), ((x, memory, memory.copy()), 4)):
        with ag.profile() as p:
            y, _ = layer(*operands)
        assert {row.name: row.calls for row in p.rows}["linear"] == products
        np.testing.assert_allclose(y.data, layer(*[a.copy() for a in operands])[0].data, rtol=1e-12)


def test_added_keys_are_visible_to_every_query() -> None:
    layer = nn.MultiheadAttention(E, HEADS, add_bias_kv=True, add_zero_attn=True, dtype=np.float64)
    x = RNG.standard_normal((S, N, E))
    y, weights = layer(x, x, x, key_padding_mask=np.ones((N, S), bool), attn_mask=np.ones((S, S), bool))
    assert weights.shape == (N, S, S + 2)
    np.testing.assert_array_equal(weights.data[..., :S], 0)
    np.testing.assert_allclose(weights.data.sum(-1), 1)
    assert list(layer.state_dict())[:4] == ["in_proj_weight", "in_proj_bias", "bias_k", "bias_v"]
    assert np.isfinite(y.data).all()


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu", ag.tanh])
def test_a_transformer_layer_is_the_sum_of_its_parts(norm_first: bool, activation: Any) -> None:
    layer = nn.TransformerDecoderLayer(E, HEADS, 5, 0.0, activation, norm_first=norm_first, dtype=np.float64)
    x, memory = (ag.Tensor(RNG.standard_normal((length, N, E))) for length in (L, S))
    f = {"relu": ag.relu, "gelu": ag.gelu}.get(activation, activation)
    causal = ~np.tri(L, dtype=bool)
    parts: list[tuple[Callable[[Any], Any], Any]] = [
        (lambda t: layer.self_attn(t, t, t, attn_mask=causal)[0], layer.norm1),
        (lambda t: layer.multihead_attn(t, memory, memory)[0], layer.norm2),
        (lambda t: layer.linear2(f(layer.linear1(t))), layer.norm3),
    ]
    expected = x
    for part, norm in parts:
        expected = expected + part(norm(expected)) if norm_first else norm(expected + part(expected))
    for masks in ({"tgt_mask": causal}, {"tgt_is_causal": True}):
        np.testing.assert_allclose(layer(x, memory, **masks).data, expected.data, rtol=1e-12)


def test_causal_outputs_do_not_depend_on_later_elements() -> None:
    """Along the sequence, and only along it: padding changes nothing before it either."""
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(E, HEADS, 5, batch_first=True, dtype=np.float64), 2).eval()
    x = RNG.standard_normal((N, L, E))
    y, z = encoder(x, is_causal=True), encoder(x[:, :2], is_causal=True)
    np.testing.assert_allclose(y.data[:, :2], z.data, rtol=1e-10)
    padding = np.zeros((N, L), bool)
    padding[:, 2:] = True
    np.testing.assert_allclose(encoder(x, src_key_padding_mask=padding).data[:, :2], encoder(x[:, :2]).data, rtol=1e-10)


def test_copies_of_a_layer_start_equal_and_train_separately() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(E, HEADS, 5), 2)
    first, second = encoder.layers
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert a is not b
        np.testing.assert_array_equal(a.data, b.data)
    assert len(list(encoder.parameters())) == 2 * len(list(first.parameters()))


def test_a_small_transformer_learns_to_reverse_a_sequence() -> None:
    """Compiled, in 60 steps: the loss falls to a tenth."""
    ag.manual_seed(0)
    model = nn.Sequential(nn.Embedding(5, 16), nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True), nn.Linear(16, 5))
    positions = nn.Parameter(RNG.standard_normal((6, 16)).astype(np.float32))
    optimizer = nn.Adam([*model.parameters(), positions], lr=0.01)

    @ag.jit
    def step(tokens: Tensor) -> Tensor:
        optimizer.zero_grad()
        logits = model[2](model[1](model[0](tokens) + positions))
        loss = nn.cross_entropy(ag.reshape(logits, -1, 5), ag.reshape(ag.flip(tokens, 1), -1))
        loss.backward()
        optimizer.step()
        return loss.detach()

    losses = [step(Tensor(RNG.integers(0, 5, (32, 6)))).item() for _ in range(150)]
    assert losses[-1] < losses[0] / 10


def test_summary_lists_the_parts_of_a_transformer() -> None:
    summary = nn.summary(nn.TransformerEncoderLayer(E, HEADS, 5), np.zeros((L, N, E), np.float32))
    layers = [row.layer for row in summary.rows]
    assert [layers.count(kind) for kind in ("MultiheadAttention", "Linear", "LayerNorm")] == [1, 3, 2]
    assert summary.parameters == 4 * E * (E + 1) + E * 5 * 2 + 5 + E + 4 * E


MHA = nn.MultiheadAttention(E, HEADS)
X = np.zeros((L, N, E), np.float32)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.MultiheadAttention(6, 4), ValueError, "embed_dim=6, num_heads=4"),
        (lambda: nn.MultiheadAttention(6, 0), ValueError, "embed_dim=6, num_heads=0"),
        (lambda: MHA(X[..., :4], X, X), ValueError, r"\(L, N, 6\), \(S, N, 6\), \(S, N, 6\).*got \(3, 2, 4\)"),
        (lambda: MHA(X, X[:, :1], X[:, :1]), ValueError, r"got \(3, 2, 6\), \(3, 1, 6\), \(3, 1, 6\)"),
        (lambda: MHA(X, X, X[:2]), ValueError, r"got \(3, 2, 6\), \(3, 2, 6\), \(2, 2, 6\)"),
        (lambda: MHA(X, X, X, attn_mask=np.zeros((2, 3))), ValueError, r"attn_mask of shape \(3, 3\) or \(4, 3, 3\), got \(2, 3\)"),
        (lambda: MHA(X, X, X, key_padding_mask=np.zeros((3, 2))), ValueError, r"key_padding_mask of shape \(2, 3\), got \(3, 2\)"),
        (lambda: MHA(X, X, X, attn_mask=np.zeros((3, 3), int)), TypeError, "attn_mask must hold bools or floats, got int64"),
        (lambda: nn.TransformerEncoderLayer(6, 2, activation="elu"), ValueError, "activation must be .* got 'elu'"),
        (lambda: nn.TransformerEncoder(nn.ReLU(), 0), ValueError, "num_layers ≥ 1, got num_layers=0"),
        (lambda: ag.scaled_dot_product_attention(X, X, X[:, :1]), ValueError, r"got \(3, 2, 6\), \(3, 2, 6\) and \(3, 1, 6\)"),
        (lambda: ag.scaled_dot_product_attention(X, X, X, np.zeros((3, 3))), ValueError, r"broadcasts to \(3, 2, 2\).*\(3, 3\)"),
        (lambda: ag.scaled_dot_product_attention(X, X, X, np.ones((2, 2), bool), is_causal=True), ValueError, "attn_mask=None"),
    ],
)  # fmt: skip
def test_an_error_names_the_argument_and_its_value(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
