"""Generates docs/reference.md from the registry of primitives, so that the page always matches the code.

python docs/make_reference.py           writes the page
python docs/make_reference.py --check   exits with 1 if the page is not current
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import autograd_mini as ag
from autograd_mini.primitive import Primitive, registry

PAGE = Path(__file__).resolve().parent / "reference.md"
HEAD = """# Reference of operations

Generated from the registry of primitives by `python docs/make_reference.py`; a test checks that the page is current.

The tables list the formula of each operation, its local derivative with respect to each input (separated by semicolons), and
its convention at kinks, the points without a derivative. δ is the gradient with respect to the output y; it appears if the
derivative is a product of matrices. [condition] is 1 if the condition is true, else 0. σ is the sigmoid, φ and Φ are the
density and the distribution function of N(0, 1), and m is the mean over the normalised axes.

One rule decides all conventions: the gradient if it exists; at a convex or concave kink, the element of the generalised
gradient with the smallest norm; otherwise the limit.
"""
COLUMNS = "| operation | formula | local derivative | at kinks |\n|---|---|---|---|"


def row(primitive: Primitive) -> str:
    cells = (
        f"`{primitive.name}`",
        primitive.formula,
        "; ".join(primitive.derivative) if primitive.differentiable else "0" if primitive.constant else "none",
        primitive.kink,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def group(primitive: Primitive) -> str:
    """Returns the full name of the module that defines a primitive."""
    rule = next(
        (r for r in (primitive.joint, *primitive.vjp, primitive.kernel) if r is not None and inspect.isfunction(r)), None
    )
    public = getattr(ag, primitive.name, None)
    module = getattr(rule, "__module__", None) if rule else getattr(public, "__module__", None)
    return module or "autograd_mini.ops.elementwise"


def page() -> str:
    groups: dict[str, list[Primitive]] = {}
    for primitive in registry.values():
        groups.setdefault(group(primitive), []).append(primitive)
    parts = [HEAD]
    for name in sorted(groups, key=lambda name: name.rpartition(".")[2]):
        about = (inspect.getdoc(sys.modules[name]) or "").split("\n\n")[0]
        rows = "\n".join(row(p) for p in sorted(groups[name], key=lambda p: p.name))
        parts.append(f"## {name.rpartition('.')[2]}\n\n{about}\n\n{COLUMNS}\n{rows}\n")
    return "\n".join(parts)


def main() -> None:
    current = page()
    if "--check" in sys.argv:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != current:
            sys.exit("docs/reference.md is not current: run python docs/make_reference.py")
        return
    PAGE.write_text(current, encoding="utf-8")
    print(f"wrote {PAGE.name}: {len(registry)} operations")


if __name__ == "__main__":
    main()
