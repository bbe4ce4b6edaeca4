"""Exercise 20: a scalar chain by hand, by the formula and by backpropagation.

Three layers, u⁽¹⁾ = x, h = f(u), u⁽ˡ⁾ = w⁽ˡ⁾ h⁽ˡ⁻¹⁾, f(u) = u², and L = ŷ² with ŷ = h⁽³⁾. Expanded, L = w₃⁴ w₂⁸ x¹⁶.
Backpropagation does not need this formula: δ⁽³⁾ = 2ŷ · f′(u⁽³⁾), δ⁽ˡ⁾ = δ⁽ˡ⁺¹⁾ w⁽ˡ⁺¹⁾ f′(u⁽ˡ⁾), and ∂L/∂w⁽ˡ⁾ = δ⁽ˡ⁾ h⁽ˡ⁻¹⁾.

    python examples/exercises/exercise_20_scalar_chain.py [--quick] [--out DIR]
"""

from __future__ import annotations

from autograd_mini import Tensor, viz
from autograd_mini.examples.study import Study, run

LAYERS = (1, 2, 3)


def chain(x: float, w2: float, w3: float) -> dict[str, Tensor]:
    """Returns every quantity of the chain by name, after backpropagation; δ⁽ˡ⁾ = ∂L/∂u⁽ˡ⁾ is `.grad` of u⁽ˡ⁾."""
    inputs = {"x": x, "w2": w2, "w3": w3}
    t = {name: Tensor(value, dtype="float64", requires_grad=True, name=name) for name, value in inputs.items()}
    t["u1"] = t["x"]
    t["h1"] = t["u1"] ** 2
    for layer in LAYERS[1:]:
        t[f"u{layer}"] = (t[f"w{layer}"] * t[f"h{layer - 1}"]).retain_grad()
        t[f"h{layer}"] = t[f"u{layer}"] ** 2
    t["L"] = t["h3"] ** 2
    t["L"].backward()
    return t


def formula(x: float, w2: float, w3: float) -> dict[str, float]:
    """Returns L = w₃⁴ w₂⁸ x¹⁶ and its derivatives by the power rule."""
    return {
        "L": w3**4 * w2**8 * x**16,
        "∂L/∂w2": w3**4 * 8 * w2**7 * x**16,
        "∂L/∂w3": 4 * w3**3 * w2**8 * x**16,
    }


def by_backpropagation(t: dict[str, Tensor]) -> dict[str, float]:
    return {"L": t["L"].item(), "∂L/∂w2": slope(t["w2"]), "∂L/∂w3": slope(t["w3"])}


def slope(tensor: Tensor) -> float:
    return float("nan") if tensor.grad is None else tensor.grad.item()


def multiplications(layers: int) -> dict[str, int]:
    """Counts the multiplications for the derivatives with respect to all weights, if all values and f′ are known.

    Computed separately, ∂L/∂w⁽ˡ⁾ is the product of 2ŷ, f′(u⁽ᵏ⁾) for k ≥ l, w⁽ᵏ⁾ for k > l, and h⁽ˡ⁻¹⁾. With backpropagation,
    δ of the last layer takes one multiplication, every other δ two, and each ∂L/∂w⁽ˡ⁾ one more.
    """
    separate = sum(2 * (layers - layer) + 2 for layer in range(2, layers + 1))
    return {"layers": layers, "each derivative separately": separate, "backpropagation": 3 * (layers - 1) - 1}


def exercise(study: Study, points: list[tuple[float, float, float]], depths: list[int]) -> str:
    for point in points:
        t, exact = chain(*point), formula(*point)
        study.table(
            f"layers at (x, w2, w3) = {point}",
            [{"layer": i, "u": t[f"u{i}"].item(), "h": t[f"h{i}"].item(), "δ = ∂L/∂u": slope(t[f"u{i}"])} for i in LAYERS],
        )
        rows = by_backpropagation(t).items()
        study.table(
            f"results at (x, w2, w3) = {point}",
            [{"": name, "by backpropagation": value, "by the formula": exact[name]} for name, value in rows],
        )
    study.table("multiplications", [multiplications(depth) for depth in depths])
    loss = chain(*points[0])["L"]
    viz.step(loss, notation="lecture").save(study.figure("steps.html"))
    try:
        viz.draw(loss, notation="lecture").save(study.folder / "chain.png")
        study.figure("chain.png")
    except viz.RendererMissing as missing:
        study.say(f"{missing}\n{viz.text(loss)}")
    return (
        "Backpropagation computes the same derivatives as the formula without knowing the formula. Each δ is used twice, for "
        "the weight of its layer and for the δ of the layer below, so the work is proportional to the depth; if each "
        "derivative is computed separately, it is proportional to its square. At x = 1 the first layer has no visible effect, "
        "because h⁽¹⁾ = x² = 1; the point with x = 2 shows its effect."
    )


if __name__ == "__main__":
    POINTS = [(1.0, 2.0, 3.0), (2.0, 2.0, 1.0)]
    run(exercise, full={"points": POINTS, "depths": [3, 10, 100]}, quick={"points": POINTS, "depths": [3, 10]})
