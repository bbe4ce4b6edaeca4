"""`Plot`: what every plot function returns, a matplotlib figure that notebooks show. This module imports matplotlib."""

from __future__ import annotations

import io
from typing import Any, Final

from matplotlib.figure import Figure

from autograd_mini.tools.plain_text import for_stdout

from ..show import image_page, show_in_browser, show_in_notebook
from .texts import repair_texts

RESOLUTION: Final = 150  # dots per inch of saved files and in notebooks


class Plot(Figure):
    """A figure that appears as the last line of a notebook cell; `show()` opens it from anywhere else.

    It is independent of pyplot: nothing stays open, and no other figure changes. `savefig`, `axes` and everything else of a
    matplotlib figure work.
    """

    def _repr_png_(self) -> bytes:
        repair_texts(self)
        return render(self, "png")

    def __repr__(self) -> str:
        width, height = (round(inches * RESOLUTION) for inches in self.get_size_inches())
        titles = [axes.get_title() for axes in self.axes] + [axes.get_ylabel() for axes in self.axes]
        return for_stdout(f"<Plot {width}×{height} {next(filter(None, titles), '')}".rstrip() + ">")

    __str__ = __repr__

    def show(self, warn: bool = True) -> None:
        """Shows the figure in the notebook, or else in a web browser."""
        if not show_in_notebook(self):
            show_in_browser(image_page(self._repr_png_(), "image/png", repr(self)[1:-1]))


def render(figure: Any, suffix: str, dpi: int = RESOLUTION) -> bytes:
    """Returns the bytes of a figure in this format."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix, dpi=dpi)
    return buffer.getvalue()
