"""A headless Chromium for tests, controlled through the DevTools pipe with the standard library alone."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe", "--window-size=1280,900",
)  # fmt: skip
# The browser reads commands from descriptor 3 and writes to 4.
LAUNCH = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
TIMEOUT = 60.0  # seconds for an answer on a busy machine


class Browser:
    """One tab of the browser. `requests` are the addresses that it requested, `errors` the errors of its pages."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM
        ends = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for pair in (os.pipe(), os.pipe()) for fd in pair]
        theirs_in, self._out, self._in, theirs_out = ends
        arguments = [str(theirs_in), str(theirs_out), CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, *arguments],
            pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer, self._sent, self._session = b"", 0, ""
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.frames: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        self.send("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=False, flatten=True)

    def send(self, method: str, frame: str = "", **params: Any) -> dict[str, Any]:
        """Sends a command to the tab, or to one of its `frames`, and returns the result."""
        self._sent += 1
        message: dict[str, Any] = {"id": self._sent, "method": method, "params": params}
        if frame or self._session:
            message["sessionId"] = frame or self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._sent:
                assert "error" not in answer, answer
                return answer["result"]

    def _receive(self) -> dict[str, Any]:
        end = time.monotonic() + TIMEOUT
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(end - time.monotonic(), 0))
            assert ready, f"the browser did not answer in {TIMEOUT} s"
            data = os.read(self._in, 1 << 20)
            assert data, "the browser closed the connection"
            self._buffer += data
        text, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(text)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif method == "Target.attachedToTarget" and self._session:
            self.frames.append(params["sessionId"])

    def open(self, path: Path, fragment: str = "") -> None:
        """Loads a file again, even if only the fragment of the address differs."""
        self.visit(path.as_uri() + fragment)

    def visit(self, url: str) -> None:
        """Loads an address again, even if only its fragment differs."""
        for address in ("about:blank", url):
            self.send("Page.navigate", url=address)
        scheme = url.partition(":")[0]
        while self.run("location.protocol + document.readyState") != f"{scheme}:complete":
            time.sleep(0.01)

    def wait(self, script: str, timeout: float = TIMEOUT) -> Any:
        """Returns the value of a JavaScript expression as soon as it is true; AssertionError after `timeout` seconds."""
        end = time.monotonic() + timeout
        while not (value := self.run(script)):
            assert time.monotonic() < end, f"still not true after {timeout} s: {script}; errors: {self.errors}"
            time.sleep(0.05)
        return value

    def run(self, script: str, frame: str = "") -> Any:
        """Returns the value of a JavaScript expression."""
        result = self.send("Runtime.evaluate", frame, expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def media(self, **features: str) -> None:
        """Emulates user preferences, such as prefers_color_scheme="dark"."""
        pairs = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.send("Emulation.setEmulatedMedia", features=pairs)

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(TIMEOUT)
        os.close(self._in)
        os.close(self._out)
