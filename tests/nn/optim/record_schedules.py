"""Records the rates of PyTorch's schedules in `schedules.json`. Run it with PyTorch installed."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import schedule_cases as cases
import torch

warnings.simplefilter("ignore")
golden = {"source": f"PyTorch {torch.__version__.partition('+')[0]}"}
for name, makers in cases.CASES.items():
    groups = [{"params": [torch.ones(1)]}, {"params": [torch.ones(1)], "lr": 0.2}]
    optimizer = torch.optim.SGD(groups, lr=0.5, momentum=0.9)
    found = cases.rates(torch.optim.lr_scheduler, optimizer, makers)
    golden[name] = [[float(f"{found[t][i]:.10g}") for i in (0, 2, 1)] for t in cases.SAMPLED]  # type: ignore[assignment]
(Path(__file__).parent / "schedules.json").write_text(
    json.dumps(golden).replace('"], ', '],\n "').replace("]], ", "]],\n") + "\n"
)
