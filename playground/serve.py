"""A web server for the page, on this computer only."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

TYPES: Final = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm", ".whl": "application/zip"}


class _Handler(SimpleHTTPRequestHandler):
    """Serves files with the types that browsers require, whatever the system's table says."""

    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, **TYPES}  # noqa: RUF012

    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing."""


def make_server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """Returns a server of a folder at 127.0.0.1 that is not running yet; port 0 is any free one.

    >>> import pathlib, tempfile
    >>> from autograd_mini.playground.serve import make_server
    >>> with make_server(pathlib.Path(tempfile.mkdtemp())) as server:
    ...     server.server_port > 0
    True
    """
    return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(folder)))


def serve(folder: Path, port: int) -> None:
    """Serves a folder until Ctrl-C."""
    with make_server(folder, port) as server:
        print(f"the playground is at http://127.0.0.1:{server.server_port}/  (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
