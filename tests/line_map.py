"""A plugin of pytest that records which tests run which lines, for `mutants.py`; needs the package `coverage`.

    LINES=lines python -m pytest -p line_map -p no:xdist tests/engine tests/nn

writes `lines.db`, the data of `coverage` with one context per test, and `lines.json`, the seconds that each passed test took.
Several runs may write different files; `mutants.py --lines` takes all of them.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import coverage

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("autograd_mini", "nn", "models")


class Recorder:
    """Starts one context of `coverage` at each test."""

    def __init__(self, path: str) -> None:
        self.path, self.seconds, self.start = path, dict[str, float](), 0.0
        include = [str(ROOT / folder / "*") for folder in FOLDERS]
        self.coverage = coverage.Coverage(data_file=f"{path}.db", include=include, config_file=False)
        self.coverage.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.coverage.switch_context(nodeid)
        self.start = time.monotonic()

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" and report.passed:
            self.seconds[report.nodeid] = round(time.monotonic() - self.start, 3)

    def pytest_runtest_logfinish(self) -> None:
        self.coverage.switch_context("")

    def pytest_sessionfinish(self) -> None:
        self.coverage.stop()
        self.coverage.save()
        Path(f"{self.path}.json").write_text(json.dumps(self.seconds), encoding="utf-8")


def pytest_configure(config: Any) -> None:
    if path := os.environ.get("LINES"):
        config.pluginmanager.register(Recorder(path))


class LineMap:
    """Which tests run each line, read from what `Recorder` wrote."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.seconds: dict[str, float] = {}
        self._tests: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        for path in paths:
            self.seconds |= json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
            data = coverage.CoverageData(f"{path}.db")
            data.read()
            for file in data.measured_files():
                name = next(file[file.index(f"/{folder}/") + 1 :] for folder in FOLDERS if f"/{folder}/" in file)
                for line, contexts in data.contexts_by_lineno(file).items():
                    self._tests[name][line] |= {test for test in contexts if test in self.seconds}

    def tests_of(self, path: str, lines: Iterable[int], budget: float) -> list[str]:
        """Returns the tests that run some lines of a file, the fastest first, at most so many seconds of them.

        Lines that run at import only belong to all tests of the file.
        """
        by_line = self._tests[path]
        found = set[str]().union(*(by_line[line] for line in lines)) or set[str]().union(*by_line.values())
        chosen, total = [], 0.0
        for test in sorted(found, key=lambda test: (self.seconds[test], test)):
            total += self.seconds[test]
            if total > budget and chosen:
                break
            chosen.append(test)
        return chosen
