"""`grid_sample`, `scatter_reduce`, `index_reduce` and `cdist`: PyTorch's values and gradients, and both derivatives.

The constants come from PyTorch 2.13, for an image of sines and for the points and indices below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor
from autograd_mini.testing import gradcheck, gradgradcheck

IMAGE = np.sin(np.arange(12.0)).reshape(1, 1, 3, 4)
POINTS = np.array([[[[-1.3, -0.9], [0.1, 0.35], [0.8, 1.4]], [[-0.2, 0.55], [1.9, -2.3], [0.33, -0.71]]]])
X, PLACES = np.array([[1.0, 2.0, 0.0], [4.0, 5.0, 6.0]]), np.array([[0, 0, 2, 0], [1, 1, 1, 2]])
SOURCE = np.array([[3.0, 1.0, -2.0, 3.0], [5.0, 7.0, 7.0, 0.0]])
DISTINCT = np.array([[3.3, 1.1, -2.2, 2.9], [0.0, 7.4, 6.7, 0.6]])
WEIGHTS = np.arange(1.0, 7.0)
GRID: dict[tuple[str, str, bool], tuple[list[float], list[float], float]] = {
    ("bilinear", "zeros", False): ([0.0, -0.36457146, 0.0, 0.10519589, 0.0, 0.73527375], [0.0, 0.0, -0.71682648, 0.6782667, 0.0, 0.0, -5.35920905, 7.24486754, 0.0, 0.0, -8.61895064, 7.07750136], -5.77106565),
    ("bilinear", "zeros", True): ([-0.04162414, -0.40948861, -0.51791969, -0.24887032, 0.0, 0.56334461], [-0.11352037, -0.41624137, 0.32109554, 0.61574264, -1.23111656, 2.58959843, -1.32058697, 4.17565234, 0.0, 0.0, 2.20692887, -7.15062802], -0.95931528),
    ("bilinear", "border", False): ([0.0, -0.36457146, -0.99999021, 0.10519589, 0.14112001, 0.78638904], [0.0, 0.0, -0.71682648, 0.6782667, 0.0, 0.0, -5.35920905, 7.24486754, 0.0, 0.0, -9.21812903, 0.0], -9.90585627),
    ("bilinear", "border", True): ([-0.07568025, -0.40948861, -0.86319948, -0.24887032, 0.14112001, 0.56334461], [0.0, -0.7568025, 0.32109554, 0.61574264, -2.05186093, 0.0, -1.32058697, 4.17565234, 0.0, 0.0, 2.20692887, -7.15062802], -5.83203989),
    ("bilinear", "reflection", False): ([0.0841471, -0.36457146, -0.83429253, 0.10519589, -0.38152813, 0.78638904], [-1.68294197, 0.0, -0.71682648, 0.6782667, 0.0, 7.45639562, -5.35920905, 7.24486754, 0.56532991, -1.69566674, -9.21812903, 0.0], -4.63122207),
    ("bilinear", "reflection", True): ([0.25602002, -0.40948861, -0.3674933, -0.24887032, -0.42488217, 0.56334461], [-1.10566756, -1.22641924, 0.32109554, 0.61574264, 0.45440722, 3.71779634, -1.32058697, 4.17565234, -1.41610699, -1.53935659, 2.20692887, -7.15062802], 1.4866466),
    ("nearest", "zeros", False): ([0.0, -0.54402111, 0.0, 0.41211849, 0.0, 0.90929743], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], -7.81954512),
    ("nearest", "zeros", True): ([0.0, -0.2794155, -0.99999021, 0.41211849, 0.0, 0.90929743], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], -3.2077844),
    ("nearest", "border", False): ([0.0, -0.54402111, -0.99999021, 0.41211849, 0.14112001, 0.90929743], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], -11.75623051),
    ("nearest", "border", True): ([0.0, -0.2794155, -0.99999021, 0.41211849, 0.14112001, 0.90929743], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], -8.15774688),
    ("nearest", "reflection", False): ([0.0, -0.54402111, -0.99999021, 0.41211849, -0.2794155, 0.90929743], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], -2.0054166),
    ("nearest", "reflection", True): ([0.0, -0.2794155, -0.99999021, 0.41211849, -0.2794155, 0.90929743], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 1.59306703),
    ("bicubic", "zeros", False): ([-0.005099, -0.57562463, 0.05745074, 0.10868172, 0.0, 0.80805053], [0.07931775, -0.00168099, -0.34484563, 1.95799571, -0.24404949, 2.01077577, -7.51554496, 8.68364926, 0.0, 0.0, -8.75219465, 1.60075401], -7.468269),
    ("bicubic", "zeros", True): ([-0.1237211, -0.67922469, -0.79433413, -0.4130346, 0.00172553, 0.70188575], [-0.29951473, -0.44752805, 0.78753577, 0.87475522, -1.02271492, 3.83659774, -2.77056537, 6.57069869, -0.00284428, -0.00410841, -0.11347579, -6.85472668], -1.53019431),
    ("bicubic", "border", False): ([0.08393413, -0.55065827, -1.02769033, 0.08172797, 0.14112001, 0.84817355], [0.0, 0.02767059, 0.00839214, 2.08564325, -1.29267239, 0.0, -6.75744242, 9.21572335, 0.0, 0.0, -9.43738028, -4.58842344], -10.55074712),
    ("bicubic", "border", True): ([-0.15127519, -0.66670832, -1.0632977, -0.43338864, 0.14112001, 0.6019024], [-0.16424716, -0.80299689, 0.94668455, 0.97928753, -1.64426486, 0.3633632, -2.16451917, 6.45556474, 0.0, 0.0, 0.39919499, -7.23348826], -5.51820307),
    ("bicubic", "reflection", False): ([0.21297787, -0.55065827, -0.8829305, 0.08172797, -0.5994315, 0.85084934], [-1.81389335, -0.28569576, 0.00839214, 2.08564325, -1.18903949, 7.33519924, -6.75744242, 9.21572335, -1.60533119, -4.48311093, -9.50217506, -5.30365482], -4.7374295),
    ("bicubic", "reflection", True): ([0.24529132, -0.64210514, -0.52990673, -0.32306876, -0.66838476, 0.73318371], [-1.52995717, -0.70407329, 0.6497479, 1.18476463, 0.76376839, 5.58260175, -3.03247261, 7.07959635, -2.44547946, -2.27216547, -1.30206215, -6.73616228], 1.10314791),
}  # fmt: skip
SCATTER: dict[tuple[str, bool], tuple[Any, Any, Any]] = {
    ("sum", True): ([[8.0, 2.0, -2.0], [4.0, 24.0, 6.0]], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[1.0, 1.0, 3.0, 1.0], [5.0, 5.0, 5.0, 6.0]]),
    ("sum", False): ([[7.0, 2.0, -2.0], [4.0, 19.0, 0.0]], [[0.0, 2.0, 0.0], [4.0, 0.0, 0.0]], [[1.0, 1.0, 3.0, 1.0], [5.0, 5.0, 5.0, 6.0]]),
    ("prod", True): ([[9.0, 2.0, 0.0], [4.0, 1225.0, 0.0]], [[9.0, 2.0, -6.0], [4.0, 1225.0, 0.0]], [[3.0, 9.0, 0.0, 3.0], [1225.0, 875.0, 875.0, 36.0]]),
    ("prod", False): ([[9.0, 2.0, -2.0], [4.0, 245.0, 0.0]], [[0.0, 2.0, 0.0], [4.0, 0.0, 0.0]], [[3.0, 9.0, 3.0, 3.0], [245.0, 175.0, 175.0, 6.0]]),
    ("mean", True): ([[2.0, 2.0, -1.0], [4.0, 6.0, 3.0]], [[0.25, 2.0, 1.5], [4.0, 1.25, 3.0]], [[0.25, 0.25, 1.5, 0.25], [1.25, 1.25, 1.25, 3.0]]),
    ("mean", False): ([[2.33333333, 2.0, -2.0], [4.0, 6.33333333, 0.0]], [[0.0, 2.0, 0.0], [4.0, 0.0, 0.0]], [[0.33333333, 0.33333333, 3.0, 0.33333333], [1.66666667, 1.66666667, 1.66666667, 6.0]]),
    ("amax", True): ([[3.0, 2.0, 0.0], [4.0, 7.0, 6.0]], [[0.0, 2.0, 3.0], [4.0, 0.0, 6.0]], [[0.5, 0.0, 0.0, 0.5], [0.0, 2.5, 2.5, 0.0]]),
    ("amax", False): ([[3.0, 2.0, -2.0], [4.0, 7.0, 0.0]], [[0.0, 2.0, 0.0], [4.0, 0.0, 0.0]], [[0.5, 0.0, 3.0, 0.5], [0.0, 2.5, 2.5, 6.0]]),
    ("amin", True): ([[1.0, 2.0, -2.0], [4.0, 5.0, 0.0]], [[0.5, 2.0, 0.0], [4.0, 2.5, 0.0]], [[0.0, 0.5, 3.0, 0.0], [2.5, 0.0, 0.0, 6.0]]),
    ("amin", False): ([[1.0, 2.0, -2.0], [4.0, 5.0, 0.0]], [[0.0, 2.0, 0.0], [4.0, 0.0, 0.0]], [[0.0, 0.5, 3.0, 0.0], [2.5, 0.0, 0.0, 6.0]]),
}  # fmt: skip
INDEX: dict[tuple[str, bool], Any] = {
    ("prod", True): [[-6.0, 2.0, 0.0], [140.0, 5.0, 42.0]],
    ("prod", False): [[-6.0, 2.0, 1.0], [35.0, 5.0, 7.0]],
    ("mean", True): [[0.66666667, 2.0, 0.5], [5.33333333, 5.0, 6.5]],
    ("mean", False): [[0.5, 2.0, 1.0], [6.0, 5.0, 7.0]],
    ("amax", True): [[3.0, 2.0, 1.0], [7.0, 5.0, 7.0]],
    ("amax", False): [[3.0, 2.0, 1.0], [7.0, 5.0, 7.0]],
    ("amin", True): [[-2.0, 2.0, 0.0], [4.0, 5.0, 6.0]],
    ("amin", False): [[-2.0, 2.0, 1.0], [5.0, 5.0, 7.0]],
}  # fmt: skip


@pytest.mark.parametrize(("mode", "padding_mode", "align_corners"), GRID)
def test_grid_sample_has_pytorchs_values_and_gradients(mode: str, padding_mode: str, align_corners: bool) -> None:
    image, points = Tensor(IMAGE, requires_grad=True), Tensor(POINTS, requires_grad=True)
    y = ag.grid_sample(image, points, mode, padding_mode, align_corners)
    ag.sum(y * WEIGHTS.reshape(y.shape)).backward()
    values, slopes, pixels = GRID[mode, padding_mode, align_corners]
    np.testing.assert_allclose(y.data.ravel(), values, atol=2e-8)
    found = np.zeros(12) if points.grad is None else points.grad.data.ravel()
    np.testing.assert_allclose(found, slopes, atol=2e-8)
    np.testing.assert_allclose((image.grad.data.ravel() * np.cos(np.arange(12))).sum(), pixels, atol=2e-8)


@pytest.mark.parametrize(("mode", "padding_mode"), [("bilinear", "reflection"), ("bicubic", "zeros"), ("bilinear", "border")])
def test_grid_sample_has_both_derivatives_and_runs_in_a_batch_and_compiled(mode: str, padding_mode: str) -> None:
    f = lambda image, points: ag.sum(ag.sin(ag.grid_sample(image, points, mode, padding_mode)))
    points = POINTS[:, :, :2]
    gradcheck(f, IMAGE, points)
    gradgradcheck(f, IMAGE, points)
    batch = np.stack([IMAGE, IMAGE * 0.5])
    np.testing.assert_allclose(ag.vmap(f, (0, None))(batch, points).data, [f(x, points).item() for x in batch])
    compiled, step = ag.jit(ag.grad(f, argnums=(0, 1))), ag.grad(f, argnums=(0, 1))
    for k in range(3):
        for a, b in zip(compiled(Tensor(IMAGE), Tensor(points - 0.1 * k)), step(IMAGE, points - 0.1 * k), strict=True):
            np.testing.assert_allclose(a.data, b.data, atol=1e-12)


def test_grid_sample_of_a_volume_is_linear_along_each_axis() -> None:
    """The volume x + 10 y + 100 z is its own interpolation; a grid of (x, y, z) reads it."""
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in (3, 4, 5)], indexing="ij")
    points = np.random.default_rng(0).uniform(-1, 1, (1, 2, 2, 2, 3))
    found = ag.grid_sample((x + 10 * y + 100 * z)[None, None], points, align_corners=True)
    np.testing.assert_allclose(found.data[0, 0], points[0] @ [1, 10, 100])


@pytest.mark.parametrize(("reduce", "include_self"), SCATTER)
def test_scatter_reduce_has_pytorchs_values_and_gradients(reduce: str, include_self: bool) -> None:
    """With ties, which share the gradient, and zeros in products."""
    x, source = Tensor(X, requires_grad=True), Tensor(SOURCE, requires_grad=True)
    y = ag.scatter_reduce(x, 1, PLACES, source, reduce, include_self=include_self)
    ag.sum(y * WEIGHTS.reshape(2, 3)).backward()
    values, of_self, of_source = SCATTER[reduce, include_self]
    if (reduce, include_self) == (
        "amin",
        False,
    ):  # PyTorch shares with equal elements of x that it leaves out, whose half is lost
        of_source = [[0, 1, 3, 0], [5, 0, 0, 6]]
    for found, expected in zip((y, x.grad, source.grad), (values, of_self, of_source), strict=True):
        np.testing.assert_allclose(found.data, expected, atol=2e-8)


@pytest.mark.parametrize(("reduce", "include_self"), SCATTER)
def test_scatter_reduce_has_both_derivatives_and_runs_in_a_batch_and_compiled(reduce: str, include_self: bool) -> None:
    def f(x: Any, source: Any) -> Tensor:
        return ag.sum(ag.scatter_reduce(x, 1, PLACES, source, reduce, include_self=include_self) ** 2 * WEIGHTS.reshape(2, 3))

    gradcheck(f, X, DISTINCT)
    gradgradcheck(f, X, DISTINCT)
    batch = np.stack([DISTINCT, DISTINCT * 0.5])
    np.testing.assert_allclose(ag.vmap(f, (None, 0))(X, batch).data, [f(X, s).item() for s in batch])
    step = ag.grad(f, argnums=(0, 1))
    compiled = ag.jit(step)
    for k in range(3):
        for a, b in zip(compiled(Tensor(X), Tensor(DISTINCT - k)), step(X, DISTINCT - k), strict=True):
            np.testing.assert_allclose(a.data, b.data, atol=1e-12)


@pytest.mark.parametrize(("reduce", "include_self"), INDEX)
def test_index_reduce_has_pytorchs_values(reduce: str, include_self: bool) -> None:
    found = ag.index_reduce(X, 1, [0, 2, 0], SOURCE[:, :3], reduce, include_self=include_self)
    np.testing.assert_allclose(found.data, INDEX[reduce, include_self], atol=2e-8)
    f = lambda x, s: ag.sum(ag.index_reduce(x, 1, [0, 2, 0], s, reduce, include_self=include_self) ** 2)
    gradcheck(f, X, DISTINCT[:, :3])


def test_integers_stay_integers() -> None:
    assert ag.scatter_reduce([1, 2], 0, [0, 0], [3, 4], "prod").tolist() == [12, 2]
    assert ag.scatter_reduce([1, 2], 0, [0, 0], [3, 4], "amin", include_self=False).tolist() == [3, 2]
    assert ag.scatter_reduce([1, 2], 0, [0, 0], [3, 5], "mean").tolist() == [3, 2]


@pytest.mark.parametrize("p", [0, 0.5, 1, 2, 3, np.inf])
def test_cdist_equals_a_loop_over_pairs(p: float) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 4, 3)), rng.normal(size=(5, 3))
    expected = [[[np.linalg.norm(u - v, p) for v in b] for u in rows] for rows in a]
    np.testing.assert_allclose(ag.cdist(a, b, p).data, expected, rtol=1e-12)
    if p:
        f = lambda s, t: ag.sum(ag.sin(ag.cdist(s, t, p)))
        gradcheck(f, a, b)
        gradgradcheck(f, a, b)


def test_cdist_of_equal_vectors_has_gradient_0() -> None:
    x = Tensor([[1.0, 2.0], [1.0, 4.0]], requires_grad=True)
    ag.sum(ag.cdist(x, x.detach())).backward()
    np.testing.assert_allclose(x.grad.data, [[0, -1], [0, 1]])


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda: ag.grid_sample(IMAGE, POINTS[0]), ValueError, r"grid_sample: expected input .* got shapes \(1, 1, 3, 4\) and"),
        (lambda: ag.grid_sample(IMAGE, POINTS, "linear"), ValueError, "mode must be one of 'bilinear', .*got 'linear'"),
        (lambda: ag.grid_sample(IMAGE[None], np.zeros((1, 1, 1, 1, 3)), "bicubic"), ValueError, "'bicubic' needs an input with 4"),
        (lambda: ag.scatter_reduce(X, 1, PLACES, SOURCE, "max"), ValueError, "reduce must be one of 'sum', .*got 'max'"),
        (lambda: ag.scatter_reduce(X, 1, PLACES, SOURCE[:, :2], "sum"), ValueError, "src needs a place for each index"),
        (lambda: ag.scatter_reduce(X, 1, PLACES * 1.0, SOURCE, "sum"), TypeError, "index must hold integers, got float64"),
        (lambda: ag.index_reduce(X, 1, [0], SOURCE, "prod"), ValueError, r"a source of shape \(2, 1\), got shapes \(1,\) and"),
        (lambda: ag.scatter_reduce([1.0, 2.0], 0, [5], [1.0], "sum"), IndexError, r"scatter_reduce: index \[5\] does not fit input of"),
        (lambda: ag.index_reduce([1.0, 2.0], 0, [2], [1.0], "prod"), IndexError, r"index_reduce: index \[2\] does not fit input of"),
        (lambda: ag.cdist(X, X[:, :2]), ValueError, r"cdist: expected shapes .*\(2, 3\) and \(2, 2\)"),
        (lambda: ag.cdist(X, X, -1), ValueError, "cdist: p must be at least 0, got -1"),
    ],
)  # fmt: skip
def test_wrong_arguments_raise_an_error_that_names_them(use: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        use()
