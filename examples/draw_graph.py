"""Draws the graph of one training step of a small classifier, with its gradients: the picture in the README.

python examples/draw_graph.py [FILE.svg]
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import autograd_mini as ag
from autograd_mini import Tensor, nn, viz

ag.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
loss = nn.cross_entropy(net(ag.randn(8, 4)), Tensor([0, 1, 2, 0, 1, 2, 0, 1]))
loss.backward()

print(viz.text(loss, params=net))
target = sys.argv[1] if len(sys.argv) > 1 else "graph.svg"
try:
    viz.draw(loss, params=net).save(target)
    print(f"wrote {target}")
except viz.RendererMissing as missing:
    print(missing)
