"""Pictures of plans show the replayed steps and the memory of each result."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, nn, viz
from autograd_mini.jit.plan import Plan
from autograd_mini.viz.graph.dot import BUFFERS
from autograd_mini.viz.graph.nodes import Node


def plan_of(function: Callable[..., Any], *arguments: Tensor) -> Plan:
    compiled = ag.jit(function)
    for _ in range(2):
        compiled(*arguments)
    return compiled.plan


@pytest.fixture(scope="module")
def net() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


@pytest.fixture(scope="module")
def plan(net: nn.Module) -> Plan:
    optimizer = nn.SGD(net.parameters(), lr=0.1)

    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = nn.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return plan_of(step, Tensor(np.ones((5, 4)), name="x"), Tensor(np.arange(5) % 3, name="y"))


@pytest.fixture(scope="module")
def picture(plan: Plan, net: nn.Module) -> viz.Picture:
    return viz.draw(plan, params=net)


def steps(picture: viz.Picture) -> list[Node]:
    return [node for node in picture.graph.nodes if node.step is not None]


def test_steps_are_numbered_in_the_order_of_the_plan(plan: Plan, picture: viz.Picture):
    assert [node.step for node in steps(picture)] == list(range(len(plan.rows)))
    names = [node.name.removesuffix(" of 4 parameters") for node in steps(picture)]
    assert names == [row.call.primitive.name for row in plan.rows]


def test_arguments_parameters_and_results_have_their_names(picture: viz.Picture):
    kinds = {node.name: node.kind for node in picture.graph.nodes if node.name and node.step is None}
    parameters = dict.fromkeys(("0.weight", "0.bias", "2.weight", "2.bias"), "parameter")
    assert kinds == {"x": "input", "y": "input", "result": "loss", **parameters}
    assert [picture.graph.nodes[i].name for i in picture.graph.roots] == ["result"]


def test_every_result_shows_its_memory_and_each_buffer_has_a_colour(plan: Plan, picture: viz.Picture):
    memory = [node.memory for node in picture.graph.nodes if node.kind in ("tensor", "loss")]
    assert memory == [label for row in plan.rows for label in row.labels]
    for node in picture.graph.nodes:
        (line,) = re.findall(rf"^n{node.number} \[.*$", picture.source, re.M)
        if node.memory.startswith("buffer "):
            assert f'fillcolor="{BUFFERS[int(node.memory[7:]) % len(BUFFERS)]}"' in line
            assert f">{node.memory}<" in line, "the buffer is also named in words"


def test_an_operation_that_works_in_place_is_marked():
    picture = viz.draw(plan_of(lambda x: ag.tanh(x * 2) + x, ag.ones(3)))
    marked = [picture.graph.nodes[e.source].name for e in picture.graph.edges if e.label == "in place"]
    assert marked == ["tanh"]
    assert picture.source.count(">in place<") == 1


def test_a_joint_update_of_many_parameters_is_one_node(picture: viz.Picture):
    (write,) = (node for node in picture.graph.nodes if node.kind == "write")
    assert write.name == "update of 4 parameters"
    assert write.memory.split("\n") == ["→ 0.weight", "→ 0.bias", "→ 2.weight", "→ 2.bias"]
    operands = [picture.graph.nodes[i] for i in picture.graph.operands()[picture.graph.nodes.index(write)]]
    assert [node.memory for node in operands] == ["gradient"] * 4
    assert "shape=hexagon" in picture.source


def test_a_step_split_over_threads_is_a_cluster():
    w = ag.rand(512, 512)
    plan = plan_of(lambda x: (ag.tanh(x @ w) @ w).sum(), ag.ones((256, 512)))
    (step,) = (number for number, row in enumerate(plan.rows) if row.parts)
    picture = viz.draw(plan)
    inside = [node.name for node in steps(picture) if node.scope]
    assert inside == [part.call.primitive.name for part in plan.rows[step].parts]
    assert {node.scope for node in steps(picture) if node.step == step} == {(f"step {step}, split over two threads",)}
    assert picture.source.count("subgraph cluster_") == 1, "the step"
    (argument,) = (node for node in picture.graph.nodes if node.name == "argument")
    assert not [node for node in steps(picture) if node.name == "getitem"], "slices of the argument are drawn as the argument"
    assert argument.shape == (256, 512)


def test_a_view_is_an_edge_from_the_tensor_that_owns_the_memory():
    w = Tensor(np.ones((2, 3)), name="w")
    picture = viz.draw(plan_of(lambda x: x @ w.T, ag.ones((4, 3))))
    (edge,) = (e for e in picture.graph.edges if e.label == "view")
    assert picture.graph.nodes[edge.source].name == "w"
    assert picture.graph.nodes[edge.target].name == "matmul"


def test_a_drawn_plan_prints_as_its_table(plan: Plan, picture: viz.Picture):
    assert str(picture).splitlines() == str(plan).splitlines()


@pytest.mark.parametrize("option", [{"show_values": True}, {"show_grad": True}, {"heat": "grad"}, {"notation": "lecture"}])
def test_options_that_need_values_raise_for_plans(plan: Plan, option: dict[str, Any]):
    with pytest.raises(ValueError, match="a plan has no values"):
        viz.draw(plan, **option)


def test_repeated_blocks_of_long_plans_collapse():
    def deep(x: Tensor) -> Tensor:
        for _ in range(60):
            x = ag.tanh(x) * 2
        return x

    picture = viz.draw(plan_of(deep, ag.ones(3)))
    assert any(node.kind == "collapsed" for node in picture.graph.nodes)
    assert "nodes are hidden" in picture.notes[0]


def test_the_same_plan_gives_the_same_picture(plan: Plan, picture: viz.Picture, net: nn.Module):
    assert viz.draw(plan, params=net).source == picture.source
