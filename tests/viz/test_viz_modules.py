"""Clusters and collapsing: the module of each node, and collapsed nodes that always say how many nodes they hide."""

from __future__ import annotations

import gc
import re
import shutil
import time
import weakref
from dataclasses import dataclass

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, models, nn, viz
from autograd_mini.backward import gradients
from autograd_mini.viz.graph.collapse import collapse_note, repeated_blocks
from autograd_mini.viz.graph.dot import Show, to_dot
from autograd_mini.viz.graph.nodes import Graph, build_graph
from autograd_mini.viz.graph.scopes import assign_scopes

X = np.linspace(-1, 1, 20, dtype=np.float32).reshape(5, 4)


def scopes(graph: Graph) -> dict[str, set[str]]:
    operations: dict[str, set[str]] = {}
    for node in graph.nodes:
        if node.kind == "operation":
            operations.setdefault(".".join(node.scope or ()), set()).add(node.name)
    return operations


def test_each_operation_belongs_to_the_call_in_which_it_ran():
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    loss = nn.mse_loss(net(X), np.zeros((5, 2), np.float32))
    assert scopes(viz.draw(loss, params=net).graph) == {
        "0": {"linear"}, "1": {"relu"}, "2": {"linear"}, "mse_loss()": {"subtract", "square", "mean"},
    }  # fmt: skip
    assert scopes(viz.draw(nn.CrossEntropyLoss()(net(X), [0, 1, 0, 1, 0]), params=net).graph).keys() == {
        "0", "1", "2", "CrossEntropyLoss",
    }, "the function that a loss module calls has no box of its own"  # fmt: skip


def test_what_follows_a_module_is_outside_of_it():
    """The loss of a discriminator looks like an activation: one operand that nothing else uses, the same shape."""
    d = nn.Sequential(nn.Linear(4, 1))
    loss = ag.softplus(-d(X)).mean()
    assert scopes(viz.draw(loss, params={"D": d}).graph) == {"D.0": {"linear"}, "": {"negative", "softplus", "mean"}}
    named = nn.non_saturating_loss.generator(d(X))
    assert scopes(viz.draw(named, params={"D": d}).graph) == {
        "D.0": {"linear"},
        "generator loss()": {"negative", "softplus", "mean"},
    }


def test_each_use_of_a_module_is_a_box_and_the_shared_parameter_is_outside_of_them():
    layer, last = nn.Linear(4, 4), nn.Linear(4, 1)
    graph = viz.draw(last(layer(ag.tanh(layer(X)))).sum(), params={"a": layer, "b": last}).graph
    assert scopes(graph) == {"a #1": {"linear"}, "": {"tanh", "sum"}, "a #2": {"linear"}, "b": {"linear"}}
    assert {node.name: node.scope for node in graph.nodes if node.kind == "parameter"} == {
        "a.weight": (), "a.bias": (), "b.weight": ("b",), "b.bias": ("b",),
    }  # fmt: skip
    assert [graph.titles[path] for path in (("a #1",), ("a #2",), ("b",))] == ["a #1 · Linear", "a #2 · Linear", "b · Linear"]
    collapsed = viz.draw(last(layer(ag.tanh(layer(X)))).sum(), params={"a": layer, "b": last}, collapse="a").graph
    assert [node.name for node in collapsed.nodes if node.kind == "collapsed"] == ["a #1 · Linear", "a #2 · Linear"]


def test_the_steps_of_a_recurrent_network_are_boxes_in_the_order_of_time():
    cell = nn.LSTMCell(2, 3)
    h = c = np.zeros((1, 3), np.float32)
    for x in np.ones((8, 1, 2), np.float32):
        h, c = cell(x, (h, c))
    graph = viz.draw(h.sum(), params=cell, collapse=()).graph
    order = list(dict.fromkeys(node.scope for node in graph.nodes if node.kind == "operation"))
    assert order == [*((f"LSTMCell #{t}",) for t in range(1, 9)), ()]


def test_operations_between_those_of_a_module_belong_to_it():
    class Residual(nn.Module):
        def __init__(self) -> None:
            self.block = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})

        def forward(self, x):
            h = self.block["a"](x)
            return self.block["b"](h * h.sum(axis=1, keepdims=True)).sum()

    net = Residual()
    graph = viz.draw({"y": net(X) * 2}, params={"net": net}).graph
    assert scopes(graph) == {"net.block.a": {"linear"}, "net": {"multiply", "sum"}, "net.block.b": {"linear"}, "": {"multiply"}}
    assert ("net", "block.a") in {node.scope for node in graph.nodes}, "a container that is not called has no box"


def test_inputs_created_inside_a_call_are_inside_and_arguments_are_outside():
    net = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))
    graph = viz.draw(net(X).sum(), params=net).graph
    inputs = {node.array.shape: node.scope for node in graph.nodes if node.kind == "input"}
    assert inputs[5, 4] == (), "the array that the first layer converts is its argument"
    assert set(inputs.values()) <= {(), ("1",)}
    assert len(inputs) == 1 or inputs[5, 3] == ("1",), "the mask"


def test_auxiliary_results_belong_to_the_call_even_if_it_does_not_return_them():
    class Sparse(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(4, 4)

        def forward(self, x):
            h = self.inner(x)
            self.penalty = ag.abs(h).mean()
            return h

    net = Sparse()
    y = net(X)
    graph = viz.draw(y.sum() + net.penalty, params={"net": net}).graph
    assert scopes(graph) == {"net.inner": {"linear"}, "net": {"abs", "mean"}, "": {"sum", "add"}}


def test_results_in_tuples_dicts_and_dataclasses_are_recorded():
    @dataclass
    class Output:
        y: Tensor

    for pack in (lambda y: (y,), lambda y: {"y": [y]}, Output):
        net = nn.Sequential(nn.Linear(4, 2), nn.Lambda(lambda x, pack=pack: pack(ag.tanh(x))))
        found = net(X)
        y = found.y if isinstance(found, Output) else found["y"][0] if isinstance(found, dict) else found[0]
        assert scopes(viz.draw(y.sum(), params={"net": net}).graph) == {"net.0": {"linear"}, "net.1": {"tanh"}, "": {"sum"}}


def test_without_params_the_called_modules_name_parameters_and_boxes():
    mlp = models.MLP((4, 3, 2))
    assert viz.draw(mlp(X).sum()).source == viz.draw(mlp(X).sum(), params=mlp).source
    two = (nn.Linear(4, 3), nn.Linear(3, 2))
    names = {node.name for node in viz.draw(two[1](two[0](X)).sum()).graph.nodes if node.kind == "parameter"}
    assert names == {"Linear1.weight", "Linear1.bias", "Linear2.weight", "Linear2.bias"}


def test_a_record_keeps_no_module_alive():
    layer = nn.Linear(4, 2)
    gone, y = weakref.ref(layer), layer(X)
    del layer
    gc.collect()
    assert gone() is None
    assert scopes(viz.draw(y.sum()).graph) == {"Linear": {"linear"}, "": {"sum"}}


def test_without_recorded_calls_the_paths_of_parameters_group_what_uses_them():
    layers = {"a.w": Tensor(np.ones((3, 4)), requires_grad=True), "b.w": Tensor(np.ones((3, 3)), requires_grad=True)}
    h = ag.tanh(ag.matmul(X, layers["a.w"].T))
    graph = viz.draw((h @ ag.square(layers["b.w"])).sum(), params=layers).graph
    assert scopes(graph) == {"a": {"transpose", "matmul"}, "b": {"square", "matmul"}, "": {"sum", "tanh"}}


def test_clusters_are_nested_like_calls_and_named_by_path_and_class():
    mlp = models.MLP((4, 3, 2))
    source = to_dot(assign_scopes(build_graph(mlp(X).sum(), mlp)), Show())
    assert re.findall(r"label=<(layers[^>]*)> labeljust", source) == [
        "layers · Sequential", "layers.0 · Linear", "layers.1 · ReLU", "layers.2 · Linear",
    ]  # fmt: skip
    assert source.count("{") == source.count("}")


def test_modules_in_a_dict_are_named_by_their_keys():
    g, d = nn.Linear(4, 3), nn.Linear(3, 1)
    assert scopes(viz.draw(d(g(X)).sum(), params={"G": g, "D": d}).graph) == {"G": {"linear"}, "D": {"linear"}, "": {"sum"}}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"depth": 1}, ["layers · Sequential"]),
        ({"depth": 2}, ["layers.0 · Linear", "layers.1 · ReLU", "layers.2 · Linear"]),
        ({"collapse": "layers.0"}, ["layers.0 · Linear"]),
        ({"collapse": ("layers.*",)}, ["layers.0 · Linear", "layers.1 · ReLU", "layers.2 · Linear"]),
        ({"depth": 0}, ["MLP"]),
    ],
)
def test_a_collapsed_module_is_one_node_that_says_how_many_it_hides(options, names):
    mlp = models.MLP((4, 3, 2))
    loss = nn.mse_loss(mlp(X), np.zeros((5, 2), np.float32))
    whole, picture = build_graph(loss), viz.draw(loss, params=mlp, **options)
    collapsed = [node for node in picture.graph.nodes if node.kind == "collapsed"]
    assert [node.name for node in collapsed] == names
    shown = len(picture.graph.nodes) - len(collapsed)
    assert shown + sum(node.hidden for node in collapsed) == len(whole.nodes), "each node is either shown or counted as hidden"
    assert all(f"{node.hidden} nodes hidden" in picture.source for node in collapsed)
    assert "collapse=()" in picture.notes[0]
    assert viz.draw(loss, params=mlp, collapse=()).notes == ()
    assert all(whole.nodes[n.number].array is n.array for n in picture.graph.nodes if n.kind != "collapsed"), "numbers stay"
    assert picture.graph.nodes[picture.graph.roots[0]].kind == "loss"


def test_a_shared_parameter_stays_if_only_one_of_its_consumers_is_collapsed():
    class Tied(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(4, 4, bias=False)

        def forward(self, x):
            return ag.matmul(ag.tanh(self.inner(x)), self.inner.weight)

    net = nn.ModuleDict({"tied": Tied(), "last": nn.Linear(4, 1)})
    loss = net["last"](net["tied"](X) @ net["tied"].inner.weight).sum()
    picture = viz.draw(loss, params=net, collapse="last")
    assert "tied.inner.weight" in {node.name for node in picture.graph.nodes}
    assert "last.weight" not in {node.name for node in picture.graph.nodes}


def test_a_pattern_without_a_match_raises_an_error_that_lists_the_modules():
    mlp = models.MLP((4, 2))
    with pytest.raises(ValueError, match=r"'encoder' matches no module; the modules are layers, layers\.0"):
        viz.draw(mlp(X).sum(), params=mlp, collapse="encoder")
    with pytest.raises(ValueError, match="pass params=module"):
        viz.draw(ag.square(Tensor(1.0, requires_grad=True)), collapse=["encoder"])


def test_repeated_blocks_are_whole_modules_of_equal_structure():
    deep = models.MLP((4, *[6] * 9, 2), nn.Sigmoid)
    graph = assign_scopes(build_graph(deep(X).sum(), deep))
    (group,) = repeated_blocks(graph)
    assert group.title == "⋯ 6 × (linear, sigmoid)"
    assert {".".join(graph.nodes[i].scope or ()) for i in group.operations} == {f"layers.{k}" for k in range(4, 16)}
    mixed = models.MLP((4, 5, 6, 7, 8, 9, 2), nn.Sigmoid)
    assert repeated_blocks(assign_scopes(build_graph(mixed(X).sum(), mixed))) == []


def test_repeated_blocks_collapse_automatically_only_in_long_graphs():
    def chain(length: int) -> Tensor:
        y = x = Tensor(0.5, requires_grad=True, name="x")
        for _ in range(length):
            y = ag.tanh(y) + x
        return y

    assert viz.draw(chain(20)).notes == ()
    picture = viz.draw(chain(5000))
    assert len(picture.graph.nodes) < 20
    assert collapse_note(picture.graph).startswith("19988 nodes are hidden")
    hidden = next(i for i, node in enumerate(picture.graph.nodes) if node.kind == "collapsed")
    assert sum(edge.target == hidden and edge.source == 0 for edge in picture.graph.edges) == 1, (
        "thousands of uses become one edge"
    )
    with pytest.raises(ValueError, match=r"20001 nodes, more than max_nodes=2000; pass max_nodes=20001"):
        viz.draw(chain(5000), collapse=())


def test_a_picture_prints_as_a_tree_even_if_parts_are_collapsed():
    mlp = models.MLP((4, 3, 2))
    loss = nn.mse_loss(mlp(X), np.zeros((5, 2), np.float32))
    assert str(viz.draw(loss, params=mlp)) == viz.text(loss, params=mlp)
    lines = str(viz.draw(loss, params=mlp, depth=2)).splitlines()
    inner = [line.strip("│├└─ ").split("  ")[0] for line in lines if "nodes hidden" in line]
    assert inner == [
        "layers.2 · Linear (4 nodes hidden)", "layers.1 · ReLU (2 nodes hidden)", "layers.0 · Linear (3 nodes hidden)",
    ]  # fmt: skip
    assert "collapse=()" in lines[-1]


def test_graphs_too_large_to_draw_collapse_their_modules_from_the_deepest_level_up():
    net = models.MLP((4, *range(5, 60), 2), nn.ReLU)
    loss = net(X).sum()
    picture = viz.draw(loss, params=net, max_nodes=150)
    assert [node.name for node in picture.graph.nodes if node.kind == "collapsed"] == ["layers · Sequential"]
    assert len(viz.draw(loss, params=net, max_nodes=10).graph.nodes) < 10
    with pytest.raises(ValueError, match=r"after collapsing \d+, more than max_nodes=2"):
        viz.draw(loss, params=net, max_nodes=2)


def test_a_graph_with_a_gradient_and_several_outputs_is_drawn_in_the_same_way():
    mlp = models.MLP((4, 3, 2), nn.Tanh)
    loss = nn.mse_loss(mlp(X), np.zeros((5, 2), np.float32))
    (dw,) = gradients([loss], list(mlp.parameters())[:1], create_graph=True)
    graph = viz.draw({"L": loss, "∂L/∂W": dw}, params=mlp, collapse=()).graph
    assert [graph.nodes[i].name for i in graph.roots] == ["L", "∂L/∂W"]
    assert [graph.nodes[i].kind for i in graph.roots] == ["loss", "tensor"]
    assert "matmul" in scopes(graph)["backward()"], "a recorded backward pass has a box of its own"


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz's dot is not on PATH")
def test_dot_draws_a_thousand_nodes_in_a_few_seconds():
    y = Tensor(0.5, requires_grad=True)
    for _ in range(499):
        y = ag.tanh(y)
    picture = viz.draw(y, collapse=())
    assert len(picture.graph.nodes) == 999
    start = time.monotonic()
    assert b"<svg" in picture.pipe("svg")
    assert time.monotonic() - start < 8, "about 2 s on an idle machine"
