"""`keep_memory`: arrays are allocated and freed without page faults; without it, each allocation causes them."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

import autograd_mini as ag

CODE = """
import resource
import numpy as np
import autograd_mini as ag

def faults():
    "Counts the page faults of a loop that allocates and frees 64 MiB."
    for _ in range(2):
        np.ones(1 << 24, np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        np.ones(1 << 24, np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
print(ag.keep_memory(), before, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_keep_memory_avoids_page_faults() -> None:
    """Runs in a separate process, because the setting is process-wide. 64 MiB are 32 huge pages or 16,384 small ones."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=60)
    kept, before, after = done.stdout.split()
    assert kept == "True"
    assert int(before) >= 5 * 32
    assert int(after) <= 5


def test_keep_memory_returns_false_without_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert ag.keep_memory() is False
