"""`scan`: a loop as one operation equals a loop in Python, with all derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor
from autograd_mini.backward import reachable
from autograd_mini.testing import gradcheck, gradgradcheck

STEPS = 5


def tensors() -> tuple[Tensor, ...]:
    """Returns W, U, the first state and the inputs of a small recurrent network."""
    rng = np.random.default_rng(0)
    return tuple(Tensor(rng.normal(size=shape) * 0.5, requires_grad=True) for shape in ((4, 4), (4, 3), (4,), (STEPS, 3)))


def cell(w: Tensor, u: Tensor, h: Tensor, x: Tensor) -> tuple[Tensor, dict[str, Any]]:
    return ag.tanh(w @ h + u @ x), {"norm": (h * h).sum(), "inputs": [x * 2]}


def loop(w: Tensor, u: Tensor, h: Tensor, xs: Tensor, reverse: bool) -> tuple[Tensor, dict[str, Any]]:
    rows: list[Any] = [None] * STEPS
    for t in reversed(range(STEPS)) if reverse else range(STEPS):
        h, rows[t] = cell(w, u, h, xs[t])
    return h, {"norm": ag.stack([r["norm"] for r in rows]), "inputs": [ag.stack([r["inputs"][0] for r in rows])]}


def loss(h: Tensor, ys: dict[str, Any]) -> Tensor:
    return (h**3).sum() + (ys["norm"] * np.arange(1.0, STEPS + 1)).sum() + ag.exp(ys["inputs"][0]).sum()


@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_equals_a_loop_at_orders_0_to_2(reverse: bool) -> None:
    """The weights are captured: the function gets only the state and one input."""
    w, u, h, xs = tensors()
    outcomes = []
    for run in (lambda: ag.scan(lambda h, x: cell(w, u, h, x), h, xs, reverse=reverse), lambda: loop(w, u, h, xs, reverse)):
        value = loss(*run())
        first = ag.grad([value], [w, u, h, xs], create_graph=True)
        second = ag.grad([sum((g**2).sum() for g in first)], [w, u, h, xs])
        outcomes.append([value, *first, *second])
    for a, b in zip(*outcomes, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-14)


def test_a_scan_equals_differences_and_works_in_transforms() -> None:
    w, u, h, xs = (x.detach() for x in tensors())
    f = lambda w, u, h, xs: loss(*ag.scan(lambda h, x: cell(w, u, h, x), h, xs))
    assert gradcheck(f, *[x.numpy() for x in (w, u, h, xs)])
    assert gradgradcheck(f, *[x.numpy() for x in (w, u, h, xs)])
    g = lambda h: loss(*loop(w, u, h, xs, False))
    f_h = lambda h: f(w, u, h, xs)
    np.testing.assert_allclose(ag.hessian(f_h)(h).numpy(), ag.hessian(g)(h).numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(ag.jvp(f_h, (h,), (h,))[1].item(), ag.jvp(g, (h,), (h,))[1].item(), rtol=1e-12)
    batch = ag.stack([h, 2 * h])
    np.testing.assert_allclose(ag.vmap(ag.grad(f_h))(batch).numpy(), [ag.grad(g)(row).numpy() for row in batch], rtol=1e-10)


def test_a_compiled_step_has_the_loop_once_and_trains_like_eager_code() -> None:
    """The number of rows does not depend on the number of steps, and each replay reads the weights as they are."""

    def train(length: int, compiled: bool) -> tuple[list[float], int]:
        rng = np.random.default_rng(1)
        w, u = (Tensor(rng.normal(size=s) * 0.3, requires_grad=True) for s in ((4, 4), (4, 3)))
        xs = Tensor(rng.normal(size=(length, 3)))

        def step(xs: Tensor) -> Tensor:
            w.grad = u.grad = None
            h, _ = ag.scan(lambda h, x: (ag.tanh(w @ h + u @ x), None), ag.zeros(4, dtype=np.float64), xs)
            value = ((h - 0.5) ** 2).sum()
            value.backward()
            with ag.no_grad():
                w.sub_(0.1 * w.grad)
                u.sub_(0.1 * u.grad)
            return value.detach()

        run = ag.jit(step) if compiled else step
        losses = [run(xs).item() for _ in range(5)]
        return losses, len(run.plan.steps) if compiled else 0

    expected, _ = train(6, False)
    losses, few = train(6, True)
    assert losses == expected
    assert expected[-1] < expected[0]
    assert train(60, True)[1] == few < 30


def test_states_are_trees_and_integers_have_no_gradient() -> None:
    """A counter beside a float, no inputs but a length, and no results."""
    start = Tensor(2.0, requires_grad=True)
    (n, x), nothing = ag.scan(lambda s, _: ((s[0] + 1, s[1] * s[1]), None), (Tensor(0), start), length=3)
    assert (n.item(), x.item(), nothing) == (3, 256.0, None)
    x.backward()
    assert start.grad.item() == 8 * 2.0**7


def test_only_the_states_are_kept() -> None:
    """The graph has one node for the loop, which holds the state before each step and nothing else."""
    x = Tensor(np.ones(1000), requires_grad=True)
    final, _ = ag.scan(lambda h, x: (ag.sin(ag.cos(ag.exp(-h))) + x, None), Tensor(0.0, dtype=np.float64), x)
    hidden = final._inputs[0]
    assert sum(a.nbytes for a in hidden._data) == 8 * (1 + 1000)
    assert len(reachable([final])) < 6


def test_detach_inside_ends_the_gradient() -> None:
    w = Tensor(3.0, requires_grad=True)
    h, _ = ag.scan(lambda h, x: (h.detach() * w + x, None), 1.0, Tensor([1.0, 1.0]))
    h.backward()
    assert w.grad.item() == 4.0, "the derivative of h₁ w + 1 with h₁ = 4 held fixed"


@pytest.mark.parametrize(
    ("f", "arguments", "message"),
    [
        (lambda h, x: h + x, (0.0, [1.0, 2.0]), r"must return a pair \(state, result\)"),
        (lambda h, x: (h + ag.ones(2), None), (0.0, [1.0, 2.0]), r"shape and dtype of init, \(\) and float32, got \(2,\)"),
        (lambda h, x: ((h, h), None), (0.0, [1.0, 2.0]), "each state must have the structure of init"),
        (lambda h, x: (h + x, float(h)), (0.0, [1.0, 2.0]), "scan: .item.. needs one concrete value"),
        (lambda h, x: (h + ag.randn(()), None), (0.0, [1.0, 2.0]), "scan: the function draws random numbers"),
        (lambda h, x: (h, None), (0.0,), "expected xs or a length"),
        (lambda h, x: (h, None), (0.0, [1.0, 2.0], 3), "different numbers of steps: 2, 3"),
        (lambda h, x: (h, None), (0.0, (ag.ones(2), ag.ones(3))), "the parts of xs have different numbers of steps: 2, 3"),
        (lambda h, x: (h, None), (0.0, 1.0), "steps along axis 0"),
        (lambda h, x: (h, None), (0.0, ag.zeros((0, 2))), "at least one step"),
        (3, (0.0, [1.0]), "expected a function, got 3"),
    ],
)
def test_scan_says_what_does_not_fit(f: Any, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises((TypeError, ValueError, RuntimeError), match=message):
        ag.scan(f, *arguments)


def test_a_step_without_inputs_gets_none() -> None:
    seen: list[Any] = []
    last, results = ag.scan(lambda h, x: (seen.append(x), (2 * h, h))[1], 1.0, length=3)
    assert (last.item(), results.tolist(), seen) == (8.0, [1.0, 2.0, 4.0], [None])
