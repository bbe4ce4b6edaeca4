"""The notebooks are current, run from the first cell to the last in a new kernel, and behave as readers expect."""

from __future__ import annotations

import ast
import base64
import importlib.util
import json
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NOTEBOOKS = ROOT / "notebooks"
LIMIT = 240  # seconds for a notebook on a busy machine; alone, each takes about five
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
needs_nbclient = pytest.mark.skipif(not NAMES, reason="needs notebooks/, which only a checkout has")


def read(name: str) -> Any:
    return pytest.importorskip("nbformat", reason='needs pip install -e ".[docs]"').read(NOTEBOOKS / f"{name}.ipynb", 4)


def environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))


def client(notebook: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns a client that runs a notebook in a folder, with the checkout's package, one thread and no network."""
    nbclient = pytest.importorskip("nbclient", reason='needs pip install -e ".[docs]"')
    environment(folder, monkeypatch)
    return nbclient.NotebookClient(
        notebook, timeout=LIMIT, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


@needs_nbclient
@pytest.mark.filterwarnings("default")  # of the client's own packages
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cell raises an error or prints a warning, and every picture fits into its cell."""
    notebook = read(name)
    client(notebook, tmp_path, monkeypatch).execute()
    shown = outputs(notebook)
    assert shown
    messages = [output.text for output in shown if output.output_type == "stream" and output.name == "stderr"]
    assert [message for message in messages if "Warning" in message] == []
    for output in shown:
        data = output.get("data", {})
        assert len(data.get("text/plain", "")) < 2000, "a long text instead of a short one"
        if "image/svg+xml" in data:
            assert re.search(r"<svg[^>]*max-width:100%", data["image/svg+xml"])


@needs_nbclient
def test_every_exercise_and_tutorial_has_a_notebook() -> None:
    assert {f"exercise_{number}" for number in range(20, 32)} <= set(NAMES)
    pages = {path.stem for path in (ROOT / "docs" / "tutorials").glob("*.md")} - {"index"}
    assert len(pages) >= 8
    assert pages <= set(NAMES)


@needs_nbclient
def test_the_notebooks_match_their_pages() -> None:
    result = subprocess.run([sys.executable, "docs/make_notebooks.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@needs_nbclient
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_has_links_and_installs_the_package_first(name: str) -> None:
    title, install, *cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    head = "".join(title["source"])
    assert head.startswith("# ")
    assert f"colab.research.google.com/github/autograd-mini/autograd-mini/blob/main/notebooks/{name}.ipynb" in head
    assert "/playground/#program=" in head
    assert install["cell_type"] == "code"
    assert "%pip install" in "".join(install["source"])
    assert all(cell.get("outputs", []) == [] and cell.get("execution_count") is None for cell in [install, *cells])
    links = re.findall(r"\]\(([^)]+)\)", "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"))
    assert all(link.startswith("https://") for link in links)


@pytest.fixture(scope="module")
def pages() -> Any:
    """The module that makes the notebooks."""
    spec = importlib.util.spec_from_file_location("make_notebooks", ROOT / "docs" / "make_notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_nbclient
@pytest.mark.parametrize("name", NAMES)
def test_the_link_to_the_playground_has_the_code_of_the_page(name: str, pages: Any) -> None:
    """The playground decodes base64 without padding, and then raw deflate."""
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    letters = re.search(r"/playground/#program=([\w-]+)\)", "".join(notebook["cells"][0]["source"]))[1]
    code = zlib.decompress(base64.urlsafe_b64decode(letters + "=" * (-len(letters) % 4)), wbits=-15).decode()
    (page,) = (path for path in pages.sources() if path.stem == name)
    assert code == pages.program(page.read_text(encoding="utf-8"))
    assert "%pip" not in code
    ast.parse(code)


@needs_nbclient
@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("x = 1\nx + 1", "x = 1\nplayground.show(x + 1)"),
        ("f(\n    1,\n)", "playground.show(f(\n    1,\n))"),
        ("print(1)", "print(1)"),
        ("x = 1", "x = 1"),
        ("for i in x:\n    i", "for i in x:\n    i"),
    ],
)
def test_the_playground_shows_what_a_notebook_shows(cell: str, shown: str, pages: Any) -> None:
    assert pages.show_last(cell) == shown


@needs_nbclient
def test_a_program_runs_as_the_playground_runs_it(pages: Any) -> None:
    from autograd_mini.playground import page

    text = (ROOT / "docs" / "exercises" / "exercise_20.md").read_text(encoding="utf-8")
    events: list[dict[str, Any]] = []
    page.connection.open(events.append)
    try:
        assert page.run_program(pages.program(text)), events[-1]
    finally:
        page.connection.close()
    assert {"svg", "page"} <= {event["kind"] for event in events}


FIT = """
import numpy as np
import autograd_mini as ag
from autograd_mini import models, nn

model = models.MLP((4, 3))
trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.1))
loader = nn.data.DataLoader(np.ones((6, 4), np.float32), np.zeros(6, int), batch_size=2)
trainer.fit(loader, {epochs})
"""


@needs_nbclient
@pytest.mark.filterwarnings("default")
def test_fifty_epochs_leave_one_display_and_an_interrupt_keeps_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interrupt is the signal that the stop button of a notebook sends."""
    manager = pytest.importorskip("jupyter_client.manager", reason='needs pip install -e ".[docs]"')
    environment(tmp_path, monkeypatch)
    kernel, channel = manager.start_new_kernel(kernel_name="python3", startup_timeout=LIMIT, cwd=str(tmp_path))
    try:
        shown = run(channel, FIT.format(epochs=50))
        (display,) = (message["content"] for message in shown if message["msg_type"] == "display_data")
        updates = [message["content"] for message in shown if message["msg_type"] == "update_display_data"]
        assert {update["transient"]["display_id"] for update in updates} == {display["transient"]["display_id"]}
        assert updates[-1]["data"]["text/plain"].startswith("epoch 50/50")
        (result,) = (message["content"]["data"] for message in shown if message["msg_type"] == "execute_result")
        assert result["text/plain"].startswith("<History of 50 rows")
        assert "<table>" in result["text/html"]

        channel.execute(FIT.format(epochs=10**9))
        while channel.get_iopub_msg(timeout=LIMIT)["msg_type"] != "update_display_data":
            pass  # until the training has begun
        kernel.interrupt_kernel()
        assert channel.get_shell_msg(timeout=LIMIT)["content"]["status"] == "ok"
        texts = [
            m["content"]["text"]
            for m in run(channel, "print(trainer.interrupted, trainer.iteration > 0)")
            if "text" in m["content"]
        ]
        assert texts[-1].strip() == "True True"
    finally:
        channel.stop_channels()
        kernel.shutdown_kernel(now=True)


def run(channel: Any, code: str) -> list[Any]:
    """Runs code in a kernel and returns its messages; fails if it raises an error."""
    asked = channel.execute(code)
    messages = []
    while True:
        message = channel.get_iopub_msg(timeout=LIMIT)
        if message["parent_header"].get("msg_id") != asked:
            continue
        messages.append(message)
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            break
    assert channel.get_shell_msg(timeout=LIMIT)["content"]["status"] == "ok"
    return messages
