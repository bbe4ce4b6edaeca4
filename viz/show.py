"""`show`: pictures appear in the notebook, or else in a web browser."""

from __future__ import annotations

import base64
import html
import json
import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import Any

from .language import get_language, translate


def show_in_notebook(picture: object) -> bool:
    """Displays an object in the running notebook; returns False if the program does not run in one."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if getattr(shell, "kernel", None) is None:
        return False
    ipython.display.display(picture)
    return True


def show_in_browser(page: str) -> None:
    """Opens a page of HTML in the default web browser, from a temporary file. Without a browser, prints the file's name."""
    with tempfile.NamedTemporaryFile("w", suffix=".html", prefix="autograd-mini-", encoding="utf-8", delete=False) as file:
        file.write(page)
    try:
        opened = webbrowser.open(Path(file.name).as_uri())
    except webbrowser.Error:
        opened = False
    if not opened:
        print(translate("no web browser was found; the picture is in {file}", file=file.name))


def image_page(image: bytes, media_type: str, title: str) -> str:
    """Returns a page that shows one image, no larger than the window.

    >>> from autograd_mini.viz.show import image_page
    >>> "data:image/png;base64,AAA=" in image_page(bytes(2), "image/png", "losses")
    True
    """
    name, data = html.escape(title), base64.b64encode(image).decode()
    return (
        f'<!DOCTYPE html>\n<html lang="{get_language()}"><head><meta charset="utf-8"><title>{name}</title>\n'
        "<style>body { margin: 0; display: grid; place-items: center; min-height: 100vh; background: #fff }"
        " img { max-width: 100vw; max-height: 100vh }</style></head>\n"
        f'<body><img alt="{name}" src="data:{media_type};base64,{data}"></body></html>\n'
    )


def embed_json(data: object) -> str:
    """Returns JSON that is safe inside a script element: no string in it can end the element or open a comment.

    >>> from autograd_mini.viz.show import embed_json
    >>> embed_json("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(data, ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode("utf-8", "replace").decode()
