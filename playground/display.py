"""Turns a value into an event that the page can show. It asks values as notebooks do, so it depends on no library."""

from __future__ import annotations

import base64
import io
from typing import Any

MOST_CHARACTERS = 20_000  # of a text


def as_event(value: Any) -> dict[str, Any]:
    """Returns a picture (svg, png), a page (html) or text, with a text for readers who do not see the picture.

    >>> from autograd_mini.playground.display import as_event
    >>> as_event([1, 2])
    {'kind': 'text', 'text': '[1, 2]\\n'}
    """
    bundle = _mime_bundle(value)
    may_be_page = "text/html" in bundle or not hasattr(value, "_repr_mimebundle_")
    if may_be_page and isinstance(getattr(value, "html", None), str):  # a picture whose modules fold, or a stepper
        return {"kind": "page", "html": value.html}
    if "image/svg+xml" in bundle:
        return {"kind": "svg", "svg": bundle["image/svg+xml"], "alt": str(value)}
    if "image/png" in bundle:
        return _png(bundle["image/png"], value)
    if hasattr(value, "savefig"):  # a figure of matplotlib
        buffer = io.BytesIO()
        value.savefig(buffer, format="png", dpi=100, bbox_inches="tight")
        return _png(buffer.getvalue(), value)
    text = bundle.get("text/plain") or repr(value)
    shortened = text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + " …"
    return {"kind": "text", "text": shortened + "\n"}


def _mime_bundle(value: Any) -> dict[str, Any]:
    """Returns what the value offers a notebook, by type."""
    if isinstance(value, type):
        return {}
    if callable(method := getattr(value, "_repr_mimebundle_", None)):
        found = method()
        return dict(found[0] if isinstance(found, tuple) else found or {})
    offers = {"image/svg+xml": "_repr_svg_", "image/png": "_repr_png_"}
    made = {kind: getattr(value, name)() for kind, name in offers.items() if callable(getattr(value, name, None))}
    return {kind: data for kind, data in made.items() if data is not None}


def _png(data: bytes | str, value: Any) -> dict[str, Any]:
    text = data if isinstance(data, str) else base64.b64encode(data).decode()
    return {"kind": "png", "png": text, "alt": _describe_figure(value)}


def _describe_figure(figure: Any) -> str:
    """Returns the titles and the labels of the axes of a figure: what its picture is about."""
    axes = getattr(figure, "axes", None) or []
    texts = [text for a in axes for text in (a.get_title(), a.get_ylabel(), a.get_xlabel()) if text]
    return " · ".join(dict.fromkeys(texts)) or type(figure).__name__
