"""Node records of the graph, their DOT text, and the text tree."""

from __future__ import annotations

import io
import re
import sys
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as ag
from autograd_mini import Tensor, nn, viz
from autograd_mini.apply import apply
from autograd_mini.primitive import Primitive, registry
from autograd_mini.tools.plain_text import escape_unprintable
from autograd_mini.viz.graph.dot import STYLES, Show, legend_entries, to_dot
from autograd_mini.viz.graph.nodes import build_graph
from autograd_mini.viz.graph.summary import format_number, format_rms, format_values

NODE = re.compile(r"^(n\d+) \[(.*)\]$", re.M)
EDGE = re.compile(r"^(n\d+) -> (n\d+)\b", re.M)


def parameter(value: object, name: str | None = None) -> Tensor:
    return Tensor(value, requires_grad=True, name=name)


def mlp_loss() -> Tensor:
    rng = np.random.default_rng(0)
    x, t = Tensor(rng.normal(size=(5, 4)), name="x"), Tensor(rng.normal(size=(5, 2)), name="t")
    w1, b1 = parameter(rng.normal(size=(3, 4)), "w1"), parameter(np.zeros(3), "b1")
    w2, b2 = parameter(rng.normal(size=(2, 3)), "w2"), parameter(np.zeros(2), "b2")
    return ag.square(ag.linear(ag.tanh(ag.linear(x, w1, b1)), w2, b2) - t).mean()


@pytest.fixture
def halves() -> Primitive:
    """A primitive with two outputs, registered only during the test."""
    primitive = Primitive(
        "halves",
        lambda x: (x[: len(x) // 2], x[len(x) // 2 :]),
        lambda xp, needs, g, out, x: [xp.concatenate(*g, axis=0)],
        outputs=2,
    )
    yield primitive
    del registry["halves"]


# -- records -----------------------------------------------------------------------------------------------------------


def test_the_picture_does_not_depend_on_which_parameter_was_written_last():
    """Training writes parameters in an order that depends on how the last step ran; a resumed run has the same picture."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    first = to_dot(build_graph(model(ag.ones((2, 3))), model), Show())
    for order in (slice(None, None, -1), slice(1, 3)):
        with ag.no_grad():
            for weight in list(model.parameters())[order]:
                weight *= 1.0
        assert to_dot(build_graph(model(ag.ones((2, 3))), model), Show()) == first


def test_a_computed_tensor_that_is_named_as_a_parameter_stays_behind_its_operands():
    x, w = ag.ones(3), parameter(np.ones(3))
    scaled = 2 * w
    graph = build_graph(scaled * x, {"scaled": scaled, "w": w})
    assert all(source < target for source, target, *_ in graph.edges)


def test_every_operation_and_tensor_is_drawn_once_even_if_used_several_times():
    x = parameter(1.0, "x")
    y = x
    for _ in range(40):  # 2⁴⁰ paths
        y = y + y
    graph = build_graph(y)
    assert Counter(n.kind for n in graph.nodes) == {"parameter": 1, "operation": 40, "tensor": 39, "loss": 1}
    assert len(graph.edges) == 40 * 3


def test_inputs_parameters_tensors_and_losses_have_different_kinds_shapes_and_colours():
    frozen = nn.Parameter(2.0, requires_grad=False, name="frozen")
    x, w = Tensor([1.0, 2.0], name="x"), parameter([3.0, 4.0], "w")
    loss = (x * w * frozen).sum()
    kinds = {n.name: n.kind for n in build_graph(loss).nodes if n.kind != "operation"}
    assert kinds == {"x": "input", "w": "parameter", "frozen": "frozen", "": "loss"}
    assert build_graph(x * w).nodes[-1].kind == "tensor", "a non-scalar output is not a loss"
    shapes = {re.sub(r'\w*color="?#?\w+"?', "", style.attributes).strip() for style in STYLES.values()}
    colours = {re.search(r' color="(#\w+)"', style.attributes)[1] for style in STYLES.values()}
    assert len(shapes) == len(colours) == len(STYLES)


def test_a_call_with_several_outputs_is_one_operation(halves):
    x = parameter([1.0, 2.0, 3.0, 4.0], "x")
    low, high = apply(halves, (x,))
    graph = build_graph((low * high).sum())
    assert [n.name for n in graph.nodes if n.kind == "operation"] == ["halves", "multiply", "sum"]
    call = next(i for i, n in enumerate(graph.nodes) if n.name == "halves")
    assert [e.slot for e in graph.edges if e.source == call] == [0, 1]
    assert all(isinstance(n.array, np.ndarray) for n in graph.nodes if n.kind != "operation"), (
        "the tuple of outputs is not drawn"
    )


def test_edges_keep_the_order_of_the_operands():
    a, b = parameter(5.0, "a"), parameter(3.0, "b")
    graph = build_graph(b - a)
    minus = next(i for i, n in enumerate(graph.nodes) if n.name == "subtract")
    assert [graph.nodes[i].name for i in graph.operands()[minus]] == ["b", "a"]


def test_names_come_from_the_module_then_from_the_outputs_then_from_the_tensor():
    layer = nn.Linear(3, 2)
    x = Tensor(np.ones((1, 3)), name="x")
    names = {n.name for n in build_graph({"loss": layer(x).sum()}, layer).nodes if n.kind != "operation"}
    assert {"weight", "bias", "x", "loss"} <= names
    assert {n.name for n in build_graph(x * parameter(1.0, "own"), {"given": x}).nodes} >= {"given", "own"}


def test_outputs_that_are_not_tensors_raise_type_error():
    with pytest.raises(TypeError, match="got float"):
        viz.draw([1.0])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="got str"):
        viz.text({"loss": "x"})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="got int"):
        viz.draw(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a scalar Tensor, got list"):
        viz.step([])  # type: ignore[arg-type]


def test_a_freed_graph_and_a_lone_leaf_can_still_be_drawn():
    w = parameter(2.0, "w")
    loss = w * w
    loss.backward(free=True)
    assert "freed" in viz.draw(loss).source
    assert viz.draw(w).graph.edges == []


def test_a_graph_of_gradients_can_be_drawn():
    x = parameter(3.0, "x")
    dy = ag.grad(x**3, x, create_graph=True)
    assert dy.item() == 27
    assert len(EDGE.findall(viz.draw(dy).source)) > 2


# -- DOT ---------------------------------------------------------------------------------------------------------------


def test_dot_has_one_line_for_each_node_and_edge_in_order_of_creation():
    graph = build_graph(mlp_loss())
    source = to_dot(graph, Show())
    assert [name for name, _ in NODE.findall(source)] == [f"n{i}" for i in range(len(graph.nodes))]
    assert [{*ends} for ends in EDGE.findall(source)] == [{f"n{e.source}", f"n{e.target}"} for e in graph.edges]
    backward = {ends for ends in EDGE.findall(source) if int(ends[0][1:]) > int(ends[1][1:])}
    assert all(re.search(rf"^{a} -> {b} \[.*dir=back", source, re.M) for a, b in backward), "their arrows point the right way"
    assert all(e.source < e.target for e in graph.edges)


def test_the_same_program_gives_the_same_dot_text():
    first, second = (viz.draw(mlp_loss(), show_values=True, show_formula=True).source for _ in range(2))
    assert first == second


def test_options_show_and_hide_shapes_values_and_formulas():
    loss = mlp_loss()
    bare = viz.draw(loss, show_shapes=False, legend=False).source
    assert "(5, 4)" not in bare
    assert "input or constant" not in bare
    assert "∂" not in bare
    full = viz.draw(loss, show_values=True, show_formula=True, rankdir="TB").source
    assert "(5, 4)" in full
    assert "±" in full
    assert "h Wᵀ + b" in full
    assert "∂ = 2x" in full
    assert "rankdir=TB" in full


def test_a_gradient_that_is_not_computed_is_shown_as_a_dash_not_as_0():
    w, h = parameter(0.0, "w"), Tensor(2.0, name="h")
    loss = ag.square(w * h)
    assert "∇" not in viz.draw(loss).source, "nothing to show yet"
    assert viz.draw(loss, show_grad=True, legend=False).source.count("∇ —") == 3
    loss.backward()
    source = viz.draw(loss, legend=False).source
    assert source.count("∇ 0") == 1
    assert source.count("∇ —") == 2
    assert "∇" not in viz.draw(loss, show_grad=False).source


def test_only_a_leaf_modified_after_its_use_is_marked():
    w, v = parameter(1.0, "w"), parameter(1.0, "v")
    loss = w * v
    assert "changed since" not in viz.draw(loss).source
    w.data = 5.0
    assert [n.name for n in build_graph(loss).nodes if n.changed] == ["w"]
    assert "changed since" in viz.draw(loss).source
    assert "w (changed since)" in viz.text(loss)


def test_too_many_nodes_raise_an_error_with_the_count_and_the_fix():
    x = parameter(1.0)
    y = x
    for _ in range(30):
        y = ag.tanh(y)
    with pytest.raises(ValueError, match=r"61 nodes.*max_nodes=20; pass max_nodes=61"):
        viz.draw(y, max_nodes=20)
    assert viz.draw(y, max_nodes=61)


def test_an_unknown_direction_raises_value_error():
    with pytest.raises(ValueError, match="LR, RL, TB, BT"):
        viz.draw(parameter(1.0), rankdir="left")  # type: ignore[arg-type]


@given(st.text(max_size=12))
def test_names_are_escaped_in_labels(name):
    w = parameter(1.0, name)
    source = viz.draw(w * w).source
    source.encode()  # no lone surrogate
    assert len(NODE.findall(source)) == 3
    assert len(EDGE.findall(source)) == 3
    label = NODE.findall(source)[0][1].split("label=<", 1)[1].rsplit("> tooltip=", 1)[0]
    assert set(re.findall(r"<[^>]*>", label)) <= {"<b>", "</b>", "<br/>", '<font point-size="12" color="#555555">', "</font>"}
    assert label.count("\\") == 2 * escape_unprintable(name, keep="\n\u3000").count("\\")
    assert not re.search(r"&(?!(lt|gt|amp|quot|#x27);)", label)


# -- numbers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array(20736.0, np.float32), "20736"),
        (np.array([[0.5, -1.0]]), "[[0.5, -1]]"),
        (np.array(True), "True"),
        (np.arange(10), "0 … 9"),
        (np.zeros(0), "empty"),
        (np.array([1.0, np.nan, 2.0, np.inf, 0.0]), "2 of 5 not finite"),
        (np.full(100, 60000, np.float16), "60000 ± 0"),
        (np.array(np.nan), "nan"),
    ],
)
def test_arrays_are_summarised_in_a_short_text(array, expected):
    assert format_values(array) == expected


def test_numbers_have_four_digits_and_delta_is_a_root_mean_square():
    assert [format_number(v) for v in (1 / 3, 1e9, -0.0)] == ["0.3333", "1e+09", "0"]
    assert format_rms(np.array([3.0, 4.0, 0.0, 0.0])) == "2.5"


# -- text tree ---------------------------------------------------------------------------------------------------------


def test_tree_of_the_lecture_chain_shows_its_gradients():
    x, w2, w3 = Tensor(1.0, name="x"), parameter(2.0, "w2"), parameter(3.0, "w3")
    loss = ag.square(ag.square(w3 * ag.square(w2 * ag.square(x))))
    loss.backward()
    rows = [line.split() for line in viz.text({"L": loss}, ascii=True).splitlines()]
    assert rows[1] == ["square", "L", "()", "20736", "-"]
    assert rows[4][1:] == ["parameter", "w3", "()", "3", "27648"]
    assert rows[7][1:] == ["parameter", "w2", "()", "2", "82944"]


def test_shared_tensors_are_printed_once_and_then_referenced():
    x = parameter(2.0, "x")
    h = ag.tanh(x)
    tree = viz.text(h * h + h)
    index = next(i for i, n in enumerate(build_graph(h * h + h).nodes) if n.kind == "tensor")
    assert tree.count("tanh") == 1
    assert tree.count(f"↑ #{index}") == 2
    assert f"#{index} tanh" in tree


def test_tree_is_ascii_if_stdout_cannot_encode_more(monkeypatch):
    loss = mlp_loss() * Tensor(1.0, name="η⁽¹⁾重み\n\x1b[0m")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert viz.text(loss).isascii()
    assert not viz.text(loss, ascii=False).isascii()
    assert "\x1b" not in viz.text(loss, ascii=False), "names cannot contain terminal escape codes"


def test_tree_is_coloured_only_in_a_terminal_without_no_color(monkeypatch):
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    tree = viz.text(mlp_loss())
    assert "\x1b" not in repr(tree)
    assert repr(tree) == tree
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b" in repr(tree)
    assert re.sub(r"\x1b\[\d+m", "", repr(tree)) == tree
    assert "\x1b" not in tree
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in repr(tree)


def test_tree_columns_are_aligned_even_with_wide_letters():
    w = parameter(1.0, "重み")
    head, *rows = viz.text(w * Tensor(2.0, name="h")).splitlines()
    at = head.index("shape")
    assert all(row[at - 2 * ("重" in row) :].startswith("()") for row in rows)


def test_long_trees_say_how_many_lines_are_omitted():
    tree = viz.text(mlp_loss(), max_lines=3, values=False)
    lines = tree.splitlines()
    assert len(lines) == 5
    assert lines[-1].startswith("… 9 more lines")
    assert "value" not in lines[0]


def test_a_chain_of_100_000_operations_is_drawn_and_printed_without_recursion():
    seconds = []
    for length in (10_000, 100_000):
        y = x = parameter(0.5, "x")
        for _ in range(length):
            y = ag.negative(y)
        start = time.process_time()
        source, tree = viz.draw(y, collapse=(), max_nodes=10**6).source, viz.text(y, max_lines=None)
        seconds.append(time.process_time() - start)
    assert seconds[1] < 30 * seconds[0], "time grows about linearly"
    assert len(EDGE.findall(source)) == 200_000
    assert tree.count("negative") == 100_000
    assert x.name == "x"


def test_a_legend_shows_only_kinds_that_occur():
    graph = build_graph(parameter(1.0) * 2.0)
    legend = "".join(legend_entries(graph, Show(grad=True)))
    assert "parameter" in legend
    assert "∇ gradient (— not computed)" in legend
    assert "tensor" not in legend
    assert "loss" in legend
    source = to_dot(graph, Show())
    assert source.index("parameter") < source.index("n0 ["), "the legend is part of the text below, not of the layout"
    assert "legend" not in source
    assert "input or constant" in viz.draw(Tensor(1.0, name="x")).source
