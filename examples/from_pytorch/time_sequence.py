"""What the example "time_sequence_prediction" does: two LSTM cells learn sine waves by L-BFGS and continue them.

python -m autograd_mini.examples.from_pytorch.time_sequence [--small]
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import autograd_mini as ag
import autograd_mini.nn as nn
import autograd_mini.optim as optim


class Sequence(nn.Module):
    """Predicts the next value of each wave, then continues from its own predictions for `future` steps."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.lstm1 = nn.LSTMCell(1, width)
        self.lstm2 = nn.LSTMCell(width, width)
        self.linear = nn.Linear(width, 1)

    def forward(self, waves: Any, future: int = 0) -> Any:
        h1, c1, h2, c2 = (ag.zeros(waves.size(0), self.width, dtype=ag.double) for _ in range(4))
        outputs = []
        for value in waves.split([1] * waves.size(1), dim=1):
            h1, c1 = self.lstm1(value, (h1, c1))
            h2, c2 = self.lstm2(h1, (h2, c2))
            output = self.linear(h2)
            outputs += [output]
        for _ in range(future):
            h1, c1 = self.lstm1(output, (h1, c1))
            h2, c2 = self.lstm2(h1, (h2, c2))
            output = self.linear(h2)
            outputs += [output]
        return ag.cat(outputs, dim=1)


def main(small: bool = False) -> dict[str, float]:
    """Returns the training loss, the test loss, and the error of a continuation over half a period."""
    rng = np.random.default_rng(2)
    ag.manual_seed(0)
    period, length, count, steps = (20, 40, 6, 4) if small else (20, 120, 20, 6)
    starts = rng.integers(-4 * period, 4 * period, count).reshape(-1, 1)
    waves = np.sin((np.arange(length + period // 2) + starts) / (period / (2 * np.pi))).astype("float64")
    train, test = waves[3:], waves[:3]
    inputs, target = ag.from_numpy(train[:, : length - 1]), ag.from_numpy(train[:, 1:length])
    seq = Sequence(16 if small else 51).double()
    criterion = nn.MSELoss()
    optimizer = optim.LBFGS(seq.parameters(), lr=0.8)
    loss = 0.0
    for _ in range(steps):

        def closure() -> Any:
            optimizer.zero_grad()
            error = criterion(seq(inputs), target)
            error.backward()
            return error

        loss = optimizer.step(closure).item()
    with ag.no_grad():
        future = period // 2
        prediction = seq(ag.from_numpy(test[:, : length - 1]), future=future)
        known = criterion(prediction[:, :-future], ag.from_numpy(test[:, 1:length])).item()
        beyond = criterion(prediction[:, -future:], ag.from_numpy(test[:, length : length + future])).item()
    return {"training loss": loss, "test loss": known, "loss of the continuation": beyond}


if __name__ == "__main__":
    print(main("--small" in sys.argv))
