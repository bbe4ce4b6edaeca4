"""Values and slopes within 4 units in the last place of mpmath's, from the smallest to the largest number of every float dtype."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np
import pytest

import autograd_mini as ag

Real = Any
mp.mp.dps = 50
INF = np.inf
FAR = 10_000  # mpmath is slow beyond, and exp(−x²) is 0


def sigmoid(x: Real) -> Real:
    return 1 / (1 + mp.exp(-x))


def softplus(x: Real) -> Real:
    return max(x, 0) + mp.log1p(mp.exp(-abs(x)))


def cdf(x: Real) -> Real:
    return mp.erfc(-x / mp.sqrt(2)) / 2 if abs(x) < FAR else mp.mpf(int(x > 0))


def gaussian(x: Real, rate: Real = 1) -> Real:
    return mp.exp(-x * x * rate) if abs(x) < FAR else mp.mpf(0)


def mish_slope(x: Real) -> Real:
    u = softplus(x)
    return mp.tanh(u) + x * mp.sech(u) ** 2 * sigmoid(x)


def twice_u(x: Real) -> Real:
    return mp.sqrt(8 / mp.pi) * (x + mp.mpf("0.044715") * x**3)


def gelu_tanh_slope(x: Real) -> Real:
    if abs(x) > FAR:
        return mp.mpf(int(x > 0))
    z, rise = twice_u(x), mp.sqrt(8 / mp.pi) * (1 + 3 * mp.mpf("0.044715") * x * x)
    return sigmoid(z) * (1 + x * sigmoid(-z) * rise)


SELU = mp.mpf("1.0507009873554804934193349852946")
SELU_ALPHA = mp.mpf("1.6732632423543772848170429916717")


class Row(NamedTuple):
    ours: Callable[[ag.Tensor], ag.Tensor]
    value: Callable[[Real], Real]
    slope: Callable[[Real], Real]
    domain: tuple[float, float] = (-INF, INF)


ROWS = {
    "arccos": Row(ag.arccos, mp.acos, lambda x: -1 / mp.sqrt((1 - x) * (1 + x)), (-1, 1)),
    "arccosh": Row(ag.arccosh, mp.acosh, lambda x: 1 / mp.sqrt((x - 1) * (x + 1)), (1, INF)),
    "arcsin": Row(ag.arcsin, mp.asin, lambda x: 1 / mp.sqrt((1 - x) * (1 + x)), (-1, 1)),
    "arcsinh": Row(ag.arcsinh, mp.asinh, lambda x: 1 / mp.sqrt(x * x + 1)),
    "arctan": Row(ag.arctan, mp.atan, lambda x: 1 / (1 + x * x)),
    "arctanh": Row(ag.arctanh, mp.atanh, lambda x: 1 / ((1 - x) * (1 + x)), (-1, 1)),
    "cbrt": Row(ag.cbrt, mp.cbrt, lambda x: 1 / (3 * mp.cbrt(x) ** 2), (0, INF)),
    "cos": Row(ag.cos, mp.cos, lambda x: -mp.sin(x)),
    "cosh": Row(ag.cosh, mp.cosh, mp.sinh),
    "deg2rad": Row(ag.deg2rad, lambda x: x * mp.pi / 180, lambda x: mp.pi / 180),
    "elu": Row(ag.elu, lambda x: x if x > 0 else mp.expm1(x), lambda x: mp.exp(min(x, 0))),
    "erf": Row(ag.erf, mp.erf, lambda x: 2 / mp.sqrt(mp.pi) * gaussian(x)),
    "exp": Row(ag.exp, mp.exp, mp.exp),
    "exp2": Row(ag.exp2, lambda x: mp.mpf(2) ** x, lambda x: mp.mpf(2) ** x * mp.log(2)),
    "expm1": Row(ag.expm1, mp.expm1, mp.exp),
    "gelu": Row(ag.gelu, lambda x: x * cdf(x), lambda x: cdf(x) + x * gaussian(x, 0.5) / mp.sqrt(2 * mp.pi)),
    "gelu_tanh": Row(
        lambda x: ag.gelu(x, approximate="tanh"),
        lambda x: x * sigmoid(twice_u(x)) if abs(x) < FAR else max(x, mp.mpf(0)),
        gelu_tanh_slope,
    ),
    "log": Row(ag.log, mp.log, lambda x: 1 / x, (0, INF)),
    "log10": Row(ag.log10, mp.log10, lambda x: 1 / (x * mp.log(10)), (0, INF)),
    "log1p": Row(ag.log1p, mp.log1p, lambda x: 1 / (1 + x), (-1, INF)),
    "log2": Row(ag.log2, lambda x: mp.log(x) / mp.log(2), lambda x: 1 / (x * mp.log(2)), (0, INF)),
    "logaddexp, 0": Row(lambda x: ag.logaddexp(x, 0.0), softplus, sigmoid),
    "logsigmoid": Row(ag.logsigmoid, lambda x: -softplus(-x), lambda x: sigmoid(-x)),
    "logsumexp, 0": Row(lambda x: ag.logsumexp(ag.stack([x, x * 0]), 0), softplus, sigmoid),
    "mish": Row(ag.mish, lambda x: x * mp.tanh(softplus(x)), mish_slope),
    "rad2deg": Row(ag.rad2deg, lambda x: x * 180 / mp.pi, lambda x: 180 / mp.pi),
    "selu": Row(
        ag.selu,
        lambda x: SELU * (x if x > 0 else SELU_ALPHA * mp.expm1(x)),
        lambda x: SELU * (1 if x > 0 else SELU_ALPHA * mp.exp(x)),
    ),
    "sigmoid": Row(ag.sigmoid, sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "silu": Row(ag.silu, lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x))),
    "sin": Row(ag.sin, mp.sin, mp.cos),
    "sinh": Row(ag.sinh, mp.sinh, mp.cosh),
    "softplus": Row(ag.softplus, softplus, sigmoid),
    "softsign": Row(ag.softsign, lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2),
    "tan": Row(ag.tan, mp.tan, lambda x: mp.sec(x) ** 2),
    "tanh": Row(ag.tanh, mp.tanh, lambda x: mp.sech(x) ** 2),
    "bce, target 0": Row(lambda x: ag.binary_cross_entropy_with_logits(x, 0.0), softplus, sigmoid),
    "bce, target 1": Row(
        lambda x: ag.binary_cross_entropy_with_logits(x, ag.ones_like(x)), lambda x: softplus(-x), lambda x: -sigmoid(-x)
    ),
    "cross-entropy, class 0": Row(
        lambda x: ag.softmax_cross_entropy(ag.stack([x, x * 0], 1), np.zeros(x.shape, int)),
        lambda x: softplus(-x),
        lambda x: -sigmoid(-x),
    ),
    "cross-entropy, class 1": Row(
        lambda x: ag.softmax_cross_entropy(ag.stack([x, x * 0], 1), np.ones(x.shape, int)), softplus, sigmoid
    ),
    "softmax": Row(
        lambda x: ag.softmax(ag.stack([x, x * 0], 1))[:, 0], sigmoid, lambda x: sigmoid(x) * sigmoid(-x)
    ),
    "log_softmax": Row(lambda x: ag.log_softmax(ag.stack([x, x * 0], 1))[:, 0], lambda x: -softplus(-x), lambda x: sigmoid(-x)),
}  # fmt: skip


def points(dtype: Any, domain: tuple[float, float], count: int = 24) -> np.ndarray:
    """Numbers of every magnitude and both signs, more of them where functions bend, and some next to −1 and 1."""
    info, rng = np.finfo(dtype), np.random.default_rng(0)
    every = np.exp(rng.uniform(np.log(float(info.tiny) * float(info.eps) * 2), np.log(float(info.max)), count))
    sizes = np.concatenate([every, np.exp(rng.uniform(-12, 7, 2 * count)), rng.uniform(0, 40, count), rng.uniform(0, 3, count)])
    near = np.exp(rng.uniform(-30, 0, count // 2))
    x = np.concatenate([sizes, -sizes, 1 - near, near - 1, 1 + near, [-20, -100, -1000, 20, 100, 1000, 1e-200, -1e-200]])
    with np.errstate(all="ignore"):
        x = np.unique(x.astype(dtype))
    return x[np.isfinite(x) & (x != 0) & (x > domain[0]) & (x < domain[1])]


def units(found: np.ndarray, true: Sequence[Real], least: Any = 0.0) -> np.ndarray:
    """Errors in units in the last place of the true value, or of `least` if that is larger.

    A number less than 1000 times the smallest normal one has the units of that: products with subnormal factors lose digits.
    """
    info = np.finfo(found.dtype)
    errors = []
    for y, t, floor in zip(found.tolist(), true, np.broadcast_to(least, found.shape), strict=True):
        size = max(abs(t), mp.mpf(float(floor)), mp.mpf(float(info.tiny)) * 1000)
        if abs(t) > float(info.max):
            errors.append(0.0 if abs(y) >= float(info.max) and y * t > 0 else INF)
        elif not np.isfinite(y):
            errors.append(INF)
        else:
            errors.append(float(abs(mp.mpf(y) - t) / mp.mpf(2) ** (mp.floor(mp.log(size, 2)) - info.nmant)))
    return np.array(errors)


def slope_scale(name: str, x: np.ndarray) -> Any:
    """The size that the units of a slope refer to, if this is not the slope itself."""
    if name == "tanh":
        return 1.0  # 1 − y², documented
    if name in ("silu", "mish", "gelu", "gelu_tanh"):  # between −3 and 0 two terms of this size add up to 0 somewhere
        return np.where((x > -3) & (x < 0), 0.25, 0.0)
    if name in ("softmax", "log_softmax"):
        return 1.0  # the rule subtracts for any upstream gradient; the fused loss does not
    return 0.0


def allowed(name: str, x: np.ndarray) -> Any:
    """4 units; σ(2u) of the tanh form multiplies the rounding errors of 2u by 2u, which narrow dtypes avoid by float64."""
    if name == "gelu_tanh" and x.dtype == np.float64:
        z = x.clip(-40, 40)
        return 4 * (1 + np.abs(1.6 * (z + 0.044715 * z**3)))
    return 4.0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", ROWS)
def test_values_and_slopes(name: str, dtype: Any) -> None:
    row = ROWS[name]
    x = points(dtype, row.domain)
    t = ag.Tensor(x, requires_grad=True)
    with np.errstate(over="ignore", under="ignore"):  # where the true value overflows
        y = row.ours(t)
        slope = ag.grad(y, t, np.ones_like(x))
    exact = [mp.mpf(float(a)) for a in x]
    assert y.dtype == slope.dtype == dtype
    for what, found, true, least in (
        ("value", y.data, row.value, 0.0),
        ("slope", slope.data, row.slope, slope_scale(name, x)),
    ):
        errors = units(found, [true(a) for a in exact], least) / allowed(name, x)
        worst = int(errors.argmax())
        assert errors[worst] <= 1, f"{what} at {x[worst]!r}: {found[worst]!r}, {4 * errors[worst]:.3g} units off"


# -- two operands ----------------------------------------------------------------------------------------------------

PAIRS = {
    "logaddexp": (
        ag.logaddexp, lambda a, b: max(a, b) + mp.log1p(mp.exp(-abs(a - b))), lambda a, b: sigmoid(a - b), lambda a, b: sigmoid(b - a),
    ),
    "logaddexp2": (
        ag.logaddexp2, lambda a, b: max(a, b) + mp.log1p(mp.mpf(2) ** -abs(a - b)) / mp.log(2),
        lambda a, b: sigmoid((a - b) * mp.log(2)), lambda a, b: sigmoid((b - a) * mp.log(2)),
    ),
    "arctan2": (
        ag.arctan2, lambda a, b: mp.atan2(a, b), lambda a, b: b / (a * a + b * b), lambda a, b: -a / (a * a + b * b),
    ),
    "power": (ag.power, lambda a, b: a**b, lambda a, b: b * a ** (b - 1), lambda a, b: a**b * mp.log(a)),
    "xlogy": (ag.xlogy, lambda a, b: a * mp.log(b), lambda a, b: mp.log(b), lambda a, b: a / b),
    "hypot": (
        ag.hypot, lambda a, b: mp.sqrt(a * a + b * b), lambda a, b: a / mp.sqrt(a * a + b * b), lambda a, b: b / mp.sqrt(a * a + b * b),
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", PAIRS)
def test_two_operands(name: str, dtype: Any) -> None:
    """The value of logaddexp, a difference where it is near 0, has the units of its operands; its slopes have their own."""
    ours, value, *slopes = PAIRS[name]
    rng = np.random.default_rng(1)
    a, b = (np.exp(rng.uniform(-4, 4, 60)) * rng.choice([-1, 1], 60) for _ in range(2))
    a, b = a.astype(dtype), (np.abs(b) if name == "xlogy" else b).astype(dtype)
    a = np.abs(a) if name == "power" else a
    operands = [ag.Tensor(x, requires_grad=True) for x in (a, b)]
    with np.errstate(over="ignore", under="ignore"):
        y = ours(*operands)
        found = [y.data, *(g.data for g in ag.grad(y, operands, np.ones_like(a)))]
    exact = [(mp.mpf(float(p)), mp.mpf(float(q))) for p, q in zip(a, b, strict=True)]
    values_near_zero = name.startswith("logaddexp")
    for i, (got, true) in enumerate(zip(found, [value, *slopes], strict=True)):
        least = np.maximum(np.abs(a), np.abs(b)) if values_near_zero and i == 0 else 0.0
        errors = units(got, [true(p, q) for p, q in exact], least)
        assert errors.max() <= 4, (i, a[errors.argmax()], b[errors.argmax()], errors.max())


# -- what used to go wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("jit", [False, True])
def test_the_logarithm_of_a_small_probability_has_a_gradient(dtype: Any, jit: bool) -> None:
    """d ln σ(x)/dx = σ(−x) is 1 far to the left, and no factor of it vanishes on the way."""
    x = ag.Tensor(np.array([-20.0, -50.0, -80.0], dtype))
    run = lambda f: ag.jit(f) if jit else f
    slope = run(ag.grad(lambda t: ag.log(ag.sigmoid(t)).sum()))
    for _ in range(3):
        np.testing.assert_allclose(slope(x).data, 1 / (1 + np.exp(x.data)), rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("point", [-700.0, -200.0, -20.0, 0.0, 20.0, 800.0])
def test_a_fused_sequence_of_scalar_calls_is_as_accurate(point: float) -> None:
    """`jit` turns 40 scalar calls into one Python function; far out, where Python's exp overflows, the kernels run instead."""

    @ag.jit
    def step(x: ag.Tensor) -> ag.Tensor:
        for _ in range(40):
            x = x * 1.0 + 0.0
        return ag.sigmoid(x)

    for _ in range(3):
        found = step(ag.Tensor(np.array(point)))
    assert units(found.data.reshape(1), [sigmoid(mp.mpf(point))])[0] <= 4


def test_float16_holds_sums_of_many_exponentials() -> None:
    """70 000 exponentials exceed float16; their logarithm and their shares do not."""
    x = ag.Tensor(np.zeros(70_000, np.float16), requires_grad=True)
    share = 1 / 70_000
    np.testing.assert_allclose(ag.softmax(x).data, np.float16(share))
    np.testing.assert_allclose(ag.logsumexp(x).item(), np.log(70_000), rtol=1e-3)
    np.testing.assert_allclose(ag.log_softmax(x).data, -np.log(70_000), rtol=1e-3)
    np.testing.assert_allclose(ag.grad(ag.logsumexp(x), x).data, np.float16(share))
    loss = ag.softmax_cross_entropy(x.reshape(1, -1), [3])
    assert loss.dtype == np.float16
    np.testing.assert_allclose(loss.data, np.log(70_000), rtol=1e-3)


def test_the_gradient_of_a_cross_entropy_adds_up_to_zero() -> None:
    """Also for a prediction that is certain and right: −2e-9 for the class, 2e-9 for the others."""
    z = ag.Tensor(np.array([[20.0, 0.0, -1.0]], np.float32), requires_grad=True)
    g = ag.grad(ag.softmax_cross_entropy(z, [0]).sum(), z).data[0].astype(float)
    others = np.exp([-20.0, -21.0])
    np.testing.assert_allclose(g, [-others.sum(), *others], rtol=1e-6)


def test_second_derivatives_of_the_fused_loss() -> None:
    """σ(z) σ(−z) by the logits and −1 by logits and targets, also where σ(z) rounds to 1."""
    z = ag.Tensor(np.array([-30.0, 0.0, 30.0], np.float32), requires_grad=True)
    t = ag.Tensor(np.array([0.0, 0.5, 1.0], np.float32), requires_grad=True)
    slope = ag.grad(ag.binary_cross_entropy_with_logits(z, t).sum(), z, create_graph=True)
    by_z, by_t = ag.grad(slope.sum(), [z, t])
    np.testing.assert_allclose(by_z.data, [np.exp(-30), 0.25, np.exp(-30)], rtol=1e-6)
    assert by_t.tolist() == [-1, -1, -1]


@pytest.mark.parametrize("shape", [(), (0,), (3, 5), (9, 1000), (300, 100)])
@pytest.mark.parametrize("function", [ag.silu, ag.mish, ag.gelu, ag.erf, ag.sigmoid, ag.softplus])
def test_pieces_make_a_whole(function: Callable[..., Any], shape: tuple[int, ...]) -> None:
    """Large arrays are computed piece by piece, in whatever order their memory has, with the bits of each element alone."""
    x = np.random.default_rng(0).normal(size=shape) * 4
    expected = np.array([function(v).item() for v in x.ravel()[:50]])
    for view in (x, np.asfortranarray(x), np.stack([x, x], -1)[..., 0]):
        np.testing.assert_allclose(function(view).data.ravel()[:50], expected, rtol=1e-15)
