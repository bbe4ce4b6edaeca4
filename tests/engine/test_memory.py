"""`keep_memory` does what it says: arrays come and go without a page fault, and without it the system is asked each time."""

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
    "Page faults of a loop that makes and drops 64 MiB at a time."
    for _ in range(2):
        np.ones(1 << 24, np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        np.ones(1 << 24, np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
print(ag.keep_memory(), before, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a switch of glibc's")
def test_page_faults_are_gone_once_it_was_called_and_not_before() -> None:
    """In a process of its own: the switch is for the whole process. 64 MiB are 32 huge pages or 16,384 small ones."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=60)
    kept, before, after = done.stdout.split()
    assert kept == "True"
    assert int(before) >= 5 * 32
    assert int(after) <= 5


def test_elsewhere_it_says_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert ag.keep_memory() is False
