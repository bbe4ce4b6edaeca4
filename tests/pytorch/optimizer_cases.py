"""Optimizers in configurations of PyTorch; `goldens_optim.json` has what PyTorch 2.13 reaches after seven steps.

`python tests/pytorch/optimizer_cases.py` writes that file, in an environment with PyTorch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

GOLDENS = Path(__file__).with_name("goldens_optim.json")
START = np.cos(np.arange(6.0)).reshape(2, 3)
CASES = """
SGD(ps, lr=0.05, maximize=True) | SGD(ps, 0.05, 0.9, 0.3) | SGD(ps, lr=0.05, momentum=0.8, dampening=0.5, weight_decay=0.1)
SGD(ps, lr=0.05, momentum=0.9, nesterov=True, maximize=True, weight_decay=0.2) | SGD(ps, lr=0.01, foreach=True)
Adam(ps, lr=0.1, amsgrad=True) | Adam(ps, 0.1, (0.5, 0.6), 1e-4, 0.1, True) | Adam(ps, lr=0.1, maximize=True, weight_decay=0.1)
Adam(ps, lr=0.1, amsgrad=True, maximize=True, foreach=False) | AdamW(ps, lr=0.1, amsgrad=True, weight_decay=0.2)
AdamW(ps, lr=0.1, maximize=True) | NAdam(ps, lr=0.1, maximize=True, weight_decay=0.1) | RMSprop(ps, lr=0.05, maximize=True)
RMSprop(ps, lr=0.05, momentum=0.5, centered=True, maximize=True, weight_decay=0.2) | Adagrad(ps, lr=0.3, maximize=True, weight_decay=0.1)
Adadelta(ps, lr=1.0, maximize=True, weight_decay=0.1) | LBFGS(ps, lr=0.5) | LBFGS(ps, lr=1, max_iter=4, history_size=2)
LBFGS(ps, lr=0.3, max_iter=2, tolerance_change=1e-12)
"""
NAMES = [case.strip() for case in CASES.replace("\n", "|").split("|") if case.strip()]


def run(case: str, library: Any, optimizers: Any, steps: int = 7) -> np.ndarray[Any, Any]:
    """Returns the parameters after some steps on a loss whose gradient changes its size, so that AMSGrad matters."""
    w = library.tensor(START, requires_grad=True)
    b = library.tensor(np.array([0.5, -0.25]), requires_grad=True)
    optimizer = eval(case, {"ps": [w, b], **{n: getattr(optimizers, n) for n in ("SGD", "Adam", "AdamW", "NAdam", "RMSprop", "Adagrad", "Adadelta", "LBFGS")}})  # fmt: skip
    count = 0

    def closure() -> Any:
        optimizer.zero_grad(set_to_none=True)
        scale = 1.0 if case.startswith("LBFGS") else 3.0 / (1 + count)
        loss = ((w * w).sum() * 0.5 + (w.sum(dim=1) * b).sum() * 0.7 + (b**4).sum() + b.sum()) * scale
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)
        count += 1
    return np.concatenate([w.detach().numpy().ravel(), b.detach().numpy()])


if __name__ == "__main__":
    import torch

    found = {case: run(case, torch, torch.optim).tolist() for case in NAMES}
    GOLDENS.write_text(
        "{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in found.items()) + "\n}\n", encoding="utf-8"
    )
    print(f"{len(found)} cases of PyTorch {torch.__version__}")
