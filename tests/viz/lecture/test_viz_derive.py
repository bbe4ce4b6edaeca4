"""`viz.derive`: formulas have the values that backward computes, and the lecture's exercise has the solution written by hand."""

from __future__ import annotations

import re
import xml.dom.minidom
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_mini as ag
from autograd_mini import Tensor, models, nn, viz
from autograd_mini.primitive import arrays, registry
from autograd_mini.testing import programs
from autograd_mini.viz.chain_rule.derive import Equation
from autograd_mini.viz.chain_rule.markup import to_latex, to_mathml, to_text
from autograd_mini.viz.chain_rule.parse import NotMathematics, parse
from autograd_mini.viz.chain_rule.program import operand_letters
from autograd_mini.viz.chain_rule.term import NotEvaluable, Term, evaluate, symbol

X = np.linspace(-1, 1, 20).reshape(4, 5)
T = np.eye(4, 2)
NAMES = ["</math><script>alert(1)</script>", "<!--", "重み", "a_b$%", "\\frac{1}", "{|}", "\u2028", "∂x/∂y", "w⁽²⁾"]


def parameter(value: object, name: str | None = None) -> Tensor:
    return Tensor(value, dtype="float64", requires_grad=True, name=name)


def chain(x: float = 1.0, w2: float = 2.0, w3: float = 3.0) -> dict[str, Tensor]:
    """Exercise 20: u⁽¹⁾ = x, h = f(u), u⁽ˡ⁾ = w⁽ˡ⁾ h⁽ˡ⁻¹⁾, f(u) = u², L = ŷ²."""
    t = {name: parameter(value, name) for name, value in (("x", x), ("w2", w2), ("w3", w3))}
    h1 = ag.square(t["x"])
    return t | {"L": ag.square(ag.square(t["w3"] * ag.square(t["w2"] * h1)))}


def mlp() -> nn.Module:
    ag.manual_seed(0)
    net = models.MLP((5, 4, 2), nn.Tanh)
    for p in net.parameters():
        p.data = np.round(p.data, 3)
    return net


def values(equation: Equation) -> list[np.ndarray]:
    """The values of all sides that can be computed from their formulas."""
    found = []
    for side in equation.sides:
        try:
            value = evaluate(side)
        except NotEvaluable:
            continue
        same_size = value.size == equation.value.size
        found.append(value.reshape(equation.value.shape) if same_size else np.broadcast_to(value, equation.value.shape))
    return found


# -- the solution written by hand -------------------------------------------------------------------------------------------


def test_exercise_20_has_the_solution_written_by_hand():
    t = chain()
    derivation = viz.derive(t["L"], t["w2"])
    assert [str(e) for e in derivation.equations] == [
        "δ⁽³⁾ = ∂L/∂ŷ f′(u⁽³⁾) = 2ŷ · 2u⁽³⁾ = 2 · 144 · 2 · 12 = 6912",
        "δ⁽²⁾ = δ⁽³⁾ w⁽³⁾ f′(u⁽²⁾) = δ⁽³⁾ w⁽³⁾ · 2u⁽²⁾ = 6912 · 3 · 2 · 2 = 82944",
        "∂L/∂w⁽²⁾ = δ⁽²⁾ h⁽¹⁾ = 82944 · 1 = 82944",
    ]
    assert str(derivation.closed_form) == "∂L/∂w₂ = 8w₃⁴ w₂⁷ x¹⁶ = 82944"
    assert [str(path) for path in derivation.paths] == ["L ← ŷ ← u⁽³⁾ ← h⁽²⁾ ← u⁽²⁾ ← w⁽²⁾"]
    assert r"\delta^{(2)} &= \delta^{(3)}\,w^{(3)}\,f'\left(u^{(2)}\right)" in derivation.latex
    assert r"8\,{w_{3}}^{4}\,{w_{2}}^{7}\,{x}^{16}" in derivation.latex


def test_the_closed_forms_of_exercise_20_are_those_of_the_power_rule():
    x, w2, w3 = 2.0, 2.0, 1.0
    t = chain(x, w2, w3)
    found = {name: viz.derive(t["L"], t[name]).closed_form for name in ("x", "w2", "w3")}
    assert {name: to_text(form.sides[0]) for name, form in found.items()} == {
        "x": "16w₃⁴ w₂⁸ x¹⁵", "w2": "8w₃⁴ w₂⁷ x¹⁶", "w3": "4w₃³ w₂⁸ x¹⁶",
    }  # fmt: skip
    assert float(found["w2"].value) == 8 * w3**4 * w2**7 * x**16


def test_a_network_has_the_delta_recursion_of_the_lecture():
    net = mlp()
    derivation = viz.derive(nn.mse_loss(net(Tensor(X, name="x")), T), net.layers[0].weight, params=net)
    left = {to_text(e.left): [to_text(side) for side in e.sides] for e in derivation.equations}
    assert left["δ⁽²⁾"][0] == "δ⁽³⁾ W⁽³⁾ ⊙ f′(u⁽²⁾)"
    assert left["δ⁽²⁾"][1] == "δ⁽³⁾ W⁽³⁾ ⊙ (1 − tanh² u⁽²⁾)"
    assert left["∂L/∂W⁽²⁾"][0] == "δ⁽²⁾ᵀ h⁽¹⁾"
    assert list(left) == ["δ⁽³⁾", "δ⁽²⁾", "∂L/∂W⁽²⁾"]
    bias = viz.derive(nn.mse_loss(net(X), T), "b⁽³⁾", params=net)
    assert to_text(bias.equations[-1].sides[0]) == "Σ δ⁽³⁾"


# -- formulas equal gradients -------------------------------------------------------------------------------------------------


@given(programs(max_steps=6))
@settings(deadline=None, max_examples=40)
def test_paths_add_up_to_the_gradient_and_formulas_have_its_value(program):
    inputs = [parameter(array, name) for array, name in zip(program.inputs, program.names, strict=True)]
    outputs = [ag.sum(y) for y in program(*inputs)]
    loss = sum(outputs[1:], outputs[0])
    if not loss.requires_grad:
        return
    loss.backward()
    for x in inputs:
        if x.grad is None or not x.size:
            continue
        derivation = viz.derive(loss, x, max_paths=200)
        np.testing.assert_array_equal(derivation.gradient, x.grad.data)
        if derivation.path_count <= 200:
            total = np.sum([path.value for path in derivation.paths], axis=0)
            np.testing.assert_allclose(total, x.grad.data, rtol=1e-7, atol=1e-9)
        for equation in derivation.equations:
            for value in values(equation)[:-1]:
                np.testing.assert_allclose(value, equation.value, rtol=2e-3, atol=1e-3)
        assert xml.dom.minidom.parseString(derivation.mathml)


SCALAR = st.recursive(
    st.sampled_from(["x", "y", "2.0", "0.5"]),
    lambda part: st.one_of(
        st.builds("({} + {})".format, part, part), st.builds("({} * {})".format, part, part),
        st.builds("({} - {})".format, part, part), st.builds("({}) ** 2".format, part), st.builds("ag.sin({})".format, part),
        st.builds("({}) ** 3".format, part), st.builds("({} / y)".format, part), st.builds("ag.exp(-{})".format, part),
    ),
    max_leaves=5,
)  # fmt: skip


@given(SCALAR, st.fractions(Fraction(-1), Fraction(1), max_denominator=8), st.sampled_from([1.5, 2.0, -0.5]))
@settings(deadline=None, max_examples=60)
def test_formulas_of_scalar_programs_are_their_derivatives(source, x, y):
    """Every side of every equation can be evaluated here; central differences are the second opinion."""
    x, y = float(x), float(y)

    def run(a: float) -> tuple[Tensor, Tensor]:
        t = parameter(a, "x")
        scope = {"ag": ag, "x": t, "y": parameter(y, "y")}
        return ag.as_tensor(eval(f"({source}) + x", scope)), t

    loss, t = run(x)
    derivation = viz.derive(loss, t, notation="code")
    step = 1e-5
    with ag.no_grad():
        numeric = (run(x + step)[0].item() - run(x - step)[0].item()) / (2 * step)
    np.testing.assert_allclose(float(derivation.gradient), numeric, rtol=1e-4, atol=1e-4)
    if derivation.closed_form:
        assert all(np.allclose(v, numeric, rtol=1e-3, atol=1e-4) for v in values(derivation.closed_form))
    for equation in derivation.equations:
        found = values(equation)
        assert len(found) == len(equation.sides), "a scalar formula without a value"
        np.testing.assert_allclose(found, float(equation.value), rtol=1e-2, atol=1e-3)


def test_a_tensor_that_is_used_twice_has_the_sum_of_both_contributions():
    w = parameter(3.0, "w")
    derivation = viz.derive(ag.sin(w) * ag.exp(w), w)
    assert derivation.path_count == 2
    assert to_text(derivation.equations[-1].sides[0]) == "eʷ cos w + sin(w) eʷ"
    np.testing.assert_allclose(sum(path.value for path in derivation.paths), np.exp(3) * (np.cos(3) + np.sin(3)))


def test_many_paths_are_counted_but_not_listed():
    x = parameter(1.0, "x")
    total = x
    for _ in range(100):
        total = total + total
    derivation = viz.derive(total, x, max_paths=3)
    assert (derivation.path_count, len(derivation.paths)) == (2**100, 3)
    assert float(derivation.gradient) == 2.0**100
    assert len(derivation.equations) <= 101


def test_long_chains_are_split_and_do_not_recurse():
    x = y = parameter(1.0, "x")
    for _ in range(600):
        y = y * 1.0001
    derivation = viz.derive(y, x, notation="code")
    assert float(derivation.gradient) == pytest.approx(1.0001**600)
    assert 100 <= len(derivation.equations) <= 101
    assert " ← … ← " in str(derivation.paths[0])


def test_contributions_of_calls_with_several_outputs_are_pulled_apart():
    a = parameter(np.array([[2.0, 0.5], [0.5, 1.0]]), "A")
    values_, vectors = ag.eigh(a)
    loss = (values_ * values_).sum() + vectors[0, 0]
    derivation = viz.derive(loss, a)
    np.testing.assert_allclose(np.sum([p.value for p in derivation.paths], axis=0), derivation.gradient, atol=1e-12)
    assert any("∂" in note for note in derivation.notes), "a matrix of derivatives is named and described"


# -- records ----------------------------------------------------------------------------------------------------------------


def mathematical_records() -> list[tuple[str, int]]:
    """Operations with a rule for each operand, and the slots whose derivative is a formula."""
    found = []
    for name, p in registry.items():
        if p.elementwise and p.vjp and len(p.derivative) == len(p.vjp) == (p.fast_arity or len(p.vjp)) <= 2:
            found += [(name, slot) for slot in range(len(p.vjp)) if p.vjp[slot] is not None and _is_formula(name, slot)]
    return found


def _is_formula(name: str, slot: int) -> bool:
    p = registry[name]
    try:
        term = parse(p.derivative[slot], {letter: symbol(letter, np.array(0.3)) for letter in (*operand_letters(p), "x")})
        evaluate(term)
    except (NotMathematics, NotEvaluable):
        return False
    return True


@pytest.mark.parametrize(("name", "slot"), mathematical_records())
def test_the_text_of_a_local_derivative_is_what_the_rule_computes(name, slot):
    p = registry[name]
    points = [np.array([0.3, 0.55, 0.8]), np.array([0.7, 0.4, 0.9])][: len(p.vjp)]
    if name == "power_slope":
        pytest.skip("its operands are not independent: y = aᵇ")
    if name == "arccosh":
        points = [np.array([1.3, 1.7, 2.5])]
    letters = operand_letters(p) if len(p.vjp) > 1 else ("x",)
    names = {letter: symbol(letter, value) for letter, value in zip(letters, points, strict=False)}
    out = p.kernel(*points)
    computed = p.vjp[slot](arrays, np.ones(3), out, *points)
    expected = np.broadcast_to(evaluate(parse(p.derivative[slot], names)), 3)
    np.testing.assert_allclose(np.broadcast_to(computed, 3), expected, rtol=1e-9)


def test_most_elementwise_records_are_formulas():
    assert len(mathematical_records()) >= 50


# -- writing ----------------------------------------------------------------------------------------------------------------

u, w = symbol("u"), symbol("w⁽²⁾")


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("1/(2√u)", r"\frac{1}{2\,\sqrt{u}}"),
        ("σ(u) σ(−u)", r"\sigma\left(u\right)\,\sigma\left(-u\right)"),
        ("1 − tanh²(u)", r"1 - \tanh^{2}\left(u\right)"),
        ("−(u + 1)/u²", r"-\frac{u + 1}{{u}^{2}}"),
        ("(u + 1)(u − 1)", r"\left(u + 1\right)\,\left(u - 1\right)"),
        ("[0 < u < 6]", r"\left[0 < u < 6\right]"),
        ("u − (1 − u)", r"u - \left(1 - u\right)"),
        ("2 · (−3)", None),
    ],
)
def test_formulas_are_written_with_the_parentheses_they_need(text, latex):
    term = parse(text, {"u": u})
    again = parse(to_text(term), {"u": u})
    at = {"u": symbol("u", np.array(0.7))}
    np.testing.assert_allclose(evaluate(parse(to_text(term), at)), evaluate(parse(text, at)))
    assert to_text(again) == to_text(term)
    if latex:
        assert to_latex(term) == latex
    assert xml.dom.minidom.parseString(to_mathml(term))


def terms() -> st.SearchStrategy[Term]:
    atoms = st.sampled_from(
        [symbol("u", np.array(0.7)), symbol("v", np.array(-1.3)), Term("number", text="2"), Term("number", text="−3")]
    )
    kinds = ("sum", "product", "quotient", "negative", "root", "call")

    def build(parts: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
        return st.builds(_build, st.sampled_from(kinds), parts, parts)

    return st.recursive(atoms, build, max_leaves=6)


def _build(kind: str, a: Term, b: Term) -> Term:
    texts = {"root": "∛", "call": "tanh", "product": ""}
    return Term(kind, (a, b) if kind in ("sum", "product", "quotient") else (a,), texts.get(kind, ""))


@given(terms())
def test_text_can_be_read_back(term):
    names = {"u": symbol("u", np.array(0.7)), "v": symbol("v", np.array(-1.3))}
    np.testing.assert_allclose(evaluate(parse(to_text(term), names)), evaluate(term), rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_escaped(name):
    p = parameter(2.0, name)
    derivation = viz.derive(ag.square(p), p, notation="code")
    assert xml.dom.minidom.parseString(derivation.mathml)
    assert "<script" not in derivation.html
    assert not re.search(r"(?<!\\)[$%]", derivation.latex)


def test_a_notebook_gets_mathematics():
    t = chain()
    bundle = viz.derive(t["L"], t["w2"])._repr_mimebundle_()
    assert bundle["text/html"].count("<math") == 4
    assert bundle["text/latex"].startswith("$\\displaystyle \\begin{aligned}")
    assert bundle["text/plain"] == str(viz.derive(t["L"], t["w2"]))


def test_large_arrays_are_shown_by_their_shape():
    net = models.MLP((64, 32, 10))
    text = str(viz.derive(nn.cross_entropy(net(np.ones((16, 64), np.float32)), [0] * 16), net.layers[0].weight))
    assert "[16×32]ᵀ [16×64] = [32×64]" in text
    assert max(map(len, text.splitlines())) < 400


def test_a_hook_is_named_and_never_makes_a_sum_false():
    """The sum is that of the rules; the note says what the hook made of it."""
    w = parameter(2.0, "w")
    w.register_hook(lambda g: g * 10)
    derivation = viz.derive(w * w, w)
    assert str(derivation.equations[-1]) == "∂L/∂w = w + w = 2 + 2 = 4"
    assert derivation.notes == ("a hook is called with ∂L/∂w and makes it 40",)
    assert float(derivation.gradient) == 40


def test_the_loss_itself_and_tensors_without_a_name():
    w = parameter(3.0)
    assert [str(e) for e in viz.derive(w, w).equations] == ["∂L/∂L = 1"]
    assert str(viz.derive(w * w, w).equations[-1]) == "∂L/∂v₁ = v₁ + v₁ = 3 + 3 = 6"
    assert "derive" not in str(viz.derive(w, w))


def test_grad_does_not_change():
    t = chain()
    viz.derive(t["L"], t["w2"])
    assert all(x.grad is None for x in t.values())


# -- errors ------------------------------------------------------------------------------------------------------------------


def other() -> Tensor:
    return parameter(1.0, "other")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: viz.derive(3.0, t["x"]), TypeError, "expected a scalar Tensor as loss, got 3.0"),
        (lambda t: viz.derive(ag.stack([t["L"], t["L"]]), t["x"]), ValueError, r"scalar loss, got shape \(2,\)"),
        (lambda t: viz.derive(t["L"], 3), TypeError, "a Tensor or a name as w, got 3"),
        (lambda t: viz.derive(t["L"], "v"), ValueError, "no tensor is named 'v'; the names are: x, w⁽²⁾, w⁽³⁾"),
        (lambda t: viz.derive(t["L"], other()), ValueError, "does not depend on"),
        (lambda t: viz.derive(t["L"], t["x"], notation="book"), ValueError, "got 'book'"),
        (lambda t: viz.derive(Tensor(1.0), t["x"]), ValueError, "requires no gradient"),
        (lambda t: viz.derive(t["w2"] * Tensor(2.0, dtype="float64", name="c"), "c", notation="code"), ValueError, "flows from the loss to c"),
    ],
)  # fmt: skip
def test_bad_arguments_raise(call, error, message):
    with pytest.raises(error, match=message):
        call(chain())


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda w: ag.sin(w) * w, "∂L/∂w = w cos w + sin w = "),
        (lambda w: w * w * ag.log(w), "2w ln w + w"),
        (lambda w: ag.sin(ag.cos(w) * w), "cos(cos(w) w)"),
        (lambda w: ag.exp(w) * ag.tanh(w) ** 2 * w, "tanh(w) (1 − tanh² w)"),
    ],
)
def test_a_factor_after_a_function_is_not_read_as_part_of_its_argument(function, text):
    w = Tensor(2.0, requires_grad=True, name="w")
    written = str(viz.derive(function(w), w, notation="code"))
    assert text in written
    assert not re.search(r"\b(sin|cos|ln|tanh²?) w (?!sin|cos|ln|tanh)[a-zσ(∂]", written)


def test_targets_without_a_name_are_defined():
    """Each symbol of the formulas that stands for an array of the program has its values below "where"."""
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    derivation = viz.derive(nn.mse_loss(ag.tanh(w), Tensor([0.0, 1.0])), w, notation="code")
    assert "v₂ = [0 1]" in [str(e) for e in derivation.definitions]


def test_a_function_of_one_variable_is_not_mistaken_for_a_layer():
    """In sin(cos(w) w) the "input" cos(w) comes from the "weight" w, so w keeps its name and has no δ."""
    w = Tensor(2.0, requires_grad=True, name="w")
    written = str(viz.derive(ag.sin(ag.cos(w) * w), w))
    assert "∂L/∂w = " in written
    assert "δ" not in written
