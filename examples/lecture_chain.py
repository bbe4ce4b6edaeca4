"""A chain for pen and paper: three layers, u⁽¹⁾ = x, h = f(u), u⁽ˡ⁾ = w⁽ˡ⁾ h⁽ˡ⁻¹⁾, f(u) = u², and L = ŷ² with ŷ = h⁽³⁾.

Multiplied out, L = w₃⁴ w₂⁸ x¹⁶. Backpropagation does not multiply out: δ⁽³⁾ = 2ŷ · f′(u⁽³⁾), then δ⁽²⁾ = δ⁽³⁾ w₃ f′(u⁽²⁾),
and ∂L/∂w⁽ˡ⁾ = δ⁽ˡ⁾ h⁽ˡ⁻¹⁾. Here it does so at two points, and the result is laid beside the derivatives of the formula.

    python examples/lecture_chain.py
"""

from __future__ import annotations

from autograd_mini import Tensor

POINTS = ((1.0, 2.0, 3.0), (2.0, 2.0, 1.0))  # (x, w₂, w₃)


def chain(x: float, w2: float, w3: float) -> dict[str, Tensor]:
    """Every quantity of the chain by name, after backpropagation; δ⁽ˡ⁾ = ∂L/∂u⁽ˡ⁾ is `.grad` of u⁽ˡ⁾."""
    u1, w2_, w3_ = (Tensor(value, dtype="float64", requires_grad=True) for value in (x, w2, w3))
    h1 = u1**2
    u2 = (w2_ * h1).retain_grad()
    h2 = u2**2
    u3 = (w3_ * h2).retain_grad()
    h3 = u3**2
    loss = h3**2
    loss.backward()
    return {"u1": u1, "h1": h1, "u2": u2, "h2": h2, "u3": u3, "h3": h3, "w2": w2_, "w3": w3_, "L": loss}


def formula(x: float, w2: float, w3: float) -> dict[str, float]:
    """L = w₃⁴ w₂⁸ x¹⁶ and its derivatives, by the power rule."""
    return {
        "L": w3**4 * w2**8 * x**16,
        "dL/dw2": w3**4 * 8 * w2**7 * x**16,
        "dL/dw3": 4 * w3**3 * w2**8 * x**16,
    }


def report(x: float, w2: float, w3: float) -> str:
    """The chain at one point, as text."""
    found = chain(x, w2, w3)
    value = {name: t.item() for name, t in found.items()}
    slope = {name: t.grad.item() for name, t in found.items() if t.grad is not None}
    lines = [f"(x, w2, w3) = ({x:g}, {w2:g}, {w3:g})"]
    for i in (1, 2, 3):
        u, h, delta = value[f"u{i}"], value[f"h{i}"], slope[f"u{i}"]
        lines.append(f"  layer {i}: u{i} = {u:.0f}, h{i} = {h:.0f}, delta{i} = {delta:.0f}")
    by_backprop = {"L": value["L"], "dL/dw2": slope["w2"], "dL/dw3": slope["w3"]}
    lines += [
        f"  {name} = {by_backprop[name]:.0f} by backpropagation, {exact:.0f} by the formula"
        for name, exact in formula(x, w2, w3).items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    for point in POINTS:
        print(report(*point))
