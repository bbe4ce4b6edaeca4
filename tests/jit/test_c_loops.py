"""Loops in C agree with NumPy kernels: bit for bit if they consist of arithmetic, else to 1e-6; and their cache is safe."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

import autograd_mini as ag
from autograd_mini import models, nn
from autograd_mini.apply import recorded
from autograd_mini.jit.c import build, loops, updates
from autograd_mini.primitive import registry
from autograd_mini.testing import Program, programs

pytestmark = pytest.mark.skipif(build.compiler() is None, reason="needs a C compiler")
ARITHMETIC = {"add", "subtract", "multiply", "divide", "negative", "square", "sqrt", "abs", "gate", "relu", "where", "copy"}


@pytest.fixture(autouse=True)
def small_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets loops replace calls on small arrays too."""
    monkeypatch.setattr(loops, "MIN_ELEMENTS", 2)
    monkeypatch.setattr(updates, "MIN_ELEMENTS", 1)


def floats(*shape: int, dtype: str = "float32", seed: int = 0) -> ag.Tensor:
    return ag.Tensor(np.random.default_rng(seed).normal(size=shape).astype(dtype))


def kernels(function: Any) -> list[str]:
    return [row.kernel for row in function.plan.rows]


def check(function: Callable[..., Any], *calls: tuple[Any, ...], exact: bool = False, loops: int | None = 1) -> Any:
    """Checks that a function with loops gives the results of eager code; returns the compiled function."""
    compiled = ag.jit(function, backend="c")
    with np.errstate(all="ignore"):
        for number, arguments in enumerate([*calls] * 3):
            expected, results = function(*arguments), compiled(*arguments)
            for a, b in zip(expected, results, strict=True):
                assert (a.dtype, a.shape) == (b.dtype, b.shape)
                scale = np.abs(a._data[np.isfinite(a._data)]).max(initial=0.0) if a.dtype.kind == "f" else 0.0
                tolerance = 0.0 if exact else scale * (1e-6 if a.dtype.itemsize == 4 else 1e-12)
                np.testing.assert_allclose(a._data, b._data, rtol=0, atol=tolerance, err_msg=f"call {number}")
    assert loops is None or kernels(compiled).count("loop") == loops
    return compiled


def chain(x: Any, a: Any, b: Any, c: Any) -> Any:
    h = ag.exp(ag.tanh(x * a + b) * c) + x
    return ag.relu(ag.sqrt(h * h + 1) - b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_forward_and_backward_pass_of_a_chain_are_one_loop(dtype: str) -> None:
    leaves = [floats(*shape, dtype=dtype, seed=i) for i, shape in enumerate([(40, 30), (30,), (40, 1), (40, 30)])]
    for leaf in leaves:
        leaf.requires_grad = True

    def step() -> list[ag.Tensor]:
        for leaf in leaves:
            leaf.grad = None
        loss = chain(*leaves).mean()
        loss.backward()
        return [loss.detach(), *[leaf.grad.copy() for leaf in leaves]]

    compiled = check(step, ())
    assert "tanh" in compiled.plan.source
    assert len(compiled.plan.table()[0].parts) > 20


@pytest.mark.parametrize("axis", [None, 0, 1, 2, (0, 1), (1, 2), (0, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_sums_and_means_over_any_axes_end_a_loop(axis: Any, keepdims: bool) -> None:
    def function(x: ag.Tensor, y: ag.Tensor) -> list[ag.Tensor]:
        z = x * y + 1
        return [z, z.sum(axis=axis, keepdims=keepdims), ag.mean(z * z, axis=axis, keepdims=keepdims)]

    check(function, (floats(5, 7, 3), floats(5, 7, 3, seed=1)))
    check(function, (floats(3, 7, 5).transpose(), floats(7, 1, seed=1)))


def test_layouts_and_broadcasting_give_the_bits_of_numpy() -> None:
    def function(x: ag.Tensor, y: ag.Tensor) -> list[ag.Tensor]:
        return [ag.abs(x * y - x / 3.0) + y, ag.where(x > y, x, y * 2)]

    for x in (floats(6, 5, 4), floats(4, 5, 6).transpose(), floats(6, 10, 4)[:, ::2], floats(6, 5, 4, dtype="float64")):
        for shape in ((6, 5, 4), (5, 1), (1,), (6, 1, 1)):
            y = floats(*shape, dtype=str(x.dtype), seed=2)
            check(function, (x, y), (y + x, y), exact=True, loops=None)


def test_every_scalar_form_gives_what_its_kernel_gives() -> None:
    special = np.array([0.0, -0.0, 1.0, -1.0, 0.5, np.inf, -np.inf, np.nan, 1e-30, -3e30, 90.0, -90.0], np.float32)
    x, y = (ag.Tensor(np.concatenate([a, floats(200, seed=i)._data])) for i, a in enumerate([special, special[::-1]]))
    params = {"gate": {"negative_slope": 0.1}, "leaky_relu": {"negative_slope": 0.1}}
    tried = 0
    for name, primitive in registry.items():
        if not primitive.scalar or not primitive.elementwise or name in ("sin", "cos", "broadcast_to", "reshape"):
            continue
        arity = max(1, 1 + max((i for i in range(3) if f"{{{i}}}" in primitive.scalar), default=0))
        operands = (x > 0, y > 0.5, y) if name.startswith("logical") else (x > 0, x, y) if arity == 3 else (x, y)

        def function(*xs: ag.Tensor, name: str = name) -> list[ag.Tensor]:
            z = getattr(recorded, name)(*xs, **params.get(name, {}))
            return [z, ag.where(z == z, z, z)]

        check(function, operands[:arity], exact=name in ARITHMETIC)
        tried += 1
    assert tried > 30


@pytest.mark.parametrize("name", ["exp", "log", "expm1", "log1p", "tanh"])
@pytest.mark.parametrize("kind", ["f", "d"])
def test_functions_err_by_at_most_two_units_in_the_last_place(name: str, kind: str) -> None:
    random = np.random.default_rng(0)
    size = 300
    x = np.concatenate(
        [
            random.normal(size=size) * 2, random.uniform(0.1, 0.8, size), -random.uniform(0.1, 0.8, size),
            10.0 ** random.uniform(-30, 30, size), -(10.0 ** random.uniform(-30, 1.9, size)), random.uniform(-90, 90, size),
        ]
    ).astype(kind)  # fmt: skip
    c = {"f": "float", "d": "double"}[kind]
    text = f"void f(const {c} *x, {c} *y) {{ for (int i = 0; i < {x.size}; i++) y[i] = {name}_{kind}(x[i]); }}\n"
    y = np.empty_like(x)
    build.load(text).f(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p))
    with mpmath.workdps(40), np.errstate(all="ignore"):
        for a, b in zip(x, y, strict=True):
            if (name == "log" and a <= 0) or (name == "log1p" and a <= -1):
                continue
            right = getattr(mpmath, name)(mpmath.mpf(float(a)))
            if abs(right) > np.finfo(kind).max or abs(right) < np.finfo(kind).tiny:
                continue
            assert abs(mpmath.mpf(float(b)) - right) <= 2 * mpmath.mpf(float(np.spacing(np.abs(np.dtype(kind).type(right))))), (
                a,
                b,
            )


@given(program=programs())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_random_programs_and_their_gradients(program: Program) -> None:
    assume(" > 0]" not in program.source)  # boolean masks are rejected while tracing

    def both(*inputs: ag.Tensor) -> list[ag.Tensor]:
        outputs, pull = ag.vjp(lambda *xs: program(*xs), *inputs)
        return [*outputs, *pull(tuple(ag.cos(y.detach()) for y in outputs))]

    check(both, tuple(ag.Tensor(a) for a in program.inputs), loops=None)


OPTIMIZERS = [
    lambda p: nn.SGD(p, lr=0.1), lambda p: nn.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    lambda p: nn.Adam(p, lr=0.1), lambda p: nn.AdamW(p, lr=0.1), lambda p: nn.NAdam(p, lr=0.1),
    lambda p: nn.RMSprop(p, lr=0.1), lambda p: nn.Adagrad(p, lr=0.1), lambda p: nn.FTRL(p, lr=0.1),
]  # fmt: skip


@pytest.mark.parametrize("make", OPTIMIZERS, ids=lambda make: type(make([ag.ones(1)])).__name__)
def test_updates_in_c_give_the_bits_of_numpy(make: Callable[[Any], Any]) -> None:
    def train(backend: Any) -> np.ndarray:
        w = floats(50, 4)
        w.requires_grad = True
        optimizer = make([w])

        @ag.jit(backend=backend)
        def step(x: ag.Tensor) -> None:
            optimizer.zero_grad()
            (x @ w).sum().backward()
            optimizer.step()

        for i in range(6):
            step(floats(3, 50, seed=i))
        return w._data

    np.testing.assert_array_equal(train("numpy"), train("c"))


def test_two_threads_give_the_bits_of_one() -> None:
    function = ag.jit(lambda x, y: [ag.exp(x) * y, (ag.tanh(x) * y).sum(), (x * y).sum(axis=0)], backend="c")
    x, y = floats(3000, 500), floats(500, seed=1)
    one = [function(x, y) for _ in range(3)][-1]
    with ag.threads(2):
        two = function(x, y)
    assert all(np.array_equal(a._data, b._data) for a, b in zip(one, two, strict=True))


# -- the compiler and its cache ------------------------------------------------------------------------------------------------

PROGRAM = """
import autograd_mini as ag
from autograd_mini.jit.c import loops
loops.MIN_ELEMENTS = 2
f = ag.jit(lambda x: ag.exp(x * 2) + x, backend="c")
x = ag.ones(300)
print([f(x) for _ in range(3)][-1][0].item())
"""


def run(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip


def test_processes_share_a_cache_and_repair_a_damaged_library(tmp_path: Path) -> None:
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    assert all(p.communicate()[0].startswith("8.389") for p in [run(environment), run(environment)])
    (compiled,) = (tmp_path / "autograd_mini" / "loops").iterdir()
    before = compiled.stat().st_mtime_ns
    run({**environment, "CC": sys.executable}).communicate()
    assert compiled.stat().st_mtime_ns == before, "a third process compiles nothing"
    compiled.write_bytes(b"damaged")
    assert run(environment).communicate()[0].startswith("8.389")


def test_a_folder_that_others_can_write_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = build.cache_folder()
    assert folder == tmp_path / "autograd_mini" / "loops"
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert build.cache_folder() != folder


def test_without_a_compiler_auto_uses_numpy_and_c_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["autograd_mini.jit.api"], "compiler", lambda: None)
    auto = ag.jit(lambda x: ag.exp(x * 2) + x, backend="auto")
    for _ in range(3):
        auto(ag.ones(300))
    assert "loop" not in kernels(auto)
    with pytest.raises(RuntimeError, match='backend="c" needs a C compiler'):
        ag.jit(lambda x: x, backend="c")
    with pytest.raises(ValueError, match="backend must be"):
        ag.jit(lambda x: x, backend="cuda")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="exact=True"):
        ag.jit(lambda x: x, backend="c", exact=True)


def test_a_compiler_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: Any) -> None:
        raise build.CompilerError("cc failed: no space left")

    monkeypatch.setattr(build, "load", fail)
    auto = ag.jit(lambda x: ag.exp(x * 2) + x, backend="auto")
    auto(ag.ones(300))
    with pytest.warns(UserWarning, match="uses NumPy only: cc failed"):
        assert auto(ag.ones(300))[0].item() == pytest.approx(8.389, abs=1e-3)
    c = ag.jit(lambda x: ag.exp(x * 2) + x, backend="c")
    c(ag.ones(300))
    with pytest.raises(RuntimeError, match="no space left"):
        c(ag.ones(300))


# -- training ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["c", "auto"])
def test_a_resumed_training_gives_the_bits_of_an_undisturbed_one(tmp_path: Path, backend: Any) -> None:
    """Also its first steps are loops in C, though a function that `jit` compiles runs eagerly first."""
    digits = nn.data.digits().train.only(limit_per_class=12)

    def train(folder: str, *targets: int) -> list[np.ndarray]:
        for number, iterations in enumerate(targets):
            ag.manual_seed(0)
            vae = models.VAE((64, 16, 2))
            trainer = nn.Trainer(vae, nn.Adam(vae.parameters(), lr=0.01), tmp_path / folder, progress=False, backend=backend)
            if number:
                trainer.load(tmp_path / folder / "checkpoint.safetensors")
            trainer.fit(nn.data.DataLoader(digits, batch_size=25, shuffle=True, seed=1), iterations=iterations)
        assert all("loop" in kernels(step) for step in trainer._steps.values())
        return list(vae.state_dict().values())

    for a, b in zip(train("undisturbed", 17), train("resumed", 3, 4, 11, 17), strict=True):
        np.testing.assert_array_equal(a, b)
