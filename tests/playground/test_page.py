"""The playground in a headless browser: programs run in Python, and the page answers whatever they do."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, Browser
from playground_site import build_site, fragment, pyodide_packages

from autograd_mini.playground import build, fetch
from autograd_mini.playground.build import PROGRAMS
from autograd_mini.playground.serve import _Handler, make_server

pytestmark = pytest.mark.skipif(not CHROMIUM or not shutil.which("npm"), reason="needs Chromium and npm")

PATIENCE = 240.0  # seconds, on a machine that does other things
ITEMS = "document.getElementById('items')"


class Page:
    """A reader in front of the page."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser, self.address = browser, address

    def open(self, part: str = "") -> None:
        self.browser.visit(self.address + part)
        self.browser.wait("document.documentElement.dataset.loaded === 'true'", PATIENCE)

    def ask(self, script: str) -> Any:
        return self.browser.run(script)

    def press(self, button: str) -> None:
        self.ask(f"document.getElementById({button!r}).click()")

    def type(self, program: str) -> None:
        """Puts a program into the editor, as following a link does."""
        self.ask(f"location.hash = {fragment(program)!r}")
        self.browser.wait(f"{self.editor()} === {json.dumps(program)}", PATIENCE)

    @staticmethod
    def editor() -> str:
        lines = "[...document.getElementById('editor').shadowRoot.querySelectorAll('.cm-line')]"
        return f"{lines}.map(line => line.textContent).join('\\n')"

    def run(self, program: str | None = None) -> str:
        """Runs a program, and returns its output as text."""
        if program is not None:
            self.type(program)
        self.press("run")
        return self.finish()

    def finish(self) -> str:
        self.browser.wait("!document.getElementById('run').disabled", PATIENCE)
        return str(self.ask(f"{ITEMS}.textContent"))

    def move(self, value: float, number: int = 0) -> None:
        """Moves a slider."""
        slider = f"document.querySelectorAll('#sliders input')[{number}]"
        self.ask(f"(() => {{ const s = {slider}; s.value = {value}; s.dispatchEvent(new Event('input')) }})()")

    @property
    def status(self) -> str:
        return str(self.ask("document.getElementById('status').textContent"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page in English at 1280×720; Python is loaded once for all tests."""
    folder = build_site(tmp_path_factory.mktemp("playground"))
    browser = Browser(tmp_path_factory.mktemp("profile"))
    with make_server(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            resize(browser, 1280, 720)
            page = Page(browser, f"http://127.0.0.1:{server.server_port}/")
            page.open()
            yield page
        finally:
            server.shutdown()
            browser.close()


@pytest.fixture(autouse=True)
def no_errors_and_no_foreign_requests(page: Page) -> Iterator[None]:
    """The page keeps its policy, its scripts raise nothing, and everything comes from its own folder."""
    page.browser.errors.clear()
    yield
    assert page.browser.errors == []
    origins = (page.address, f"blob:{page.address}", "data:", "about:")
    assert [url for url in page.browser.requests if not url.startswith(origins)] == []


def resize(browser: Browser, width: int, height: int) -> None:
    browser.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)


def test_exercise_20_shows_its_graph_and_each_delta_and_follows_the_sliders(page: Page) -> None:
    """The gradients are those of L = w₃⁴ w₂⁸ x¹⁶, before and after a slider moves; the stepper shows the same numbers."""
    page.ask("(() => { const s = document.getElementById('example'); s.value = 'exercise_20'; s.onchange() })()")
    text = page.run()
    assert "∂L/∂w2 = 82944 " in text
    assert "∂L/∂w3 = 27648 " in text
    assert "δ" in text, "the graph is there as text, for screen readers"
    page.browser.wait(f"{ITEMS}.querySelector('figure.svg img').naturalWidth > 0")
    assert page.ask("document.querySelectorAll('#sliders input').length") == 3
    assert page.ask(f"{ITEMS}.querySelectorAll('iframe[sandbox=\"allow-scripts\"]').length") == 1
    page.move(1.0, 2)  # w3
    page.browser.wait(f"{ITEMS}.textContent.includes('∂L/∂w3 = 1024 ')", PATIENCE)  # 4 w3³ w2⁸ x¹⁶
    assert "∂L/∂w2 = 1024 " in page.finish(), "8 w3⁴ w2⁷ x¹⁶"


def test_the_stepper_runs_in_its_frame_and_keeps_its_step(page: Page) -> None:
    page.run(
        "from autograd_mini import Tensor, playground, viz\nw = Tensor(playground.slider('w', 2.0), requires_grad=True)\nviz.step((w * w) * w)"
    )
    frame = until(lambda: ready_frame(page))
    assert page.browser.run("document.getElementById('title').textContent", frame).startswith("iteration 1")
    page.browser.run("document.getElementById('last').click()", frame)
    last = page.browser.run("document.getElementById('slider').value", frame)
    time.sleep(0.1)
    page.move(1.0)
    page.finish()
    again = until(lambda: ready_frame(page, besides=frame))
    assert page.browser.run("document.getElementById('slider').value", again) == last
    assert "3" in page.browser.run("document.getElementById('lines').textContent", again), "3 w² at w = 1"


def ready_frame(page: Page, besides: str = "") -> str | None:
    """The session of the frame whose stepper has started."""
    for frame in reversed(page.browser.frames):
        if frame != besides:
            try:
                if page.browser.run("!!document.getElementById('title')?.textContent", frame):
                    return frame
            except AssertionError:  # a worker, or a frame that is gone
                continue
    return None


def until(find: Any) -> Any:
    end = time.monotonic() + PATIENCE
    while (found := find()) is None:
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name not in ("exercise_20", "training")])
def test_the_examples_run(page: Page, name: str) -> None:
    page.ask(f"(() => {{ const s = document.getElementById('example'); s.value = {name!r}; s.onchange() }})()")
    page.run()
    assert page.ask(f"{ITEMS}.querySelectorAll('pre.error').length") == 0
    assert page.ask(f"{ITEMS}.querySelectorAll('figure').length") >= 1
    assert page.status.startswith("Done in")


LIBRARY = """
import tempfile, pathlib
import numpy as np
import autograd_mini as ag
from autograd_mini import nn, playground
from autograd_mini.nn.data import DataLoader
print(np.__version__, np.dtype(np.intp))
z = ag.Tensor([[2.0, 0.0, 0.0]], requires_grad=True)
nn.cross_entropy(z, [0]).backward()
print([round(g, 4) for g in z.grad.tolist()[0]], ag.Tensor([1, 2]), ag.Tensor([1, 2]).dtype, ag.arange(3).dtype)
try:
    nn.cross_entropy(z, [5])
except IndexError as error:
    print(error)
path = pathlib.Path(tempfile.mkdtemp()) / "net.safetensors"
net = nn.Linear(3, 2)
nn.save(path, net)
print(sorted(nn.load(path)))
with ag.threads(2), ag.profile() as p:
    loss = net(ag.ones(4, 3)).sum()
print(len(p.rows) > 0)
@ag.jit
def f(x):
    return ag.tanh(x).sum()
print([round(f(ag.ones(3)).item(), 4) for _ in range(3)])
print([x.tolist() for (x,) in DataLoader(np.arange(4.0), batch_size=2, num_workers=2)])
class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)
    def training_step(self, batch):
        return {"loss": nn.mse_loss(self.layer(batch[0]), batch[1])}
x = np.arange(16, dtype=np.float32).reshape(8, 2)
model = Line()
trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.001), callbacks=[playground.LiveCurves()], progress=False)
print(len(trainer.fit(DataLoader(x, x[:, :1], batch_size=4), 3)))
"""


def test_the_library_works_with_32_bit_indices_and_without_threads_and_extra_packages(page: Page) -> None:
    """What a browser lacks: integers of 64 bits as NumPy's default, threads, and the packages that are not pure Python."""
    lines = page.run(LIBRARY).splitlines()
    assert lines[0] == "2.0.2 int32", "this test is about such a NumPy"
    assert lines[1] == "[-0.213, 0.1065, 0.1065] Tensor([1, 2]) int64 int64"
    assert "targets must lie in [0, 3), got 5 to 5" in lines[2]
    assert lines[3:] == ["['bias', 'weight']", "True", "[2.2848, 2.2848, 2.2848]", "[[0.0, 1.0], [2.0, 3.0]]", "3"]
    label = "document.querySelector('.curve-plot').getAttribute('aria-label')"
    page.browser.wait(f"{label}.startsWith('loss: 3 points')", PATIENCE)  # the page draws after the program has ended


def test_stop_ends_an_endless_loop_while_the_page_answers(page: Page) -> None:
    """The curve grows during the loop; after Stop the next program runs."""
    page.type(
        "from autograd_mini import playground\nn = 0\nprint('begin')\nwhile True:\n    n += 1\n    if n % 1000 == 0: playground.curve('n', n)"
    )
    page.press("run")
    page.browser.wait("document.querySelector('.curve-plot polyline') !== null", PATIENCE)
    assert page.ask("document.querySelector('.curve-plot').getAttribute('aria-label')").startswith("n: ")
    assert page.ask(f"{ITEMS}.textContent") == "begin\n"
    assert page.ask("[document.getElementById('run').disabled, document.getElementById('stop').disabled]") == [True, False]
    page.press("stop")
    assert page.ask("[document.getElementById('run').disabled, document.getElementById('stop').disabled]") == [False, True]
    assert page.run("print(6 * 7)") == "42\n"


def test_nothing_of_a_link_runs_before_the_reader_presses_run(page: Page) -> None:
    """Share puts the program into the address; whoever opens it sees the program, and a notice."""
    program = "print('ラベル', 1 + 1)  # ∂L/∂w"
    page.type(program)
    page.press("share")
    page.browser.wait("!document.getElementById('link').hidden")
    address = page.ask("document.getElementById('address').value")
    assert page.ask("location.href") == address
    page.open(address.removeprefix(page.address))
    assert page.ask(page.editor()) == program
    assert "nothing runs until you press Run" in page.ask("document.getElementById('notice').textContent")
    page.browser.wait("document.getElementById('status').textContent === 'Ready.'", PATIENCE)
    assert "ラベル" not in page.ask(f"{ITEMS}.textContent")
    assert page.run() == "ラベル 2\n"
    assert page.ask("document.getElementById('notice').hidden")


@pytest.mark.parametrize("part", ["#program=", "#program=!!!", "#program=S0ktLlGo", "#program=" + fragment("x" * 100)[9:-6]])
def test_a_damaged_link_is_reported(page: Page, part: str) -> None:
    page.ask(f"location.hash = {part!r}")
    page.browser.wait(
        "document.getElementById('notice').textContent.startsWith('The link contains no complete program')", PATIENCE
    )


def test_an_error_shows_its_traceback_and_its_line(page: Page) -> None:
    text = page.run("from autograd_mini import Tensor\n\nTensor([1.0, 2.0]) + Tensor([1.0, 2.0, 3.0])")
    assert 'File "program.py", line 3' in text
    assert page.status == "Error in line 3."
    assert page.ask(f"{ITEMS}.querySelector('pre.error').getAttribute('role')") == "alert"
    assert page.ask("document.getElementById('editor').shadowRoot.querySelector('.wrong-line').textContent").startswith(
        "Tensor([1.0"
    )


def test_text_is_never_markup(page: Page) -> None:
    """Names and outputs that look like HTML stay text, in pictures too."""
    bad = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    text = page.run(
        f"from autograd_mini import Tensor, playground, viz\nprint({bad!r})\nplayground.curve({bad!r}, 1.0)\nviz.draw(Tensor(1.0, name={bad!r}))"
    )
    assert bad in text
    assert page.ask("document.querySelectorAll('#output img[src=x], #output script').length") == 0
    assert page.ask("document.querySelector('.curve-plot').textContent").endswith(f"{bad} 1")


def test_a_program_reaches_no_other_server(page: Page) -> None:
    """Python's door to JavaScript is open, but the policy of the page holds in the worker too."""
    code = "import js\ntry:\n    await_ = js.XMLHttpRequest.new()\n    await_.open('GET', 'http://localhost:9/', False)\n    await_.send()\nexcept Exception as e:\n    print('refused')"
    assert page.run(code) == "refused\n"
    assert any("Content Security Policy" in error for error in page.browser.errors)
    page.browser.errors.clear()
    page.browser.requests[:] = [url for url in page.browser.requests if "localhost:9" not in url]


class WithCors(_Handler):
    """A server whose files pages of other origins may read, as that of Pyodide's packages."""

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()


def test_the_published_page_loads_its_packages_from_the_pinned_address(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only NumPy, and only from there."""
    far = tmp_path / "far"
    far.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(WithCors, directory=str(far))) as packages:
        threading.Thread(target=packages.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{packages.server_port}/"
        monkeypatch.setattr(build, "pins", lambda: {**fetch.pins(), "pyodide_packages": address})
        build.build(tmp_path / "site")
        entry = json.loads((tmp_path / "site" / "pyodide" / "packages.json").read_text())["packages"]["numpy"]
        name = entry["file_name"].removeprefix(address)
        (far / name).write_bytes(fetch.python_package({**entry, "file_name": name}, pyodide_packages()))
        with make_server(tmp_path / "site") as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            published = Page(page.browser, f"http://127.0.0.1:{server.server_port}/")
            published.open()
            assert published.run("import numpy\nprint(numpy.__version__)") == "2.0.2\n"
            server.shutdown()
        packages.shutdown()
    known = (published.address, page.address, "blob:", "data:", "about:")
    assert {url for url in page.browser.requests if not url.startswith(known)} <= {address + name}
    page.browser.requests.clear()
    page.open()


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 844), (320, 568)])
def test_the_page_fits_a_projector_and_a_phone(page: Page, width: int, height: int) -> None:
    """Nothing is cut off at the sides, and the buttons are large enough for a finger."""
    resize(page.browser, width, height)
    try:
        page.run(
            "from autograd_mini import Tensor, playground, viz\nprint('x' * 300)\nviz.draw(Tensor(playground.slider('a long name of a slider', 1.0)) * 2)"
        )
        assert page.ask("document.documentElement.scrollWidth") <= width
        assert page.ask(
            "[...document.querySelectorAll('button, select')].every(b => b.getBoundingClientRect().right <= innerWidth)"
        )
        assert page.ask("[...document.querySelectorAll('.buttons button')].every(b => b.getBoundingClientRect().height >= 36)")
        if width > 800:
            assert page.ask("document.documentElement.scrollHeight") <= height, "the parts scroll, not the page"
    finally:
        resize(page.browser, 1280, 720)


def test_everything_works_by_keyboard_and_has_a_name(page: Page) -> None:
    """Ctrl+Enter runs from the editor, Esc and Tab leave it, and each control has an accessible name."""
    page.type("from autograd_mini import playground\nprint(playground.slider('w', 0.5))")
    page.ask("document.getElementById('editor').shadowRoot.querySelector('.cm-content').focus()")
    for kind in ("keyDown", "keyUp"):
        page.browser.send("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, modifiers=2)
    page.browser.wait(f"{ITEMS}.textContent === '0.5\\n'", PATIENCE)
    assert page.ask("document.activeElement.id") == "editor"
    for key, number in (("Escape", 27), ("Tab", 9)):
        for kind in ("keyDown", "keyUp"):
            page.browser.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=number)
    assert page.ask("document.activeElement.id") != "editor"
    page.browser.send("Accessibility.enable")
    nodes = page.browser.send("Accessibility.getFullAXTree")["nodes"]
    controls = [n for n in nodes if not n.get("ignored") and n["role"]["value"] in ("button", "slider", "combobox", "textbox")]
    assert {n["role"]["value"] for n in controls} >= {"button", "slider", "combobox", "textbox"}
    assert [n for n in controls if not n["name"]["value"]] == []


def test_the_page_speaks_japanese(page: Page) -> None:
    """The texts, the examples and the pictures; the choice lasts."""
    page.open()
    page.press("language")
    try:
        assert page.ask("document.documentElement.lang") == "ja"
        assert page.ask("document.getElementById('run').textContent") == "実行"
        assert page.ask(page.editor()).startswith("# 課題 20")
        assert "手計算" in page.run()
        assert "秒で終了しました" in page.status
        page.open()
        assert page.ask("document.documentElement.lang") == "ja"
    finally:
        page.press("language")
    assert page.ask("document.getElementById('run').textContent") == "Run"
