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


STEPS = (
    ("u1", "u⁽¹⁾", "x", (1, 0, 0, 1)),
    ("h1", "h⁽¹⁾", "f(u⁽¹⁾)", (1, 0, 0, 2)),
    ("u2", "u⁽²⁾", "w₂ h⁽¹⁾", (1, 0, 1, 2)),
    ("h2", "h⁽²⁾", "f(u⁽²⁾)", (1, 0, 2, 4)),
    ("u3", "u⁽³⁾", "w₃ h⁽²⁾", (1, 1, 2, 4)),
    ("h3", "ŷ = h⁽³⁾", "f(u⁽³⁾)", (1, 2, 4, 8)),
    ("L", "L", "ŷ²", (1, 4, 8, 16)),
    ("∂u3", "δ⁽³⁾ = ∂L/∂u⁽³⁾", "2ŷ · f′(u⁽³⁾)", (4, 3, 6, 12)),
    ("∂u2", "δ⁽²⁾ = ∂L/∂u⁽²⁾", "δ⁽³⁾ w₃ f′(u⁽²⁾)", (8, 4, 7, 14)),
    ("∂u1", "δ⁽¹⁾ = ∂L/∂u⁽¹⁾", "δ⁽²⁾ w₂ f′(u⁽¹⁾)", (16, 4, 8, 15)),
    ("∂w3", "∂L/∂w₃", "δ⁽³⁾ h⁽²⁾", (4, 3, 8, 16)),
    ("∂w2", "∂L/∂w₂", "δ⁽²⁾ h⁽¹⁾", (8, 4, 7, 16)),
)
"""Each quantity of the chain: its name, symbol and formula, and the factor and the exponents of w₃, w₂ and x if expanded."""


def expand(factor: int, *exponents: int) -> str:
    """Returns a product of powers as text.

    >>> from autograd_mini.examples.exercises.exercise_20_scalar_chain import expand
    >>> expand(8, 4, 7, 16), expand(1, 0, 0, 1)
    ('8 w₃⁴ w₂⁷ x¹⁶', 'x')
    """
    raised = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
    powers = [letter + str(n).translate(raised) * (n > 1) for letter, n in zip(("w₃", "w₂", "x"), exponents, strict=True) if n]
    return " ".join([str(factor)] * (factor > 1) + powers)


def formulas(point: tuple[float, float, float]) -> list[dict[str, str | float]]:
    """Returns the rows of the table of formulas, with their values at (x, w2, w3) and those of backpropagation."""
    (x, w2, w3), t = point, chain(*point)
    rows: list[dict[str, str | float]] = []
    for name, symbol, text, (factor, *exponents) in STEPS:
        value = factor * w3 ** exponents[0] * w2 ** exponents[1] * x ** exponents[2]
        computed = slope(t[name[1:]]) if name.startswith("∂") else t[name].item()
        rows.append({"": symbol, "layer by layer": text, "expanded": expand(factor, *exponents), "value": value,
                     "by backpropagation": computed})  # fmt: skip
    return rows


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
    study.table(f"formulas, with f(u) = u², f′(u) = 2u, at (x, w2, w3) = {points[0]}", formulas(points[0]))
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
    t = chain(*points[0])
    for name in ("w2", "w3"):
        study.say(f"**the chain rule for {name}, written out**\n\n```text\n{viz.derive(t['L'], t[name])}\n```")
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


POINTS = [(1.0, 2.0, 3.0), (2.0, 2.0, 1.0)]
FULL = {"points": POINTS, "depths": [3, 10, 100]}
QUICK = {"points": POINTS, "depths": [3, 10]}

if __name__ == "__main__":
    run(exercise, FULL, QUICK)
