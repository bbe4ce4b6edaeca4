"""Optional packages: progress bars are there only where somebody can see them, and leave no lock to other processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

TRAINING = """
import sys
sys.modules["tqdm"] = sys.modules["tqdm.auto"] = None
import numpy as np
from autograd_mini import models, nn
net = models.MLP((4, 3, 2))
batches = nn.data.DataLoader(nn.data.TensorDataset(np.ones((8, 4), np.float32), np.arange(8) % 2), batch_size=4)
nn.Trainer(net, nn.SGD(net.parameters(), lr=0.1), progress={progress}).fit(batches, epochs=1)
"""

KILLED = """
import os, signal, sys
from autograd_mini.nn import extras
extras.has_terminal = lambda: True

def fork(work):
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]

def die_in_the_lock():
    with extras.progress_bar("a test", total=3) as bar, type(bar).get_lock():
        os.kill(os.getpid(), signal.SIGKILL)

def count():
    with extras.progress_bar("a test", total=3) as bar:
        bar.update()

count()
assert os.WIFSIGNALED(fork(die_in_the_lock))
count()
with type(extras.progress_bar("a test")).get_lock():
    assert fork(count) == 0
"""


@pytest.mark.parametrize("progress", [False, True], ids=["switched off", "without a terminal"])
def test_training_without_bars_needs_no_tqdm(progress: bool) -> None:
    subprocess.run([sys.executable, "-c", TRAINING.format(progress=progress)], check=True, timeout=60, capture_output=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks processes")
def test_a_process_killed_in_its_progress_bar_does_not_stop_the_others() -> None:
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", KILLED], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "1/3" in result.stderr, "bars are shown"
